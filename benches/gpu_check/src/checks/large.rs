//! An image whose last pixels are out of reach for 32-bit indices.

use lossc_runtime::cuda::DeviceCall;
use lossc_runtime::{Balance, CudaDevice, ElementType};

use super::closed_form::Image;
use super::{RANDOM, passed, skipped};
use crate::Failure;
use crate::bundles::Subject;
use crate::device::{Memory, Queue, free_bytes};
use crate::fixture::POISON;
use crate::report::Verdict;

/// 2^31 pixels and 98,305 more, in an odd number of columns.
const IMAGE: Image = Image { shape: [1, 65_537, 32_769], middle: 1 << 31 };

/// Bytes per pixel: logit, label, gradient.
const BYTES: usize = 4 + 1 + 4;

/// Checks both directions on the image; skipped if memory is short.
pub fn image(device: &CudaDevice, subject: &Subject) -> Result<Verdict, Failure> {
    // A tenth more, for partial sums and the driver's own memory.
    let (needed, free) = (IMAGE.pixels() * BYTES / 10 * 11, free_bytes()?);
    if free < needed {
        let gigabytes = |bytes: usize| bytes as f64 / 1e9;
        let (needed, free) = (gigabytes(needed), gigabytes(free));
        return Ok(skipped(format!("needs {needed:.1} GB of device memory, {free:.1} are free")));
    }
    run(device, subject)?;
    Ok(passed(format!("{} pixels, counts, loss, gradient at the ends and around 2^31", IMAGE.pixels())))
}

fn run(device: &CudaDevice, subject: &Subject) -> Result<(), Failure> {
    // The queue is dropped last, after all that has work on it.
    let queue = Queue::new()?;
    let stream = queue.borrow(device);
    let block = |element: ElementType| Memory::new(IMAGE.pixels() * element.size());
    let (logits, labels) = (block(ElementType::F32)?, block(ElementType::U8)?);
    let gradient = block(ElementType::F32)?;
    let mut executor = subject.cuda_executor(device)?;
    logits.fill(0, &queue)?;
    labels.fill(0, &queue)?;
    gradient.fill(POISON, &queue)?;
    for window in IMAGE.windows() {
        labels.write(window.start, &Image::labels(window), &queue)?;
    }
    let pixels =
        [logits.tensor(ElementType::F32, &IMAGE.shape)?, labels.tensor(ElementType::U8, &IMAGE.shape)?];
    let call = DeviceCall { pixels: &pixels, balance: Balance::Image, random: RANDOM, scalars: &[] };
    let gradients = [gradient.tensor(ElementType::F32, &IMAGE.shape)?];
    let outcome = executor.forward_backward_on_device(&call, &gradients, &stream)?.read()?;
    let weights = IMAGE.check_outcome(&outcome)?;
    for window in IMAGE.windows() {
        let bytes = gradient.read(4 * window.start, 4 * window.len(), &queue)?;
        Image::check_gradient(window, &bytes, weights)?;
    }
    Ok(())
}
