//! The times of all ways in one plot.

use std::error::Error;
use std::path::Path;

use image::RgbImage;
use plotters::prelude::*;

use crate::measure::{Measurement, Way};

const SIZE: (u32, u32) = (1000, 700);
const FONT: &str = "DejaVu Sans";
/// Colours that also differ in lightness, for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
];

/// Draws nanoseconds per pixel over pixels, one line per way, and writes it as PNG.
pub fn plot(
    loss: &str,
    ways: &[Way],
    measurements: &[Vec<Measurement>],
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let font = dejavu::sans::regular();
    plotters::style::register_font(FONT, FontStyle::Normal, font).map_err(|_| "the font cannot be read")?;
    let mut buffer = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    draw(loss, ways, measurements, &mut buffer)?;
    let picture = RgbImage::from_vec(SIZE.0, SIZE.1, buffer).expect("three bytes per pixel");
    Ok(picture.save(path)?)
}

fn draw(
    loss: &str,
    ways: &[Way],
    measurements: &[Vec<Measurement>],
    buffer: &mut [u8],
) -> Result<(), Box<dyn Error>> {
    let area = BitMapBackend::with_buffer(buffer, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let pixels = measurements.iter().map(|sizes| sizes[0].pixels as f64);
    let (least, most) = (pixels.clone().fold(f64::MAX, f64::min), pixels.fold(0.0, f64::max));
    let times = || measurements.iter().flatten().map(Measurement::nanoseconds_per_pixel);
    let (fastest, slowest) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{loss}: loss and gradient, {} ways", ways.len()), (FONT, 24))
        .margin(20)
        .x_label_area_size(50)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (least / 1.3..most * 1.3).log_scale(),
            // Room for the names above the lines.
            (fastest / 1.5..slowest * 6.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("pixels")
        .y_desc("nanoseconds per pixel")
        .x_label_formatter(&|pixels| format!("{:.1} M", pixels / 1e6))
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 17))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    for ((index, way), colour) in ways.iter().enumerate().zip(COLOURS) {
        let style = colour.stroke_width(3);
        let points = measurements
            .iter()
            .map(|sizes| (sizes[index].pixels as f64, sizes[index].nanoseconds_per_pixel()));
        chart
            .draw_series(LineSeries::new(points.clone(), style))?
            .label(format!(
                "{} ({} kernels, {:.1} bytes per pixel)",
                way.name, way.kernels, way.bytes_per_pixel
            ))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
        chart.draw_series(points.map(|point| Circle::new(point, 5, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(12)
        .legend_area_size(32)
        .label_font((FONT, 16))
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
