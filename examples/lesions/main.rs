//! The main job: small lesions on a photograph of a retina.
//!
//! Microaneurysms, measured on a photograph that shows two, are implanted into the photograph of a
//! normal eye. **They are implanted, not real lesions**: the photograph has no labels, and a loss
//! needs some. A small pixel classifier then learns, from the left half of the photograph, to find
//! the few lesion pixels among a thousand times as many others, once with each loss. The right half
//! shows how well it learnt.
//!
//! `cargo run --example lesions` prints a table and writes a precision-recall
//! plot and an overlay into `target/demo`.

mod classifier;
mod evaluation;
mod features;
mod implant;
mod loss;
mod microaneurysm;
mod overlay;
mod picture;
mod plot;
mod retina;
mod training;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::classifier::Classifier;
use crate::evaluation::{PrecisionRecall, precision_recall};
use crate::features::Features;
use crate::implant::Implanted;
use crate::loss::{LOSSES, LossSpec};
use crate::microaneurysm::Microaneurysm;
use crate::overlay::Panel;
use crate::retina::Retina;
use crate::training::{Half, Trained, train};

/// The part of the field of view that is labelled lesion.
const LESION_FRACTION: f32 = 0.001;
/// Seed of the lesions and of the training.
const SEED: u64 = 2019;
const STEPS: u64 = 120;
const QUICK_STEPS: u64 = 6;

#[derive(Parser)]
#[command(about = "Trains a detector of implanted microaneurysms with five losses")]
struct Arguments {
    /// Takes a few steps only, to see that everything runs
    #[arg(long, conflicts_with = "steps")]
    quick: bool,
    /// Number of training steps with each loss
    #[arg(long, default_value_t = STEPS, value_parser = clap::value_parser!(u64).range(1..))]
    steps: u64,
    /// Output folder of the pictures
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/target/demo"))]
    output: PathBuf,
}

/// One loss with the classifier trained by it.
struct Entry {
    spec: &'static LossSpec,
    trained: Trained,
    scores: Vec<f32>,
    curve: PrecisionRecall,
}

fn main() -> miette::Result<()> {
    run(&Arguments::parse()).map_err(|error| miette::miette!("{error}"))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let folder = &arguments.output;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let image = make_image()?;
    let (training, held_out) = split(&image);
    let steps = if arguments.quick { QUICK_STEPS } else { arguments.steps };
    let entries = compare(&training, &held_out, steps)?;
    print_table(&entries, &training, steps);
    write_pictures(&image, &held_out, &entries, folder)
}

fn make_image() -> Result<Implanted, Box<dyn Error>> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data");
    let retina = Retina::open(&data.join("retina.jpg"))?;
    println!("retina.jpg: {} pixels in the field of view", retina.area());
    let measured = measure(&data.join("microaneurysms.png"))?;
    let image = implant::implant(&retina, &measured, LESION_FRACTION, SEED);
    println!(
        "implanted {} microaneurysms (made, not real: the photograph shows a normal eye), half of \
         them left and half right;\n  a pixel of the detail is taken as a pixel of the photograph",
        image.lesions.len()
    );
    Ok(image)
}

fn measure(path: &Path) -> Result<Vec<Microaneurysm>, Box<dyn Error>> {
    let measurements = microaneurysm::measure(path, 2)?;
    println!("microaneurysms.png: brightness around each of the two, fitted by a Gaussian:");
    for measurement in &measurements {
        let spot = measurement.spot;
        println!(
            "  at ({:.1}, {:.1}): {:.0} % darker than its surroundings, standard deviation {:.2}, \
             width {:.1} pixels (residual {:.1} %)",
            spot.x,
            spot.y,
            100.0 * spot.depth,
            spot.radius,
            spot.width(),
            100.0 * measurement.residual
        );
    }
    Ok(measurements.iter().map(|measurement| measurement.spot).collect())
}

