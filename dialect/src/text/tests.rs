//! Texts that are not losses: each is one error with a location, and soon.

use std::time::{Duration, Instant};

use super::guard::{MAX_BYTES, MAX_DEPTH, MAX_OPERATIONS};
use super::{parse, parse_reserving, utf8};

const PIXEL: &str = "tensor<?x?xf32>";

/// A loss, with more in its argument list, its body and its results' types.
fn loss(arguments: &str, body: &str, result: &str) -> String {
    format!(
        "func.func @f(%x: {PIXEL} {arguments}) -> (tensor<f32> {result}) {{\n{body}\n  \
         %s = \"loss.sum\"(%x) : ({PIXEL}) -> tensor<?xf32>\n  \
         %l = \"loss.sum_groups\"(%s) : (tensor<?xf32>) -> tensor<f32>\n  return %l : tensor<f32>\n}}\n"
    )
}

fn constant(value: &str) -> String {
    loss("", &format!("  %c = \"loss.constant\"() {{{value}}} : () -> {PIXEL}"), "")
}

/// The error of a text that is not a loss.
fn mistake(text: &str) -> String {
    let begin = Instant::now();
    let error = parse("t.mlir", text).map(|_| ()).expect_err("no loss").to_string();
    assert!(begin.elapsed() < Duration::from_secs(5), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.len() < 1000, "{error}");
    error
}

fn says(text: &str, expected: &str) {
    let error = mistake(text);
    assert!(error.starts_with("t.mlir:") && error.contains(expected), "`{error}` does not say `{expected}`");
}

#[test]
fn the_text_that_the_others_here_are_made_of_is_a_loss() {
    parse("t.mlir", &loss("", "", "")).expect("a loss");
    parse("t.mlir", &constant("value = 1.0e-5 : f32")).expect("a loss");
}

#[test]
fn nul_bytes_and_empty_names_do_not_reach_the_bindings() {
    says("func.func @f\0() {}", "t.mlir:1:13: a NUL byte");
    says(&loss("{loss.name = \"\"}", "", ""), "t.mlir:1:47: an empty string");
    says(&loss("", "", "{loss.name = \"\"}"), "empty string");
    says("module attributes {loss.name = \"\"} {}", "t.mlir:1:32: an empty string");
    says("func.func @\"\"() {}", "empty string");
    says("func.func @() {}", "t.mlir:1:1");
    says("func.func @ f() {}", "followed by a name");
    says(&loss("{loss.name = \"a\\00b\"}", "", ""), "control characters");
    says(&loss("{loss.name = \"\\FF\"}", "", ""), "control characters");
    says("func.func @f(%: i32) {}", "t.mlir:1:14: ");
}

#[test]
fn nesting_is_bounded_in_every_kind_of_bracket() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    for (open, close) in
        [("module {", "}"), ("(", ")"), ("[", "]"), ("{a = ", "}"), ("tensor<", ">"), ("{", "}")]
    {
        let text = deep(open, close);
        says(&text, &format!("more than {MAX_DEPTH} brackets"));
        says(&loss("", &text, ""), "brackets");
        says(&loss(&format!("{{loss.name = {text}}}"), "", ""), "brackets");
    }
    says(&deep("// (\n(", ")"), "brackets");
    assert!(mistake(&"(".repeat(MAX_DEPTH - 2)).contains("t.mlir:"));
}

#[test]
fn long_chains_without_brackets_do_not_nest() {
    for unit in ["- ", "-> ", "!a ", "a.b ", ": ", "= ", "@a::", "? x ", "% ", ", ", "attributes ", "() -> "]
    {
        mistake(&unit.repeat(100_000));
        mistake(&loss("", &unit.repeat(100_000), ""));
        mistake(&loss(&format!("{{a = {}}}", unit.repeat(100_000)), "", ""));
    }
    says(&format!("#m = affine_map<(d0) -> ({}d0)>", "d0 + ".repeat(100_000)), "`affine_map` has no place");
    says("#l = loc(callsite(\"a\" at \"b\"))", "`loc` has no place");
}

