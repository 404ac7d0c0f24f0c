//! The types of MLIR that the lowering uses.

use std::fmt;

use lossc_dialect::Element;

/// The type of one lane of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::lower) enum Scalar {
    /// An integer of so many bits, without signedness.
    Int(u32),
    F16,
    Bf16,
    F32,
    F64,
    /// A pointer into this address space: 0 the host's, 1 a GPU's, 3 a block's.
    Pointer(u32),
}

impl Scalar {
    pub(in crate::lower) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// The type in which values of a program's element type are computed.
    pub(in crate::lower) fn of(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
            Element::Bf16 => Self::Bf16,
            Element::U8 => Self::Int(8),
            Element::I32 => Self::Int(32),
            Element::I64 => Self::Int(64),
            Element::Mask => Self::Int(1),
        }
    }

    /// The type in memory: 16-bit floats are stored as integers, since no processor masks their
    /// loads, and masks as bytes.
    pub(in crate::lower) fn stored(self) -> Self {
        match self {
            Self::F16 | Self::Bf16 => Self::Int(16),
            Self::Int(1) => Self::Int(8),
            other => other,
        }
    }

    /// The size of a stored element.
    pub(in crate::lower) fn bytes(self) -> usize {
        match self.stored() {
            Self::Int(bits) => bits as usize / 8,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 | Self::Pointer(_) => 8,
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(bits) => write!(formatter, "i{bits}"),
            Self::F16 => formatter.write_str("f16"),
            Self::Bf16 => formatter.write_str("bf16"),
            Self::F32 => formatter.write_str("f32"),
            Self::F64 => formatter.write_str("f64"),
            Self::Pointer(0) => formatter.write_str("!llvm.ptr"),
            Self::Pointer(space) => write!(formatter, "!llvm.ptr<{space}>"),
        }
    }
}

/// The type of a value: a scalar, or a vector if it has more than one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::lower) struct ValueType {
    pub(in crate::lower) scalar: Scalar,
    pub(in crate::lower) lanes: usize,
}

pub(in crate::lower) const BIT: ValueType = ValueType::one(Scalar::Int(1));
pub(in crate::lower) const I32: ValueType = ValueType::one(Scalar::Int(32));
pub(in crate::lower) const I64: ValueType = ValueType::one(Scalar::Int(64));
pub(in crate::lower) const F32: ValueType = ValueType::one(Scalar::F32);
pub(in crate::lower) const F64: ValueType = ValueType::one(Scalar::F64);

impl ValueType {
    /// A scalar.
    pub(in crate::lower) const fn one(scalar: Scalar) -> Self {
        Self { scalar, lanes: 1 }
    }

    /// The type with the same number of lanes of another scalar.
    pub(in crate::lower) const fn with(self, scalar: Scalar) -> Self {
        Self { scalar, ..self }
    }

    /// The type with `lanes` lanes of the same scalar.
    pub(in crate::lower) const fn times(self, lanes: usize) -> Self {
        Self { lanes, ..self }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lanes {
            1 => self.scalar.fmt(formatter),
            lanes => write!(formatter, "vector<{lanes}x{}>", self.scalar),
        }
    }
}
