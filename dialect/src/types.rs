//! The types of the loss IR and their MLIR spelling.

use std::fmt;

/// Number of values: one per pixel, one per balancing group or one per call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One value per call: `tensor<T>`.
    Scalar,
    /// One value per balancing group: `tensor<?xT>`.
    Group,
    /// One value per pixel: `tensor<?x?xT>`, planes by positions in the plane.
    Pixel,
}

impl Level {
    /// All levels, from the fewest values to the most.
    pub const ALL: [Self; 3] = [Self::Scalar, Self::Group, Self::Pixel];

    /// The number of tensor dimensions of a value of this level.
    pub fn rank(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Scalar => "scalar",
            Self::Group => "group",
            Self::Pixel => "pixel",
        })
    }
}

/// Type of one value. All arithmetic is on [`Element::F32`]; the storage types exist only as
/// pixel arguments and results, and `loss.cast` converts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// IEEE binary32, the type of all arithmetic.
    F32,
    /// IEEE binary16, storage only.
    F16,
    /// bfloat16, storage only.
    Bf16,
    /// Unsigned byte, storage only.
    U8,
    /// 32-bit integer, storage only.
    I32,
    /// 64-bit integer: a count, or storage.
    I64,
    /// A truth value: the result of a comparison, or storage.
    Mask,
}

/// The MLIR spelling of each element type.
const ELEMENTS: [(Element, &str); 7] = [
    (Element::F32, "f32"),
    (Element::F16, "f16"),
    (Element::Bf16, "bf16"),
    (Element::U8, "ui8"),
    (Element::I32, "i32"),
    (Element::I64, "i64"),
    (Element::Mask, "i1"),
];

impl Element {
    /// All element types.
    pub fn all() -> impl Iterator<Item = Self> {
        ELEMENTS.iter().map(|&(element, _)| element)
    }

    /// Returns whether a tensor of logits may have this type.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::Bf16)
    }

    /// The bytes that one value takes in a tensor of pixels.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::Mask => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 | Self::I32 => 4,
            Self::I64 => 8,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(ELEMENTS[*self as usize].1)
    }
}

/// The type of a value: its level and its element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type {
    /// The number of values.
    pub level: Level,
    /// The type of each.
    pub element: Element,
}

impl Type {
    /// The type with `level` and `element`.
    pub const fn new(level: Level, element: Element) -> Self {
        Self { level, element }
    }

    /// A scalar float.
    pub const SCALAR: Self = Self::new(Level::Scalar, Element::F32);

    /// One float per pixel.
    pub const PIXEL: Self = Self::new(Level::Pixel, Element::F32);

    /// Every type of the IR, in the order of the IRDL file.
    pub fn all() -> impl Iterator<Item = Self> {
        Level::ALL.into_iter().flat_map(|level| Element::all().map(move |element| Self::new(level, element)))
    }

    /// The type that MLIR spells as `text`, e.g. `tensor<?x?xf32>`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|ty| ty.to_string() == text)
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tensor<{}{}>", "?x".repeat(self.level.rank()), self.element)
    }
}
