//! Operations without an instruction on the oldest x86-64 processors, built from instructions
//! that they have: LLVM would call a library function for each lane.
//!
//! An operation is replaced by a function in LLVM's text, the same for every number of lanes,
//! which is inlined. It has the bits of the instruction, except for a NaN's payload.

use inkwell::{
    basic_block::BasicBlock,
    builder::BuilderError,
    memory_buffer::MemoryBuffer,
    module::{Linkage, Module},
    types::{BasicTypeEnum, VectorType},
    values::{BasicValue as _, BasicValueEnum, FunctionValue, InstructionOpcode, InstructionValue},
};

use super::{CodegenError, Cpu};

/// An emulated operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    FusedMultiplyAdd,
    ExtendHalf,
    RoundToHalf,
}

/// The occurrence of an operation.
enum Place<'l> {
    /// LLVM's intrinsic, for all its calls.
    Intrinsic(FunctionValue<'l>),
    Instruction(InstructionValue<'l>),
}

/// An occurrence of an operation on values of `lanes` lanes, 0 for a scalar.
struct Use<'l> {
    operation: Operation,
    place: Place<'l>,
    lanes: u32,
}

impl Operation {
    /// The text of the function, with placeholders for types.
    fn meaning(self) -> &'static str {
        match self {
            Self::FusedMultiplyAdd => include_str!("emulate/fused_multiply_add.ll"),
            Self::ExtendHalf => include_str!("emulate/extend_half.ll"),
            Self::RoundToHalf => include_str!("emulate/round_to_half.ll"),
        }
    }

    fn function_name(self, lanes: u32) -> String {
        format!("emulated.{self:?}.{lanes}")
    }

    fn function(self, lanes: u32) -> String {
        const TYPES: [(&str, &str); 7] = [
            ("HALF", "half"),
            ("SHORT", "i16"),
            ("FLOAT", "float"),
            ("INT", "i32"),
            ("DOUBLE", "double"),
            ("LONG", "i64"),
            ("MASK", "i1"),
        ];
        let text = self.meaning().replace("NAME", &self.function_name(lanes));
        TYPES.iter().fold(text, |text, (word, lane)| match lanes {
            0 => text.replace(word, lane),
            _ => text.replace(word, &format!("<{lanes} x {lane}>")),
        })
    }
}

/// Replaces the operations that `cpu` has no instruction for.
pub(super) fn replace_missing(module: &Module<'_>, cpu: &Cpu) -> Result<(), CodegenError> {
    let mut uses = vec![];
    if !cpu.has_fused_multiply_add() {
        uses.extend(module.get_functions().filter_map(fused_multiply_add));
    }
    if !cpu.converts_half() {
        uses.extend(instructions(module).filter_map(half_conversion));
    }
    uses.iter().try_for_each(|found| replace(module, found))
}

fn fused_multiply_add(function: FunctionValue<'_>) -> Option<Use<'_>> {
    let is_intrinsic = function.get_name().to_bytes().starts_with(b"llvm.fma.");
    let result = function.get_type().get_return_type().filter(|_| is_intrinsic)?;
    let lanes = vector(result).map_or(0, VectorType::get_size);
    Some(Use { operation: Operation::FusedMultiplyAdd, place: Place::Intrinsic(function), lanes })
}

fn instructions<'l>(module: &Module<'l>) -> impl Iterator<Item = InstructionValue<'l>> {
    let blocks = module.get_functions().flat_map(FunctionValue::get_basic_block_iter);
    blocks.flat_map(BasicBlock::get_instructions)
}

/// Only pixels are stored as f16, and pixels are vectors.
fn half_conversion(instruction: InstructionValue<'_>) -> Option<Use<'_>> {
    let operation = match instruction.get_opcode() {
        InstructionOpcode::FPExt => Operation::ExtendHalf,
        InstructionOpcode::FPTrunc => Operation::RoundToHalf,
        _ => return None,
    };
    let operand = operand(instruction)?.get_type();
    let result = BasicTypeEnum::try_from(instruction.get_type()).ok()?;
    let stored = vector(if operation == Operation::ExtendHalf { operand } else { result })?;
    let half = stored.get_context().f16_type();
    let is_half = stored.get_element_type() == half.into();
    let lanes = stored.get_size();
    is_half.then_some(Use { operation, place: Place::Instruction(instruction), lanes })
}

fn vector(ty: BasicTypeEnum<'_>) -> Option<VectorType<'_>> {
    match ty {
        BasicTypeEnum::VectorType(vector) => Some(vector),
        _ => None,
    }
}

fn operand(instruction: InstructionValue<'_>) -> Option<BasicValueEnum<'_>> {
    instruction.get_operand(0)?.value()
}

fn replace(module: &Module<'_>, found: &Use<'_>) -> Result<(), CodegenError> {
    let function = defined(module, found)?;
    match found.place {
        Place::Intrinsic(intrinsic) => {
            intrinsic.replace_all_uses_with(function);
            Ok(())
        }
        Place::Instruction(instruction) => {
            call_instead(module, instruction, function).map_err(|error| internal(&error))
        }
    }
}

/// The function that replaces an operation, in the module.
fn defined<'l>(module: &Module<'l>, found: &Use<'_>) -> Result<FunctionValue<'l>, CodegenError> {
    let name = found.operation.function_name(found.lanes);
    if let Some(function) = module.get_function(&name) {
        return Ok(function);
    }
    let text = found.operation.function(found.lanes);
    let text = MemoryBuffer::create_from_memory_range_copy(text.as_bytes(), &name);
    let other = module.get_context().create_module_from_ir(text).map_err(|error| internal(&error))?;
    other.set_triple(&module.get_triple());
    other.set_data_layout(&module.get_data_layout());
    module.link_in_module(other).map_err(|error| internal(&error))?;
    let function = module.get_function(&name).ok_or_else(|| internal(&name))?;
    function.set_linkage(Linkage::Internal);
    Ok(function)
}

fn call_instead<'l>(
    module: &Module<'l>,
    instruction: InstructionValue<'_>,
    function: FunctionValue<'l>,
) -> Result<(), BuilderError> {
    let builder = module.get_context().create_builder();
    builder.position_before(&instruction);
    let operand = operand(instruction).expect("a conversion has an operand");
    let call = builder.build_call(function, &[operand.into()], "")?;
    let value = call.try_as_basic_value().basic().and_then(|value| value.as_instruction_value());
    instruction.replace_all_uses_with(&value.expect("a call's value is its instruction"));
    instruction.erase_from_basic_block();
    Ok(())
}

fn internal(message: &dyn std::fmt::Display) -> CodegenError {
    CodegenError::internal("emulation", message)
}
