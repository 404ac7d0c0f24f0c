//! Memory bandwidth, as the measure for kernels.

use std::convert::Infallible;
use std::hint::black_box;

use lossc_runtime::rayon::ThreadPool;
use lossc_runtime::rayon::iter::{IndexedParallelIterator as _, ParallelIterator as _};
use lossc_runtime::rayon::slice::{ParallelSlice as _, ParallelSliceMut as _};
use serde::Serialize;

use super::medians;

/// Far more than any cache holds.
const BYTES: usize = 128 << 20;
const ROUNDS: usize = 3;

/// Bandwidth of the threads of a pool together.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Bandwidth {
    /// Number of threads.
    pub threads: usize,
    /// Gigabytes read per second.
    pub read_gb_per_s: f64,
    /// Gigabytes read and written, together, per second.
    pub copy_gb_per_s: f64,
}

impl Bandwidth {
    /// Measures the bandwidth with the C library's `memcmp` of equal buffers and its `memcpy`, each
    /// thread on its own part of a quarter of a gigabyte.
    pub fn measure(pool: &ThreadPool) -> Self {
        let threads = pool.current_num_threads();
        let part = BYTES.div_ceil(threads);
        let (source, mut target) = (vec![1u8; BYTES], vec![1u8; BYTES]);
        let call = |index| {
            let target = &mut target;
            pool.install(|| match index {
                0 => assert!(
                    black_box(&source).par_chunks(part).zip(target.par_chunks(part)).all(|(a, b)| a == b)
                ),
                _ => black_box(target)
                    .par_chunks_mut(part)
                    .zip(source.par_chunks(part))
                    .for_each(|(to, from)| to.copy_from_slice(from)),
            });
            Ok::<(), Infallible>(())
        };
        let Ok(times) = medians(2, ROUNDS, call, || {});
        let [read, copy] = [0, 1].map(|index| 2.0 * BYTES as f64 / times[index].as_nanos().max(1) as f64);
        Self { threads, read_gb_per_s: read, copy_gb_per_s: copy }
    }
}