/// The left half for training and the right half for evaluation.
fn split(image: &Implanted) -> (Half, Half) {
    let features = Features::of(&image.retina);
    let (width, _) = image.labels.dimensions();
    let mut training = Half::of(image, &features, 0..width / 2);
    let mut held_out = Half::of(image, &features, width / 2..width);
    features::normalise(&mut training.features, &mut held_out.features);
    for (name, half) in [("left half, to learn from", &training), ("right half, held out", &held_out)] {
        let (pixels, positives) = (half.places.len(), half.positives());
        let percent = 100.0 * positives as f64 / pixels as f64;
        println!("{name}: {positives} lesion pixels of {pixels} ({percent:.3} %)");
    }
    (training, held_out)
}

fn compare(training: &Half, held_out: &Half, steps: u64) -> Result<Vec<Entry>, Box<dyn Error>> {
    let bar = progress_bar(steps * LOSSES.len() as u64);
    let start = Classifier::new(SEED);
    let mut entries = Vec::new();
    for spec in &LOSSES {
        bar.set_message(spec.name);
        let trained = train(spec, training, &start, steps, || bar.inc(1))?;
        let scores = trained.classifier.forward(&held_out.features).logits;
        let scores = scores.into_raw_vec_and_offset().0;
        let labels = held_out.labels.row(0).to_vec();
        let curve = precision_recall(&scores, &labels);
        entries.push(Entry { spec, trained, scores, curve });
    }
    bar.finish_and_clear();
    Ok(entries)
}

fn progress_bar(length: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:20} [{bar:40}] {pos}/{len} steps, {eta} left")
        .expect("the template is well formed")
        .progress_chars("=> ");
    ProgressBar::new(length).with_style(style)
}

fn print_table(entries: &[Entry], training: &Half, steps: u64) {
    let negatives = training.labels.len() - training.positives();
    println!("\nAfter {steps} steps of Adam from the same start:\n");
    println!(
        "{:<20} {:>9} {:>11} {:>16} {:>13} {:>13}",
        "loss", "average", "final loss", "negatives kept", "loss and", "compilation"
    );
    println!(
        "{:<20} {:>9} {:>11} {:>16} {:>13} {:>13}",
        "",
        "precision",
        "(mean)",
        format!("of {negatives}"),
        "gradient (ms)",
        "(ms)"
    );
    for Entry { spec, trained, curve, .. } in entries {
        let kept = trained.kept.map_or("all".to_owned(), |kept| kept.to_string());
        println!(
            "{:<20} {:>9.3} {:>11.4} {kept:>16} {:>13.2} {:>13.1}",
            spec.name,
            curve.average_precision,
            trained.loss,
            1e3 * trained.loss_time.as_secs_f64(),
            1e3 * trained.compile_time.as_secs_f64()
        );
    }
    println!(
        "\nAverage precision: on the pixels of the held-out half. Final loss: on the training half,\n\
         divided by the number of pixels (bce) or by twice the number of lesion pixels (the others),\n\
         about the sum of the loss's own weights; it compares runs of one loss, not losses."
    );
}

fn write_pictures(
    image: &Implanted,
    held_out: &Half,
    entries: &[Entry],
    folder: &Path,
) -> Result<(), Box<dyn Error>> {
    picture::register_fonts()?;
    let plot = folder.join("precision_recall.png");
    let curves: Vec<_> = entries.iter().map(|entry| (entry.spec.name, &entry.curve)).collect();
    plot::plot(&curves, &plot)?;
    let overlay = folder.join("overlay.png");
    if let [first, .., last] = entries {
        let panels = [photo_panel(), panel(first), panel(last)];
        overlay::draw(image, held_out, &panels, &overlay)?;
    }
    println!("\nwrote {}\nwrote {}", plot.display(), overlay.display());
    Ok(())
}

fn photo_panel() -> Panel<'static> {
    Panel { title: "photograph, lesions implanted".to_owned(), scores: None }
}

fn panel(entry: &Entry) -> Panel<'_> {
    let precision = entry.curve.average_precision;
    Panel {
        title: format!("{} (average precision {precision:.3})", entry.spec.name),
        scores: Some(&entry.scores),
    }
}
