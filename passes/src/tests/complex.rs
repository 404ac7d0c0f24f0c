//! Complex numbers: the analytic continuation of every op. With a step along the
//! imaginary axis they give derivatives without subtraction, to the last digits.

use std::ops::{Add, Div, Mul, Neg, Sub};

use lossc_dialect::{Op, Type};
use lossc_programs::evaluate::Arithmetic;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Complex {
    pub re: f64,
    pub im: f64,
}

const fn complex(re: f64, im: f64) -> Complex {
    Complex { re, im }
}

const ONE: Complex = complex(1.0, 0.0);

impl Complex {
    fn exp(self) -> Self {
        let size = self.re.exp();
        complex(size * self.im.cos(), size * self.im.sin())
    }

    /// The cosine's distance from 1 is kept as a separate term.
    fn exp_m1(self) -> Self {
        let bend = 2.0 * (self.im / 2.0).sin().powi(2);
        complex(self.re.exp_m1() - self.re.exp() * bend, self.re.exp() * self.im.sin())
    }

    fn ln(self) -> Self {
        complex(self.re.hypot(self.im).ln(), self.im.atan2(self.re))
    }

    fn ln_1p(self) -> Self {
        let size = 2.0 * self.re + self.re * self.re + self.im * self.im;
        complex(size.ln_1p() / 2.0, self.im.atan2(1.0 + self.re))
    }

    fn sigmoid(self) -> Self {
        if self.re < 0.0 { self.exp() / (ONE + self.exp()) } else { ONE / (ONE + (-self).exp()) }
    }

    fn softplus(self) -> Self {
        if self.re < 0.0 { self.exp().ln_1p() } else { self + (-self).exp().ln_1p() }
    }
}

impl Add for Complex {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        complex(self.re + other.re, self.im + other.im)
    }
}

impl Sub for Complex {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        complex(self.re - other.re, self.im - other.im)
    }
}

impl Mul for Complex {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        complex(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)
    }
}

impl Div for Complex {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let size = other.re * other.re + other.im * other.im;
        let product = self * complex(other.re, -other.im);
        complex(product.re / size, product.im / size)
    }
}

impl Neg for Complex {
    type Output = Self;
    fn neg(self) -> Self {
        complex(-self.re, -self.im)
    }
}

/// The ops over complex numbers. Ops that are analytic in pieces decide by the real part, so
/// that a step along the imaginary axis stays in its piece.
pub(super) struct Complexes;

impl Arithmetic for Complexes {
    type Value = Complex;

    fn number(&self, value: f64) -> Complex {
        complex(value, 0.0)
    }

    fn element(&self, op: Op, x: &[Complex], _: &[Type]) -> Complex {
        match op {
            Op::Add => x[0] + x[1],
            Op::Sub => x[0] - x[1],
            Op::Mul | Op::AbsorbingMul => x[0] * x[1],
            Op::RatioOrZero if x[1].re == 0.0 => complex(0.0, 0.0),
            Op::Div | Op::RatioOrZero => x[0] / x[1],
            Op::ReciprocalOneToTwo => complex(1.0, 0.0) / x[0],
            Op::Fma => x[0] * x[1] + x[2],
            Op::Neg => -x[0],
            Op::Abs if x[0].re < 0.0 => -x[0],
            Op::PositivePart if x[0].re <= 0.0 => complex(0.0, 0.0),
            Op::Abs | Op::Cast | Op::PositivePart => x[0],
            Op::Min => x[usize::from(x[1].re < x[0].re)],
            Op::Max => x[usize::from(x[0].re < x[1].re)],
            Op::Exp | Op::ExpNonpositive => x[0].exp(),
            Op::Expm1 => x[0].exp_m1(),
            Op::Log => x[0].ln(),
            Op::Log1p | Op::Log1pUnit => x[0].ln_1p(),
            Op::Pow => (x[1] * x[0].ln()).exp(),
            Op::Sigmoid => x[0].sigmoid(),
            Op::Softplus => x[0].softplus(),
            Op::Select => x[if x[0].re == 0.0 { 2 } else { 1 }],
            Op::Less => self.mask(x[0].re < x[1].re),
            Op::LessEqual => self.mask(x[0].re <= x[1].re),
            Op::Equal => self.mask(x[0].re == x[1].re),
            Op::And => self.mask(x[0].re * x[1].re != 0.0),
            Op::Or => self.mask(x[0].re + x[1].re != 0.0),
            Op::Not => self.mask(x[0].re == 0.0),
            op => unreachable!("{op:?} is not element-wise"),
        }
    }

    fn sum(&self, _: Option<usize>, terms: &[Complex]) -> Complex {
        terms.iter().fold(complex(0.0, 0.0), |sum, &term| sum + term)
    }
}

impl Complexes {
    fn mask(&self, holds: bool) -> Complex {
        self.number(f64::from(u8::from(holds)))
    }
}
