//! Losses of the largest size, and larger ones.

use lossc::explain::explain;
use lossc::{Cache, Compiler, Loss, certificate};
use lossc_dialect::ops::Numerics;
use lossc_dialect::{Builder, Element, Level, MAX_OPS, Program, ValueId};

use crate::data::host;

/// Stack of tests and of rayon's workers.
const STACK: usize = 2 << 20;

/// Runs `task` on a thread with an ordinary stack.
fn on_an_ordinary_stack(task: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, task);
        thread.expect("a thread").join().expect("no panic");
    });
}

/// A loss that is the sum of `link` applied to the logit until there are `ops` operations.
fn chain(ops: usize, link: impl Fn(&mut Builder, ValueId, ValueId) -> ValueId) -> Program {
    let mut builder = Builder::new("chain");
    let logits = builder.pixel_argument("logit", Element::F32);
    let mut last = logits;
    while builder.ops() + 4 < ops {
        last = link(&mut builder, last, logits);
    }
    let sum = builder.sum(last);
    let loss = builder.sum_groups(sum);
    builder.finish_named([("loss", loss)]).expect("a loss")
}

fn sums(ops: usize) -> Program {
    chain(ops, Builder::add)
}

fn products(ops: usize) -> Program {
    chain(ops, Builder::mul)
}

fn selects(ops: usize) -> Program {
    chain(ops, |builder, last, logits| {
        let bound = builder.constant(builder.len() as f32, Level::Pixel);
        let mask = builder.less(last, bound);
        builder.select(mask, last, logits)
    })
}

/// A naive logarithm in every link.
fn logarithms(ops: usize) -> Program {
    chain(ops, |builder, last, _| {
        let (one, probability) = (builder.constant(1.0, Level::Pixel), builder.sigmoid(last));
        let rest = builder.sub(one, probability);
        let log = builder.log(rest);
        builder.neg(log)
    })
}

/// Powers, whose gradient has more operations than the text of a loss may have.
fn powers(ops: usize) -> Program {
    chain(ops, Builder::pow)
}

/// A chain of values that are uniform within a group.
fn totals(ops: usize) -> Program {
    let mut builder = Builder::new("totals");
    let logits = builder.pixel_argument("logit", Element::F32);
    let sum = builder.sum(logits);
    let mut last = sum;
    while builder.ops() + 1 < ops {
        last = builder.add(last, sum);
    }
    let loss = builder.sum_groups(last);
    builder.finish_named([("loss", loss)]).expect("a loss")
}

const CHAINS: [fn(usize) -> Program; 5] = [sums, products, selects, logarithms, totals];

#[test]
fn the_largest_losses_compile_on_an_ordinary_stack() {
    for chain in CHAINS {
        on_an_ordinary_stack(|| {
            let loss = Loss::from_program(chain(MAX_OPS));
            let bundle = Compiler::new(host()).cache(Cache::off()).bundle(&loss).expect("compiles");
            assert_eq!(bundle.manifest.pixel_outputs.len(), 1, "a gradient");
        });
    }
}

#[test]
fn the_largest_losses_have_certificates_on_an_ordinary_stack() {
    for chain in CHAINS.into_iter().chain([powers as fn(usize) -> Program]) {
        on_an_ordinary_stack(|| {
            let loss = Loss::from_program(chain(MAX_OPS));
            let certificate =
                certificate::certify(&loss, &host(), Numerics::Reproducible).expect("a certificate");
            let text = serde_json::to_string(&certificate).expect("JSON");
            certificate::read(&text).expect("holds");
        });
    }
}

#[test]
fn a_loss_of_100_000_operations_is_one_clear_error() {
    on_an_ordinary_stack(|| {
        let program = sums(100_000);
        let source = lossc_dialect::text::print(&sums(2 * MAX_OPS));
        let loss = Loss::from_program(program);
        let target = host();
        for error in [
            Compiler::new(target.clone()).cache(Cache::off()).bundle(&loss).map(drop).expect_err("too large"),
            explain(&loss, &target, Numerics::Reproducible).map(drop).expect_err("too large"),
        ] {
            let expected =
                format!("chain: a loss may have {MAX_OPS} operations, and this one has 99998 or more: ");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        // Its first line is the function's.
        let error = Loss::parse("large.mlir", &source).expect_err("too large").to_string();
        let place = format!("large.mlir:{}:", MAX_OPS + 2);
        assert!(error.starts_with(&place) && error.contains("split it"), "{error}");
    });
}
