//! Features of a pixel for the classifier: filters at several scales.

use image::{ImageBuffer, Luma};
use imageproc::filter::gaussian_blur_f32;
use imageproc::morphology::{Mask, grayscale_close};
use ndarray::Array2;
use rayon::prelude::*;

use crate::retina::Retina;

type FloatImage = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The scale, in pixels, of the average that brightness is taken relative to.
const BACKGROUND_SCALE: f32 = 20.0;
/// Grey levels per unit of relative contrast, for the filters that work on bytes.
const GREY_LEVELS: f32 = 250.0;

/// The number of features of a pixel.
pub const FEATURES: usize = 10;

/// One image per feature, of the photograph's size.
pub struct Features {
    images: Vec<FloatImage>,
}

impl Features {
    /// Computes all features of a photograph.
    pub fn of(retina: &Retina) -> Self {
        let contrast = relative_contrast(retina);
        let [fine, small, medium, large] = blurs(&contrast, [1.0, 2.0, 4.0, 8.0]);
        let (spot, ridge) = curvatures(&small);
        let mut images = vec![
            difference(&fine, &small),
            difference(&small, &medium),
            difference(&medium, &large),
            local_deviation(&contrast),
            gradient(&fine),
            spot,
            ridge,
        ];
        images.extend(top_hats(&contrast, [3, 6]));
        images.push(fine);
        assert_eq!(images.len(), FEATURES, "one image a feature");
        Self { images }
    }

    /// One row per feature, one column per pixel of `places`.
    pub fn table(&self, places: &[(u32, u32)]) -> Array2<f32> {
        Array2::from_shape_fn((FEATURES, places.len()), |(feature, pixel)| {
            let (x, y) = places[pixel];
            self.images[feature].get_pixel(x, y).0[0]
        })
    }
}

/// Shifts and scales every feature to mean 0 and deviation 1 on the first
/// table, and the second table by the same amounts.
pub fn normalise(training: &mut Array2<f32>, held_out: &mut Array2<f32>) {
    for feature in 0..FEATURES {
        let values = training.row(feature).mapv(f64::from);
        let mean = values.mean().unwrap_or(0.0);
        let deviation = values.std(0.0).max(f64::MIN_POSITIVE);
        for table in [&mut *training, &mut *held_out] {
            table.row_mut(feature).mapv_inplace(|value| ((f64::from(value) - mean) / deviation) as f32);
        }
    }
}

/// Brightness over its local average, minus 1; 0 outside the field of view. The average is over
/// pixels of the field only, so its edge casts no shadow.
fn relative_contrast(retina: &Retina) -> FloatImage {
    let inside = map(&retina.field, |value| f32::from(u8::from(value != 0)));
    let bright = map(&retina.green, f32::from);
    let masked = combine(&bright, &inside, |value, weight| value * weight);
    let (sum, weight) = rayon::join(
        || gaussian_blur_f32(&masked, BACKGROUND_SCALE),
        || gaussian_blur_f32(&inside, BACKGROUND_SCALE),
    );
    let average = combine(&sum, &weight, |sum, weight| sum / weight.max(1e-6));
    let ratio = combine(&masked, &average, |value, average| value / average.max(1.0));
    combine(&ratio, &inside, |ratio, weight| (ratio - 1.0) * weight)
}

fn blurs<const N: usize>(image: &FloatImage, scales: [f32; N]) -> [FloatImage; N] {
    let mut blurred: Vec<_> = scales.par_iter().map(|&scale| gaussian_blur_f32(image, scale)).collect();
    std::array::from_fn(|index| std::mem::take(&mut blurred[index]))
}

/// A difference of Gaussians: the change between two scales.
fn difference(finer: &FloatImage, coarser: &FloatImage) -> FloatImage {
    combine(finer, coarser, |finer, coarser| finer - coarser)
}

