//! LLVM's target machine, and the optimisation and emission of a module for it.

use std::sync::Once;

use inkwell::{
    OptimizationLevel,
    attributes::{Attribute, AttributeLoc},
    module::Module,
    passes::PassBuilderOptions,
    targets::{
        CodeModel, FileType, InitializationConfig, RelocMode, Target as LlvmTarget, TargetMachine,
        TargetMachineOptions, TargetTriple,
    },
    values::FunctionValue,
};

use super::{CodegenError, Cpu, Target, emulate};

/// The machine for a target, at LLVM's highest optimisation level.
pub(super) fn create(target: &Target) -> Result<TargetMachine, CodegenError> {
    initialise();
    let (triple, options) = match target {
        Target::Cpu(cpu) => (TargetTriple::create(cpu.architecture().triple()), processor_options(cpu)),
        Target::Nvidia(gpu) => (
            TargetTriple::create("nvptx64-nvidia-cuda"),
            TargetMachineOptions::new().set_cpu(&gpu.name()).set_features(&gpu.features()),
        ),
    };
    LlvmTarget::from_triple(&triple)
        .map_err(|message| CodegenError::internal("target machine", message))?
        .create_target_machine_from_options(&triple, options.set_level(OptimizationLevel::Aggressive))
        .ok_or_else(|| CodegenError::internal("target machine", format!("none for {target}")))
}

/// Position-independent, so the loader may place the code anywhere, and small, so constants are
/// addressed relative to the instruction pointer.
fn processor_options(cpu: &Cpu) -> TargetMachineOptions {
    TargetMachineOptions::new()
        .set_cpu(cpu.processor())
        .set_features(cpu.features())
        .set_reloc_mode(RelocMode::PIC)
        .set_code_model(CodeModel::Small)
}

fn initialise() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let config = InitializationConfig {
            asm_parser: false,
            disassembler: false,
            ..InitializationConfig::default()
        };
        LlvmTarget::initialize_x86(&config);
        LlvmTarget::initialize_aarch64(&config);
        LlvmTarget::initialize_nvptx(&config);
    });
}

/// The description of a machine for MLIR.
pub(super) struct Description {
    pub(super) data_layout: String,
    pub(super) triple: String,
}

/// Describes `machine`.
pub(super) fn describe(machine: &TargetMachine) -> Description {
    let layout = machine.get_target_data().get_data_layout();
    Description {
        data_layout: layout.as_str().to_string_lossy().into_owned(),
        triple: machine.get_triple().as_str().to_string_lossy().into_owned(),
    }
}

/// Replaces everything in the module for which the target has no instruction, and annotates its
/// functions with the assumptions they may make.
pub(super) fn prepare(module: &Module<'_>, target: &Target) -> Result<(), CodegenError> {
    if let Target::Cpu(cpu) = target {
        emulate::replace_missing(module, cpu)?;
    }
    for function in module.get_functions().filter(is_defined) {
        annotate(module, function, target);
    }
    Ok(())
}

fn is_defined(function: &FunctionValue<'_>) -> bool {
    function.count_basic_blocks() > 0
}

fn annotate(module: &Module<'_>, function: FunctionValue<'_>, target: &Target) {
    let context = module.get_context();
    let add = |attribute| function.add_attribute(AttributeLoc::Function, attribute);
    let nounwind = Attribute::get_named_enum_kind_id("nounwind");
    add(context.create_enum_attribute(nounwind, 0));
    // Otherwise LLVM turns a loop that clears memory into a call of `memset`.
    add(context.create_string_attribute("no-builtins", ""));
    if let Target::Cpu(cpu) = target {
        let width = (target.vector_lanes() * 32).to_string();
        add(context.create_string_attribute("target-cpu", cpu.processor()));
        add(context.create_string_attribute("target-features", cpu.features()));
        // Without these LLVM halves 512-bit vectors on some processors.
        add(context.create_string_attribute("prefer-vector-width", &width));
        add(context.create_string_attribute("min-legal-vector-width", &width));
    }
}

/// The passes that LLVM still has to do on a processor. The lowering has chosen vectors and
/// loops, and writes no operation twice in a block; all of O3 takes many times as long for the
/// same instructions.
///
/// Instructions are combined last. Combining changes Philox's masks; if the changed masks were
/// then moved out of the loop, instruction selection would not see that a factor has 32 bits,
/// and a product of such factors is one instruction where one of 64 bits is many.
const HOST_PASSES: &str = "always-inline,globaldce,\
    function(early-cse,simplifycfg,loop-mssa(loop-rotate,licm),instcombine<no-verify-fixpoint>)";

/// Runs LLVM's optimisations: a GPU's code goes through O3 without vectorisation.
pub(super) fn optimise(
    module: &Module<'_>,
    machine: &TargetMachine,
    target: &Target,
) -> Result<(), CodegenError> {
    let options = PassBuilderOptions::create();
    options.set_loop_vectorization(false);
    options.set_loop_slp_vectorization(false);
    options.set_loop_interleaving(false);
    let passes = match target {
        Target::Cpu(_) => HOST_PASSES,
        Target::Nvidia(_) => "default<O3>",
    };
    module
        .verify()
        .and_then(|()| module.run_passes(passes, machine, options))
        .map_err(|message| CodegenError::internal("LLVM optimisation", message))
}

/// Writes machine code, as text or as an object file.
pub(super) fn emit(
    module: &Module<'_>,
    machine: &TargetMachine,
    file_type: FileType,
) -> Result<Vec<u8>, CodegenError> {
    let buffer = machine
        .write_to_memory_buffer(module, file_type)
        .map_err(|message| CodegenError::internal("LLVM code generation", message))?;
    Ok(buffer.as_slice().to_vec())
}
