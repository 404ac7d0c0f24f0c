//! Calls: shapes, pixels and options.

use lossc::{Balance, ElementType, Program};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;

use crate::engine::case::Choices;
use crate::engine::input::{Input, stored};

/// The first of [`SHAPES`] that is about a chunk long.
const LONG: usize = 12;

/// No pixels, one, few; the ends of a plane and of a chunk of 2048; many tiny planes.
const SHAPES: [&[usize]; 16] = [
    &[1, 1],
    &[1, 7],
    &[2, 1, 3],
    &[5, 1, 1],
    &[2, 2, 3, 5],
    &[1, 31],
    &[3, 4, 5],
    &[4, 3, 1, 5],
    &[0, 4],
    &[2, 0, 3],
    &[3, 1, 67],
    &[40, 2, 1, 3],
    &[1, 2047],
    &[2, 1, 2048],
    &[1, 2049],
    &[3, 1, 4099],
];

/// Limits of formats and functions: zeros, the least and greatest, overflow of `exp`, and where a
/// sigmoid is 1 or 0.
const EDGES: [f64; 24] = [
    0.0,
    -0.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    1e-40,
    -1e-45,
    1.2e-38,
    1e-30,
    1.0,
    -1.0,
    0.5,
    16.625,
    17.5,
    -17.5,
    88.0,
    89.0,
    -88.0,
    104.0,
    -104.0,
    300.0,
    1e20,
    3e38,
    -3e38,
];

/// Distributions of logits.
const KINDS: [fn(&mut SmallRng) -> f64; 7] = [
    |random| f64::from(normal(random) * 2.5 - 2.0),
    |random| f64::from(normal(random) * 2.5 - 2.0),
    |random| f64::from((normal(random) * 8.0).round() / 4.0),
    |random| f64::from(normal(random) * 60.0),
    |random| *EDGES.choose(random).expect("some"),
    |random| {
        if random.random_ratio(1, 6) {
            *EDGES[..23].choose(random).expect("some")
        } else {
            f64::from(normal(random))
        }
    },
    |_| 1.0,
];

