//! Files to programs, through MLIR's parser and verifier.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use melior::Context;
use melior::dialect::DialectRegistry;
use melior::ir::attribute::{
    ArrayAttribute, Attribute, DictionaryAttribute, FloatAttribute, StringAttribute,
};
use melior::ir::operation::{OperationLike, OperationRef};
use melior::ir::{BlockLike as _, BlockRef, Location, Module, RegionLike as _, Value, ValueLike as _};
use melior::utility::{load_irdl_dialects, register_all_dialects};
use miette::{Diagnostic, NamedSource, SourceSpan};
use thiserror::Error;

use super::attributes::{CHOICE, DEFAULT, NAME, SUMMARY, VALUE};
use super::{Choice, LossFile, irdl};
use crate::ops::Op;
use crate::program::{Argument, Builder, LOSS, Program, ProgramResult, ValueId};
use crate::types::Type;

/// Why a file is not a loss, and where.
#[derive(Debug, Error, Diagnostic)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// The name the text came with.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    #[source_code]
    text: Arc<NamedSource<String>>,
    #[label("here")]
    span: SourceSpan,
}

/// What is wrong, and the line and column where.
struct Mistake {
    message: String,
    place: (usize, usize),
}

impl Mistake {
    fn new(location: Location<'_>, message: impl Into<String>) -> Self {
        Self { message: message.into(), place: place(location) }
    }

    fn into_error(self, file: &str, source: &str) -> ParseError {
        let (line, column) = self.place;
        let start: usize = source.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let offset = (start + column - 1).min(source.len());
        ParseError {
            message: self.message,
            file: file.into(),
            line,
            column,
            text: Arc::new(NamedSource::new(file, source.to_owned())),
            span: offset.into(),
        }
    }
}

fn place(location: Location<'_>) -> (usize, usize) {
    if !location.is_file_line_col_range() {
        return (1, 1);
    }
    (location.file_line_col_range_start_line().max(1), location.file_line_col_range_start_column().max(1))
}

/// Parses a file. `file` is the name that errors carry.
pub fn parse(file: &str, source: &str) -> Result<LossFile, ParseError> {
    // MLIR's C interface has no handle of the IRDL dialect alone. Registered
    // dialects cost nothing until the parser meets them.
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
        Some(module) if module.as_operation().verify() => read_module(module, file),
        _ => Err(Mistake { message: "not a module of the loss dialect".into(), place: (1, 1) }),
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

fn read_module(module: &Module<'_>, file: &str) -> Result<LossFile, Mistake> {
    let operation = module.as_operation();
    let text = |name: &str| operation.attribute(name).ok().and_then(string);
    let mut programs = Vec::new();
    for function in operations(module.body()) {
        programs.push(Reader::read(function)?);
    }
    let choice = text(CHOICE).zip(text(DEFAULT)).map(|(name, default)| Choice { name, default });
    let named = text(NAME).or_else(|| programs.first().map(|program| program.name().replace('_', "-")));
    let wrong = |message: &str| Err(Mistake::new(operation.location(), message));
    match (&choice, programs.len()) {
        (_, 0) => return wrong("there is no function, so no loss"),
        (None, 2..) => return wrong("several functions, but no loss.choice on the module to select one"),
        _ => {}
    }
    let name = named.unwrap_or_else(|| file.into());
    let file = LossFile { name, summary: text(SUMMARY), choice, programs };
    if file.program(None).is_none() {
        return wrong("loss.default names none of the functions");
    }
    Ok(file)
}

fn operations<'c: 'a, 'a>(block: BlockRef<'c, 'a>) -> impl Iterator<Item = OperationRef<'c, 'a>> {
    std::iter::successors(block.first_operation(), OperationLike::next_in_block)
}

fn string(attribute: Attribute<'_>) -> Option<String> {
    StringAttribute::try_from(attribute).ok().map(|text| text.value().to_owned())
}

fn number(attribute: Attribute<'_>) -> Option<f32> {
    FloatAttribute::try_from(attribute).ok().map(|number| number.value() as f32)
}

/// Reads one function.
struct Reader {
    builder: Builder,
    /// What each MLIR value is, by its address: MLIR gives values no other identity.
    values: HashMap<usize, ValueId>,
}

impl Reader {
    fn read(function: OperationRef<'_, '_>) -> Result<Program, Mistake> {
        let location = function.location();
        if function.name().as_string_ref().as_str() != Ok("func.func") {
            return Err(Mistake::new(location, "only functions may stand in a loss file"));
        }
        let name = function.attribute("sym_name").ok().and_then(string).unwrap_or_default();
        let block = function.region(0).ok().and_then(|region| region.first_block());
        let Some(block) = block else { return Err(Mistake::new(location, "the function has no body")) };
        let mut reader = Self { builder: Builder::new(&name), values: HashMap::new() };
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
        for index in 0..block.argument_count() {
            let Ok(value) = block.argument(index) else { break };
            let attribute = |name: &str| entry(function, "arg_attrs", index, name);
            let argument = Argument {
                name: attribute(NAME).and_then(string).unwrap_or_else(|| default_argument_name(index)),
                ty: read_type(value.into(), function.location())?,
                default: attribute(DEFAULT).and_then(number),
            };
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
        let Some(op) = op else { return Err(wrong(&format!("{name} is no op of the loss dialect"))) };
        let value = operation.attribute(VALUE).ok().and_then(number);
        let op = match op {
            Op::Constant(_) => Op::constant(value.ok_or_else(|| wrong(&"loss.constant has no f32 value"))?),
            op => op,
        };
        let operands: Vec<_> = operation.operands().map(|operand| self.values[&identity(operand)]).collect();
        let result = operation.result(0).map_err(|error| wrong(&error))?;
        let asked = read_type(result.into(), location)?;
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
        let result = |(index, operand)| {
            let name = entry(function, "res_attrs", index, NAME).and_then(string);
            let fallback = || if index == 0 { LOSS.to_owned() } else { format!("result{index}") };
            ProgramResult { name: name.unwrap_or_else(fallback), value: self.values[&identity(operand)] }
        };
        Ok(terminator.operands().enumerate().map(result).collect())
    }
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
