//! A finding as files and a command line.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use lossc::ElementType;
use lossc_dialect::text;
use ndarray::ArrayD;
use ndarray_npy::{WritableElement, WriteNpyExt as _};

use super::case::Case;
use super::finding::Finding;

/// Writes the loss, its tensors and the problem into `folder`; returns the command that runs it.
pub fn write(folder: &Path, case: &Case, finding: &Finding) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    let loss = text::print(&case.subject.program);
    fs::write(folder.join("loss.mlir"), &loss)?;
    let input = &case.input;
    let shape = &input.shape;
    // ndarray-npy does not support 16-bit floats: the values are the same as f32.
    tensor(&folder.join("logits.npy"), shape, input.logits.iter().map(|&value| value as f32))?;
    let labels = folder.join("labels.npy");
    match input.label_type {
        ElementType::I32 => tensor(&labels, shape, input.labels.iter().map(|&label| label as i32))?,
        ElementType::I64 => tensor(&labels, shape, input.labels.iter().copied())?,
        ElementType::F32 => tensor(&labels, shape, input.labels.iter().map(|&label| label as f32))?,
        _ => tensor(&labels, shape, input.labels.iter().map(|&label| label as u8))?,
    }
    if !input.weights.is_empty() {
        tensor(&folder.join("weights.npy"), shape, input.weights.iter().map(|&weight| weight as f32))?;
    }
    let command = command(folder, case);
    let notes = notes(case);
    fs::write(folder.join("finding.txt"), format!("{finding}\n{command}\n{notes}\n"))?;
    Ok(format!("{command}\n{notes}\n{loss}"))
}

fn tensor<T: WritableElement>(
    path: &Path,
    shape: &[usize],
    values: impl Iterator<Item = T>,
) -> io::Result<()> {
    let array = ArrayD::from_shape_vec(shape.to_vec(), values.collect()).map_err(io::Error::other)?;
    array.write_npy(fs::File::create(path)?).map_err(io::Error::other)
}

fn command(folder: &Path, case: &Case) -> String {
    let (input, choices) = (&case.input, &case.choices);
    let folder = folder.display();
    let mut text =
        format!("lossc run {folder}/loss.mlir --logits {folder}/logits.npy --labels {folder}/labels.npy");
    if !input.weights.is_empty() {
        let _ = write!(text, " --weights {folder}/weights.npy");
    }
    let _ = write!(text, " --grad {folder}/gradient.npy --balance {} --seed {}", input.balance, input.seed);
    if input.stream != 0 {
        let _ = write!(text, " --stream {}", input.stream);
    }
    if choices.mean {
        text += " --reduction mean";
    }
    if let Some(index) = choices.ignore_index {
        let _ = write!(text, " --ignore-index {index}");
    }
    for (name, value) in &input.scalars {
        let _ = write!(text, " --set {name}={value}");
    }
    text
}

/// Notes on all that the command line cannot express.
fn notes(case: &Case) -> String {
    let input = &case.input;
    format!(
        "by {:?}, logits {} {:?} of shape {:?}, upstream {}, misaligned {}, checks {}",
        case.executors,
        input.logit_type.name(),
        &input.logits[..input.len().min(8)],
        input.shape,
        input.upstream,
        input.is_misaligned,
        case.choices.checks,
    )
}
