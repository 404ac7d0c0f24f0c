//! The measurements in readable form.

use std::fmt::Write as _;

use lossc::bench::{Bandwidth, Phase};

use super::machine::Machine;
use super::{Report, Row};

/// A table for each loss and number of threads: phases and plans down, sizes across.
pub fn table(report: &Report) -> String {
    let mut text = machine(&report.machine);
    text += "Nanoseconds a pixel, and the GB/s that the kernels move; growth is the exponent b of\n\
             time ~ pixels^b.\n";
    for rows in report.rows.chunk_by(|a, b| heading(a) == heading(b)) {
        text += &one_loss(rows);
    }
    text
}

fn machine(machine: &Machine) -> String {
    let mut text = format!("{}, {} cores\n", machine.processor, machine.cores);
    for Bandwidth { threads, read_gb_per_s, copy_gb_per_s } in &machine.memory {
        let line = format!("memory: {read_gb_per_s:.1} GB/s read, {copy_gb_per_s:.1} GB/s copied");
        text += &format!("{line} by {threads} thread{}\n", plural(*threads));
    }
    text
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn heading(row: &Row) -> String {
    let schedule = row.schedule.iter().map(|schedule| format!(" {schedule}")).collect::<String>();
    format!("{}{schedule}, {} thread{}", row.loss, row.threads, plural(row.threads.into()))
}

/// Rows of one loss on one number of threads, by size.
fn one_loss(rows: &[Row]) -> String {
    let sizes: Vec<_> = rows.chunk_by(|a, b| a.pixels == b.pixels).collect();
    let mut text = format!("\n{}\n{:<35}", heading(&rows[0]), "");
    sizes.iter().for_each(|rows| _ = write!(text, "{:>18}", rows[0].pixels));
    text += if sizes.len() > 1 { "    growth\n" } else { "\n" };
    for phase in Phase::ALL {
        let lines = sizes[0].iter().enumerate().filter(|(_, row)| row.phase == phase);
        for (index, _) in lines {
            text += &line(&sizes.iter().map(|rows| &rows[index]).collect::<Vec<_>>());
        }
    }
    text
}

/// One plan in one phase, by size.
fn line(rows: &[&Row]) -> String {
    let mut text = format!("{:<10}{:<25}", rows[0].phase, rows[0].plan);
    rows.iter().for_each(|row| _ = write!(text, "{:>10.3} ({:>5.1})", row.ns_per_pixel, row.gb_per_s));
    text + &growth(rows).map_or("\n".into(), |exponent| format!("{exponent:>10.2}\n"))
}

/// The slope of a straight line through the logarithms of pixels and time.
fn growth(rows: &[&Row]) -> Option<f64> {
    let points = rows.iter().map(|row| {
        let pixels = row.pixels as f64;
        (pixels.ln(), (pixels * row.ns_per_pixel).ln())
    });
    let count = rows.len() as f64;
    let mean = |of: fn((f64, f64)) -> f64| points.clone().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread = points.clone().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
    let together = points.map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
    (spread > 0.0).then(|| together / spread)
}
