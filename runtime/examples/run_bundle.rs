//! Runs a bundle without a compiler: this program links no LLVM.
//!
//! ```sh
//! lossc compile random-drop --emit bundle -o loss.lossc
//! cargo run -p lossc-runtime --example run_bundle loss.lossc
//! ```

use std::error::Error;
use std::path::Path;

use lossc_runtime::{Bundle, Call, ElementType, Tensor};

const SHAPE: [usize; 2] = [256, 256];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: run_bundle FILE.lossc")?;
    let bundle = Bundle::read(Path::new(&path))?;
    // SAFETY: whoever starts this program names the bundle and thereby asks for it to be run.
    let mut executor = unsafe { bundle.executor() }?;

    let tensors = inputs(&bundle)?;
    let views: Vec<_> = tensors.iter().map(Tensor::view).collect();
    let (outcome, gradients) = executor.forward_backward(&Call::new(&views))?;

    println!("{} {}", bundle.manifest.name, outcome.loss);
    for group in &outcome.groups {
        println!("{} {:?}", group.name, group.values);
    }
    println!("gradient {} of {:?}", gradients[0].element_type(), gradients[0].shape());
    Ok(())
}

/// Logits that rise along each plane, and a square of positives.
fn inputs(bundle: &Bundle) -> Result<Vec<Tensor>, Box<dyn Error>> {
    let pixels = SHAPE[0] * SHAPE[1];
    let place = |index: usize| (index / SHAPE[1], index % SHAPE[1]);
    let logits: Vec<f32> = (0..pixels).map(|index| place(index).1 as f32 / 16.0 - 12.0).collect();
    let square = |(plane, column)| (100..110).contains(&plane) && (200..210).contains(&column);
    let labels: Vec<u8> = (0..pixels).map(|index| u8::from(square(place(index)))).collect();
    let inputs = bundle.manifest.pixel_inputs.iter();
    inputs
        .map(|input| match input.element {
            ElementType::F32 => Ok(Tensor::from_slice(&SHAPE, &logits)?),
            ElementType::U8 => Ok(Tensor::from_slice(&SHAPE, &labels)?),
            other => Err(format!("this example has no {} of {other}", input.name).into()),
        })
        .collect()
}
