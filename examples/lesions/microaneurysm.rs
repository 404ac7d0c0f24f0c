//! Measures microaneurysms on a photograph that shows two.

use std::error::Error;
use std::f32::consts::TAU;
use std::path::Path;

use image::GrayImage;
use imageproc::filter::gaussian_blur_f32;

/// Radius, in pixels, of the ring with which a spot is compared.
const RING: f32 = 6.0;
const DIRECTIONS: usize = 16;
/// Radius, in pixels, of the disc in which a spot is fitted.
const FIT_RADIUS: f32 = 5.0;
/// Radii, in pixels, of the annulus whose median is the local background.
const BACKGROUND: std::ops::Range<f32> = 7.0..11.0;
/// Pixels between one spot and the next.
const SEPARATION: f32 = 12.0;

/// A round dark spot: brightness is the background times
/// `1 - depth * exp(-r² / (2 radius²))` at distance `r` from the centre.
#[derive(Clone, Copy, Debug)]
pub struct Microaneurysm {
    /// Centre, in pixels.
    pub x: f32,
    /// Centre, in pixels.
    pub y: f32,
    /// Darkening at the centre relative to the local background, 0 to 1.
    pub depth: f32,
    /// Standard deviation of the Gaussian, in pixels.
    pub radius: f32,
}

impl Microaneurysm {
    /// The darkening at a pixel relative to the background.
    pub fn darkening(&self, x: f32, y: f32) -> f32 {
        let square = (x - self.x).powi(2) + (y - self.y).powi(2);
        self.depth * (-square / (2.0 * self.radius.powi(2))).exp()
    }

    /// The full width at half the depth, in pixels.
    pub fn width(&self) -> f32 {
        2.0 * (2.0 * 2.0_f32.ln()).sqrt() * self.radius
    }
}

/// A fitted profile and the quality of the fit.
pub struct Measurement {
    /// The fitted spot.
    pub spot: Microaneurysm,
    /// Root mean square of measured minus fitted relative depth.
    pub residual: f32,
}

/// Finds the `count` most spot-like places of a photograph and fits them.
pub fn measure(path: &Path, count: usize) -> Result<Vec<Measurement>, Box<dyn Error>> {
    let image = image::open(path).map_err(|error| format!("{}: {error}", path.display()))?.to_luma8();
    let spots = find_spots(&image, count);
    if spots.len() < count {
        return Err(format!("{}: {} spots of {count} found", path.display(), spots.len()).into());
    }
    Ok(spots.iter().map(|&(x, y)| fit(&image, x, y)).collect())
}

/// Finds the places that are darkest against the darkest point of a ring around them. A vessel is
/// dark along its ring too, so this tells spots from vessels.
fn find_spots(image: &GrayImage, count: usize) -> Vec<(u32, u32)> {
    let smooth = gaussian_blur_f32(image, 1.0);
    let border = BACKGROUND.end.ceil() as u32;
    let mut candidates = Vec::new();
    for y in border..image.height().saturating_sub(border) {
        for x in border..image.width().saturating_sub(border) {
            candidates.push((ring_minimum(&smooth, x, y) - brightness(&smooth, x, y), x, y));
        }
    }
    candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut spots: Vec<(u32, u32)> = Vec::new();
    for (_, x, y) in candidates {
        if spots.len() < count && spots.iter().all(|&spot| distance(spot, (x, y)) > SEPARATION) {
            spots.push((x, y));
        }
    }
    spots
}

fn ring_minimum(image: &GrayImage, x: u32, y: u32) -> f32 {
    (0..DIRECTIONS)
        .map(|direction| {
            let (sine, cosine) = (TAU * direction as f32 / DIRECTIONS as f32).sin_cos();
            let ring_x = (x as f32 + RING * cosine).round() as u32;
            let ring_y = (y as f32 + RING * sine).round() as u32;
            brightness(image, ring_x, ring_y)
        })
        .fold(f32::INFINITY, f32::min)
}

fn brightness(image: &GrayImage, x: u32, y: u32) -> f32 {
    f32::from(image.get_pixel(x, y).0[0])
}

fn distance(a: (u32, u32), b: (u32, u32)) -> f32 {
    (a.0 as f32 - b.0 as f32).hypot(a.1 as f32 - b.1 as f32)
}

/// Fits a Gaussian by least squares: the centre is the centroid of the
/// darkening, the radius is searched, and the depth then has a closed form.
fn fit(image: &GrayImage, x: u32, y: u32) -> Measurement {
    let background = median(values(image, x as f32, y as f32, BACKGROUND));
    let depth_at = |value: f32| 1.0 - value / background;
    let mut centre = [0.0; 3];
    for (px, py, value) in pixels(image, x as f32, y as f32, 0.0..3.0) {
        let weight = depth_at(value).max(0.0);
        centre[0] += weight * px;
        centre[1] += weight * py;
        centre[2] += weight;
    }
    let (x, y) = (centre[0] / centre[2], centre[1] / centre[2]);
    let profile: Vec<_> = pixels(image, x, y, 0.0..FIT_RADIUS)
        .map(|(px, py, value)| ((px - x).powi(2) + (py - y).powi(2), depth_at(value)))
        .collect();
    let (radius, depth, residual) = (10..=80)
        .map(|step| fit_depth(&profile, step as f32 * 0.05))
        .min_by(|a, b| a.2.total_cmp(&b.2))
        .expect("the range of radii is not empty");
    let spot = Microaneurysm { x, y, depth, radius };
    Measurement { spot, residual }
}

/// The depth that fits best at a given radius: `(radius, depth, residual)`.
/// The profile is a list of `(squared distance, relative depth)`.
fn fit_depth(profile: &[(f32, f32)], radius: f32) -> (f32, f32, f32) {
    let shape = |square: f32| (-square / (2.0 * radius.powi(2))).exp();
    let product: f32 = profile.iter().map(|&(square, depth)| shape(square) * depth).sum();
    let norm: f32 = profile.iter().map(|&(square, _)| shape(square).powi(2)).sum();
    let depth = product / norm;
    let error: f32 =
        profile.iter().map(|&(square, measured)| (measured - depth * shape(square)).powi(2)).sum();
    (radius, depth, (error / profile.len() as f32).sqrt())
}

fn values(image: &GrayImage, x: f32, y: f32, range: std::ops::Range<f32>) -> Vec<f32> {
    pixels(image, x, y, range).map(|(_, _, value)| value).collect()
}

/// The pixels whose distance from a point lies in a range, with their values.
fn pixels(
    image: &GrayImage,
    x: f32,
    y: f32,
    range: std::ops::Range<f32>,
) -> impl Iterator<Item = (f32, f32, f32)> {
    image.enumerate_pixels().filter_map(move |(px, py, value)| {
        let (px, py) = (px as f32, py as f32);
        range.contains(&(px - x).hypot(py - y)).then(|| (px, py, f32::from(value.0[0])))
    })
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}
