//! The precision-recall curves of all losses in one plot.

use std::error::Error;
use std::path::Path;

use image::RgbImage;
use plotters::prelude::*;

use crate::evaluation::PrecisionRecall;
use crate::picture::{FONT, save};

const SIZE: (u32, u32) = (1000, 760);
/// Colours that also differ in lightness, for colour-blind readers (Okabe and Ito).
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
];

/// Draws the curves, named, and writes them as PNG.
pub fn plot(curves: &[(&str, &PrecisionRecall)], path: &Path) -> Result<(), Box<dyn Error>> {
    let mut buffer = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
    draw(curves, &mut buffer)?;
    let picture = RgbImage::from_vec(SIZE.0, SIZE.1, buffer).expect("three bytes per pixel");
    save(&picture, path)
}

fn draw(curves: &[(&str, &PrecisionRecall)], buffer: &mut [u8]) -> Result<(), Box<dyn Error>> {
    let area = BitMapBackend::with_buffer(buffer, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Implanted microaneurysms, held-out half", (FONT, 26))
        .margin(20)
        .x_label_area_size(50)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0_f32..1.0, 0.0_f32..1.0)?;
    chart
        .configure_mesh()
        .x_desc("recall: part of the lesion pixels that are found")
        .y_desc("precision: part of the marked pixels that are lesion")
        .label_style((FONT, 16))
        .axis_desc_style((FONT, 18))
        .light_line_style(WHITE)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for ((name, curve), colour) in curves.iter().zip(COLOURS) {
        let style = colour.stroke_width(3);
        chart
            .draw_series(LineSeries::new(curve.points.iter().copied(), style))?
            .label(format!("{name}: {:.3}", curve.average_precision))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 24, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerLeft)
        .margin(16)
        .legend_area_size(32)
        .label_font((FONT, 18))
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