fn normal(random: &mut SmallRng) -> f32 {
    (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0
}

/// A call of `program`.
pub fn call(random: &mut SmallRng, program: &Program) -> (Choices, Input) {
    let choices = Choices {
        ignore_index: random
            .random_ratio(1, 4)
            .then(|| *[255, 1, 0, -1, 7, 16_777_216].choose(random).expect("some")),
        mean: random.random_ratio(1, 5),
        checks: random.random_ratio(1, 2),
    };
    let mut input = input(random, program);
    set_labels(random, &choices, &mut input);
    (choices, input)
}

fn input(random: &mut SmallRng, program: &Program) -> Input {
    let shape = SHAPES.choose(random).expect("some").to_vec();
    let count = shape.iter().product();
    let types = [ElementType::F32, ElementType::F32, ElementType::F32, ElementType::F16, ElementType::Bf16];
    let logit_type = *types.choose(random).expect("some");
    let kind = KINDS.choose(random).expect("some");
    let logits = (0..count).map(|_| stored(kind(random), logit_type)).collect();
    let weights = random.random_ratio(1, 6);
    let weight =
        |random: &mut SmallRng| f64::from(*[0.0f32, 1.0, 0.5, 2.0, 1.25].choose(random).expect("some"));
    let weights = if weights { (0..count).map(|_| weight(random)).collect() } else { vec![] };
    let set = |random: &mut SmallRng| *[0.0f32, 0.5, 1.0, 2.0, 3.0].choose(random).expect("some");
    let names: Vec<_> = program.scalar_arguments().map(|(_, number)| number.name.clone()).collect();
    let scalars = names.into_iter().filter(|_| random.random_ratio(1, 2)).collect::<Vec<_>>();
    let scalars = scalars.into_iter().map(|name| (name, set(random))).collect();
    Input {
        shape,
        logits,
        labels: vec![0; count],
        weights,
        logit_type,
        label_type: ElementType::U8,
        is_misaligned: random.random_ratio(1, 5),
        balance: *Balance::ALL.choose(random).expect("some"),
        seed: random.random(),
        stream: if random.random_ratio(1, 4) { random.random() } else { 0 },
        upstream: *[1.0, 1.0, -0.75, 0.0, 3.0].choose(random).expect("some"),
        scalars,
    }
}

/// Sets labels to classes, ignored pixels and their neighbours, and rarely to invalid ones.
fn set_labels(random: &mut SmallRng, choices: &Choices, input: &mut Input) {
    let is_wide = choices.ignore_index.is_some_and(|index| !(0..256).contains(&index));
    let narrow = [ElementType::U8, ElementType::U8, ElementType::I32, ElementType::I64, ElementType::F32];
    let wide = [ElementType::I32, ElementType::I64];
    input.label_type = *if is_wide { &wide[..] } else { &narrow[..] }.choose(random).expect("some");
    let positives = *[0.0, 0.05, 0.3, 1.0].choose(random).expect("some");
    let is_wrong = random.random_ratio(1, 12);
    for label in &mut input.labels {
        *label = i64::from(random.random::<f64>() < positives);
        if let Some(index) = choices.ignore_index
            && random.random_ratio(1, 3)
        {
            *label = index;
        }
        let is_near = is_wide && choices.ignore_index.is_some() && !choices.checks;
        if (is_wrong || is_near) && random.random_ratio(1, 9) {
            *label = choices.ignore_index.map_or(2, |index| index + 1).rem_euclid(if is_wide {
                i64::MAX
            } else {
                256
            });
        }
    }
}

/// Ordinary logits in planes about as long as a chunk, to show the order of a sum.
pub fn ordinary(random: &mut SmallRng, number: usize) -> (Choices, Input) {
    let shape = SHAPES[LONG..][number % (SHAPES.len() - LONG)];
    let logits: Vec<_> = (0..shape.iter().product()).map(|_| KINDS[0](random)).collect();
    (Choices::default(), Input { shape: shape.to_vec(), ..edge(&logits, Some(9)) })
}

/// Two images of twelve logits at edges where losses were once wrong: saturated, of both zeros, so
/// large that a plane's sum is infinite, so large that the sum of all images is; and with labels
/// next to the ignored one that f32 cannot tell apart.
pub fn edges() -> [(Choices, Input); 5] {
    let saturated = [100.0, -100.0, 40.0, -40.0, 17.0, -17.0, 0.5, -0.5, 3.0, -3.0, 90.0, -90.0];
    let zeros = [0.0, -0.0, 0.0, -0.0, -0.0, -0.0, 0.0, 1.0, -1.0, 0.0, -0.0, 0.5];
    let far = [3e38, 0.0, 0.0, 0.0, 0.0, 0.0, 3e38, 0.0, 0.0, 0.0, 0.0, 0.0];
    let plain = Choices::default();
    let mean = Choices { mean: true, ..plain.clone() };
    [
        (plain.clone(), edge(&saturated, Some(2))),
        (plain.clone(), edge(&zeros, Some(3))),
        (plain, edge(&[3e38; 12], None)),
        (mean.clone(), edge(&far, None)),
        (Choices { ignore_index: Some(WIDE), ..mean }, beside_ignored(edge(&saturated, Some(4)))),
    ]
}

/// A label whose neighbour is the same f32.
const WIDE: i64 = 1 << 24;

fn beside_ignored(mut input: Input) -> Input {
    input.label_type = ElementType::I64;
    for (index, label) in input.labels.iter_mut().enumerate().filter(|(index, _)| index % 3 == 0) {
        *label = WIDE + (index % 2) as i64;
    }
    input
}

/// A call in which one pixel in `positives` is positive, or none is.
fn edge(logits: &[f64], positives: Option<usize>) -> Input {
    let label = |index: usize| i64::from(positives.is_some_and(|every| index % every == 1));
    Input {
        shape: vec![2, 1, 6],
        logits: logits.iter().map(|&logit| stored(logit, ElementType::F32)).collect(),
        labels: (0..logits.len()).map(label).collect(),
        weights: vec![],
        logit_type: ElementType::F32,
        label_type: ElementType::U8,
        is_misaligned: false,
        balance: Balance::Image,
        seed: 0,
        stream: 0,
        upstream: 1.0,
        scalars: vec![],
    }
}
