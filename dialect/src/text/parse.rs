//! Reading of files as programs, through MLIR's parser and verifier.

use std::cell::RefCell;
use std::collections::HashMap;

use melior::Context;
use melior::dialect::DialectRegistry;
use melior::ir::attribute::{
    ArrayAttribute, Attribute, AttributeLike as _, DictionaryAttribute, FloatAttribute, IntegerAttribute,
};
use melior::ir::operation::{OperationLike, OperationRef};
use melior::ir::{BlockLike as _, BlockRef, Location, Module, RegionLike as _, Value, ValueLike as _};
use melior::utility::{load_irdl_dialects, register_all_dialects};

use super::attributes::{DEFAULT, NAME, VALUE};
use super::mistake::{Mistake, ParseError, position};
use super::module::{self, operations, to_string};
use super::{LossFile, guard, irdl};
use crate::ops::Op;
use crate::program::{Argument, Builder, LOSS, MAX_OPS, Program, ProgramResult, SourceLocation, ValueId};
use crate::types::{Level, Type};

/// The most arguments, and the most results, that a function may have.
pub const MAX_ARGUMENTS: usize = 64;

/// Returns `bytes` as text.
///
/// # Errors
/// If they are not UTF-8, with the location.
pub fn utf8<'a>(file: &str, bytes: &'a [u8]) -> Result<&'a str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let source = String::from_utf8_lossy(bytes);
        // The valid part is the same in both.
        Mistake::at(error.valid_up_to(), "a byte that is not UTF-8").into_error(file, &source)
    })
}

/// Parses a file. `file` is the name that errors carry.
///
/// # Errors
/// If it is not a loss, or one of more than [`MAX_OPS`] operations: one error, with its
/// location.
pub fn parse(file: &str, source: &str) -> Result<LossFile, ParseError> {
    parse_reserving(file, source, &[])
}

/// Like [`parse`], but arguments and results may not have the names in `reserved`.
///
/// # Errors
/// As for [`parse`].
pub fn parse_reserving(file: &str, source: &str, reserved: &[&str]) -> Result<LossFile, ParseError> {
    read(file, source, reserved, MAX_OPS)
}

/// Like [`parse`], for programs of up to `ops` operations: what the compiler made of a loss may
/// have more than the loss.
///
/// # Errors
/// As for [`parse`].
pub fn parse_up_to(file: &str, source: &str, ops: usize) -> Result<LossFile, ParseError> {
    read(file, source, &[], ops)
}

fn read(file: &str, source: &str, reserved: &[&str], ops: usize) -> Result<LossFile, ParseError> {
    guard::check(source, ops).map_err(|mistake| mistake.into_error(file, source))?;
    // MLIR's C interface has no handle for the IRDL dialect alone. Registered dialects cost
    // nothing until the parser meets them.
    let registry = DialectRegistry::new();
    register_all_dialects(&registry);
    let context = Context::new_with_registry(&registry, false);
    let mistake = RefCell::new(None);
    let handler = context.attach_diagnostic_handler(|diagnostic| {
        let mut first = mistake.borrow_mut();
        first.get_or_insert_with(|| Mistake::new(diagnostic.location(), diagnostic.to_string()));
        true
    });
    let module = load_dialect(&context).and_then(|()| Module::parse(&context, source));
    let result = match &module {
        Some(module) if module.as_operation().verify() => module::read(module, file, reserved, ops),
        _ => Err(Mistake::of_text("not a module of the loss dialect")),
    };
    context.detach_diagnostic_handler(handler);
    drop(module);
    let first = mistake.into_inner();
    result.map_err(|own| first.unwrap_or(own).into_error(file, source))
}

fn load_dialect(context: &Context) -> Option<()> {
    let module = Module::parse(context, &irdl::text())?;
    load_irdl_dialects(&module).then_some(())
}

/// The value of an f32 attribute.
fn float(attribute: Attribute<'_>) -> Option<f32> {
    let is_float = attribute.r#type().to_string() == "f32";
    let number = FloatAttribute::try_from(attribute).ok().filter(|_| is_float);
    number.map(|number| number.value() as f32)
}

