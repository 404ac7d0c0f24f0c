//! A kernel module as machine code of this processor.

mod instrument;
mod intrinsics;

use std::cell::UnsafeCell;
use std::collections::HashMap;

use inkwell::context::Context;
use inkwell::memory_buffer::MemoryBuffer;
use inkwell::module::Module;
use inkwell::targets::{
    CodeModel, FileType, InitializationConfig, RelocMode, Target, TargetMachine, TargetMachineOptions,
};
use inkwell::{AddressSpace, OptimizationLevel};
use lossc_runtime::native::{NativeObject, ObjectError};

/// Bytes of shared memory that a block can have.
const SHARED_BYTES: usize = 256 << 10;

/// The strictest alignment of shared memory: LLVM raises that of a variable from which vectors are
/// loaded.
const UNIT: usize = 256;

/// NVPTX's address space of shared memory.
const SHARED_SPACE: u32 = 3;

/// Prefix of the name of a function that calls a kernel.
const CALLER: &str = "call.";

/// Reason why IR cannot be simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranslationError {
    /// LLVM rejects the IR, or the code generated from it.
    #[error("LLVM refuses the module: {0}")]
    Llvm(String),
    /// An instruction unknown to the simulator.
    #[error("the simulator does not know `{0}`")]
    Unknown(String),
    /// More shared memory than a block has.
    #[error("{0} bytes of shared memory are more than {SHARED_BYTES}")]
    SharedMemory(usize),
    /// The object cannot be loaded.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl From<inkwell::support::LLVMString> for TranslationError {
    fn from(message: inkwell::support::LLVMString) -> Self {
        Self::Llvm(message.to_string())
    }
}

impl From<inkwell::builder::BuilderError> for TranslationError {
    fn from(error: inkwell::builder::BuilderError) -> Self {
        Self::Llvm(error.to_string())
    }
}

/// The shared memory of the running block. Machine code refers to it by its address.
struct Arena(Box<[Unit]>);