/// The standard deviation of contrast around a pixel.
fn local_deviation(contrast: &FloatImage) -> FloatImage {
    const SCALE: f32 = 4.0;
    let squares = combine(contrast, contrast, |a, b| a * b);
    let (mean, mean_square) =
        rayon::join(|| gaussian_blur_f32(contrast, SCALE), || gaussian_blur_f32(&squares, SCALE));
    combine(&mean, &mean_square, |mean, square| (square - mean * mean).max(0.0).sqrt())
}

/// The length of the gradient, by central differences.
fn gradient(image: &FloatImage) -> FloatImage {
    stencil(image, |at| {
        let horizontal = (at(1, 0) - at(-1, 0)) / 2.0;
        let vertical = (at(0, 1) - at(0, -1)) / 2.0;
        horizontal.hypot(vertical)
    })
}

/// The smaller and the larger curvature (eigenvalues of the Hessian). At a dark spot both are
/// large; on a dark vessel only the one across it is.
fn curvatures(image: &FloatImage) -> (FloatImage, FloatImage) {
    let eigenvalue = |sign: f32| {
        stencil(image, |at| {
            let xx = at(1, 0) - 2.0 * at(0, 0) + at(-1, 0);
            let yy = at(0, 1) - 2.0 * at(0, 0) + at(0, -1);
            let xy = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4.0;
            (xx + yy) / 2.0 + sign * ((xx - yy) / 2.0).hypot(xy)
        })
    };
    (eigenvalue(-1.0), eigenvalue(1.0))
}

/// Black top-hats: the morphological closing minus the image, which leaves dark parts smaller than
/// a disc of the given radius.
fn top_hats<const N: usize>(contrast: &FloatImage, radii: [u8; N]) -> Vec<FloatImage> {
    let grey = map(contrast, |value| (128.0 + GREY_LEVELS * value).round().clamp(0.0, 255.0) as u8);
    radii
        .par_iter()
        .map(|&radius| {
            let closed = grayscale_close(&grey, &Mask::disk(radius));
            combine(&closed, &grey, |closed, grey| (f32::from(closed) - f32::from(grey)) / GREY_LEVELS)
        })
        .collect()
}

fn map<A, B>(image: &ImageBuffer<Luma<A>, Vec<A>>, function: impl Fn(A) -> B) -> ImageBuffer<Luma<B>, Vec<B>>
where
    Luma<A>: image::Pixel<Subpixel = A>,
    Luma<B>: image::Pixel<Subpixel = B>,
    A: Copy,
{
    let values = image.as_raw().iter().map(|&value| function(value)).collect();
    ImageBuffer::from_vec(image.width(), image.height(), values).expect("one value per pixel")
}

fn combine<A, B>(
    left: &ImageBuffer<Luma<A>, Vec<A>>,
    right: &ImageBuffer<Luma<B>, Vec<B>>,
    function: impl Fn(A, B) -> f32,
) -> FloatImage
where
    Luma<A>: image::Pixel<Subpixel = A>,
    Luma<B>: image::Pixel<Subpixel = B>,
    A: Copy,
    B: Copy,
{
    let pairs = left.as_raw().iter().zip(right.as_raw());
    let values = pairs.map(|(&left, &right)| function(left, right)).collect();
    FloatImage::from_vec(left.width(), left.height(), values).expect("one value per pixel")
}

/// Applies a function of the 3×3 neighbourhood; the outermost pixels, which are
/// never in the field of view, stay 0.
fn stencil(image: &FloatImage, function: impl Fn(&dyn Fn(i32, i32) -> f32) -> f32 + Sync) -> FloatImage {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let source = image.as_raw();
    let mut values = vec![0.0; source.len()];
    let inner_rows = values.par_chunks_mut(width).enumerate();
    inner_rows.skip(1).take(height - 2).for_each(|(y, row)| {
        for (x, value) in row.iter_mut().enumerate().take(width - 1).skip(1) {
            let centre = (y * width + x) as i32;
            *value = function(&|dx, dy| source[(centre + dy * width as i32 + dx) as usize]);
        }
    });
    FloatImage::from_vec(image.width(), image.height(), values).expect("one value per pixel")
}
