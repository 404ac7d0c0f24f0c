//! The gains of fusion, algebra and compaction: one loss compiled five ways.
//!
//! ```text
//! cargo run --example fused_vs_unfused -- [--loss random-drop] [--quick] [--output target/fused]
//! ```
//!
//! - **one kernel per op**: each op reads its operands from memory and writes its value there, as
//!   in a framework that runs ops one by one;
//! - **fused**: all that one pass over the data can compute is one kernel;
//! - **algebra**: the loss and its gradient are rewritten first; `forward` and `backward` are two
//!   calls, as in a framework's training step;
//! - **algebra, one call**: `forward_backward`, which may save values that the second pass would
//!   compute again;
//! - **compaction, one call**: in addition, pixels that a cheap bound shows not to contribute are
//!   left out of the rest.
//!
//! For each it prints the kernels launched, the bytes moved and the median time of a loss with its
//! gradient, and it draws the times. It runs on the GPU if there is one, else on the processor. On
//! a GPU the times include the copies from and to this machine's memory, and the first and the last
//! way are left out.

mod measure;
mod plot;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use lossc::bench::Pixels;
use lossc::{Loss, Target};
use lossc_runtime::CudaDevice;

use measure::{Measurement, Way};

/// Heights and widths, from a tile to a whole photograph of a fundus camera.
const SIZES: [(usize, usize); 5] = [(256, 256), (512, 512), (960, 1440), (1424, 2144), (2848, 4288)];

#[derive(Parser)]
struct Arguments {
    /// A loss of the library.
    #[arg(long, default_value = "random-drop")]
    loss: String,
    /// Only the small sizes, a few times each.
    #[arg(long)]
    quick: bool,
    /// The output folder of the picture.
    #[arg(long, default_value = "target/fused_vs_unfused")]
    output: PathBuf,
}

fn main() -> miette::Result<()> {
    run(&Arguments::parse()).map_err(|error| miette::miette!("{error}"))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let loss = Loss::library(&arguments.loss)?;
    let target = target()?;
    println!("{} on {target}, f32 logits, u8 labels; loss and gradient\n", loss.program()?.name());
    let ways = Way::all(&loss, &target)?;
    let sizes = if arguments.quick { &SIZES[..2] } else { &SIZES[..] };
    let measurements = measure_all(&ways, sizes, if arguments.quick { 5 } else { 21 })?;
    print_table(&ways, &measurements);
    std::fs::create_dir_all(&arguments.output)?;
    let path = arguments.output.join(format!("{}.png", arguments.loss));
    plot::plot(loss.program()?.name(), &ways, &measurements, &path)?;
    println!("\n{}", path.display());
    Ok(())
}

/// The first GPU, or this processor.
fn target() -> Result<Target, Box<dyn Error>> {
    if !lossc_runtime::cuda::is_available() {
        return Ok(Target::host()?);
    }
    let found = CudaDevice::open(0)?.compute_capability()?;
    Target::for_compute_capability(found).ok_or_else(|| format!("no code for sm_{found}").into())
}

/// Measurements, first by size, then by way.
fn measure_all(
    ways: &[Way],
    sizes: &[(usize, usize)],
    runs: usize,
) -> Result<Vec<Vec<Measurement>>, Box<dyn Error>> {
    let style = ProgressStyle::with_template("{msg:>12} {wide_bar} {pos}/{len}")?;
    let progress = ProgressBar::new((sizes.len() * runs) as u64).with_style(style);
    let mut measurements = vec![];
    for &(height, width) in sizes {
        progress.set_message(format!("{width} x {height}"));
        measurements.push(measure::measure(ways, &mut Pixels::random(height, width), runs, &progress)?);
    }
    progress.finish_and_clear();
    Ok(measurements)
}

fn print_table(ways: &[Way], measurements: &[Vec<Measurement>]) {
    println!("{:<20} {:>8} {:>12} {:>9}  median time, ns per pixel", "", "kernels", "bytes/pixel", "passes");
    for way in ways {
        println!("{:<20} {:>8} {:>12.2} {:>9}", way.name, way.kernels, way.bytes_per_pixel, way.passes);
    }
    print!("\n{:<20}", "pixels");
    measurements.iter().for_each(|sizes| print!("{:>14}", sizes[0].pixels));
    for (index, way) in ways.iter().enumerate() {
        print!("\n{:<20}", way.name);
        measurements.iter().for_each(|sizes| print!("{:>11.2} ns", sizes[index].nanoseconds_per_pixel()));
    }
    print!("\n{:<20}", "first to last");
    measurements.iter().for_each(|sizes| {
        let [first, last] = [&sizes[0], &sizes[sizes.len() - 1]].map(Measurement::nanoseconds_per_pixel);
        print!("{:>13.1}x", first / last);
    });
    println!();
}
