//! Approximate instructions, with the largest errors that NVIDIA's "PTX ISA" allows.
//!
//! Sections 9.7.3 "rcp", "lg2" and "ex2" of version 8.5: 1 unit in the last place; 2⁻²², absolute
//! between 1/2 and 2 and relative elsewhere; 2 units from the rounded result. The compiler's own
//! account of them shares no code with this.

/// An instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Approximation {
    /// `ex2.approx.ftz.f32`
    Exp2,
    /// `lg2.approx.f32`
    Log2,
    /// `rcp.approx.ftz.f32`
    Reciprocal,
}

impl Approximation {
    pub(crate) const ALL: [Self; 3] = [Self::Exp2, Self::Log2, Self::Reciprocal];

    /// The result's bits for an operand's. With `errors` the result is off by a part of the bound
    /// that depends on the seed and the operand; otherwise it is rounded.
    pub(crate) fn apply(self, operand: u32, errors: Option<u64>) -> u32 {
        let rounded = self.rounded(f32::from_bits(operand));
        let Some(seed) = errors.filter(|_| rounded.is_normal()) else {
            return flush(self, rounded).to_bits();
        };
        let part = part(seed ^ u64::from(operand) << 8 ^ self as u64);
        let unit = f64::from(f32::from_bits(rounded.to_bits() + 1)) - f64::from(rounded);
        let bound = match self {
            Self::Exp2 => 2.0 * unit.abs(),
            Self::Reciprocal => unit.abs() / 2.0,
            Self::Log2 => {
                let is_near_one = (0.5..=2.0).contains(&f32::from_bits(operand));
                (if is_near_one { 1.0 } else { f64::from(rounded).abs() }) / f64::from(1 << 22)
                    - unit.abs() / 2.0
            }
        };
        flush(self, (f64::from(rounded) + part * bound) as f32).to_bits()
    }

    fn rounded(self, operand: f32) -> f32 {
        let exact = f64::from(flush(self, operand));
        let result = match self {
            Self::Exp2 => exact.exp2(),
            Self::Log2 if exact == 0.0 => f64::NEG_INFINITY,
            Self::Log2 => exact.log2(),
            Self::Reciprocal => 1.0 / exact,
        };
        result as f32
    }
}

/// Replaces subnormal numbers by 0: instructions with `ftz` have none.
fn flush(instruction: Approximation, value: f32) -> f32 {
    let has_them = instruction == Approximation::Log2;
    if value.is_subnormal() && !has_them { 0.0_f32.copysign(value) } else { value }
}

/// A number from -1 to 1, often one of the ends, where a rounded bound would be missed.
fn part(key: u64) -> f64 {
    // The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
    let mut bits = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    let uniform = ((bits ^ bits >> 31) >> 11) as f64 / (1_u64 << 53) as f64;
    (4.0 * uniform - 2.0).clamp(-1.0, 1.0)
}
