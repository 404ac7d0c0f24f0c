//! Loops and branches.

use std::collections::HashMap;
use std::convert::Infallible;

use super::{Emitter, Value};

/// The end of a loop that must not be unrolled further: a GPU's loops are already written with
/// the steps they should do together, and registers are scarce.
const AS_WRITTEN: &str = "} {loop_annotation = #llvm.loop_annotation<unroll = <disable = true>>}";

impl Emitter {
    /// `scf.for` over 64-bit integers: `body` takes the induction variable and the carried
    /// values and returns the next ones; the last ones are returned.
    pub(in crate::lower) fn repeat<E>(
        &mut self,
        [lower, upper, step]: [Value; 3],
        initial: &[Value],
        body: impl FnOnce(&mut Self, Value, &[Value]) -> Result<Vec<Value>, E>,
    ) -> Result<Vec<Value>, E> {
        let index = self.name("i", lower.ty);
        let carried: Vec<_> = initial.iter().map(|value| self.name("carried", value.ty)).collect();
        let results: Vec<_> = initial.iter().map(|value| self.name("final", value.ty)).collect();
        let assignment = |(inside, outside): (&Value, &Value)| format!("{inside} = {outside}");
        let arguments: Vec<_> = carried.iter().zip(initial).map(assignment).collect();
        let carrying = match initial {
            [] => String::new(),
            _ => format!(" iter_args({}) -> ({})", arguments.join(", "), types(initial)),
        };
        let ty = index.ty;
        let head = format!("scf.for {index} = {lower} to {upper} step {step}{carrying} : {ty} {{");
        self.statement(defining(&results) + &head);
        self.block(|emitter| body(emitter, index, &carried))?;
        self.statement(if self.is_for_gpu() { AS_WRITTEN } else { "}" });
        Ok(results)
    }

    /// `scf.for` for its effects alone.
    pub(in crate::lower) fn each(&mut self, bounds: [Value; 3], body: impl FnOnce(&mut Self, Value)) {
        let Ok(_) = self.repeat(bounds, &[], |emitter, index, _| {
            body(emitter, index);
            Ok::<_, Infallible>(vec![])
        });
    }

    /// `scf.for` with one carried value that cannot fail.
    pub(in crate::lower) fn sum_up(
        &mut self,
        bounds: [Value; 3],
        initial: Value,
        body: impl FnOnce(&mut Self, Value, Value) -> Value,
    ) -> Value {
        let Ok(total) = self.repeat(bounds, &[initial], |emitter, index, total| {
            Ok::<_, Infallible>(vec![body(emitter, index, total[0])])
        });
        total[0]
    }

    /// `scf.if` with two branches that return values of the same types.
    pub(in crate::lower) fn choose<E>(
        &mut self,
        condition: Value,
        then: impl FnOnce(&mut Self) -> Result<Vec<Value>, E>,
        otherwise: impl FnOnce(&mut Self) -> Result<Vec<Value>, E>,
    ) -> Result<Vec<Value>, E> {
        let head = self.lines.len();
        self.statement("");
        let given = self.block(then)?;
        self.statement("} else {");
        self.block(otherwise)?;
        self.statement("}");
        let results: Vec<_> = given.iter().map(|value| self.name("chosen", value.ty)).collect();
        let arrow = if given.is_empty() { String::new() } else { format!(" -> ({})", types(&given)) };
        // The types of the branches' values are known only now.
        self.lines[head].push_str(&format!("{}scf.if {condition}{arrow} {{", defining(&results)));
        Ok(results)
    }

    /// `scf.if` for its effects alone.
    pub(in crate::lower) fn when<E>(
        &mut self,
        condition: Value,
        then: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.statement(format_args!("scf.if {condition} {{"));
        self.block(|emitter| then(emitter).map(|()| vec![]))?;
        self.statement("}");
        Ok(())
    }

    /// `scf.if` for effects that cannot fail.
    pub(in crate::lower) fn when_true(&mut self, condition: Value, then: impl FnOnce(&mut Self)) {
        let Ok(()) = self.when(condition, |emitter| {
            then(emitter);
            Ok::<_, Infallible>(())
        });
    }

    /// `scf.while` without a body: evaluates `condition` until it is false.
    pub(in crate::lower) fn wait_while(&mut self, condition: impl FnOnce(&mut Self) -> Value) {
        self.statement("scf.while : () -> () {");
        self.depth += 1;
        self.known.push(HashMap::new());
        let holds = condition(self);
        self.statement(format_args!("scf.condition({holds})"));
        self.known.pop();
        self.depth -= 1;
        self.statement("} do {");
        self.statement("  scf.yield");
        self.statement("}");
    }

    /// A block and its `scf.yield`.
    fn block<E>(&mut self, body: impl FnOnce(&mut Self) -> Result<Vec<Value>, E>) -> Result<Vec<Value>, E> {
        self.depth += 1;
        self.known.push(HashMap::new());
        let given = body(self)?;
        if !given.is_empty() {
            self.statement(format_args!("scf.yield {} : {}", names(&given), types(&given)));
        }
        self.known.pop();
        self.depth -= 1;
        Ok(given)
    }
}

fn names(values: &[Value]) -> String {
    values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")
}

fn types(values: &[Value]) -> String {
    values.iter().map(|value| value.ty.to_string()).collect::<Vec<_>>().join(", ")
}

fn defining(results: &[Value]) -> String {
    if results.is_empty() { String::new() } else { names(results) + " = " }
}
