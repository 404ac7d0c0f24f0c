//! Printing of programs as MLIR text with normalised names: the same program, the same text.

use std::fmt::Write as _;

use super::attributes::{DEFAULT, NAME, VALUE};
use crate::ops::Op;
use crate::program::{Argument, Node, Program, ValueId};

/// Prints the program as an MLIR function, without the nodes that no result needs.
pub fn print(program: &Program) -> String {
    let needed = program.needed(program.results().iter().map(|result| result.value));
    let mut names = vec![String::new(); program.len()];
    let mut body = String::new();
    let mut count = 0;
    for (value, node) in program.values() {
        names[value.index()] = match node.op {
            Op::Argument(index) => format!("%{}", program.arguments()[index as usize].name),
            _ if !needed[value.index()] => continue,
            _ => {
                count += 1;
                format!("%{}", count - 1)
            }
        };
        if !matches!(node.op, Op::Argument(_)) {
            body += &operation(program, node, &names[value.index()], &names);
        }
    }
    format!("{} {{\n{body}{}}}\n", signature(program), terminator(program, &names))
}

fn signature(program: &Program) -> String {
    let arguments: Vec<_> = program.arguments().iter().map(argument).collect();
    let results = program.results().iter().enumerate().map(|(index, result)| {
        let ty = program.ty(result.value);
        if index == 0 { ty.to_string() } else { format!("{ty} {{{NAME} = \"{}\"}}", result.name) }
    });
    let results = results.collect::<Vec<_>>().join(", ");
    format!("func.func @{}({}) -> ({results})", program.name(), arguments.join(", "))
}

fn argument(argument: &Argument) -> String {
    let default = argument.default.map(|value| format!("{DEFAULT} = {} : f32, ", float(value)));
    let default = default.unwrap_or_default();
    format!("%{0}: {1} {{{default}{NAME} = \"{0}\"}}", argument.name, argument.ty)
}

fn operation(program: &Program, node: &Node, name: &str, names: &[String]) -> String {
    let operands = join(&node.operands, |operand| names[operand.index()].clone());
    let types = join(&node.operands, |operand| program.ty(operand).to_string());
    let mut text = format!("  {name} = \"loss.{}\"({operands})", node.op.mnemonic());
    if let Some(value) = node.op.constant_value() {
        // Writing to a String cannot fail.
        let _ = write!(text, " {{{VALUE} = {} : f32}}", float(value));
    }
    if let Some(value) = node.op.compared() {
        let _ = write!(text, " {{{VALUE} = {value} : i64}}");
    }
    let _ = writeln!(text, " : ({types}) -> {}", node.ty);
    text
}

fn terminator(program: &Program, names: &[String]) -> String {
    let values: Vec<_> = program.results().iter().map(|result| result.value).collect();
    let types = join(&values, |value| program.ty(value).to_string());
    format!("  return {} : {types}\n", join(&values, |value| names[value.index()].clone()))
}

fn join(values: &[ValueId], text: impl Fn(ValueId) -> String) -> String {
    values.iter().map(|&value| text(value)).collect::<Vec<_>>().join(", ")
}

/// A float as MLIR reads it: the shortest decimal with the same bits, with the point that MLIR
/// insists on; infinities and NaN by their bits.
fn float(value: f32) -> String {
    if !value.is_finite() {
        return format!("0x{:08X}", value.to_bits());
    }
    let text = format!("{value:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => format!("{mantissa}.0e{exponent}"),
        _ => text,
    }
}
