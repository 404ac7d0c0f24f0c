//! Tests of the table and of the text form.

use std::path::Path;

use crate::machine::{Evaluate, Word};
use crate::ops::{Meaning, table};
use crate::program::BuildError;
use crate::text::{irdl, parse, print};
use crate::types::Element;
use crate::{Builder, Level, Op, SourceLocation, Type, ValueId, library};

#[test]
fn the_irdl_file_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("loss.irdl.mlir");
    if std::env::var_os("LOSSC_UPDATE").is_some() {
        std::fs::write(&path, irdl::text()).expect("the file can be written");
    }
    let file = std::fs::read_to_string(&path).expect("the file can be read");
    assert_eq!(file, irdl::text(), "run the tests once with LOSSC_UPDATE=1");
}

#[test]
fn every_op_is_in_the_table_once() {
    let mut mnemonics: Vec<_> = table().map(|definition| definition.mnemonic).collect();
    let count = mnemonics.len();
    mnemonics.sort_unstable();
    mnemonics.dedup();
    assert_eq!(mnemonics.len(), count);
    for definition in table() {
        assert_eq!(Op::from_mnemonic(definition.mnemonic), Some(definition.op));
        assert_eq!(definition.op.mnemonic(), definition.mnemonic);
    }
}

/// The exact meaning is the real meaning, within rounding.
#[test]
fn exact_and_real_meanings_agree_on_the_samples() {
    for definition in table() {
        let Meaning::Element { real, exact, .. } = definition.meaning else { continue };
        for first in definition.domain.samples() {
            for second in definition.domain.samples() {
                let operands = [first, second, 0.5];
                let operands = &operands[..definition.operands.len()];
                let masks = matches!(definition.mnemonic, "and" | "or" | "not");
                let value = |x: f32| if masks { f32::from(u8::from(x > 0.0)) } else { x };
                let reals: Vec<_> = operands.iter().map(|&x| f64::from(value(x))).collect();
                let word = |&x: &f32| if masks { Word(u32::from(x > 0.0)) } else { Word(x.to_bits()) };
                let mut words: Vec<_> = operands.iter().map(word).collect();
                if definition.op == Op::Select {
                    words[0] = Word(u32::from(first != 0.0));
                }
                let word = exact(&mut Evaluate, &words);
                let is_mask = word.0 <= 1
                    && matches!(definition.mnemonic, "and" | "or" | "not" | "less" | "less_equal" | "equal");
                let found = if is_mask { f64::from(word.0) } else { f64::from(f32::from_bits(word.0)) };
                let expected = real(&reals);
                // `pow` multiplies the error of its logarithm by the exponent's product.
                let error = (found - expected).abs() / expected.abs().max(1e-30);
                let same = found == expected || found.is_nan() == expected.is_nan() && error.is_nan();
                let beyond = expected.abs() > f64::from(f32::MAX) && found.is_infinite();
                let tiny = expected.abs() < 1e-37 && found.abs() < 1e-37;
                assert!(
                    same || beyond || tiny || error < 2e-5,
                    "{} of {operands:?}: {found} for {expected}",
                    definition.mnemonic
                );
            }
        }
    }
}

#[test]
fn the_library_parses_and_its_text_comes_back() {
    for file in library::all().expect("the library parses") {
        assert!(file.summary.is_some(), "{} says what it is", file.name);
        for program in &file.programs {
            let text = print(program);
            let again = parse("printed", &text).expect("printed text parses");
            assert_eq!(print(&again.programs[0]), text);
        }
    }
}

#[test]
fn every_library_name_finds_its_file() {
    for (name, file) in library::names().zip(library::all().expect("the library parses")) {
        assert_eq!(name, file.name);
        assert!(library::find(&name).is_some());
    }
}

fn mistake(text: &str) -> String {
    parse("loss.mlir", text).expect_err("the text is wrong").to_string()
}

fn function(body: &str) -> String {
    format!("func.func @wrong(%x: tensor<?x?xf32>) -> tensor<f32> {{\n{body}\n}}\n")
}

