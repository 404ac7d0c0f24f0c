//! Storage types: a loss is written for one, and compiled for the caller's.

use lossc_dialect::{Argument, Builder, Element, Op, Program, Type};

use super::SpecialiseError;

/// The program with its tensors of pixels stored as `elements`. All arithmetic
/// stays f32: a narrower argument is cast where it is read.
pub(super) fn store_as(program: &Program, elements: &[Element]) -> Result<Program, SpecialiseError> {
    let mut builder = Builder::new(program.name());
    let mut asked = elements.iter().copied();
    let mut arguments = Vec::new();
    for (index, argument) in program.arguments().iter().enumerate() {
        let own = argument.ty.element;
        let element = if argument.is_pixel() { asked.next().unwrap_or(own) } else { own };
        check(argument, index, element)?;
        let ty = Type::new(argument.ty.level, element);
        let value = builder.argument(Argument { ty, ..argument.clone() });
        // The program's own uses of the argument expect an f32.
        arguments.push(if own == Element::F32 { builder.cast(value, own) } else { value });
    }
    // A cast that has become one to its operand's own type is left out.
    let results = program.rebuild(&mut builder, &arguments, |builder, value, operands| {
        let node = program.node(value);
        if node.op == Op::Cast {
            builder.cast(operands[0], node.ty.element)
        } else {
            builder.copy(node, operands)
        }
    });
    Ok(builder.finish(results)?)
}

fn check(argument: &Argument, index: usize, element: Element) -> Result<(), SpecialiseError> {
    let why = match (index, argument.ty.element) {
        (0, _) if !element.is_float() => "logits are f32, f16 or bf16",
        (_, Element::Mask) if element != Element::Mask => "the loss uses it as a mask",
        _ => return Ok(()),
    };
    Err(SpecialiseError::Storage { argument: argument.name.clone(), element, why })
}
