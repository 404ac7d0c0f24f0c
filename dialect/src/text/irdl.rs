//! The dialect in IRDL, made from the op table. `loss.irdl.mlir` holds this text
//! for `mlir-opt --irdl-file=`; a test compares the two.

use std::fmt::Write as _;

use super::attributes::VALUE;
use crate::ops::{OpDefinition, Signature, table};
use crate::types::{Element, Level, Type};

const HEADER: &str = "\
// The `loss` dialect in MLIR's IRDL, made from the op table in dialect/src/ops.
// A test compares the two; `LOSSC_UPDATE=1 cargo test` writes this file anew.
//
//   mlir-opt --irdl-file=dialect/loss.irdl.mlir dialect/losses/bce.mlir
//
// tensor<?x?xT> is one value per pixel, tensor<?xT> one per balancing
// group, tensor<T> one per call.
";

/// The dialect's definition.
pub fn text() -> String {
    let operations: String = table().map(operation).collect();
    format!("{HEADER}irdl.dialect @loss {{\n{operations}}}\n")
}

/// The constraint variables of an operation. Two uses of one variable are one type.
#[derive(Default)]
struct Constraints {
    text: String,
    count: usize,
}

impl Constraints {
    fn push(&mut self, constraint: &str) -> String {
        let name = format!("%{}", self.count);
        self.count += 1;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "    {name} = {constraint}");
        name
    }

    /// A constraint for any of these types.
    fn any(&mut self, types: impl IntoIterator<Item = Type>) -> String {
        let names: Vec<_> = types.into_iter().map(|ty| self.push(&format!("irdl.is {ty}"))).collect();
        match names.as_slice() {
            [one] => one.clone(),
            _ => self.push(&format!("irdl.any_of({})", names.join(", "))),
        }
    }

    /// A constraint for `element` at any level.
    fn element(&mut self, element: Element) -> String {
        self.any(Level::ALL.map(|level| Type::new(level, element)))
    }
}

fn operation(definition: &OpDefinition) -> String {
    let mut constraints = Constraints::default();
    let (operands, result) = types(definition, &mut constraints);
    let mut body = std::mem::take(&mut constraints.text);
    let attribute = match definition.signature {
        Signature::Constant => Some("float"),
        Signature::Integer => Some("integer"),
        _ => None,
    };
    if let Some(kind) = attribute {
        let value = constraints.push(&format!("irdl.base \"#builtin.{kind}\""));
        body += &constraints.text;
        let _ = writeln!(body, "    irdl.attributes {{ \"{VALUE}\" = {value} }}");
    }
    if !operands.is_empty() {
        let named = definition.operands.iter().zip(&operands).map(|(name, ty)| format!("{name}: {ty}"));
        let _ = writeln!(body, "    irdl.operands({})", named.collect::<Vec<_>>().join(", "));
    }
    let OpDefinition { mnemonic, summary, .. } = definition;
    format!(
        "\n  // {summary}\n  irdl.operation @{mnemonic} {{\n{body}    irdl.results(result: {result})\n  }}\n"
    )
}

/// The constraint of each operand and of the result. Where IRDL cannot say that two levels
/// agree, [`crate::verify`] checks it.
fn types(definition: &OpDefinition, constraints: &mut Constraints) -> (Vec<String>, String) {
    let count = definition.operands.len();
    let repeat = |name: &str| vec![name.to_owned(); count];
    match definition.signature {
        Signature::Constant => (vec![], constraints.element(Element::F32)),
        Signature::Random => (vec![], constraints.any([Type::PIXEL])),
        Signature::Size => (vec![], constraints.any([Type::SCALAR])),
        Signature::Floats => same(constraints.element(Element::F32), count),
        Signature::Logic => same(constraints.element(Element::Mask), count),
        Signature::Compare => {
            let operand = constraints.element(Element::F32);
            (repeat(&operand), constraints.element(Element::Mask))
        }
        Signature::Integer => {
            let integers = Type::all().filter(|ty| matches!(ty.element, Element::I32 | Element::I64));
            let operand = constraints.any(integers);
            (vec![operand], constraints.element(Element::Mask))
        }
        Signature::Select => {
            let mask = constraints.element(Element::Mask);
            let value = constraints.any(Type::all());
            (vec![mask, value.clone(), value.clone()], value)
        }
        Signature::Cast => (vec![constraints.any(Type::all())], constraints.any(Type::all())),
        Signature::ToPixel => broadcast(constraints, Level::Pixel),
        Signature::ToGroup => broadcast(constraints, Level::Group),
        Signature::Count => {
            let mask = constraints.any([Type::new(Level::Pixel, Element::Mask)]);
            (vec![mask], constraints.any([Type::new(Level::Group, Element::I64)]))
        }
        Signature::Sum => {
            let operand = constraints.any([Type::PIXEL]);
            (vec![operand], constraints.any([Type::new(Level::Group, Element::F32)]))
        }
        Signature::OverGroups => {
            let operand = constraints.any([Type::new(Level::Group, Element::F32)]);
            (vec![operand], constraints.any([Type::SCALAR]))
        }
    }
}

fn same(name: String, count: usize) -> (Vec<String>, String) {
    (vec![name.clone(); count], name)
}

fn broadcast(constraints: &mut Constraints, level: Level) -> (Vec<String>, String) {
    let operand = constraints.any(Type::all().filter(|ty| ty.level < level));
    (vec![operand], constraints.any(Type::all().filter(|ty| ty.level == level)))
}