/// A piece of the arena, aligned to its size.
#[repr(C, align(256))]
struct Unit(#[allow(dead_code, reason = "machine code has its address")] UnsafeCell<[u8; UNIT]>);

impl Arena {
    fn new() -> Self {
        Self((0..SHARED_BYTES / UNIT).map(|_| Unit(UnsafeCell::new([0; UNIT]))).collect())
    }

    fn address(&self) -> usize {
        self.0.as_ptr().addr()
    }
}

/// A kernel module that can be simulated.
pub struct Code {
    object: NativeObject,
    parameters: HashMap<String, usize>,
    sites: Vec<String>,
    arena: Arena,
    shared_bytes: usize,
}

impl Code {
    /// The machine code of a module in LLVM's text, as it leaves O3 for NVPTX.
    ///
    /// # Errors
    /// If LLVM rejects it, or it has an instruction that the simulator does not know.
    pub fn new(ir: &str) -> Result<Self, TranslationError> {
        let context = Context::create();
        let buffer = MemoryBuffer::create_from_memory_range_copy(ir.as_bytes(), "kernels");
        let module = context.create_module_from_ir(buffer)?;
        let machine = host_machine()?;
        module.set_triple(&machine.get_triple());
        module.set_data_layout(&machine.get_target_data().get_data_layout());
        let arena = Arena::new();
        let shared_bytes = place_shared_memory(&module, &machine, &arena)?;
        let kernels: Vec<_> =
            module.get_functions().filter(|function| function.count_basic_blocks() > 0).collect();
        let sites = instrument::module(&context, &machine, &kernels)?;
        let mut parameters = HashMap::new();
        for &kernel in &kernels {
            instrument::as_host_function(kernel);
            let name = kernel.get_name().to_string_lossy().into_owned();
            instrument::caller(&context, &module, kernel, &format!("{CALLER}{name}"))?;
            parameters.insert(name, kernel.count_params() as usize);
        }
        module.verify()?;
        let object = machine.write_to_memory_buffer(&module, FileType::Object)?;
        let object = NativeObject::load(object.as_slice())?;
        Ok(Self { object, parameters, sites, arena, shared_bytes })
    }

    /// The number of parameters of a kernel, if the module has it.
    pub fn parameters(&self, kernel: &str) -> Option<usize> {
        self.parameters.get(kernel).copied()
    }

    /// The function that calls a kernel with an array of its parameters.
    pub(crate) fn caller(&self, kernel: &str) -> Result<extern "C" fn(*const u64), TranslationError> {
        let function = self.object.function(&format!("{CALLER}{kernel}"))?;
        // SAFETY: `instrument::caller` gives it this type.
        Ok(unsafe { std::mem::transmute::<*const u8, extern "C" fn(*const u64)>(function) })
    }

    /// The function and instruction with this number.
    pub(crate) fn site(&self, site: u32) -> &str {
        self.sites.get(site as usize).map_or("?", String::as_str)
    }

    /// Address of the running block's shared memory.
    pub(crate) fn shared_address(&self) -> usize {
        self.arena.address()
    }

    /// The shared memory that the module itself declares.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }

    /// Swaps the contents of shared memory with `bytes`.
    pub(crate) fn swap_shared(&self, bytes: &mut [u8]) {
        assert!(bytes.len() <= SHARED_BYTES);
        let arena = std::ptr::with_exposed_provenance_mut::<u8>(self.arena.0.as_ptr().expose_provenance());
        // SAFETY: the arena has as many bytes, is not the slice's, and no fibre
        // runs meanwhile.
        unsafe { std::ptr::swap_nonoverlapping(arena, bytes.as_mut_ptr(), bytes.len()) };
    }
}

/// The target machine of this processor, for its fused multiply-add in particular, since there is
/// no library to call.
fn host_machine() -> Result<TargetMachine, TranslationError> {
    Target::initialize_native(&InitializationConfig::default()).map_err(TranslationError::Llvm)?;
    let triple = TargetMachine::get_default_triple();
    let options = TargetMachineOptions::new()
        .set_cpu(&TargetMachine::get_host_cpu_name().to_string())
        .set_features(&TargetMachine::get_host_cpu_features().to_string())
        .set_level(OptimizationLevel::Less)
        .set_reloc_mode(RelocMode::PIC)
        .set_code_model(CodeModel::Small);
    let machine = Target::from_triple(&triple)?.create_target_machine_from_options(&triple, options);
    machine.ok_or_else(|| TranslationError::Llvm(format!("no machine for {triple}")))
}

/// Assigns each shared variable an address in the arena; those without a size of their own all
/// start after the last. Returns the bytes used.
fn place_shared_memory(
    module: &Module<'_>,
    machine: &TargetMachine,
    arena: &Arena,
) -> Result<usize, TranslationError> {
    let layout = machine.get_target_data();
    let is_shared = |space: AddressSpace| space == AddressSpace::from(SHARED_SPACE as u16);
    let variables = module.get_globals();
    let shared: Vec<_> =
        variables.filter(|it| is_shared(it.as_pointer_value().get_type().get_address_space())).collect();
    let size = |it: &inkwell::values::GlobalValue<'_>| layout.get_abi_size(&it.get_value_type()) as usize;
    let (sized, open): (Vec<_>, Vec<_>) = shared.into_iter().partition(|it| size(it) > 0);
    let mut taken = 0usize;
    for variable in sized.into_iter().chain(open) {
        let alignment = (variable.get_alignment() as usize).max(size_of::<u128>());
        if alignment > UNIT {
            return Err(TranslationError::Unknown(format!("alignment to {alignment} bytes")));
        }
        let start = taken.next_multiple_of(alignment);
        taken = start + size(&variable);
        let pointer = variable.as_pointer_value();
        let address = module.get_context().i64_type().const_int((arena.address() + start) as u64, false);
        pointer.replace_all_uses_with(address.const_to_pointer(pointer.get_type()));
        // SAFETY: nothing uses it any more.
        unsafe { variable.delete() };
    }
    if taken > SHARED_BYTES { Err(TranslationError::SharedMemory(taken)) } else { Ok(taken) }
}
