//! Writing MLIR text: values, blocks and functions.

mod control;
mod memory;
mod types;

use std::collections::HashMap;
use std::fmt;

use lossc_dialect::ops::Numerics;

pub(super) use types::{BIT, F32, F64, I32, I64, Scalar, ValueType};

/// An SSA value. Its name describes it and ends in a unique number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    stem: &'static str,
    /// The argument of [`Emitter::value`] for it.
    pub(super) id: u32,
    /// The value's type.
    pub(super) ty: ValueType,
}

impl fmt::Display for Value {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "%{}_{}", self.stem, self.id)
    }
}

/// Writes one function.
///
/// Constants are written once, at the function's top. An operation without side effects that a
/// surrounding block already has is not written again, so a value that two losses or two halves
/// of a block share is computed once.
#[derive(Default)]
pub(super) struct Emitter {
    values: Vec<Value>,
    constants: Vec<String>,
    lines: Vec<String>,
    depth: usize,
    /// The pure operations of each open block, outermost first.
    known: Vec<HashMap<String, Value>>,
    known_constants: HashMap<String, Value>,
    numerics: Numerics,
    is_for_gpu: bool,
}

impl Emitter {
    /// An emitter of a function whose text starts `depth` blocks deep.
    pub(super) fn new(depth: usize) -> Self {
        Self { depth: depth + 1, known: vec![HashMap::new()], ..Self::default() }
    }

    /// The same emitter for a GPU and pixels of these numerics.
    pub(super) fn for_gpu(self, numerics: Numerics) -> Self {
        Self { numerics, is_for_gpu: true, ..self }
    }

    /// Returns whether the function is for a GPU, which has an approximate reciprocal to start
    /// from.
    pub(super) fn is_for_gpu(&self) -> bool {
        self.is_for_gpu
    }

    /// The numerics by which the function's pixels are computed.
    pub(super) fn numerics(&self) -> Numerics {
        self.numerics
    }

    /// The function's text: `header`, the block, and `terminator` as its last line.
    pub(super) fn finish(self, header: &str, terminator: &str) -> String {
        let outer = "  ".repeat(self.depth - 1);
        let mut text = format!("{outer}{header} {{\n");
        for line in self.constants.iter().chain(&self.lines) {
            text.push_str(line);
            text.push('\n');
        }
        text + &format!("{outer}  {terminator}\n{outer}}}\n")
    }

    /// The value with this id.
    pub(super) fn value(&self, id: u32) -> Value {
        self.values[id as usize]
    }

    /// A new name, for an argument of a function or a block.
    pub(super) fn name(&mut self, stem: &'static str, ty: ValueType) -> Value {
        let value = Value { stem, id: self.values.len() as u32, ty };
        self.values.push(value);
        value
    }

    /// Writes a line without a result.
    pub(super) fn statement(&mut self, text: impl fmt::Display) {
        self.lines.push(format!("{}{text}", "  ".repeat(self.depth)));
    }

    /// Writes a comment for the reader.
    pub(super) fn comment(&mut self, text: impl fmt::Display) {
        self.statement(format_args!("// {text}"));
    }

    /// The result of an operation that must stay where it is written.
    pub(super) fn define(
        &mut self,
        stem: &'static str,
        ty: ValueType,
        operation: impl fmt::Display,
    ) -> Value {
        let value = self.name(stem, ty);
        self.statement(format_args!("{value} = {operation}"));
        value
    }

    /// The result of an operation without side effects.
    pub(super) fn pure(&mut self, stem: &'static str, ty: ValueType, operation: String) -> Value {
        if let Some(&value) = self.known.iter().rev().find_map(|block| block.get(&operation)) {
            return value;
        }
        let value = self.define(stem, ty, &operation);
        self.known.last_mut().expect("a function has a block").insert(operation, value);
        value
    }

