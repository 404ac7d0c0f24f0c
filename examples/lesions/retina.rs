//! The photograph and the part of it that shows the retina.

use std::error::Error;
use std::path::Path;

use image::{GrayImage, Luma};
use imageproc::contrast::{ThresholdType, threshold};
use imageproc::distance_transform::Norm;
use imageproc::morphology::{erode, open};

/// Green values up to this are the black surround of the photograph.
const SURROUND_LEVEL: u8 = 15;
/// Radius in pixels, larger than the camera's orientation tab, which the opening removes.
const OPENING_RADIUS: u8 = 60;
/// Width, in pixels, of the edge that is left out: filters see the surround there.
const MARGIN: u8 = 12;

/// A fundus photograph reduced to its green channel, in which blood and
/// therefore vessels and microaneurysms are darkest.
#[derive(Clone)]
pub struct Retina {
    /// The green channel.
    pub green: GrayImage,
    /// 255 inside the field of view, 0 outside.
    pub field: GrayImage,
}

impl Retina {
    /// Reads a colour photograph and finds its field of view.
    pub fn open(path: &Path) -> Result<Self, Box<dyn Error>> {
        let photo = image::open(path).map_err(|error| format!("{}: {error}", path.display()))?.to_rgb8();
        let green =
            GrayImage::from_fn(photo.width(), photo.height(), |x, y| Luma([photo.get_pixel(x, y).0[1]]));
        let field = field_of_view(&green);
        Ok(Self { green, field })
    }

    /// Returns whether a pixel shows the retina.
    pub fn contains(&self, x: u32, y: u32) -> bool {
        self.field.get_pixel(x, y).0[0] != 0
    }

    /// The number of pixels that show the retina.
    pub fn area(&self) -> usize {
        self.field.pixels().filter(|pixel| pixel.0[0] != 0).count()
    }
}

fn field_of_view(green: &GrayImage) -> GrayImage {
    let bright = threshold(green, SURROUND_LEVEL, ThresholdType::Binary);
    erode(&open(&bright, Norm::L2, OPENING_RADIUS), Norm::L2, MARGIN)
}
