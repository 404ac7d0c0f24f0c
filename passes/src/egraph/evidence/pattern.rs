//! A rule's sides as programs whose arguments are the rule's variables.

use std::collections::HashMap;

use egg::{ENodeOrVar, Id, Pattern, RecExpr};
use lossc_dialect::{Argument, Builder, Element, Level, Op, Program, Type, ValueId};

use crate::egraph::rule::{Condition, Rule};
use crate::egraph::{LossNode, NodeOp};

type Ast = RecExpr<ENodeOrVar<LossNode>>;

/// A rule's variable as an argument.
pub(super) struct Variable {
    pub name: String,
    pub level: Level,
    pub element: Element,
}

/// Both sides of a rule as programs of the same arguments: first a mask that is true at the
/// first pixel of each plane, then the variables.
pub(super) struct Sides {
    pub variables: Vec<Variable>,
    pub left: Program,
    pub right: Program,
    pub is_mask: bool,
}

impl Sides {
    pub(super) fn of(rule: &Rule) -> Result<Self, String> {
        let parse = |text: &str| -> Result<Ast, String> {
            let pattern: Pattern<LossNode> =
                text.parse().map_err(|error| format!("{}: {error}", rule.name))?;
            Ok(pattern.ast)
        };
        let (left, right) = (parse(rule.left)?, parse(rule.right)?);
        let mut types = Types { rule, known: HashMap::new(), order: vec![] };
        let level = types.level(&left, root(&left)).or_else(|| types.level(&right, root(&right)));
        let level = level.unwrap_or(Level::Pixel);
        let is_mask = is_mask(&left, root(&left));
        types.visit(&left, root(&left), level, is_mask);
        let variables: Vec<_> = types.order.iter().map(|name| types.variable(name)).collect();
        let program =
            |ast: &Ast| program(ast, &variables, level).map_err(|error| format!("{}: {error}", rule.name));
        let (left, right) = (program(&left)?, program(&right)?);
        Ok(Self { left, right, variables, is_mask })
    }
}

fn root(ast: &Ast) -> Id {
    Id::from(ast.len() - 1)
}

fn operation(ast: &Ast, id: Id) -> Option<(Op, &[Id])> {
    match &ast[id] {
        ENodeOrVar::ENode(LossNode { op: NodeOp::Op(op), children }) => Some((*op, children)),
        _ => None,
    }
}

fn is_mask(ast: &Ast, id: Id) -> bool {
    operation(ast, id).is_some_and(|(op, _)| {
        matches!(op, Op::Less | Op::LessEqual | Op::Equal | Op::And | Op::Or | Op::Not)
    })
}

struct Types<'a> {
    rule: &'a Rule,
    known: HashMap<String, Type>,
    order: Vec<String>,
}

impl Types<'_> {
    /// The level of `id`, unless it depends on variables alone.
    fn level(&self, ast: &Ast, id: Id) -> Option<Level> {
        let (op, children) = operation(ast, id)?;
        match op {
            Op::Broadcast => Some(Level::Pixel),
            Op::BroadcastGroups | Op::Sum => Some(Level::Group),
            Op::SumGroups | Op::MeanGroups => Some(Level::Scalar),
            _ => children.iter().filter_map(|&child| self.level(ast, child)).max(),
        }
    }

    /// Assigns types to the variables below `id`, which is at `level`.
    fn visit(&mut self, ast: &Ast, id: Id, level: Level, mask: bool) {
        let Some((op, children)) = operation(ast, id) else {
            if let ENodeOrVar::Var(variable) = &ast[id] {
                let element = if mask { Element::Mask } else { Element::F32 };
                let name = variable.to_string();
                if self.known.insert(name.clone(), Type::new(level, element)).is_none() {
                    self.order.push(name);
                }
            }
            return;
        };
        let below = |child: Id| match op {
            Op::Sum | Op::Count => Level::Pixel,
            Op::SumGroups | Op::MeanGroups => Level::Group,
            Op::BroadcastGroups => Level::Scalar,
            Op::Broadcast => self.broadcast_level(ast, child),
            _ => level,
        };
        let masks = |index: usize| {
            matches!(op, Op::And | Op::Or | Op::Not) || op == Op::Select && (index == 0 || mask)
        };
        let children: Vec<_> =
            children.iter().enumerate().map(|(index, &child)| (child, below(child), masks(index))).collect();
        for (child, level, mask) in children {
            self.visit(ast, child, level, mask);
        }
    }

    fn broadcast_level(&self, ast: &Ast, child: Id) -> Level {
        let name = ast[child].to_string();
        let per_call =
            self.rule.conditions.iter().any(|it| matches!(it, Condition::PerCall(it) if *it == name));
        if per_call { Level::Scalar } else { Level::Group }
    }

    fn variable(&self, name: &str) -> Variable {
        let Type { level, element } = self.known[name];
        Variable { name: name.into(), level, element }
    }
}

