//! A loss as a hash-consed DAG. Equal operations are one node, and operands come before the
//! nodes that use them: a program is acyclic by construction.

mod builder;

pub use builder::{BuildError, Builder};

use std::fmt;

use crate::ops::Op;
use crate::types::{Level, Type};

/// A value of a program: the index of its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u32);

impl ValueId {
    /// The index of the value's node.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation and its operands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// The values that it takes.
    pub operands: Vec<ValueId>,
    /// The result's type.
    pub ty: Type,
}

/// An argument of a program: a tensor of pixels or a scalar.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The name by which callers know it.
    pub name: String,
    /// Pixel level in a storage type, or a scalar f32.
    pub ty: Type,
    /// The value of a scalar if the caller passes none.
    pub default: Option<f32>,
}

impl Argument {
    /// Returns whether it is a tensor of pixels.
    pub fn is_pixel(&self) -> bool {
        self.ty.level == Level::Pixel
    }
}

/// A named result of a program. The first is the scalar loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramResult {
    /// The name by which callers know it.
    pub name: String,
    /// Its value.
    pub value: ValueId,
}

/// The name of the first result.
pub const LOSS: &str = "loss";

/// The name of the pixel result that differentiation adds.
pub const GRADIENT: &str = "gradient";

/// The name of the scalar argument that differentiation adds.
pub const UPSTREAM: &str = "upstream";

/// The most operations that a loss may be written with, constants included and equal ones
/// counted once. A loss of this size compiles in seconds. What the compiler makes of it, such
/// as its gradient, may have more.
pub const MAX_OPS: usize = 2_000;

/// SourceLocation of an operation in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceLocation {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A loss: pure, acyclic, typed. Built by a [`Builder`].
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    arguments: Vec<Argument>,
    nodes: Vec<Node>,
    results: Vec<ProgramResult>,
    /// By node, its location in the text.
    locations: Vec<Option<SourceLocation>>,
}

/// Equality ignores the locations in the text.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, &self.arguments, &self.nodes, &self.results)
            == (&other.name, &other.arguments, &other.nodes, &other.results)
    }
}

impl Program {
    /// The function's name, e.g. `random_drop.log`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments in the order of the text: pixel tensors, then scalars.
    pub fn arguments(&self) -> &[Argument] {
        &self.arguments
    }

    /// The tensors of pixels among the arguments, with their argument index.
    pub fn pixel_arguments(&self) -> impl Iterator<Item = (usize, &Argument)> {
        self.arguments.iter().enumerate().filter(|(_, argument)| argument.is_pixel())
    }

    /// The scalars among the arguments, with their argument index.
    pub fn scalar_arguments(&self) -> impl Iterator<Item = (usize, &Argument)> {
        self.arguments.iter().enumerate().filter(|(_, argument)| !argument.is_pixel())
    }

    /// The named results, the loss first.
    pub fn results(&self) -> &[ProgramResult] {
        &self.results
    }

    /// The value of the result with this name.
    pub fn result(&self, name: &str) -> Option<ValueId> {
        self.results.iter().find(|result| result.name == name).map(|result| result.value)
    }

    /// All values, operands first.
    pub fn values(&self) -> impl Iterator<Item = (ValueId, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (ValueId(index as u32), node))
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of a value.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.index()]
    }

    /// The number of operations: of nodes that are not arguments.
    pub fn ops(&self) -> usize {
        self.nodes.len() - self.arguments.len()
    }

    /// Checks that the program is small enough to be compiled.
    ///
    /// # Errors
    /// If it has more than [`MAX_OPS`] operations.
    pub fn check_size(&self) -> Result<(), BuildError> {
        match self.ops() {
            ops if ops > MAX_OPS => Err(BuildError::TooManyOps { ops, limit: MAX_OPS }),
            _ => Ok(()),
        }
    }

    /// SourceLocation of the operation of `value`, or of the one that it was made from; `None` if it
    /// comes from no text.
    pub fn location(&self, value: ValueId) -> Option<SourceLocation> {
        self.locations[value.index()]
    }

    /// The type of a value.
    pub fn ty(&self, value: ValueId) -> Type {
        self.node(value).ty
    }

    /// Builds the program anew in `builder`, which holds values for the arguments. `copy`
    /// returns each operation's new value, given the new values of its operands; the operations
    /// that it adds have the original's location. The results keep their names and are returned
    /// with their new values.
    pub fn rebuild(
        &self,
        builder: &mut Builder,
        arguments: &[ValueId],
        mut copy: impl FnMut(&mut Builder, ValueId, &[ValueId]) -> ValueId,
    ) -> Vec<ProgramResult> {
        let mut results = self.results.clone();
        let needed = self.needed(results.iter().map(|result| result.value));
        let mut copies = vec![ValueId(0); self.len()];
        for (value, node) in self.values().filter(|(value, _)| needed[value.index()]) {
            let operands: Vec<_> = node.operands.iter().map(|operand| copies[operand.index()]).collect();
            builder.set_location(self.location(value));
            copies[value.index()] = match node.op {
                Op::Argument(index) => arguments[index as usize],
                _ => copy(builder, value, &operands),
            };
        }
        builder.set_location(None);
        results.iter_mut().for_each(|result| result.value = copies[result.value.index()]);
        results
    }

    /// Marks the values that the given ones need, themselves included.
    pub fn needed(&self, roots: impl IntoIterator<Item = ValueId>) -> Vec<bool> {
        let mut needed = vec![false; self.nodes.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for index in (0..self.nodes.len()).rev() {
            if needed[index] {
                for operand in &self.nodes[index].operands {
                    needed[operand.index()] = true;
                }
            }
        }
        needed
    }
}
