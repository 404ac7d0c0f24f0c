//! Evidence for a rule, made from its table line: both sides become programs and are run on
//! random and edge values that meet its conditions, in exact f32 and in f64.

mod axioms;
mod pattern;
pub(crate) mod tests;

use lossc_dialect::interpret::{Inputs, Precision, interpret};
use lossc_dialect::{Element, Level, Program};

use super::SMALL;
use super::rule::{Class, Condition, Rule};
use pattern::{Sides, Variable};

const PLANES: usize = 1500;
const PLANE_LENGTH: usize = 3;

/// Values at which arithmetic goes wrong.
const EDGES: [f64; 21] = [
    0.0,
    -0.0,
    1e-45,
    -1e-40,
    1e-30,
    0.25,
    -0.3,
    1.0,
    -1.0,
    3.7,
    -5.1,
    16.7,
    -20.0,
    88.0,
    -88.0,
    104.0,
    -104.0,
    1e30,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Values whose sums and products overflow.
const EXTREMES: [f64; 6] = [1e35, 1e38, -1e38, -3e38, f32::MAX as f64, f32::MIN_POSITIVE as f64];

/// The edges that meet each other often enough only if they are drawn often.
const HARDEST: [f64; 4] = [0.0, 1.0, f64::INFINITY, f64::NEG_INFINITY];

/// Checks `rule`; an error says where its sides differ by more than its class allows, or where
/// the right side is less defined.
pub(crate) fn check(rule: &Rule) -> Result<(), String> {
    check_at(rule, &[EDGES.as_slice(), &EXTREMES].concat())?;
    // If drawn from all edges, two that overflow together seldom meet.
    check_at(rule, &EXTREMES)
}

/// Checks `rule` at these edges; see [`check`].
fn check_at(rule: &Rule, edges: &[f64]) -> Result<(), String> {
    let sides = Sides::of(rule)?;
    for round in 0..4 {
        let values = Values::new(&sides.variables, rule.conditions, edges, round);
        let left_exact = values.run(&sides.left, Precision::Exact);
        let left_real = values.run(&sides.left, Precision::Real);
        let right = values.run(&sides.right, Precision::Exact);
        for (index, &found) in right.iter().enumerate() {
            let expected = Expected { exact: left_exact[index], real: left_real[index] };
            let scale = values.scale(index, right.len());
            if !expected.admits(found, rule.class, sides.is_mask, scale) {
                let inputs = values.describe(&sides.variables, index, right.len());
                return Err(format!("{}: {found} for {expected:?} at {inputs}", rule.name));
            }
        }
    }
    Ok(())
}

/// The value of the left side, in exact f32 and in real numbers.
#[derive(Clone, Copy, Debug)]
struct Expected {
    exact: f64,
    real: f64,
}

impl Expected {
    fn admits(self, found: f64, class: Class, is_mask: bool, scale: f64) -> bool {
        let same = found == self.exact || found.is_nan() && self.exact.is_nan();
        match class {
            Class::Exact => return same && (found != 0.0 || has_sign_of(found, self.exact)),
            Class::ExactButZero => return same,
            _ if same => return true,
            _ => {}
        }
        if found.is_nan() && !self.exact.is_nan() {
            return false;
        }
        // A comparison may round either way where its sides are nearly equal; the library's kept
        // negatives check how near they must be.
        if is_mask {
            return scale > 0.0 && scale < 1e-5;
        }
        let representable = self.real.abs() <= f64::from(f32::MAX);
        let error = (found - self.real).abs();
        !representable
            || error <= 4e-6 * self.real.abs() + 1e-6 * scale.max(1.0)
            || scale > 1e20 && !found.is_nan()
    }
}

fn has_sign_of(value: f64, other: f64) -> bool {
    value.is_sign_negative() == other.is_sign_negative()
}

/// Values for a rule's variables.
struct Values {
    pixels: Vec<Vec<f64>>,
    scalars: Vec<f64>,
}

impl Values {
    fn new(variables: &[Variable], conditions: &[Condition], edges: &[f64], round: u64) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 + round);
        let mut values = Self { pixels: vec![], scalars: vec![] };
        for variable in variables {
            let allowed = |value: &f64| conditions.iter().all(|it| meets(*it, variable, *value));
            match variable.level {
                Level::Scalar => values.scalars.push(random.value(edges, &allowed)),
                _ if variable.element == Element::Mask => {
                    values.pixels.push(
                        (0..PLANES * PLANE_LENGTH)
                            .map(|_| f64::from(u8::from(random.next().is_multiple_of(2))))
                            .collect(),
                    );
                }
                _ => values
                    .pixels
                    .push((0..PLANES * PLANE_LENGTH).map(|_| random.value(edges, &allowed)).collect()),
            }
        }
        values
    }

    /// The values of the program at all its pixels or groups.
    fn run(&self, program: &Program, precision: Precision) -> Vec<f64> {
        let first = (0..PLANES * PLANE_LENGTH).map(|index| f64::from(u8::from(index % PLANE_LENGTH == 0)));
        let mut pixels = vec![first.collect::<Vec<_>>()];
        pixels.extend(self.pixels.iter().cloned());
        let inputs = Inputs {
            plane_group: &(0..PLANES).collect::<Vec<_>>(),
            groups: PLANES,
            plane_length: PLANE_LENGTH,
            pixels: &pixels,
            scalars: &self.scalars,
            uniform: &|index| (index * 37 % 101) as f32 / 101.0,
        };
        interpret(program, &inputs, precision).pop().unwrap_or_default()
    }

    /// The inputs that the result at `index` of `count` may depend on.
    fn near(&self, index: usize, count: usize) -> impl Iterator<Item = f64> {
        let width = (PLANES * PLANE_LENGTH) / count.max(1);
        let plane = index * width / PLANE_LENGTH * PLANE_LENGTH;
        let pixels =
            self.pixels.iter().flat_map(move |values| values[plane..plane + PLANE_LENGTH].iter().copied());
        pixels.chain(self.scalars.iter().copied())
    }

    /// The square of the largest finite input there: the scale of errors where terms cancel.
    fn scale(&self, index: usize, count: usize) -> f64 {
        let sizes = self.near(index, count).filter(|value| value.is_finite()).map(f64::abs);
        sizes.fold(0.0, f64::max).powi(2)
    }

    fn describe(&self, variables: &[Variable], index: usize, count: usize) -> String {
        let names: Vec<_> = variables.iter().map(|variable| variable.name.as_str()).collect();
        format!("{} = {:?}", names.join(", "), self.near(index, count).collect::<Vec<_>>())
    }
}

