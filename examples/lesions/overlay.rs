//! A part of the held-out half with the marks of the classifiers on it, side by side.

use std::error::Error;
use std::path::Path;

use image::imageops::{FilterType, crop_imm, overlay, resize};
use image::{GrayImage, Rgb, RgbImage};
use imageproc::drawing::draw_hollow_circle_mut;
use plotters::prelude::*;

use crate::evaluation::threshold_for;
use crate::implant::Implanted;
use crate::microaneurysm::Microaneurysm;
use crate::picture::{FONT, save};
use crate::training::Half;

const PANELS: usize = 3;
/// Side, in pixels, of the part that is shown.
const PART: u32 = 240;
const ZOOM: u32 = 3;
const PANEL: u32 = PART * ZOOM;
const GAP: u32 = 16;
const HEADER: u32 = 56;
const FOOTER: u32 = 48;
const SIZE: (u32, u32) = (PANELS as u32 * (PANEL + GAP) + GAP, HEADER + PANEL + FOOTER);
/// Radius, in pixels, of the circles around the true lesions.
const CIRCLE: f32 = 9.0;

const FOUND: Rgb<u8> = Rgb([60, 220, 90]);
const FALSE_ALARM: Rgb<u8> = Rgb([240, 60, 50]);
const MISSED: Rgb<u8> = Rgb([255, 210, 0]);
const TRUE_LESION: Rgb<u8> = Rgb([90, 190, 255]);

/// One panel of the picture.
pub struct Panel<'a> {
    /// Title above the panel.
    pub title: String,
    /// A classifier's score of each pixel of the half; `None` for the photograph alone.
    pub scores: Option<&'a [f32]>,
}

/// Draws the panels and writes them as PNG. Each classifier marks as many
/// pixels as the half has lesion pixels, so that all are equally generous.
pub fn draw(
    image: &Implanted,
    half: &Half,
    panels: &[Panel<'_>; PANELS],
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let corner = richest_part(half, &image.lesions);
    let mut picture = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([255; 3]));
    for (index, panel) in (0_u32..).zip(panels) {
        let drawn = draw_panel(image, half, panel.scores, corner);
        let left = GAP + index * (PANEL + GAP);
        overlay(&mut picture, &drawn, i64::from(left), i64::from(HEADER));
    }
    write_texts(&mut picture, panels)?;
    save(&picture, path)
}

/// The corner of the part, wholly inside the half, with the most lesions.
fn richest_part(half: &Half, lesions: &[Microaneurysm]) -> (u32, u32) {
    let columns = half.places.iter().map(|place| place.0);
    let rows = half.places.iter().map(|place| place.1);
    let (Some(left), Some(right)) = (columns.clone().min(), columns.max()) else {
        return (0, 0);
    };
    let (top, bottom) = (rows.clone().min().unwrap_or(0), rows.max().unwrap_or(0));
    let inside = |lesion: &Microaneurysm, x: u32, y: u32| {
        let range = CIRCLE..PART as f32 - CIRCLE;
        range.contains(&(lesion.x - x as f32)) && range.contains(&(lesion.y - y as f32))
    };
    (top..bottom.saturating_sub(PART).max(top + 1))
        .step_by(10)
        .flat_map(|y| (left..right.saturating_sub(PART).max(left + 1)).step_by(10).map(move |x| (x, y)))
        .max_by_key(|&(x, y)| lesions.iter().filter(|lesion| inside(lesion, x, y)).count())
        .unwrap_or((left, top))
}

fn draw_panel(image: &Implanted, half: &Half, scores: Option<&[f32]>, corner: (u32, u32)) -> RgbImage {
    let mut photo = stretched(&image.retina.green, corner);
    if let Some(scores) = scores {
        mark(&mut photo, half, scores, corner);
    }
    let mut panel = resize(&photo, PANEL, PANEL, FilterType::Nearest);
    for lesion in &image.lesions {
        draw_circle(&mut panel, lesion, corner);
    }
    panel
}

fn mark(photo: &mut RgbImage, half: &Half, scores: &[f32], corner: (u32, u32)) {
    let threshold = threshold_for(scores, half.positives());
    for ((&(x, y), &label), &score) in half.places.iter().zip(&half.labels).zip(scores) {
        // Left of or above the part, the difference wraps to a large number.
        let (x, y) = (x.wrapping_sub(corner.0), y.wrapping_sub(corner.1));
        if x < PART && y < PART {
            match (label == 1, score >= threshold) {
                (true, true) => photo.put_pixel(x, y, FOUND),
                (false, true) => photo.put_pixel(x, y, FALSE_ALARM),
                (true, false) => photo.put_pixel(x, y, MISSED),
                (false, false) => (),
            }
        }
    }
}

/// The part in grey, with its darkest and brightest values spread to the full
/// range.
fn stretched(green: &GrayImage, corner: (u32, u32)) -> RgbImage {
    let part = crop_imm(green, corner.0, corner.1, PART, PART).to_image();
    let darkest = part.as_raw().iter().min().copied().map_or(0.0, f32::from);
    let brightest = part.as_raw().iter().max().copied().map_or(255.0, f32::from);
    let scale = 255.0 / (brightest - darkest).max(1.0);
    RgbImage::from_fn(part.width(), part.height(), |x, y| {
        let value = f32::from(part.get_pixel(x, y).0[0]);
        Rgb([((value - darkest) * scale) as u8; 3])
    })
}

fn draw_circle(panel: &mut RgbImage, lesion: &Microaneurysm, corner: (u32, u32)) {
    let place = |at: f32, corner: u32| ((at - corner as f32 + 0.5) * ZOOM as f32).round() as i32;
    let centre = (place(lesion.x, corner.0), place(lesion.y, corner.1));
    let radius = (CIRCLE * ZOOM as f32) as i32;
    for width in 0..2 {
        draw_hollow_circle_mut(panel, centre, radius + width, TRUE_LESION);
    }
}

fn write_texts(picture: &mut RgbImage, panels: &[Panel<'_>; PANELS]) -> Result<(), Box<dyn Error>> {
    let area = BitMapBackend::with_buffer(picture.as_mut(), SIZE).into_drawing_area();
    for (index, panel) in (0_u32..).zip(panels) {
        let left = (GAP + index * (PANEL + GAP)) as i32;
        area.draw(&Text::new(panel.title.as_str(), (left, 16), (FONT, 28)))?;
    }
    let mut left = GAP as i32;
    for (colour, text) in [
        (TRUE_LESION, "implanted lesion"),
        (FOUND, "lesion pixel, marked"),
        (MISSED, "lesion pixel, not marked"),
        (FALSE_ALARM, "false alarm"),
    ] {
        let top = (HEADER + PANEL + 14) as i32;
        let [red, green, blue] = colour.0;
        let style = RGBColor(red, green, blue).filled();
        area.draw(&Rectangle::new([(left, top), (left + 20, top + 20)], style))?;
        area.draw(&Text::new(text, (left + 30, top), (FONT, 22)))?;
        left += 60 + 12 * text.len() as i32;
    }
    area.present()?;
    Ok(())
}
