//! The growth of a loss with the number of pixels: like a sum, or, for a mean, none.

use std::collections::BTreeSet;

use lossc_dialect::{Op, Program, ValueId};

/// The powers of the number of pixels of a group and of the number of groups in a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Power {
    pixels: i32,
    groups: i32,
}

const CONSTANT: Power = Power { pixels: 0, groups: 0 };
const SUM: Power = Power { pixels: 1, groups: 1 };

/// The largest number of different powers that are tracked.
const MOST_TERMS: usize = 8;

/// The growth of a value.
#[derive(Clone, Debug, PartialEq)]
enum Growth {
    /// A number of the text, or made of such: small next to any term it is added to.
    Number,
    /// Like the sum of these powers.
    Terms(BTreeSet<Power>),
    /// In an unknown way.
    Unknown,
}

/// Returns whether the loss is a sum over pixels and groups, to the extent that this can be
/// told: no term of it is a mean or a ratio, for which a division by the number of pixels makes
/// no sense.
pub fn is_sum(program: &Program) -> bool {
    let mut growths: Vec<Growth> = Vec::with_capacity(program.len());
    for (value, _) in program.values() {
        growths.push(of(program, value, &growths));
    }
    let is_below = |power: &Power| power.pixels < SUM.pixels || power.groups < SUM.groups;
    let Growth::Terms(terms) = &growths[program.results()[0].value.index()] else { return true };
    !terms.iter().any(is_below)
}

fn of(program: &Program, value: ValueId, growths: &[Growth]) -> Growth {
    let node = program.node(value);
    let operand = |index: usize| &growths[node.operands[index].index()];
    match node.op {
        Op::Argument(_) if node.ty == lossc_dialect::Type::SCALAR => Growth::Number,
        Op::Argument(_) | Op::Uniform | Op::Less | Op::LessEqual | Op::Equal | Op::Is(_) => {
            Growth::one(CONSTANT)
        }
        Op::Constant(_) => Growth::Number,
        Op::Groups => Growth::one(Power { pixels: 0, groups: 1 }),
        Op::Pixels => Growth::one(SUM),
        Op::Sum | Op::Count => operand(0).times(&Growth::one(Power { pixels: 1, groups: 0 }), 1),
        Op::SumGroups => operand(0).times(&Growth::one(Power { pixels: 0, groups: 1 }), 1),
        Op::MeanGroups => operand(0).times(&Growth::one(CONSTANT), 1),
        Op::Mul | Op::AbsorbingMul => operand(0).times(operand(1), 1),
        Op::Fma => operand(0).times(operand(1), 1).plus(operand(2)),
        Op::Div | Op::RatioOrZero => operand(0).times(operand(1), -1),
        Op::Add | Op::Sub | Op::Min | Op::Max => operand(0).plus(operand(1)),
        Op::Select => operand(1).plus(operand(2)),
        Op::Neg | Op::Abs | Op::PositivePart | Op::Cast | Op::Broadcast | Op::BroadcastGroups => {
            operand(0).clone()
        }
        _ => Growth::of_function(node.operands.iter().map(|operand| &growths[operand.index()])),
    }
}

impl Growth {
    fn one(power: Power) -> Self {
        Self::Terms(BTreeSet::from([power]))
    }

    /// The growth of a function that is no power: if the operands do not grow, neither does the
    /// function.
    fn of_function<'a>(operands: impl Iterator<Item = &'a Self>) -> Self {
        let all = operands.fold(Self::Number, |all, operand| all.plus(operand));
        match all {
            Self::Terms(terms) if terms != BTreeSet::from([CONSTANT]) => Self::Unknown,
            all => all,
        }
    }

    fn plus(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Number, terms) | (terms, Self::Number) => terms.clone(),
            (Self::Terms(one), Self::Terms(other)) => Self::bounded(one.union(other).copied().collect()),
        }
    }

    /// The product with `other` to the power of 1 or -1.
    fn times(&self, other: &Self, power: i32) -> Self {
        let factor = |growth: &Self| match growth {
            Self::Unknown => None,
            Self::Number => Some(BTreeSet::from([CONSTANT])),
            Self::Terms(terms) => Some(terms.clone()),
        };
        let (Some(one), Some(other_terms)) = (factor(self), factor(other)) else { return Self::Unknown };
        match (self, other) {
            (Self::Number, Self::Number) => return Self::Number,
            // 1 / (a + b) is not a sum of powers.
            _ if power < 0 && other_terms.len() > 1 => return Self::Unknown,
            _ => {}
        }
        let product = |a: &Power, b: &Power| Power {
            pixels: a.pixels + power * b.pixels,
            groups: a.groups + power * b.groups,
        };
        Self::bounded(one.iter().flat_map(|a| other_terms.iter().map(move |b| product(a, b))).collect())
    }

    /// `terms`, unless they or their powers are too many or too large: a chain of squares would
    /// overflow any integer.
    fn bounded(terms: BTreeSet<Power>) -> Self {
        let is_small = |power: &Power| power.pixels.abs() < 1 << 20 && power.groups.abs() < 1 << 20;
        if terms.len() <= MOST_TERMS && terms.iter().all(is_small) {
            Self::Terms(terms)
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_sum;
    use lossc_dialect::{Builder, Element, Level, ValueId, library};

    fn sums(build: impl Fn(&mut Builder, ValueId) -> ValueId) -> bool {
        let mut builder = Builder::new("growth");
        let logit = builder.pixel_argument("logit", Element::F32);
        let loss = build(&mut builder, logit);
        let program = builder.finish_named([("loss", loss)]).expect("a loss");
        is_sum(&program)
    }

    fn pixels(builder: &mut Builder, logit: ValueId) -> ValueId {
        let mask = builder.equal(logit, logit);
        let count = builder.count(mask);
        builder.cast(count, Element::F32)
    }

    #[test]
    fn the_librarys_losses_are_sums() {
        for program in library::all().expect("parses").iter().flat_map(|file| &file.programs) {
            assert!(is_sum(program), "{}", program.name());
        }
    }

    #[test]
    fn a_mean_of_any_kind_is_no_sum() {
        assert!(sums(|b, x| {
            let sum = b.sum(x);
            let more = b.constant(1.0, Level::Group);
            let sum = b.add(sum, more);
            b.sum_groups(sum)
        }));
        assert!(
            !sums(|b, x| {
                let sum = b.sum(x);
                b.mean_groups(sum)
            }),
            "a mean over groups"
        );
        assert!(
            !sums(|b, x| {
                let (sum, count) = (b.sum(x), pixels(b, x));
                let mean = b.ratio_or_zero(sum, count);
                b.sum_groups(mean)
            }),
            "a sum of means over pixels"
        );
        assert!(
            !sums(|b, x| {
                let count = pixels(b, x);
                let spread = b.broadcast(count);
                let share = b.div(x, spread);
                let sum = b.sum(share);
                b.sum_groups(sum)
            }),
            "a mean by shares"
        );
        assert!(
            !sums(|b, x| {
                let p = b.sigmoid(x);
                let (intersection, all) = (b.sum(x), b.sum(p));
                let one = b.constant(1.0, Level::Group);
                let (top, bottom) = (b.add(intersection, one), b.add(all, one));
                let dice = b.div(top, bottom);
                let dice = b.sub(one, dice);
                let (dice, sum) = (b.mean_groups(dice), b.sum_groups(all));
                b.add(sum, dice)
            }),
            "Dice beside a sum"
        );
    }
}