#[test]
fn mistakes_are_found_at_their_line_and_column() {
    let cases = [
        ("  return %x : tensor<?x?xf32>", "loss.mlir:2:3: "),
        (
            "  %0 = \"loss.nonsense\"(%x) : (tensor<?x?xf32>) -> tensor<f32>\n  return %0 : tensor<f32>",
            "loss.mlir:2:8: ",
        ),
        (
            "  %0 = \"loss.sum\"(%x) : (tensor<?x?xf32>) -> tensor<f32>\n  return %0 : tensor<f32>",
            "loss.mlir:2:8: ",
        ),
        (
            "  %0 = \"loss.add\"(%x) : (tensor<?x?xf32>) -> tensor<?x?xf32>\n  return %0 : tensor<?x?xf32>",
            "loss.mlir:2:8: ",
        ),
        (
            "  %0 = \"loss.sum_groups\"(%1) : (tensor<?xf32>) -> tensor<f32>\n  %1 = \"loss.sum\"(%x) : (tensor<?x?xf32>) -> tensor<?xf32>\n  return %0 : tensor<f32>",
            "loss.mlir:2:8: ",
        ),
        ("  %0 = ", "loss.mlir:2:7: "),
    ];
    for (body, place) in cases {
        let error = mistake(&function(body));
        assert!(error.starts_with(place), "{error} is not at {place}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    assert!(mistake("").contains("no function"));
}

#[test]
fn a_builder_keeps_its_first_mistake() {
    let mut builder = Builder::new("wrong");
    let x = builder.pixel_argument("logit", Element::F32);
    let sum = builder.sum(x);
    let mixed = builder.add(x, sum);
    let sum = builder.sum(mixed);
    let loss = builder.sum_groups(sum);
    let error = builder.finish_named([("loss", loss)]).expect_err("levels are mixed");
    assert_eq!(error.to_string(), "loss.add operand 1 must be tensor<?x?xf32>, not tensor<?xf32>");
}

#[test]
fn equal_operations_are_one_node() {
    let mut builder = Builder::new("shared");
    let x = builder.pixel_argument("logit", Element::F32);
    assert_eq!(builder.sigmoid(x), builder.sigmoid(x));
    assert_ne!(builder.constant(0.0, Level::Pixel), builder.constant(-0.0, Level::Pixel));
}

#[test]
fn a_type_parses_from_its_text() {
    for ty in Type::all() {
        assert_eq!(Type::parse(&ty.to_string()), Some(ty));
    }
}

#[test]
fn an_operation_keeps_the_place_where_it_was_first_written() {
    let mut builder = Builder::new("placed");
    let logits = builder.pixel_argument("logit", Element::F32);
    builder.set_location(Some(SourceLocation { line: 3, column: 5 }));
    let first = builder.exp(logits);
    builder.set_location(Some(SourceLocation { line: 4, column: 5 }));
    let again = builder.exp(logits);
    let sum = builder.sum(again);
    builder.set_location(None);
    let loss = builder.sum_groups(sum);
    let program = builder.finish_named([("loss", loss)]).expect("a loss");
    assert_eq!(program.location(first), Some(SourceLocation { line: 3, column: 5 }));
    assert_eq!(program.location(sum), Some(SourceLocation { line: 4, column: 5 }));
    assert_eq!(program.location(loss), None);

    let mut copy = Builder::new("placed");
    let arguments = copy.declare_arguments(&program);
    let results = copy.import(&program, &arguments);
    let copy = copy.finish(results).expect("a loss");
    assert_eq!(copy.location(first), program.location(first), "a copy keeps locations");
    // Locations are no part of what a program is.
    let read = parse("placed.mlir", &print(&program)).expect("a loss").programs.remove(0);
    assert_eq!((read.location(first).map(|location| location.line), &read), (Some(2), &program));
}

#[test]
fn an_operation_too_many_is_an_error_at_its_place() {
    let mut builder = Builder::new("limited").limited_to(2);
    let logits = builder.pixel_argument("logit", Element::F32);
    let mut sum = builder.add(logits, logits);
    sum = builder.add(sum, sum);
    let ty = builder.ty(sum);
    assert_eq!(builder.try_op(Op::Add, &[logits, logits], ty), Ok(ValueId(1)), "that is there already");
    let error = builder.try_op(Op::Add, &[sum, sum], ty).expect_err("one too many");
    assert_eq!(error, BuildError::TooManyOps { ops: 3, limit: 2 });
}
