//! The sides of rules, read without the e-graph's parser.

use lossc_dialect::{Level, Op};

/// The ops of the pattern in `text`, each once, without constants.
pub fn ops_of(text: &str) -> Vec<Op> {
    let mut ops = vec![];
    Tree::parse(text).collect_ops(&mut ops);
    ops.sort();
    ops.dedup();
    ops
}

/// A pattern.
#[derive(Clone, Debug)]
pub enum Tree {
    /// Anything; the same wherever the name occurs.
    Variable(String),
    /// An op on patterns.
    Node(Op, Vec<Tree>),
}

impl Tree {
    /// The pattern in `text`, in egg's notation.
    pub fn parse(text: &str) -> Self {
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        Self::read(&mut spaced.split_whitespace())
    }

    fn read<'a>(words: &mut impl Iterator<Item = &'a str>) -> Self {
        match words.next().expect("a pattern") {
            "(" => {
                let name = words.next().expect("an op");
                let op = Op::from_mnemonic(name).unwrap_or_else(|| panic!("{name} is not an op"));
                let operands = op.definition().map_or(0, |definition| definition.operands.len());
                let children = (0..operands).map(|_| Self::read(words)).collect();
                assert_eq!(words.next(), Some(")"), "the operands of {name}");
                Self::Node(op, children)
            }
            name if name.starts_with('?') => Self::Variable(name.into()),
            number => Self::Node(Op::constant(number.parse().expect("a number")), vec![]),
        }
    }

    fn collect_ops(&self, ops: &mut Vec<Op>) {
        let Self::Node(op, children) = self else { return };
        ops.extend(op.constant_value().is_none().then_some(*op));
        children.iter().for_each(|child| child.collect_ops(ops));
    }

    /// Returns whether it is the variable `name`.
    pub fn is_variable(&self, name: &str) -> bool {
        matches!(self, Self::Variable(own) if own == name)
    }

    /// Returns whether its values are masks; a select's may be floats.
    pub fn is_mask(&self) -> bool {
        let Self::Node(op, _) = self else { return false };
        matches!(op, Op::Less | Op::LessEqual | Op::Equal | Op::And | Op::Or | Op::Not)
    }

    /// Its level, if it fits only one.
    pub fn level(&self) -> Option<Level> {
        let Self::Node(op, children) = self else { return None };
        match op {
            Op::Broadcast | Op::Uniform => Some(Level::Pixel),
            Op::BroadcastGroups | Op::Sum | Op::Count => Some(Level::Group),
            Op::Groups | Op::Pixels | Op::SumGroups | Op::MeanGroups => Some(Level::Scalar),
            _ => children.iter().filter_map(Self::level).max(),
        }
    }
}