/// The value of an i64 attribute.
fn integer(attribute: Attribute<'_>) -> Option<i64> {
    let is_integer = attribute.r#type().to_string() == "i64";
    let number = IntegerAttribute::try_from(attribute).ok().filter(|_| is_integer);
    number.map(|number| number.value())
}

/// The default of a scalar: an f32, or an f64, as which MLIR reads a float without a type.
fn default(attribute: Attribute<'_>) -> Option<f32> {
    let is_known = ["f32", "f64"].contains(&&*attribute.r#type().to_string());
    let number = FloatAttribute::try_from(attribute).ok().filter(|_| is_known);
    number.map(|number| number.value() as f32).filter(|number| number.is_finite())
}

/// Reader of one function.
pub(super) struct Reader {
    builder: Builder,
    /// The program's value for each MLIR value, by address: MLIR gives values no other
    /// identity.
    values: HashMap<usize, ValueId>,
}

impl Reader {
    /// Reads the program of `function`, of up to `ops` operations.
    pub(super) fn read(function: OperationRef<'_, '_>, ops: usize) -> Result<Program, Mistake> {
        let location = function.location();
        if function.name().as_string_ref().as_str() != Ok("func.func") {
            return Err(Mistake::new(location, "only functions may stand in a loss file"));
        }
        let name = function.attribute("sym_name").ok().and_then(to_string).unwrap_or_default();
        let block = function.region(0).ok().and_then(|region| region.first_block());
        let Some(block) = block else { return Err(Mistake::new(location, "the function has no body")) };
        if block.next_in_region().is_some() {
            return Err(Mistake::new(location, "a function is one block: a loss has no branches"));
        }
        let mut reader = Self { builder: Builder::new(&name).limited_to(ops), values: HashMap::new() };
        reader.arguments(function, block)?;
        for operation in operations(block) {
            if operation.name().as_string_ref().as_str() == Ok("func.return") {
                let results = reader.results(function, operation)?;
                return reader
                    .builder
                    .finish(results)
                    .map_err(|error| Mistake::new(location, error.to_string()));
            }
            reader.operation(operation)?;
        }
        Err(Mistake::new(location, "the function does not return"))
    }

    fn arguments(&mut self, function: OperationRef<'_, '_>, block: BlockRef<'_, '_>) -> Result<(), Mistake> {
        let count = block.argument_count();
        if count > MAX_ARGUMENTS {
            let message = format!("{count} arguments; a loss has at most {MAX_ARGUMENTS}");
            return Err(Mistake::new(function.location(), message));
        }
        for index in 0..count {
            let Ok(value) = block.argument(index) else { break };
            let attribute = |name: &str| entry(function, "arg_attrs", index, name);
            let wrong = |message: String| Mistake::new(function.location(), message);
            let name = named(attribute(NAME)).map_err(wrong)?;
            let name = name.unwrap_or_else(|| default_argument_name(index));
            let ty = read_type(value.into(), function.location())?;
            let finite = || wrong(format!("loss.default of `{name}` is a finite f32, such as 1.0e-5 : f32"));
            let default = attribute(DEFAULT).map(|it| default(it).ok_or_else(finite)).transpose()?;
            if default.is_some() && ty.level == Level::Pixel {
                return Err(wrong(format!("`{name}` is a tensor of pixels, which has no default")));
            }
            let argument = Argument { name, ty, default };
            let id = self.builder.argument(argument);
            self.values.insert(identity(value.into()), id);
        }
        Ok(())
    }

    fn operation(&mut self, operation: OperationRef<'_, '_>) -> Result<(), Mistake> {
        let location = operation.location();
        let wrong = |message: &dyn ToString| Mistake::new(location, message.to_string());
        let name = operation.name().as_string_ref().as_str().unwrap_or_default().to_owned();
        let op = name.strip_prefix("loss.").and_then(Op::from_mnemonic);
        let Some(op) = op else { return Err(wrong(&guard::no_op(&name))) };
        plain(operation, op)?;
        let value = operation.attribute(VALUE).ok().and_then(float);
        let integer = operation.attribute(VALUE).ok().and_then(integer);
        let op = match op {
            Op::Constant(_) => Op::constant(
                value.ok_or_else(|| wrong(&"loss.constant has an f32 `value`, such as 1.0 : f32"))?,
            ),
            Op::Is(_) => {
                Op::Is(integer.ok_or_else(|| wrong(&"loss.is has an i64 `value`, such as 255 : i64"))?)
            }
            op => op,
        };
        let operands = operation.operands().map(|operand| self.values.get(&identity(operand)).copied());
        let operands: Option<Vec<_>> = operands.collect();
        let operands = operands.ok_or_else(|| wrong(&"an operand comes from nowhere in the function"))?;
        let result = operation.result(0).map_err(|error| wrong(&error))?;
        let asked = read_type(result.into(), location)?;
        let (line, column) = position(location);
        self.builder.set_location(Some(SourceLocation { line, column }));
        let id = self.builder.try_op(op, &operands, asked).map_err(|error| wrong(&error))?;
        let ty = self.builder.ty(id);
        if ty != asked {
            return Err(wrong(&format!("{name} gives {ty} here, not {asked}")));
        }
        self.values.insert(identity(result.into()), id);
        Ok(())
    }

    fn results(
        &self,
        function: OperationRef<'_, '_>,
        terminator: OperationRef<'_, '_>,
    ) -> Result<Vec<ProgramResult>, Mistake> {
        let wrong = |message: String| Mistake::new(terminator.location(), message);
        if terminator.operand_count() > MAX_ARGUMENTS {
            return Err(wrong(format!("a loss has at most {MAX_ARGUMENTS} results")));
        }
        let result = |(index, operand)| {
            let name = named(entry(function, "res_attrs", index, NAME)).map_err(wrong)?;
            let fallback = || if index == 0 { LOSS.to_owned() } else { format!("result{index}") };
            let value = self.values.get(&identity(operand)).copied();
            let value = value.ok_or_else(|| wrong("a result comes from nowhere in the function".into()))?;
            Ok(ProgramResult { name: name.unwrap_or_else(fallback), value })
        };
        terminator.operands().enumerate().map(result).collect()
    }
}

/// Checks that an operation is its op, its operands and the value of a constant, and nothing
/// else.
fn plain(operation: OperationRef<'_, '_>, op: Op) -> Result<(), Mistake> {
    let wrong = |message: String| Err(Mistake::new(operation.location(), message));
    if operation.region_count() + operation.successor_count() > 0 {
        return wrong(format!("loss.{} has no regions and no successors", op.mnemonic()));
    }
    for index in 0..operation.attribute_count() {
        let Ok((name, _)) = operation.attribute_at(index) else { continue };
        let name = name.as_string_ref();
        let name = name.as_str().unwrap_or_default();
        if name != VALUE || !op.has_attribute() {
            return wrong(format!("loss.{} has no attribute `{name}`", op.mnemonic()));
        }
    }
    Ok(())
}

/// The name in a name attribute of an argument or result.
fn named(attribute: Option<Attribute<'_>>) -> Result<Option<String>, String> {
    let name = |attribute| to_string(attribute).ok_or_else(|| format!("{NAME} is a string"));
    attribute.map(name).transpose()
}

/// The attribute `name` of the argument or result `index`.
fn entry<'c>(function: OperationRef<'c, '_>, list: &str, index: usize, name: &str) -> Option<Attribute<'c>> {
    let list = ArrayAttribute::try_from(function.attribute(list).ok()?).ok()?;
    DictionaryAttribute::try_from(list.element(index).ok()?).ok()?.element_by_name(name)
}

fn default_argument_name(index: usize) -> String {
    match index {
        0 => "logit".into(),
        1 => "label".into(),
        _ => format!("argument{index}"),
    }
}

fn read_type(value: Value<'_, '_>, location: Location<'_>) -> Result<Type, Mistake> {
    let text = value.r#type().to_string();
    Type::parse(&text).ok_or_else(|| {
        Mistake::new(location, format!("{text} is no type of a loss: a pixel is tensor<?x?xT>, a group tensor<?xT>, a scalar tensor<T>"))
    })
}

fn identity(value: Value<'_, '_>) -> usize {
    value.to_raw().ptr as usize
}
