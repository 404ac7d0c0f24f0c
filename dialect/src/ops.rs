//! The ops: one table entry each, everything about an op in its entry.
//!
//! The IRDL file, the verifier, both interpreters, the printer, differentiation
//! and the lowering read this table. To add an element-wise op, add a variant to
//! [`Op`] and an entry to the table of its theme; its lowering follows from its
//! exact meaning.

/// The fast meaning of an op, if it has one.
macro_rules! fast {
    () => {
        None
    };
    ($fast:expr) => {
        Some($fast)
    };
}

/// The table entry of an op on floats of one level.
macro_rules! floats {
    (
        $op:ident, $mnemonic:literal, $operands:expr, $domain:ident, $summary:literal,
        $real:expr, $exact:expr, $partials:expr $(, fast = $fast:expr)?
    ) => {
        OpDefinition {
            op: Op::$op,
            mnemonic: $mnemonic,
            summary: $summary,
            operands: &$operands,
            signature: Signature::Floats,
            meaning: Meaning::Element { real: $real, exact: $exact, fast: fast!($($fast)?) },
            derivative: Derivative::Partials($partials),
            domain: Domain::$domain,
        }
    };
}

mod arithmetic;
mod compare;
mod elementary;
mod leaf;
mod movement;
mod reduction;
mod signature;

pub use signature::{Signature, SignatureError};

use crate::machine::{ApproximateMachine, Machine, Operations, Word};
use crate::program::{Builder, ValueId};
use crate::types::Level;

/// An operation of the loss IR, with its attribute where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the table's summaries document the variants")]
pub enum Op {
    /// The argument of the program with this index.
    Argument(u32),
    /// The f32 with these bits, at any level.
    Constant(u32),
    Uniform,
    Groups,
    Pixels,
    Add,
    Sub,
    Mul,
    Div,
    Fma,
    Neg,
    Abs,
    Min,
    Max,
    PositivePart,
    AbsorbingMul,
    RatioOrZero,
    ReciprocalOneToTwo,
    Exp,
    ExpNonpositive,
    ExpUpper,
    Expm1,
    Log,
    Log1p,
    Log1pUnit,
    Pow,
    Sigmoid,
    Softplus,
    Less,
    LessEqual,
    Equal,
    /// Comparison of an integer with this one.
    Is(i64),
    And,
    Or,
    Not,
    Select,
    Cast,
    Broadcast,
    BroadcastGroups,
    Count,
    Sum,
    SumGroups,
    MeanGroups,
}

impl Op {
    /// The constant `value`.
    pub fn constant(value: f32) -> Self {
        Self::Constant(value.to_bits())
    }

    /// The value of a constant.
    pub fn constant_value(self) -> Option<f32> {
        match self {
            Self::Constant(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// The integer that an op compares with.
    pub fn compared(self) -> Option<i64> {
        match self {
            Self::Is(value) => Some(value),
            _ => None,
        }
    }

    /// Returns whether the op has an attribute: no rule can name such an op.
    pub fn has_attribute(self) -> bool {
        matches!(self, Self::Constant(_) | Self::Is(_))
    }

    /// The op's table entry. Arguments are not operations and have none.
    pub fn definition(self) -> Option<&'static OpDefinition> {
        let kind = std::mem::discriminant(&self);
        table().find(|definition| std::mem::discriminant(&definition.op) == kind)
    }

    /// Returns the f64 arithmetic of an element-wise op at `level`; `None` where it is f32.
    ///
    /// This is the one place that says how precise a value is. A pixel's value is f32. A value
    /// of a group or of the call starts from totals in f64 and stays f64 through arithmetic,
    /// comparisons and selects. It is rounded to f32 where an elementary function takes it,
    /// where a pixel reads it (`broadcast`), and where it is a result.
    #[allow(clippy::match_same_arms, reason = "one arm per theme")]
    pub fn wide(self, level: Level) -> Option<fn(&[f64]) -> f64> {
        let Meaning::Element { real, .. } = self.definition()?.meaning else { return None };
        match self {
            _ if level == Level::Pixel => None,
            // Not every processor has fma, and it gains nothing here.
            Self::Fma => Some(|x| x[0] * x[1] + x[2]),
            Self::Add | Self::Sub | Self::Mul | Self::Div | Self::Neg | Self::Abs => Some(real),
            Self::Min | Self::Max | Self::PositivePart | Self::Select => Some(real),
            Self::AbsorbingMul | Self::RatioOrZero | Self::ReciprocalOneToTwo => Some(real),
            Self::Less | Self::LessEqual | Self::Equal | Self::And | Self::Or | Self::Not => Some(real),
            _ => None,
        }
    }

    /// The op's name without the dialect: `sigmoid`.
    pub fn mnemonic(self) -> &'static str {
        self.definition().map_or("argument", |definition| definition.mnemonic)
    }

    /// The op with this mnemonic; its attribute, if it has one, is 0.
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        table().find(|definition| definition.mnemonic == mnemonic).map(|definition| definition.op)
    }
}