fn meets(condition: Condition, variable: &Variable, value: f64) -> bool {
    match condition {
        Condition::Finite(name) if name == variable.name => value.is_finite(),
        Condition::NonNegative(name) if name == variable.name => value >= 0.0 || value.is_nan(),
        Condition::NonPositive(name) if name == variable.name => value <= 0.0 || value.is_nan(),
        Condition::Unit(name) if name == variable.name => (0.0..=1.0).contains(&value) || value.is_nan(),
        Condition::OneToTwo(name) if name == variable.name => (1.0..=2.0).contains(&value) || value.is_nan(),
        Condition::Small(name) if name == variable.name => value.abs() <= f64::from(SMALL),
        Condition::Summable(name) if name == variable.name => value >= 0.0 || value >= -f64::from(SMALL),
        _ => true,
    }
}

/// SplitMix64: reproducible, and independent of the code under test.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// An edge or an ordinary value, as an f32, that `allowed` admits.
    fn value(&mut self, edges: &[f64], allowed: &dyn Fn(&f64) -> bool) -> f64 {
        loop {
            let value = match self.next() % 4 {
                0 => HARDEST[(self.next() % HARDEST.len() as u64) as usize],
                1 => edges[(self.next() % edges.len() as u64) as usize],
                _ => (self.next() as f64 / u64::MAX as f64 - 0.5) * 16.0,
            };
            let value = f64::from(value as f32);
            if allowed(&value) {
                return value;
            }
        }
    }
}