/// The program whose last result is `ast`.
fn program(ast: &Ast, variables: &[Variable], level: Level) -> Result<Program, String> {
    let mut builder = Builder::new("rule");
    let logits = builder.pixel_argument("logit", Element::F32);
    let one = builder.constant(1.0, Level::Pixel);
    let first = builder.equal(logits, one);
    let values: HashMap<_, _> =
        variables.iter().map(|it| (it.name.clone(), argument(&mut builder, it, first))).collect();
    let mut sides = Side { ast, builder, values };
    let value = sides.build(root(ast), level);
    let mut builder = sides.builder;
    let loss = if level == Level::Scalar {
        value
    } else {
        let sum = builder.sum(logits);
        builder.sum_groups(sum)
    };
    let results = match level {
        Level::Scalar => vec![("loss", loss)],
        Level::Group => vec![("loss", loss), ("value", value)],
        Level::Pixel => vec![("loss", loss), ("gradient", value)],
    };
    builder.finish_named(results).map_err(|error| error.to_string())
}

/// A variable's value. A variable of a group is the sum of a tensor of which only the first
/// pixel of each plane is used.
fn argument(builder: &mut Builder, variable: &Variable, first: ValueId) -> ValueId {
    let name = variable.name.trim_start_matches('?').to_owned();
    if variable.level == Level::Scalar {
        return builder.argument(Argument { name, ty: Type::SCALAR, default: Some(0.0) });
    }
    let pixels = builder.pixel_argument(&name, variable.element);
    if variable.level == Level::Pixel {
        return pixels;
    }
    let zero = builder.constant(0.0, Level::Pixel);
    let seen = builder.select(first, pixels, zero);
    builder.sum(seen)
}

struct Side<'a> {
    ast: &'a Ast,
    builder: Builder,
    values: HashMap<String, ValueId>,
}

impl Side<'_> {
    fn build(&mut self, id: Id, level: Level) -> ValueId {
        let ast = self.ast;
        let Some((op, children)) = operation(ast, id) else { return self.values[&ast[id].to_string()] };
        let own = self.level(id).unwrap_or(level);
        let below = match op {
            Op::Sum | Op::Count => Level::Pixel,
            Op::SumGroups | Op::MeanGroups => Level::Group,
            _ => own,
        };
        let operands: Vec<_> = children.iter().map(|&child| self.build(child, below)).collect();
        self.builder.op(op, &operands, Type::new(own, Element::F32))
    }

    fn level(&self, id: Id) -> Option<Level> {
        let Some((op, children)) = operation(self.ast, id) else {
            return Some(self.builder.ty(self.values[&self.ast[id].to_string()]).level);
        };
        match op {
            Op::Constant(_) => None,
            Op::Broadcast => Some(Level::Pixel),
            Op::BroadcastGroups | Op::Sum | Op::Count => Some(Level::Group),
            Op::SumGroups | Op::MeanGroups => Some(Level::Scalar),
            _ => children.iter().filter_map(|&child| self.level(child)).max(),
        }
    }
}