/// Definition of an op.
pub struct OpDefinition {
    /// The op itself.
    pub op: Op,
    /// Its name in the `loss` dialect.
    pub mnemonic: &'static str,
    /// One line for the reader of the IRDL file and of `lossc list`.
    pub summary: &'static str,
    /// The names of its operands.
    pub operands: &'static [&'static str],
    /// The types that it takes and returns.
    pub signature: Signature,
    /// Its computation.
    pub meaning: Meaning,
    /// The flow of an adjoint through it.
    pub derivative: Derivative,
    /// The range of each operand in which the real meaning is defined.
    pub domain: Domain,
}

impl OpDefinition {
    /// Runs an element-wise op's meaning in f32: the exact one if there is no fast one.
    pub fn run(
        &self,
        numerics: Numerics,
        machine: &mut dyn ApproximateMachine,
        operands: &[Word],
    ) -> Option<Word> {
        let Meaning::Element { exact, fast, .. } = self.meaning else { return None };
        match (numerics, fast) {
            (Numerics::Fast, Some(fast)) => Some(fast(machine, operands)),
            _ => Some(exact(machine, operands)),
        }
    }

    /// The operations that the exact meaning of an element-wise op takes.
    pub fn operations(&self) -> Option<Operations> {
        self.operations_by(Numerics::Reproducible)
    }

    /// The operations that an element-wise op takes under `numerics`.
    pub fn operations_by(&self, numerics: Numerics) -> Option<Operations> {
        let mut operations = Operations::default();
        self.run(numerics, &mut operations, &vec![Word(0); self.operands.len()])?;
        Some(operations)
    }
}

/// Choice of the f32 meaning by which pixels are computed. A value that is the same for a group
/// of pixels is exact under either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Numerics {
    /// The exact meaning: the same bits on every machine.
    #[default]
    Reproducible,
    /// The fast meaning, if there is one: the same bits on one device, near the exact ones on
    /// all. Only GPUs have its operations.
    Fast,
}

impl Numerics {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Reproducible, Self::Fast];

    /// Its name in options and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reproducible => "reproducible",
            Self::Fast => "fast",
        }
    }
}

/// A meaning in f32 by approximate operations.
pub type Fast = fn(&mut dyn ApproximateMachine, &[Word]) -> Word;

/// Computation of an op.
pub enum Meaning {
    /// One value from the operands' values at the same index.
    Element {
        /// In real numbers, to the precision of f64; a mask is 0 or 1.
        real: fn(&[f64]) -> f64,
        /// In f32, exactly: the sequence of IEEE operations that every target runs.
        exact: fn(&mut dyn Machine, &[Word]) -> Word,
        /// In f32, within a documented error, where that takes fewer operations.
        fast: Option<Fast>,
    },
    /// Defined by the interpreter and the lowering, since the op reads more than one index or
    /// none.
    Structural,
}

/// The partial derivative with respect to each operand, built from the operands and the result;
/// `None` where nothing flows.
pub type Partials = fn(&mut Builder, &[ValueId], ValueId) -> Vec<Option<ValueId>>;

/// Flow of an adjoint through an op.
pub enum Derivative {
    /// The result does not change with small changes of the operands.
    Zero,
    /// By the chain rule with these partial derivatives.
    Partials(Partials),
    /// By a rule of the differentiation pass, since the op moves values: selects, casts,
    /// reductions and broadcasts.
    Structural,
}

/// Range of an op's operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Anywhere.
    Reals,
    /// Above zero.
    Positive,
    /// Zero or above.
    NonNegative,
    /// Zero or below.
    NonPositive,
    /// Above minus one.
    AboveMinusOne,
    /// From zero to one.
    Unit,
    /// From one to two.
    OneToTwo,
}

impl Domain {
    /// Operands to try an op on: ordinary ones and edges, all in the domain.
    pub fn samples(self) -> impl Iterator<Item = f32> {
        const SAMPLES: [f32; 18] = [
            -100.0, -17.25, -4.0, -1.0, -0.75, -0.3, -1e-3, -1e-30, -0.0, 0.0, 1e-30, 1e-3, 0.3, 1.0, 1.375,
            4.0, 17.25, 80.0,
        ];
        SAMPLES.into_iter().filter(move |&x| self.contains(f64::from(x)))
    }

    /// Returns whether `x` lies in the domain.
    pub fn contains(self, x: f64) -> bool {
        match self {
            Self::Reals => true,
            Self::Positive => x > 0.0,
            Self::NonNegative => x >= 0.0,
            Self::NonPositive => x <= 0.0,
            Self::AboveMinusOne => x > -1.0,
            Self::Unit => (0.0..=1.0).contains(&x),
            Self::OneToTwo => (1.0..=2.0).contains(&x),
        }
    }
}

/// All definitions, in the order of the IRDL file.
pub fn table() -> impl Iterator<Item = &'static OpDefinition> {
    let themes: [&[OpDefinition]; 6] =
        [&leaf::OPS, &arithmetic::OPS, &elementary::OPS, &compare::OPS, &movement::OPS, &reduction::OPS];
    themes.into_iter().flatten()
}
