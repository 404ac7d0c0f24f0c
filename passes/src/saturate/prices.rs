//! What each op costs on a target.

use lossc_dialect::{Level, Op};

/// The prices of a target, in tenths of the time of one addition a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceList {
    /// A CPU with fused multiply-add: reciprocal throughput of 512- and 256-bit
    /// instructions on Intel and AMD cores, divisions about eight additions
    /// (Fog, "Instruction tables", 2024).
    Host,
    /// An NVIDIA GPU: a correctly rounded division is about ten instructions of
    /// straight-line code after `ptxas`.
    Nvidia,
}

impl PriceList {
    /// The price of one `op`. Above zero for whatever has operands, so that the
    /// cheapest program is acyclic. A group's or the call's value is computed once
    /// for thousands of pixels.
    pub fn price(self, op: Op, level: Level) -> u64 {
        match (op, level) {
            (Op::Argument(_) | Op::Constant(_), _) => 0,
            (_, Level::Pixel) => self.pixel_price(op),
            // What a reduction costs, it costs at each pixel.
            (Op::Sum | Op::Count, _) => 20,
            _ => 1,
        }
    }

    /// The price of writing a pixel's f32 in one pass and reading it in another: a
    /// core moves a byte of an image that no cache holds in about the time of five
    /// additions.
    pub fn keeping_float(self) -> u64 {
        400
    }

    /// The same for a bit, and for making a mask of it.
    pub fn keeping_mask(self) -> u64 {
        20
    }

    fn pixel_price(self, op: Op) -> u64 {
        let division = match self {
            Self::Host => 80,
            Self::Nvidia => 100,
        };
        match op {
            // Broadcasts are registers filled before the loop; a mask negated is
            // another mask operand.
            Op::Broadcast | Op::Neg | Op::Abs | Op::Not | Op::And | Op::Or => 4,
            Op::Cast => 20,
            Op::Uniform => 300,
            Op::Min | Op::Max => 40,
            Op::Weight => 50,
            Op::Div => division,
            Op::RatioOrZero => division + 20,
            Op::Exp => 150,
            Op::Log | Op::Log1p => 200,
            Op::Expm1 => 220,
            Op::Pow => 600,
            // Above the price of their definitions, which may share parts.
            Op::Sigmoid => 270 + division,
            Op::Softplus => 440,
            _ => 10,
        }
    }
}
