//! The operations that are named, those with a warning, and those that are left alone.

use lossc_dialect::{library, text};

use super::{Hazard, Unstable, unstable};
use crate::stabilise::stabilise;

/// The unstable operations in the stable form of a loss whose pixel terms are `lines`, the last
/// of which is `%r`.
fn of(lines: &str) -> Vec<Unstable> {
    let pixel = "tensor<?x?xf32>";
    let mut body = String::new();
    for line in lines.trim().lines() {
        let (name, call) = line.trim().split_once(" = ").expect("an assignment");
        let mut words = call.split_whitespace();
        let (op, operands) = (words.next().expect("an op"), words.collect::<Vec<_>>());
        let types = vec![pixel; operands.len()].join(", ");
        body += &match op.parse::<f32>() {
            Ok(number) => {
                format!("  {name} = \"loss.constant\"() {{value = {number:?} : f32}} : () -> {pixel}\n")
            }
            Err(_) => format!("  {name} = \"loss.{op}\"({}) : ({types}) -> {pixel}\n", operands.join(", ")),
        };
    }
    let source = format!(
        "func.func @f(%x: {pixel}, %y: {pixel}) -> tensor<f32> {{\n{body}  \
         %s = \"loss.sum\"(%r) : ({pixel}) -> tensor<?xf32>\n  \
         %l = \"loss.sum_groups\"(%s) : (tensor<?xf32>) -> tensor<f32>\n  return %l : tensor<f32>\n}}"
    );
    let program = text::parse("f.mlir", &source).expect("a loss").programs.remove(0);
    unstable(&stabilise(&program, false).expect("stabilises").program)
}

#[test]
fn a_logarithm_of_one_minus_a_product_of_probabilities_is_named_with_its_place() {
    let found = of("
        %a = sigmoid %x
        %b = sigmoid %y
        %one = 1
        %p = mul %a %b
        %q = sub %one %p
        %r = log %q");
    let [log] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((log.mnemonic, log.hazard, log.by_rounding), ("log", Hazard::Logarithm, true));
    assert_eq!(log.location.map(|location| location.line), Some(7));
    assert!(log.to_string().starts_with("loss.log at 7:"), "{log}");
}

#[test]
fn a_divisor_that_cancels_and_a_root_of_a_probability_are_warned_of() {
    for (lines, hazard) in [
        ("%d = sub %x %y\n%r = div %x %d", Hazard::Divisor),
        ("%p = sigmoid %x\n%r = div %y %p", Hazard::Divisor),
        ("%p = sigmoid %x\n%half = 0.5\n%r = pow %p %half", Hazard::Base),
        ("%p = sigmoid %x\n%q = mul %p %p\n%n = neg %q\n%r = log1p %n", Hazard::LogarithmOfRest),
        ("%p = sigmoid %x\n%q = mul %p %p\n%r = log %q", Hazard::Logarithm),
    ] {
        let found = of(lines);
        assert_eq!(
            found.iter().map(|it| (it.hazard, it.by_rounding)).collect::<Vec<_>>(),
            [(hazard, true)],
            "{lines}"
        );
    }
}

#[test]
fn what_a_formula_itself_makes_0_is_named_without_a_warning() {
    for lines in ["%r = log %y", "%r = div %x %y", "%half = 0.5\n%r = pow %y %half"] {
        let found = of(lines);
        assert_eq!(found.iter().map(|it| it.by_rounding).collect::<Vec<_>>(), [false], "{lines}");
    }
}

#[test]
fn what_cannot_be_0_is_not_named() {
    for lines in [
        "%p = sigmoid %x\n%two = 2\n%q = sub %two %p\n%r = log %q",
        "%p = sigmoid %x\n%tiny = 0.001\n%q = max %p %tiny\n%r = log %q",
        "%p = sigmoid %x\n%one = 1\n%q = add %p %one\n%r = div %x %q",
        "%p = sigmoid %x\n%one = 1\n%q = sub %one %p\n%r = log %q",
        "%p = sigmoid %x\n%two = 2\n%r = pow %p %two",
    ] {
        assert_eq!(of(lines), [], "{lines}");
    }
}

#[test]
fn library_losses_are_stable() {
    for program in library::all().expect("the library parses").iter().flat_map(|file| &file.programs) {
        assert_eq!(
            unstable(&stabilise(program, false).expect("stabilises").program),
            [],
            "{}",
            program.name()
        );
    }
}
