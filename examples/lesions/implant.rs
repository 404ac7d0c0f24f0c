//! Implants microaneurysms of the measured kind into a normal retina.
//!
//! A pixel of the detail they were measured on is taken as a pixel of the photograph: neither file
//! states the size of a pixel on the retina. The optic disc supports this: it is about 200 pixels
//! high in the photograph and 1.8 mm in most eyes, which makes the implants 30 to 40 µm wide at
//! half their depth. An implant is a dark Gaussian, smoother than a real lesion, and has not been
//! through the camera's compression.

use image::{GrayImage, Luma};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use crate::microaneurysm::Microaneurysm;
use crate::retina::Retina;

/// A pixel is labelled lesion if its darkening is above this part of the depth at the centre: out
/// to 1.67 standard deviations.
const LABEL_LEVEL: f32 = 0.25;
/// Smallest part of the depth that an implant takes; the largest is all of it. The measured spots
/// are textbook examples, and fainter ones are the rule.
const FAINTEST: f32 = 0.25;
/// Pixels between the centres of two implants.
const SEPARATION: f32 = 15.0;
/// Standard deviations after which the darkening is below the camera's step.
const REACH: f32 = 4.0;

/// A retina with lesions in known places.
pub struct Implanted {
    /// The photograph with the lesions in it.
    pub retina: Retina,
    /// 1 at the pixels of a lesion, 0 elsewhere.
    pub labels: GrayImage,
    /// The lesions; the even ones are in the left half, the odd in the right.
    pub lesions: Vec<Microaneurysm>,
}

/// Implants lesions, in turns left and right of the middle column, until
/// `fraction` of the field of view is labelled lesion.
pub fn implant(retina: &Retina, measured: &[Microaneurysm], fraction: f32, seed: u64) -> Implanted {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut result = Implanted {
        retina: retina.clone(),
        labels: GrayImage::new(retina.green.width(), retina.green.height()),
        lesions: Vec::new(),
    };
    let wanted = (retina.area() as f32 * fraction) as usize;
    let mut labelled = 0;
    while labelled < wanted || !result.lesions.len().is_multiple_of(2) {
        let lesion = draw_lesion(&result, measured, &mut random);
        labelled += result.add(lesion);
    }
    result
}

/// Draws a lesion. Depth and radius lie between the measured ones; the place is uniform over the
/// field of view of the half whose turn it is.
fn draw_lesion(
    so_far: &Implanted,
    measured: &[Microaneurysm],
    random: &mut Xoshiro256PlusPlus,
) -> Microaneurysm {
    let first = measured[random.random_range(0..measured.len())];
    let second = measured[random.random_range(0..measured.len())];
    let mix: f32 = random.random();
    let between = |a: f32, b: f32| a + (b - a) * mix;
    let faintness: f32 = random.random_range(FAINTEST..1.0);
    let (x, y) = draw_place(so_far, random);
    Microaneurysm {
        x,
        y,
        depth: between(first.depth, second.depth) * faintness,
        radius: between(first.radius, second.radius),
    }
}

fn draw_place(so_far: &Implanted, random: &mut Xoshiro256PlusPlus) -> (f32, f32) {
    let (width, height) = so_far.labels.dimensions();
    let middle = (width / 2) as f32;
    let columns = if so_far.lesions.len().is_multiple_of(2) { 0.0..middle } else { middle..width as f32 };
    loop {
        let x = random.random_range(columns.clone());
        let y = random.random_range(0.0..height as f32);
        let is_apart = |lesion: &Microaneurysm| (lesion.x - x).hypot(lesion.y - y) > SEPARATION;
        let off_middle = (x - middle).abs() > SEPARATION;
        if off_middle && so_far.retina.contains(x as u32, y as u32) && so_far.lesions.iter().all(is_apart) {
            return (x, y);
        }
    }
}

impl Implanted {
    /// Darkens the photograph and labels its pixels; returns how many.
    fn add(&mut self, lesion: Microaneurysm) -> usize {
        let reach = REACH * lesion.radius;
        let mut labelled = 0;
        for y in (lesion.y - reach) as u32..=(lesion.y + reach) as u32 {
            for x in (lesion.x - reach) as u32..=(lesion.x + reach) as u32 {
                let darkening = lesion.darkening(x as f32, y as f32);
                let green = &mut self.retina.green.get_pixel_mut(x, y).0[0];
                *green = (f32::from(*green) * (1.0 - darkening)).round() as u8;
                if darkening > LABEL_LEVEL * lesion.depth {
                    self.labels.put_pixel(x, y, Luma([1]));
                    labelled += 1;
                }
            }
        }
        self.lesions.push(lesion);
        labelled
    }
}
