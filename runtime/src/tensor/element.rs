//! The element types that a pixel tensor may have in memory.

use std::fmt;
use std::str::FromStr;

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

use super::TensorError;

/// Type of one pixel in memory. Arithmetic is always in `f32`: a kernel widens on load and
/// rounds once on store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// IEEE binary32.
    F32,
    /// IEEE binary16.
    F16,
    /// The upper half of a binary32.
    Bf16,
    /// An unsigned byte.
    U8,
    /// One byte that is 0 or 1, as numpy stores it.
    Bool,
    /// A 32-bit two's complement integer.
    I32,
    /// A 64-bit two's complement integer.
    I64,
}

impl ElementType {
    /// Every element type, in declaration order.
    pub const ALL: [Self; 7] = [Self::F32, Self::F16, Self::Bf16, Self::U8, Self::Bool, Self::I32, Self::I64];

    /// Bytes of one element; also its alignment.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::Bool => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }

    /// Returns whether a gradient may have this type.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// The name used in text: `f32`, `f16`, `bf16`, `u8`, `bool`, `i32`, `i64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::I32 => "i32",
            Self::I64 => "i64",
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for ElementType {
    type Err = TensorError;

    fn from_str(text: &str) -> Result<Self, TensorError> {
        Self::ALL
            .into_iter()
            .find(|element| element.name() == text)
            .ok_or_else(|| TensorError::UnknownElementType(text.to_owned()))
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is stored exactly as one [`ElementType`].
///
/// Sealed: the unsafe code that reads tensors as bytes and back relies on the
/// implementations here having no padding and `size_of` equal to
/// [`ElementType::size`].
pub trait Element: Copy + Default + Send + Sync + 'static + sealed::Sealed {
    /// The element type of `Self`.
    const ELEMENT: ElementType;
}

macro_rules! elements {
    ($($rust:ty => $element:ident),* $(,)?) => {$(
        impl sealed::Sealed for $rust {}
        impl Element for $rust {
            const ELEMENT: ElementType = ElementType::$element;
        }
        const _: () = assert!(size_of::<$rust>() == ElementType::$element.size());
    )*};
}

elements! {
    f32 => F32,
    f16 => F16,
    bf16 => Bf16,
    u8 => U8,
    bool => Bool,
    i32 => I32,
    i64 => I64,
}