    /// The constant that MLIR spells `literal`, in every lane of `ty`.
    pub(super) fn constant(&mut self, ty: ValueType, literal: &str) -> Value {
        let operation = match (ty, ty.lanes) {
            // A literal of type i1 implies its type.
            (BIT, _) => format!("arith.constant {literal}"),
            (_, 1) => format!("arith.constant {literal} : {ty}"),
            _ => format!("arith.constant dense<{literal}> : {ty}"),
        };
        if let Some(&value) = self.known_constants.get(&operation) {
            return value;
        }
        let value = self.name("const", ty);
        self.constants.push(format!("{}{value} = {operation}", "  ".repeat(self.outer_depth())));
        self.known_constants.insert(operation, value);
        value
    }

    /// The indentation of the function's own block.
    fn outer_depth(&self) -> usize {
        self.depth + 1 - self.known.len()
    }

    /// The integer `value` in every lane of `ty`.
    pub(super) fn integer(&mut self, ty: ValueType, value: i64) -> Value {
        match (ty.scalar, value) {
            (Scalar::Int(1), 0) => self.constant(ty, "false"),
            (Scalar::Int(1), _) => self.constant(ty, "true"),
            _ => self.constant(ty, &value.to_string()),
        }
    }

    /// The 64-bit integer `value`.
    pub(super) fn index(&mut self, value: usize) -> Value {
        self.integer(I64, value as i64)
    }

    /// The float `value` in every lane of `ty`.
    pub(super) fn float(&mut self, ty: ValueType, value: f32) -> Value {
        let literal = match ty.scalar {
            // Infinities and NaN are spelt by their bits, as many as the type has.
            Scalar::F64 if !value.is_finite() => format!("0x{:016X}", f64::from(value).to_bits()),
            _ => float_literal(value),
        };
        self.constant(ty, &literal)
    }

    /// 0 in every lane of `ty`.
    pub(super) fn zero(&mut self, ty: ValueType) -> Value {
        if ty.scalar.is_float() { self.float(ty, 0.0) } else { self.integer(ty, 0) }
    }

    /// The result of `operation`, whose operands and result have one type.
    pub(super) fn apply(&mut self, operation: &str, operands: &[Value]) -> Value {
        let names: Vec<_> = operands.iter().map(Value::to_string).collect();
        let ty = operands[0].ty;
        self.pure(stem(operation), ty, format!("{operation} {} : {ty}", names.join(", ")))
    }

    /// The result of `arith.cmpi` or `arith.cmpf` by `predicate`.
    pub(super) fn compare(&mut self, predicate: &str, a: Value, b: Value) -> Value {
        let operation = if a.ty.scalar.is_float() { "arith.cmpf" } else { "arith.cmpi" };
        let ty = a.ty.with(Scalar::Int(1));
        self.pure("is", ty, format!("{operation} {predicate}, {a}, {b} : {}", a.ty))
    }

    /// `then` where `mask` holds, else `otherwise`; one mask may serve all lanes.
    pub(super) fn select(&mut self, mask: Value, then: Value, otherwise: Value) -> Value {
        let mask_type = if mask.ty.lanes > 1 { format!("{}, ", mask.ty) } else { String::new() };
        let ty = then.ty;
        self.pure("select", ty, format!("arith.select {mask}, {then}, {otherwise} : {mask_type}{ty}"))
    }

    /// `then` if the scalar `condition` holds, else `otherwise`: two pointers.
    pub(super) fn choose_pointer(&mut self, condition: Value, then: Value, otherwise: Value) -> Value {
        let types = format!("i1, {}", then.ty);
        self.pure("origin", then.ty, format!("llvm.select {condition}, {then}, {otherwise} : {types}"))
    }

    /// `value` as `scalar`, lane by lane, by the conversion `operation`; `value` itself if it
    /// has that type.
    pub(super) fn convert(&mut self, operation: &str, value: Value, scalar: Scalar) -> Value {
        let (from, to) = (value.ty, value.ty.with(scalar));
        if from == to {
            return value;
        }
        self.pure(stem(operation), to, format!("{operation} {value} : {from} to {to}"))
    }

