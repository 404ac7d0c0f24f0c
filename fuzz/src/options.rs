//! Options of a loss, of a compiler and of a call: any names, values and scalars.
//!
//! The input has one line per option: its name, a space, and any text. The options are tried on a
//! loss with a scalar and, if one is named, a choice.

mod loss;

use std::str::FromStr;
use std::sync::OnceLock;

use lossc::{
    Balance, Cache, Compiled, Compiler, ElementType, Error, Loss, Numerics, Reduction, Seed, Step, Target,
    Tensor, TensorView,
};

/// Two planes of a few pixels.
const SHAPE: [usize; 3] = [2, 1, 4];
const PIXELS: usize = 8;

/// Types of logits, labels and weights if none are named.
const TYPES: [ElementType; 3] = [ElementType::F32, ElementType::U8, ElementType::F32];

/// The lines of the input: names with their texts, in order.
pub struct Options<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Options<'a> {
    fn read(text: &'a str) -> Self {
        Self(text.split('\n').map(|line| line.split_once(' ').unwrap_or((line, ""))).collect())
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| *known == name).map(|&(_, value)| value)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.all(name).last()
    }

    fn parse<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name)?.parse().ok()
    }

    /// The types of the tensors, if all that are named exist.
    fn types(&self) -> Option<Vec<ElementType>> {
        self.get("types")?.split(',').map(|name| name.parse().ok()).collect()
    }

    fn ignore_index(&self) -> Option<i64> {
        self.parse("ignore-index")
    }
}

/// Compiles and calls a loss with the options in `bytes`. Returns whether all are accepted.
pub fn check(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let options = Options::read(&text);
    let Ok(target) = options.get("target").unwrap_or("cpu").parse::<Target>() else { return false };
    let settings = options.all("set").filter_map(|set| set.split_once('='));
    let loss = Loss::unread("options.mlir", &loss::text(&options));
    let loss = settings.fold(loss, |loss, (name, value)| loss.set(name, value));
    let compiler = compiler(&options, target);
    if !compiler.target().runs_on_host_processor() {
        return is_taken(&compiler.bundle(&loss), &options, &text);
    }
    let compiled = compiler.compile(&loss);
    is_taken(&compiled, &options, &text) && compiled.is_ok_and(|compiled| calls(&compiled, &options))
}

/// Returns whether there is a result. Panics on an error of lossc itself, and on a result for
/// options that make no sense.
fn is_taken<T>(result: &Result<T, Error>, options: &Options<'_>, text: &str) -> bool {
    if let Err(error @ (Error::Codegen(_) | Error::Pass { .. } | Error::Details(_))) = result {
        panic!("{error} of\n{text}");
    }
    assert!(result.is_err() || !is_nonsense(options), "this makes no sense, but is taken:\n{text}");
    result.is_ok()
}

/// Returns whether a scalar is set to a value that is not finite, or a label is ignored that no
/// tensor of labels can hold.
fn is_nonsense(options: &Options<'_>) -> bool {
    let choice = options.get("choice");
    let is_none = |(name, value): (&str, &str)| Some(name) != choice && is_no_number(value);
    let is_integer = !label_type(options).is_float();
    let is_ignored = |label| is_integer && !is_held(label_type(options), label);
    options.all("set").filter_map(|set| set.split_once('=')).any(is_none)
        || options.ignore_index().is_some_and(is_ignored)
}

fn is_no_number(text: &str) -> bool {
    text.parse().is_ok_and(|number: f32| !number.is_finite())
}

fn compiler(options: &Options<'_>, target: Target) -> Compiler {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    let mut compiler = Compiler::new(target).cache(CACHE.get_or_init(Cache::in_memory).clone());
    if let Some(index) = options.ignore_index() {
        compiler = compiler.ignore_index(index);
    }
    if let Some(types) = options.types() {
        compiler = compiler.element_types(types);
    }
    if options.get("reduction") == Some("mean") {
        compiler = compiler.reduction(Reduction::Mean);
    }
    if options.get("numerics") == Some("fast") {
        compiler = compiler.numerics(Numerics::Fast);
    }
    compiler.weight_map(options.get("weights").is_some())
}

