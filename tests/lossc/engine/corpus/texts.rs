//! Losses as texts: those of `tests/ir`, and some forms from papers.

use std::fs;
use std::path::Path;

use lossc::{Builder, Loss, Program};
use lossc_dialect::{Element, Level, ValueId};

use crate::data::program;
use crate::engine::case::Subject;

/// All texts.
pub fn all() -> impl Iterator<Item = Subject> {
    let built_as = |(name, build)| Subject::new(name, built(name, build));
    let naive =
        Subject { twin: built("stable_terms", stable_terms), ..built_as(("naive_terms", naive_terms)) };
    files().into_iter().chain([naive]).chain(BUILT.into_iter().map(built_as))
}

fn files() -> Vec<Subject> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ir");
    let folders = fs::read_dir(root).expect("a folder").map(|folder| folder.expect("readable").path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let mut paths: Vec<_> = files.map(|file| file.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mlir"));
    paths.sort();
    let subject = |path: &std::path::PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(path).expect("readable");
        Subject::new(&name, program(&Loss::parse(&name, &text).expect("a loss")).clone())
    };
    paths.iter().map(subject).collect()
}

/// A function that builds a loss of logits and a mask of positives.
type Build = fn(&mut Builder, ValueId, ValueId) -> ValueId;

fn built(name: &str, build: Build) -> Program {
    let mut builder = Builder::new(name);
    let logits = builder.pixel_argument("logits", Element::F32);
    let labels = builder.pixel_argument("labels", Element::U8);
    let labels = builder.cast(labels, Element::F32);
    let one = builder.constant(1.0, Level::Pixel);
    let positive = builder.equal(labels, one);
    let loss = build(&mut builder, logits, positive);
    builder.finish_named([("loss", loss)]).expect("well typed")
}

fn total(b: &mut Builder, value: ValueId) -> ValueId {
    let sum = b.sum(value);
    b.sum_groups(sum)
}

/// The sum of a term of each of many multiples of the logits.
fn terms(b: &mut Builder, x: ValueId, term: impl Fn(&mut Builder, ValueId) -> ValueId) -> ValueId {
    let mut sum = b.constant(0.0, Level::Pixel);
    for weight in 1..=32 {
        let weight = b.constant(weight as f32 / 8.0, Level::Pixel);
        let margin = b.mul(weight, x);
        let term = term(b, margin);
        sum = b.add(sum, term);
    }
    total(b, sum)
}

fn naive_terms(b: &mut Builder, x: ValueId, _: ValueId) -> ValueId {
    terms(b, x, |b, margin| {
        let one = b.constant(1.0, Level::Pixel);
        let p = b.sigmoid(margin);
        let rest = b.sub(one, p);
        let log = b.log(rest);
        b.neg(log)
    })
}

fn stable_terms(b: &mut Builder, x: ValueId, _: ValueId) -> ValueId {
    terms(b, x, Builder::softplus)
}

const BUILT: [(&str, Build); 8] = [
    ("mean_of_squares", |b, x, _| {
        let square = b.mul(x, x);
        let sum = b.sum(square);
        b.mean_groups(sum)
    }),
    ("number_of_groups", |b, x, _| {
        let one = b.constant(1.0, Level::Group);
        let groups = b.sum_groups(one);
        let weight = b.broadcast(groups);
        let value = b.mul(x, weight);
        total(b, value)
    }),
    ("soft_dice", |b, x, positive| {
        let p = b.sigmoid(x);
        let (zero, two, one) =
            (b.constant(0.0, Level::Pixel), b.constant(2.0, Level::Group), b.constant(1.0, Level::Group));
        let hit = b.select(positive, p, zero);
        let (hits, sum) = (b.sum(hit), b.sum(p));
        let count = b.count(positive);
        let count = b.cast(count, Element::F32);
        let (above, below) = (b.mul(two, hits), b.add(sum, count));
        let ratio = b.ratio_or_zero(above, below);
        let loss = b.sub(one, ratio);
        b.mean_groups(loss)
    }),
    ("focal", |b, x, positive| {
        let minus = b.neg(x);
        let margin = b.select(positive, minus, x);
        let (p, f) = (b.sigmoid(margin), b.softplus(margin));
        let two = b.constant(2.0, Level::Pixel);
        let power = b.pow(p, two);
        let value = b.mul(power, f);
        total(b, value)
    }),
    ("logarithm", |b, x, _| {
        let square = b.mul(x, x);
        let value = b.log1p(square);
        total(b, value)
    }),
    ("standardised", |b, x, positive| {
        let count = b.count(positive);
        let count = b.cast(count, Element::F32);
        let zero = b.constant(0.0, Level::Pixel);
        let seen = b.select(positive, x, zero);
        let sum = b.sum(seen);
        let mean = b.ratio_or_zero(sum, count);
        let mean = b.broadcast(mean);
        let off = b.sub(x, mean);
        let square = b.mul(off, off);
        let value = b.select(positive, square, zero);
        let sums = b.sum(value);
        b.mean_groups(sums)
    }),
    ("one_over", |b, x, _| {
        let zero = b.constant(0.0, Level::Pixel);
        let one = b.constant(1.0, Level::Pixel);
        let shifted = b.add(x, zero);
        let value = b.div(one, shifted);
        total(b, value)
    }),
    ("weighted_by_group", |b, x, positive| {
        let zero = b.constant(0.0, Level::Pixel);
        let count = b.count(positive);
        let weight = b.cast(count, Element::F32);
        let spread = b.broadcast(weight);
        let f = b.select(positive, zero, x);
        let value = b.mul(spread, f);
        total(b, value)
    }),
];
