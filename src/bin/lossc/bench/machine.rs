//! The machine that was measured on.

use std::fs;

use lossc::Target;
use lossc::bench::Bandwidth;
use serde::Serialize;

use crate::failure::Failure;
use crate::run::{pool, processors};

/// The processor and its memory.
#[derive(Serialize)]
pub struct Machine {
    /// The maker's name of the processor, if the system reports it.
    pub processor: String,
    /// Number of cores that this process may use.
    pub cores: usize,
    /// Lanes of f32 in a vector of the code.
    pub vector_lanes: usize,
    /// Bandwidth of memory for each number of threads.
    pub memory: Vec<Bandwidth>,
}

impl Machine {
    /// Measures the memory with each number of threads.
    pub fn measure(target: &Target, threads: &[u16]) -> Result<Self, Failure> {
        let bandwidth = |&threads: &u16| Ok(Bandwidth::measure(&*pool(threads.into())?));
        Ok(Self {
            processor: processor().unwrap_or_else(|| target.to_string()),
            cores: processors(),
            vector_lanes: target.vector_lanes(),
            memory: threads.iter().map(bandwidth).collect::<Result<_, Failure>>()?,
        })
    }
}

/// The processor's name as Linux knows it.
fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
