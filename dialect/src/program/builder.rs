//! Construction of programs.

use std::collections::HashMap;

use thiserror::Error;

use super::{Argument, Node, Program, ProgramResult, SourceLocation, ValueId};
use crate::ops::{Op, SignatureError};
use crate::types::{Level, Type};
use crate::verify;

/// Reason why a program could not be built.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BuildError {
    /// Operands do not fit an op.
    #[error("loss.{mnemonic} {error}")]
    Signature {
        /// The op.
        mnemonic: &'static str,
        /// The mismatch.
        error: SignatureError,
    },
    /// More operations than a loss may have.
    #[error(
        "a loss may have {limit} operations, and this one has {ops} or more: split it into several losses, or \
         compute once what repeats"
    )]
    TooManyOps {
        /// Lower bound on the number of its operations.
        ops: usize,
        /// The most that a loss may have.
        limit: usize,
    },
    /// The program as a whole is not a loss.
    #[error(transparent)]
    Verify(#[from] verify::VerifyError),
}

/// Builds a [`Program`]. Equal operations become one node.
///
/// The methods named after ops do not fail: the first mistake is kept, and
/// [`Builder::finish`] returns it.
#[derive(Clone, Debug)]
pub struct Builder {
    name: String,
    arguments: Vec<Argument>,
    nodes: Vec<Node>,
    known: HashMap<Node, ValueId>,
    /// By node, its location in the text.
    locations: Vec<Option<SourceLocation>>,
    /// SourceLocation of the nodes added next.
    location: Option<SourceLocation>,
    /// The most operations allowed.
    limit: Option<usize>,
    error: Option<BuildError>,
}

impl Builder {
    /// A builder of a program without arguments.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            arguments: vec![],
            nodes: vec![],
            known: HashMap::new(),
            locations: vec![],
            location: None,
            limit: None,
            error: None,
        }
    }

    /// Limits the number of operations: one more is an error. A loss as written has at most
    /// [`MAX_OPS`](super::MAX_OPS).
    pub fn limited_to(self, ops: usize) -> Self {
        Self { limit: Some(ops), ..self }
    }

    /// Sets the location of the operations that follow. An operation that exists already keeps
    /// its location.
    pub fn set_location(&mut self, location: Option<SourceLocation>) {
        self.location = location;
    }

    /// The number of operations so far: of nodes that are not arguments.
    pub fn ops(&self) -> usize {
        self.nodes.len() - self.arguments.len()
    }

    /// Adds an argument and returns its value.
    pub fn argument(&mut self, argument: Argument) -> ValueId {
        let (op, ty) = (Op::Argument(self.arguments.len() as u32), argument.ty);
        self.arguments.push(argument);
        self.intern(Node { op, operands: vec![], ty })
    }

    /// Adds a tensor of pixels.
    pub fn pixel_argument(&mut self, name: &str, element: crate::Element) -> ValueId {
        let ty = Type::new(Level::Pixel, element);
        self.argument(Argument { name: name.into(), ty, default: None })
    }

    /// Adds a scalar with its default.
    pub fn scalar_argument(&mut self, name: &str, default: f32) -> ValueId {
        self.argument(Argument { name: name.into(), ty: Type::SCALAR, default: Some(default) })
    }

    /// Declares all arguments of `program` and returns their values.
    pub fn declare_arguments(&mut self, program: &Program) -> Vec<ValueId> {
        program.arguments().iter().map(|argument| self.argument(argument.clone())).collect()
    }

    /// Copies `program`, with `arguments` in place of its arguments, and returns the copies of
    /// its results.
    pub fn import(&mut self, program: &Program, arguments: &[ValueId]) -> Vec<ProgramResult> {
        program
            .rebuild(self, arguments, |builder, value, operands| builder.copy(program.node(value), operands))
    }

    /// Adds the operation of `node`, a node of another program, on `operands`.
    pub fn copy(&mut self, node: &Node, operands: &[ValueId]) -> ValueId {
        self.op(node.op, operands, node.ty)
    }

    /// Adds an operation. `asked` is the type wanted of a constant or a cast; for other ops it
    /// follows from the operands.
    pub fn op(&mut self, op: Op, operands: &[ValueId], asked: Type) -> ValueId {
        match self.try_op(op, operands, asked) {
            Ok(value) => value,
            Err(error) => {
                self.error.get_or_insert(error);
                // Never seen, since `finish` returns the error: it only lets building continue.
                self.intern(Node { op: Op::constant(f32::NAN), operands: vec![], ty: asked })
            }
        }
    }

    /// Adds an operation, or returns at once why it cannot be added.
    pub fn try_op(&mut self, op: Op, operands: &[ValueId], asked: Type) -> Result<ValueId, BuildError> {
        let types: Vec<_> = operands.iter().map(|&operand| self.ty(operand)).collect();
        let ty = verify::result_type(op, &types, asked)
            .map_err(|error| BuildError::Signature { mnemonic: op.mnemonic(), error })?;
        let node = Node { op, operands: operands.to_vec(), ty };
        match self.limit.filter(|&limit| self.ops() >= limit && !self.known.contains_key(&node)) {
            Some(limit) => Err(BuildError::TooManyOps { ops: limit + 1, limit }),
            None => Ok(self.intern(node)),
        }
    }

    fn intern(&mut self, node: Node) -> ValueId {
        if let Some(&value) = self.known.get(&node) {
            return value;
        }
        let value = ValueId(self.nodes.len() as u32);
        self.nodes.push(node.clone());
        self.locations.push(self.location);
        self.known.insert(node, value);
        value
    }

    /// The node of a value built so far.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.index()]
    }

    /// The type of a value built so far.
    pub fn ty(&self, value: ValueId) -> Type {
        self.node(value).ty
    }

    /// The number of nodes so far.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there is no node yet.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The float `value` at `level`.
    pub fn constant(&mut self, value: f32, level: Level) -> ValueId {
        self.op(Op::constant(value), &[], Type::new(level, crate::Element::F32))
    }

    /// The float `value` at the level of `like`.
    pub fn constant_like(&mut self, value: f32, like: ValueId) -> ValueId {
        self.constant(value, self.ty(like).level)
    }

    /// `value` converted to `element`; itself if it is of that type.
    pub fn cast(&mut self, value: ValueId, element: crate::Element) -> ValueId {
        let ty = Type::new(self.ty(value).level, element);
        if self.ty(value) == ty { value } else { self.op(Op::Cast, &[value], ty) }
    }

    /// The mask of the pixels where `integer` is `value`.
    pub fn is(&mut self, integer: ValueId, value: i64) -> ValueId {
        self.op(Op::Is(value), &[integer], Type::PIXEL)
    }

    /// `value` broadcast to `level`; itself if it has that level.
    pub fn broadcast_to(&mut self, value: ValueId, level: Level) -> ValueId {
        let from = self.ty(value);
        match level {
            level if level == from.level => value,
            Level::Group => self.op(Op::BroadcastGroups, &[value], from),
            _ => self.op(Op::Broadcast, &[value], from),
        }
    }

    /// Checks and returns the program with these results. The first is the loss.
    pub fn finish(self, results: Vec<ProgramResult>) -> Result<Program, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Self { name, arguments, nodes, locations, .. } = self;
        let program = Program { name, arguments, nodes, results, locations };
        verify::verify(&program)?;
        Ok(program)
    }

    /// Like [`Builder::finish`], from names and values.
    pub fn finish_named<'a>(
        self,
        results: impl IntoIterator<Item = (&'a str, ValueId)>,
    ) -> Result<Program, BuildError> {
        let results = results.into_iter().map(|(name, value)| ProgramResult { name: name.into(), value });
        let results = results.collect();
        self.finish(results)
    }
}