/// Calls the loss on ordinary labels and, if a label is ignored, on its neighbours, which are not.
fn calls(compiled: &Compiled, options: &Options<'_>) -> bool {
    let ignored = options.ignore_index();
    let step = call(compiled, options, ignored.unwrap_or(0));
    let invalid = matches!(step, Err(Error::InvalidLabels { .. }));
    assert!(!invalid, "{ignored:?} is ignored, but reported as invalid");
    let neighbours =
        ignored.into_iter().flat_map(|index| [index.checked_sub(1), index.checked_add(1)]).flatten();
    for label in neighbours.filter(|label| ![0, 1].contains(label) && is_held(label_type(options), *label)) {
        let ignored = call(compiled, options, label).is_ok();
        assert!(!ignored, "label {label} is taken where {:?} is ignored", options.ignore_index());
    }
    let mut numbers = options.all("scalar").filter_map(|scalar| scalar.split_once('='));
    let wrong = numbers.any(|(name, value)| name != "upstream" && is_no_number(value));
    assert!(step.is_err() || !wrong, "a scalar of the call is not finite, but is accepted");
    step.is_ok()
}

fn label_type(options: &Options<'_>) -> ElementType {
    options.types().and_then(|types| types.get(1).copied()).unwrap_or(TYPES[1])
}

/// Returns whether a tensor of this type can hold the label; false for floats.
fn is_held(element: ElementType, label: i64) -> bool {
    match element {
        ElementType::U8 => u8::try_from(label).is_ok(),
        ElementType::I32 => i32::try_from(label).is_ok(),
        ElementType::I64 => true,
        ElementType::Bool => [0, 1].contains(&label),
        _ => false,
    }
}

/// Calls the loss on labels 0, 1 and, if the type can hold it, `label`.
fn call(compiled: &Compiled, options: &Options<'_>, label: i64) -> Result<Step, Error> {
    let asked = options.types().unwrap_or_default();
    let count = if options.get("weights").is_some() { 3 } else { 2 };
    let types =
        TYPES.iter().enumerate().map(|(index, &default)| asked.get(index).copied().unwrap_or(default));
    let tensors = types.take(count).enumerate().map(|(index, element)| match index {
        1 => labels(element, label),
        _ => Tensor::zeros(element, &SHAPE).expect("small"),
    });
    let tensors: Vec<_> = tensors.collect();
    let views: Vec<TensorView<'_>> = tensors.iter().map(Tensor::view).collect();
    compiled.forward_backward_of(&views, &of_call(options))
}

fn labels(element: ElementType, label: i64) -> Tensor {
    let label = if is_held(element, label) { label } else { 0 };
    let labels: [i64; PIXELS] = std::array::from_fn(|place| [0, 1, label][place % 3]);
    let bytes: Vec<u8> = match element {
        ElementType::U8 => labels.map(|it| it as u8).to_vec(),
        ElementType::I32 => labels.iter().flat_map(|&it| (it as i32).to_ne_bytes()).collect(),
        ElementType::I64 => labels.iter().flat_map(|it| it.to_ne_bytes()).collect(),
        _ => vec![0; PIXELS * element.size()],
    };
    Tensor::from_bytes(element, &SHAPE, &bytes).expect("as many as the shape says")
}

fn of_call(options: &Options<'_>) -> lossc::Options {
    let scalar = |text: &str| {
        let (name, value) = text.split_once('=')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    lossc::Options {
        seed: Seed(options.parse("seed").unwrap_or_default()),
        stream: options.parse("stream").unwrap_or_default(),
        balance: options.parse("balance").unwrap_or(Balance::Image),
        scalars: options.all("scalar").filter_map(scalar).collect(),
    }
}
