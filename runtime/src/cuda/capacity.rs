//! The number of blocks that a device holds at the same time.

use std::collections::BTreeMap;

use cudarc::driver::{result, sys};

use super::error::{CudaError, checked};
use super::kernels::CudaKernels;
use super::plan::{self, Device, Entry, Team};

/// The capacity for blocks of the cooperative kernels; 0 if the code has no such kernel or the
/// device cannot launch it.
#[derive(Debug)]
pub(super) struct Capacity {
    processors: usize,
    /// The driver's numbers of resident blocks, by team and bytes of shared memory per block; a
    /// block larger than the last has none.
    blocks: BTreeMap<(Team, usize), usize>,
}

impl Capacity {
    /// Asks the driver, once, for each number of steps that a warp may hold resident.
    pub(super) fn new(kernels: &CudaKernels) -> Result<Self, CudaError> {
        use sys::CUdevice_attribute as Attribute;
        let attribute =
            |attribute| checked("asking the device", kernels.device().context().attribute(attribute));
        let processors =
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.unsigned_abs() as usize;
        let mut blocks = BTreeMap::new();
        let is_cooperative = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH)? != 0;
        let most = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        for (kernel, entry) in plan::entries(kernels.manifest()) {
            if let (Entry::Cooperative(team), true) = (entry, is_cooperative) {
                let function = kernels.function(kernel, entry);
                let most = allow_shared_memory(function, most)?;
                for bytes in plan::possible_bytes(kernels.manifest(), most) {
                    blocks.insert((team, bytes), processors * blocks_per_processor(function, bytes)?);
                }
            }
        }
        Ok(Self { processors, blocks })
    }
}

impl Device for Capacity {
    fn processors(&self) -> usize {
        self.processors
    }

    fn resident(&self, team: Team, shared_bytes: usize) -> usize {
        self.blocks.get(&(team, shared_bytes)).copied().unwrap_or(0)
    }
}

/// Allows the function all shared memory of a block that it does not declare itself; returns
/// the number of bytes.
fn allow_shared_memory(function: sys::CUfunction, most: i32) -> Result<usize, CudaError> {
    use sys::CUfunction_attribute as Attribute;
    let mut declared = 0;
    // SAFETY: the function is of a loaded module, and `declared` is a place to write to.
    let asked = unsafe {
        sys::cuFuncGetAttribute(&raw mut declared, Attribute::CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, function)
    };
    checked("asking for a kernel's shared memory", asked.result())?;
    let most = (most - declared).max(0);
    let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    // SAFETY: the function is of a loaded module.
    let allowed = unsafe { result::function::set_function_attribute(function, attribute, most) };
    checked("allowing shared memory", allowed)?;
    Ok(most.unsigned_abs() as usize)
}

fn blocks_per_processor(function: sys::CUfunction, bytes: usize) -> Result<usize, CudaError> {
    let mut blocks = 0;
    // SAFETY: the function is of a loaded module, and `blocks` is a place to write to.
    let asked = unsafe {
        sys::cuOccupancyMaxActiveBlocksPerMultiprocessor(
            &raw mut blocks,
            function,
            plan::THREADS as i32,
            bytes,
        )
    };
    checked("asking how many blocks fit", asked.result())?;
    Ok(usize::try_from(blocks).unwrap_or(0))
}