/// One method per op whose result type follows from its operands.
macro_rules! methods {
    ($($method:ident $op:ident ($($operand:ident),*);)*) => {
        impl Builder {
            $(
                #[doc = concat!("`loss.", stringify!($method), "`")]
                pub fn $method(&mut self, $($operand: ValueId),*) -> ValueId {
                    self.op(Op::$op, &[$($operand),*], Type::PIXEL)
                }
            )*
        }
    };
}

methods! {
    uniform Uniform();
    groups Groups();
    pixels Pixels();
    add Add(lhs, rhs);
    sub Sub(lhs, rhs);
    mul Mul(lhs, rhs);
    div Div(lhs, rhs);
    fma Fma(a, b, c);
    neg Neg(operand);
    abs Abs(operand);
    min Min(lhs, rhs);
    max Max(lhs, rhs);
    positive_part PositivePart(operand);
    absorbing_mul AbsorbingMul(weight, value);
    ratio_or_zero RatioOrZero(numerator, denominator);
    reciprocal_one_to_two ReciprocalOneToTwo(operand);
    exp Exp(operand);
    exp_nonpositive ExpNonpositive(operand);
    exp_upper ExpUpper(operand);
    expm1 Expm1(operand);
    log Log(operand);
    log1p Log1p(operand);
    log1p_unit Log1pUnit(operand);
    pow Pow(base, exponent);
    sigmoid Sigmoid(operand);
    softplus Softplus(operand);
    less Less(lhs, rhs);
    less_equal LessEqual(lhs, rhs);
    equal Equal(lhs, rhs);
    and And(lhs, rhs);
    or Or(lhs, rhs);
    not Not(operand);
    select Select(mask, then, otherwise);
    broadcast Broadcast(operand);
    broadcast_groups BroadcastGroups(operand);
    count Count(mask);
    sum Sum(operand);
    sum_groups SumGroups(operand);
    mean_groups MeanGroups(operand);
}