#[test]
fn lengths_and_counts_are_bounded() {
    let long = |text: &str| text.repeat(MAX_BYTES / text.len() + 1);
    says(&long("// comment\n"), "at most 4194304");
    says(&loss("", &format!("  %c = {}", "9".repeat(1 << 20)), ""), "a number of 1048576 bytes");
    says(&format!("func.func @{}() {{}}", "f".repeat(1 << 20)), "a name of");
    says(&format!("\"{}\"", "f".repeat(1 << 20)), "a string of");
    let neg = |index: usize| format!("  %{index} = \"loss.neg\"(%x) : ({PIXEL}) -> {PIXEL}\n");
    let many: String = (0..=MAX_OPERATIONS).map(neg).collect();
    says(&loss("", &many, ""), &format!("t.mlir:{}:", MAX_OPERATIONS + 2));
    says(&loss("", &many, ""), "more than 10000 operations");
    let arguments: String = (0..10_000).map(|index| format!(", %a{index}: {PIXEL}")).collect();
    says(&loss(&arguments, "", ""), "10001 arguments");
}

#[test]
fn an_alias_cannot_grow() {
    let bomb: String = (1..40).map(|index| format!("#a{index} = [#a{0}, #a{0}]\n", index - 1)).collect();
    says(&format!("#a0 = [1, 2]\n{bomb}{}", constant("value = #a39")), "alias cannot stand for another");
    let long = format!("#a = [{}1]\n{}", "1, ".repeat(1000), loss("", "", ""));
    says(&long, "64 tokens");
    let alias =
        format!("!pixel = {PIXEL}\n#one = 1.0 : f32\n{}", constant("value = #one").replace(PIXEL, "!pixel"));
    parse("t.mlir", &alias).expect("aliases of types and numbers are of use");
}

#[test]
fn numbers_are_floats_that_are_what_they_say() {
    says(&constant("value = 1e-5 : f32"), "t.mlir:2:35: a float has a point: write 1.0e-5");
    says(&loss(", %g: tensor<f32> {loss.default = 1e-5}", "", ""), "write 1.0e-5");
    says(&constant("value = 2E+10 : f32"), "write 2.0e+10");
    for wrong in [
        "value = 1.0 : f64",
        "value = 1.0 : f16",
        "value = 1.0 : bf16",
        "value = 0x38 : f8E4M3FN",
        "value = 1 : i32",
        "value = 1.0",
        "value = \"1\"",
        "valeu = 1.0 : f32",
        "",
    ] {
        says(&constant(wrong), "t.mlir:2:8: ");
    }
    says(&constant("value = 1.0 : f32, more = 2.0 : f32"), "no attribute `more`");
    let default = |value: &str| loss(&format!(", %g: tensor<f32> {{loss.default = {value}}}"), "", "");
    parse("t.mlir", &default("1.0e-5")).expect("an f64 is what MLIR makes of it");
    for wrong in
        ["1.0e300", "0x7FC00000 : f32", "0x7F800000 : f32", "1 : i32", "1", "true", "\"1\"", "1.0 : f16"]
    {
        says(&default(wrong), "a finite f32");
    }
    says(&loss("{loss.default = 1.0 : f32}", "", ""), "has no default");
}

#[test]
fn an_unknown_name_lists_the_one_it_is_near() {
    let op = |name: &str| loss("", &format!("  %0 = \"{name}\"(%x) : ({PIXEL}) -> {PIXEL}"), "");
    says(
        &op("loss.sgimoid"),
        "t.mlir:2:8: loss.sgimoid is no op of the loss dialect: did you mean `loss.sigmoid`?",
    );
    says(&op("loss.convolution"), "loss.convolution is no op of the loss dialect");
    says(&op("arith.negf"), "arith.negf is no op of the loss dialect");
    says(&op("neg"), "neg is no op of the loss dialect");
    says(&loss("", "  %0 = arith.negf %x : f32", ""), "arith.negf is no op");
    says(&loss("", "  %0 = loss.neg %x", ""), "stands in quotes");
    says(&loss("{loss.nmae = \"a\"}", "", ""), "did you mean `loss.name`?");
    says("module attributes {llvm.x = 1} {}", "llvm.x is no op");
    says(&loss("", "  %0 = \"loss.neg\"(%x) ({}) : (tensor<?x?xf32>) -> tensor<?x?xf32>", ""), "t.mlir:2:");
}