    /// `value` in each of `lanes` lanes.
    pub(super) fn splat(&mut self, value: Value, lanes: usize) -> Value {
        if lanes == 1 {
            return value;
        }
        let ty = ValueType { lanes, ..value.ty };
        self.pure("splat", ty, format!("vector.broadcast {value} : {} to {ty}", value.ty))
    }

    /// The bits of the vector `value`, divided into the lanes of `ty`.
    pub(super) fn vector_bitcast(&mut self, value: Value, ty: ValueType) -> Value {
        self.pure("bits", ty, format!("vector.bitcast {value} : {} to {ty}", value.ty))
    }

    /// One lane of a vector.
    pub(super) fn extract(&mut self, vector: Value, lane: usize) -> Value {
        let ty = ValueType { lanes: 1, ..vector.ty };
        self.pure("lane", ty, format!("vector.extract {vector}[{lane}] : {ty} from {}", vector.ty))
    }

    /// The vector of the chosen lanes of `a` and `b`; the lanes of `b` are numbered after those
    /// of `a`.
    pub(super) fn shuffle(&mut self, a: Value, b: Value, lanes: &[usize]) -> Value {
        let ty = ValueType { lanes: lanes.len(), ..a.ty };
        self.pure("shuffle", ty, format!("vector.shuffle {a}, {b} {lanes:?} : {}, {}", a.ty, b.ty))
    }

    /// The sum of 64-bit integers.
    pub(super) fn add(&mut self, a: Value, b: Value) -> Value {
        self.apply("arith.addi", &[a, b])
    }

    /// The product of 64-bit integers.
    pub(super) fn mul(&mut self, a: Value, b: Value) -> Value {
        self.apply("arith.muli", &[a, b])
    }
}

/// The stem of the names of an operation's results: the operation's name without the dialect.
fn stem(operation: &str) -> &'static str {
    const STEMS: [&str; 28] = [
        "addf", "subf", "mulf", "divf", "negf", "absf", "fma", "addi", "subi", "muli", "divui", "remui",
        "andi", "ori", "xori", "shli", "shrui", "shrsi", "minsi", "maxsi", "ctpop", "extui", "trunci",
        "extf", "truncf", "sitofp", "uitofp", "bitcast",
    ];
    let name = operation.rsplit('.').next().unwrap_or(operation);
    STEMS.into_iter().find(|known| *known == name).unwrap_or("v")
}

/// MLIR's spelling of a float. It has all the digits of an f64, so reading it back does not
/// round a second time.
fn float_literal(value: f32) -> String {
    if !value.is_finite() {
        return format!("0x{:08X}", value.to_bits());
    }
    let text = format!("{:?}", f64::from(value));
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_spelt_as_mlir_reads_them() {
        let spelt = [1.0, -0.0, 1e-30, 0.1, f32::MAX, f32::INFINITY].map(float_literal);
        assert_eq!(spelt[..2], ["1.0", "-0.0"]);
        assert!(spelt.iter().all(|text| text.contains('.') || text.starts_with("0x")), "{spelt:?}");
        assert_eq!(float_literal(f32::NAN), "0x7FC00000");
    }

    #[test]
    fn a_pure_operation_is_written_once_and_only_where_it_is_seen() {
        let mut emitter = Emitter::new(0);
        let condition = emitter.integer(BIT, 1);
        let one = emitter.index(1);
        let body = |emitter: &mut Emitter| -> Result<(), ()> {
            emitter.add(one, one);
            emitter.add(one, one);
            Ok(())
        };
        emitter.when(condition, body).expect("no error");
        emitter.add(one, one);
        let text = emitter.finish("func.func @f()", "return");
        assert_eq!(text.matches("arith.addi").count(), 2, "{text}");
        assert_eq!(text.matches("arith.constant 1 : i64").count(), 1, "{text}");
    }
}
