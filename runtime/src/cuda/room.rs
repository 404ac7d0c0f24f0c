//! How many blocks a device holds at the same time.

use std::collections::BTreeMap;

use cudarc::driver::{result, sys};

use super::error::{CudaError, checked};
use super::kernels::CudaKernels;
use super::plan::{self, Entry};

/// The room for blocks of the kernel that is both directions; none where the code has no
/// such kernel or the device cannot launch it.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Resident blocks by bytes of shared memory of each, as the driver said; a larger
    /// block than the last has none.
    blocks: BTreeMap<usize, usize>,
}

impl Room {
    /// Asks the driver, once, for each number of tiles that a block may have.
    pub(super) fn new(kernels: &CudaKernels) -> Result<Self, CudaError> {
        let manifest = kernels.manifest();
        let both = plan::entries(manifest).find(|(_, entry)| *entry == Entry::Both);
        let (Some((kernel, entry)), Some(tile)) = (both, manifest.tile_bytes) else {
            return Ok(Self::default());
        };
        let attribute =
            |attribute| checked("asking the device", kernels.device().context().attribute(attribute));
        use sys::CUdevice_attribute as Attribute;
        let is_cooperative = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH)? != 0;
        if !is_cooperative || tile == 0 {
            return Ok(Self::default());
        }
        let function = kernels.function(kernel, entry);
        let most = attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let most = allow_shared_memory(function, most)?;
        let processors =
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.unsigned_abs() as usize;
        let mut blocks = BTreeMap::new();
        for bytes in (1..).map(|tiles| tiles * tile).take_while(|&bytes| bytes <= most) {
            blocks.insert(bytes, processors * blocks_per_processor(function, bytes)?);
        }
        Ok(Self { blocks })
    }

    /// Blocks of so many bytes that are on the device at the same time.
    pub(super) fn blocks(&self, bytes: usize) -> usize {
        self.blocks.get(&bytes).copied().unwrap_or(0)
    }
}

/// Lets the function have all shared memory of a block that it does not declare itself;
/// returns how much that is.
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
