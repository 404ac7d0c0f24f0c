//! Calls of the simulator, put into a module's functions.

use inkwell::attributes::{Attribute, AttributeLoc};
use inkwell::builder::Builder;
use inkwell::context::Context;
use inkwell::module::Module;
use inkwell::targets::{TargetData, TargetMachine};
use inkwell::types::{AnyType, AnyTypeEnum, BasicTypeEnum, IntType};
use inkwell::values::{
    AnyValue, BasicValue as _, BasicValueEnum, CallSiteValue, FunctionValue, InstructionOpcode,
    InstructionValue, IntValue, Operand,
};
use inkwell::{AddressSpace, AtomicOrdering};

use super::TranslationError;
use super::intrinsics::{self, Intrinsic};
use crate::fibre::{self, Atomic, Callback};

type Result<T> = std::result::Result<T, TranslationError>;

/// The calling convention of C.
const C: u32 = 0;

/// Instruments all functions; returns the instructions by number.
pub(super) fn module(
    context: &Context,
    machine: &TargetMachine,
    functions: &[FunctionValue<'_>],
) -> Result<Vec<String>> {
    let mut sites = vec![];
    for function in functions {
        let name = function.get_name().to_string_lossy();
        let blocks = function.get_basic_blocks();
        let instructions: Vec<_> = blocks.iter().flat_map(|block| block.get_instructions()).collect();
        for instruction in instructions {
            let builder = context.create_builder();
            builder.position_before(&instruction);
            let word = context.i64_type();
            let site = word.const_int(sites.len() as u64, false);
            let data = machine.get_target_data();
            let text = instruction.print_to_string().to_string();
            if (Site { builder, word, site, data, instruction, text: &text }).instrument()? {
                sites.push(format!("{name}: {}", text.trim()));
            }
        }
    }
    Ok(sites)
}

/// Turns a kernel into a function that this processor can call.
pub(super) fn as_host_function(function: FunctionValue<'_>) {
    function.set_call_conventions(C);
    for attribute in function.attributes(AttributeLoc::Function) {
        if attribute.is_enum() {
            function.remove_enum_attribute(AttributeLoc::Function, attribute.get_enum_kind_id());
        } else if attribute.is_string() {
            let key = attribute.get_string_kind_id().to_string_lossy().into_owned();
            function.remove_string_attribute(AttributeLoc::Function, &key);
        }
    }
}

/// Adds a function that calls `kernel` with the parameters in an array of words.
pub(super) fn caller<'c>(
    context: &'c Context,
    module: &Module<'c>,
    kernel: FunctionValue<'c>,
    name: &str,
) -> Result<()> {
    let pointer = context.ptr_type(AddressSpace::default());
    let function = module.add_function(name, context.void_type().fn_type(&[pointer.into()], false), None);
    let builder = context.create_builder();
    builder.position_at_end(context.append_basic_block(function, "entry"));
    let array = function.get_nth_param(0).expect("it has one").into_pointer_value();
    let mut arguments = vec![];
    for (index, parameter) in kernel.get_params().into_iter().enumerate() {
        let index = context.i64_type().const_int(index as u64, false);
        // SAFETY: callers pass as many words as the kernel has parameters.
        let at = unsafe { builder.build_gep(context.i64_type(), array, &[index], "at") }?;
        arguments.push(builder.build_load(parameter.get_type(), at, "parameter")?.into());
    }
    builder.build_call(kernel, &arguments, "")?;
    builder.build_return(None)?;
    Ok(())
}

/// An instruction and the position of the calls before it.
struct Site<'c, 't> {
    builder: Builder<'c>,
    /// Type of all that callbacks take and return.
    word: IntType<'c>,
    /// The instruction's number.
    site: IntValue<'c>,
    data: TargetData,
    instruction: InstructionValue<'c>,
    text: &'t str,
}