#[test]
fn names_can_stand_in_a_text_and_in_a_path() {
    for name in ["a b", "../up", "/", "1", "ä", ".hidden", "-x", "%x", "a,b", &"n".repeat(129)] {
        mistake(&loss(&format!("{{loss.name = \"{name}\"}}"), "", ""));
        mistake(&format!("module attributes {{loss.name = \"{name}\"}} {{\n{}}}", loss("", "", "")));
    }
    says(&loss("{loss.name = 5}", "", ""), "loss.name is a string");
    says(
        &format!("module attributes {{loss.name = 5}} {{\n{}}}", loss("", "", "")),
        "loss.name on a module is a string",
    );
    let reserved =
        |text: &str| parse_reserving("t.mlir", text, &["gradient"]).map(|_| ()).map_err(|it| it.to_string());
    let error = reserved(&loss("{loss.name = \"gradient\"}", "", "")).expect_err("lossc's own");
    assert_eq!(error, "t.mlir:1:47: `gradient` is a name that lossc gives itself");
    parse("t.mlir", &loss("{loss.name = \"gradient\"}", "", "")).expect("what a pass made may say so");
}

#[test]
fn a_choice_is_whole() {
    let module = |attributes: &str| format!("module attributes {{{attributes}}} {{\n{}}}", loss("", "", ""));
    says(&module("loss.choice = \"power\""), "needs loss.default");
    says(&module("loss.default = \"f\""), "needs loss.choice");
    says(&module("loss.choice = \"power\", loss.default = \"g\""), "names none");
    says(&module("loss.choice = 5, loss.default = \"f\""), "is a string");
    let two = format!("{}{}", loss("", "", "").replace("@f", "@a.v"), loss("", "", "").replace("@f", "@b.v"));
    says(
        &format!("module attributes {{loss.choice = \"c\", loss.default = \"v\"}} {{\n{two}}}"),
        "two functions",
    );
}

#[test]
fn several_modules_blocks_and_declarations_are_no_loss() {
    let one = format!("module {{\n{}}}\n", loss("", "", ""));
    says(&format!("{one}{one}"), "only functions");
    says("func.func private @f()", "no body");
    says("", "no function");
    says("func.func @f() { return }", "t.mlir:1:1: ");
    let blocks = loss("", "", "").replace("}\n", "^bb1:\n  return %l : tensor<f32>\n}\n");
    says(&blocks, "one block");
}

#[test]
fn bytes_that_are_no_text_have_a_place() {
    let of = |bytes: &[u8]| {
        let file = utf8("t.mlir", bytes).and_then(|text| parse("t.mlir", text));
        file.map(|_| ()).expect_err("no loss").to_string()
    };
    assert_eq!(of(b"module {\n  \xff"), "t.mlir:2:3: a byte that is not UTF-8");
    assert_eq!(of(b"\xc3"), "t.mlir:1:1: a byte that is not UTF-8");
    for seed in 0..200u32 {
        let mut state = seed;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let noise: Vec<_> = (0..300).map(|_| byte()).collect();
        of(&noise);
        of(&noise
            .iter()
            .map(|byte| b"(){}<>[]\"%@!#-=:. \nfx10"[usize::from(*byte) % 23])
            .collect::<Vec<_>>());
    }
}

/// A loss with one byte taken out, doubled or replaced by another.
#[test]
fn a_text_with_a_slip_is_a_loss_or_one_error() {
    let text = format!("!p = {PIXEL}\n{}", constant("value = 1.0 : f32"));
    for at in 0..text.len() {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let other = &text[(at * 7) % text.len()..][..1];
        for slip in [format!("{before}{after}"), format!("{before}{other}{after}"), before.to_owned()] {
            if let Err(error) = parse("t.mlir", &slip) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
    }
}