impl<'c> Site<'c, '_> {
    /// Instruments the instruction; returns whether there was anything to report to the simulator.
    fn instrument(&self) -> Result<bool> {
        match self.instruction.get_opcode() {
            InstructionOpcode::Load => self.load_or_store(0, self.instruction.get_type(), Atomic::LOAD)?,
            InstructionOpcode::Store => {
                let stored = self.operand(0)?.get_type().as_any_type_enum();
                self.load_or_store(1, stored, Atomic::STORE)?;
            }
            InstructionOpcode::AtomicRMW => {
                let value = self.operand(1)?.get_type().as_any_type_enum();
                let address = self.address(self.operand(0)?)?;
                self.atomic(address, value, Atomic::LOAD | Atomic::STORE)?;
            }
            InstructionOpcode::Fence => self.fence()?,
            InstructionOpcode::Call => return self.call(),
            InstructionOpcode::AtomicCmpXchg
            | InstructionOpcode::Alloca
            | InstructionOpcode::Invoke
            | InstructionOpcode::VAArg => return Err(self.unknown()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn unknown(&self) -> TranslationError {
        TranslationError::Unknown(self.text.trim().to_owned())
    }

    fn operand(&self, index: u32) -> Result<BasicValueEnum<'c>> {
        self.instruction.get_operand(index).and_then(Operand::value).ok_or_else(|| self.unknown())
    }

    fn constant(&self, value: u64) -> IntValue<'c> {
        self.word.const_int(value, false)
    }

    fn load_or_store(&self, pointer: u32, accessed: AnyTypeEnum<'c>, access: u64) -> Result<()> {
        let address = self.address(self.operand(pointer)?)?;
        let ordering = self.instruction.get_atomic_ordering().map_err(|_| self.unknown())?;
        if ordering != AtomicOrdering::NotAtomic {
            return self.atomic(address, accessed, access);
        }
        let alignment = self.instruction.get_alignment().map_err(|_| self.unknown())?;
        let bytes = self.constant(self.data.get_store_size(&accessed));
        let arguments = [address, bytes, self.constant(alignment.into()), self.constant(access), self.site];
        self.tell(fibre::ACCESS, &arguments)?;
        Ok(())
    }

    /// An atomic operation, with a fence before and after it as its ordering asks.
    fn atomic(&self, address: IntValue<'c>, accessed: AnyTypeEnum<'c>, access: u64) -> Result<()> {
        let mut flags = access;
        for (ordering, fences) in [
            (" acq_rel", Atomic::FENCE_BEFORE | Atomic::FENCE_AFTER),
            (" seq_cst", Atomic::FENCE_BEFORE | Atomic::FENCE_AFTER),
            (" release", Atomic::FENCE_BEFORE),
            (" acquire", Atomic::FENCE_AFTER),
        ] {
            if self.text.contains(ordering) && self.is_for_device() {
                flags |= fences;
            }
        }
        let bytes = self.constant(self.data.get_store_size(&accessed));
        self.tell(fibre::ATOMIC, &[address, bytes, self.constant(flags), self.site])?;
        Ok(())
    }

    fn fence(&self) -> Result<()> {
        if self.is_for_device() {
            self.tell(fibre::FENCE, &[])?;
        }
        Ok(())
    }

    /// Returns whether the ordering holds for all blocks, and not only for the thread's own.
    fn is_for_device(&self) -> bool {
        !self.text.contains("syncscope(") || self.text.contains("syncscope(\"device\")")
    }

    fn call(&self) -> Result<bool> {
        let call = CallSiteValue::try_from(self.instruction).map_err(|()| self.unknown())?;
        let callee = call.get_called_fn_value().ok_or_else(|| self.unknown())?;
        let name = callee.get_name().to_string_lossy();
        let Some(intrinsic) = intrinsics::find(&name) else {
            return if intrinsics::is_pure(&name) { Ok(false) } else { Err(self.unknown()) };
        };
        match intrinsic {
            Intrinsic::Thread => self.replace(fibre::THREAD, &[])?,
            Intrinsic::Block => self.replace(fibre::BLOCK, &[])?,
            Intrinsic::Threads => self.replace(fibre::THREADS, &[])?,
            Intrinsic::Blocks => self.replace(fibre::BLOCKS, &[])?,
            Intrinsic::Barrier => self.replace(fibre::BARRIER, &[self.argument(0)?, self.site])?,
            Intrinsic::Shuffle => {
                let [mask, value, distance, clamp] = [0, 1, 2, 3].map(|index| self.argument(index));
                self.replace(fibre::SHUFFLE, &[mask?, value?, distance?, clamp?, self.site])?;
            }
            Intrinsic::MaskedLoad => {
                let loaded = self.instruction.get_type();
                self.masked(call, 0, 1, loaded, Atomic::LOAD)?;
            }
            Intrinsic::MaskedStore => {
                let stored = self.operand(0)?.get_type().as_any_type_enum();
                self.masked(call, 1, 2, stored, Atomic::STORE)?;
            }
            Intrinsic::Approximate(approximation) => {
                let instruction = self.constant(approximation as u64);
                self.replace(fibre::APPROXIMATE, &[instruction, self.argument(0)?])?;
            }
        }
        Ok(true)
    }

    /// A masked load or store, which stays; its lanes are checked one by one.
    fn masked(
        &self,
        call: CallSiteValue<'c>,
        pointer: u32,
        mask: u32,
        vector: AnyTypeEnum<'c>,
        access: u64,
    ) -> Result<()> {
        let AnyTypeEnum::VectorType(vector) = vector else { return Err(self.unknown()) };
        let lane = self.data.get_store_size(&vector.get_element_type());
        let align = Attribute::get_named_enum_kind_id("align");
        let alignment = call.get_enum_attribute(AttributeLoc::Param(pointer), align);
        let alignment = alignment.map_or(lane, Attribute::get_enum_value);
        let address = self.address(self.operand(pointer)?)?;
        let bits = self.bits(self.operand(mask)?, vector.get_size())?;
        let [lane, alignment, access] = [lane, alignment, access].map(|value| self.constant(value));
        self.tell(fibre::MASKED_ACCESS, &[address, bits, lane, alignment, access, self.site])?;
        Ok(())
    }

    /// A mask's lanes as the low bits of a word.
    fn bits(&self, mask: BasicValueEnum<'c>, lanes: u32) -> Result<IntValue<'c>> {
        let width = std::num::NonZeroU32::new(lanes).ok_or_else(|| self.unknown())?;
        let narrow = self.word.get_context().custom_width_int_type(width).map_err(|_| self.unknown())?;
        let bits = self.builder.build_bit_cast(mask, narrow, "lanes")?.into_int_value();
        Ok(self.builder.build_int_z_extend(bits, self.word, "mask")?)
    }

    fn address(&self, pointer: BasicValueEnum<'c>) -> Result<IntValue<'c>> {
        Ok(self.builder.build_ptr_to_int(pointer.into_pointer_value(), self.word, "address")?)
    }

    /// An operand of at most 32 bits as a word.
    fn argument(&self, index: u32) -> Result<IntValue<'c>> {
        let bits = match self.operand(index)? {
            BasicValueEnum::IntValue(value) => value,
            value @ BasicValueEnum::FloatValue(_) => {
                let bits = self.word.get_context().i32_type();
                self.builder.build_bit_cast(value, bits, "bits")?.into_int_value()
            }
            _ => return Err(self.unknown()),
        };
        Ok(self.builder.build_int_z_extend(bits, self.word, "word")?)
    }

    /// Calls the simulator.
    fn tell(&self, callback: Callback, arguments: &[IntValue<'c>]) -> Result<IntValue<'c>> {
        assert_eq!(arguments.len(), callback.parameters, "parameters of a callback");
        let types = vec![self.word.into(); arguments.len()];
        let pointer = self.word.get_context().ptr_type(AddressSpace::default());
        let function = self.constant(callback.address() as u64).const_to_pointer(pointer);
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.into()).collect();
        let ty = self.word.fn_type(&types, false);
        let call = self.builder.build_indirect_call(ty, function, &arguments, "told")?;
        call.try_as_basic_value().basic().map(BasicValueEnum::into_int_value).ok_or_else(|| self.unknown())
    }

    /// Replaces the instruction by a call of the simulator.
    fn replace(&self, callback: Callback, arguments: &[IntValue<'c>]) -> Result<()> {
        let result = self.tell(callback, arguments)?;
        let typed: Option<InstructionValue<'c>> = match self.instruction.get_type() {
            AnyTypeEnum::IntType(ty) => {
                self.builder.build_int_truncate(result, ty, "result")?.as_instruction_value()
            }
            AnyTypeEnum::FloatType(ty) => {
                let bits = self.word.get_context().i32_type();
                let bits = self.builder.build_int_truncate(result, bits, "bits")?;
                let value = self.builder.build_bit_cast(bits, BasicTypeEnum::from(ty), "result")?;
                value.as_instruction_value()
            }
            _ => None,
        };
        if let Some(typed) = typed {
            self.instruction.replace_all_uses_with(&typed);
        }
        self.instruction.erase_from_basic_block();
        Ok(())
    }
}
