//! Changes of a loss's text that usually leave it a loss.

/// Words that may replace one another.
const WORDS: [&[&str]; 5] = [
    &["add", "sub", "mul", "div", "min", "max", "pow", "weight", "ratio_or_zero"],
    &[
        "neg",
        "abs",
        "positive_part",
        "reciprocal_one_to_two",
        "exp",
        "exp_nonpositive",
        "exp_upper",
        "expm1",
        "log",
        "log1p",
        "log1p_unit",
        "sigmoid",
        "softplus",
    ],
    &["less", "less_equal", "equal"],
    &["and", "or"],
    &["sum_groups", "mean_groups"],
];

/// Types that may replace one another, of one level and of several.
const TYPES: [&str; 9] = [
    "tensor<?x?xf32>",
    "tensor<?x?xf16>",
    "tensor<?x?xbf16>",
    "tensor<?x?xui8>",
    "tensor<?x?xi1>",
    "tensor<?x?xi64>",
    "tensor<?xf32>",
    "tensor<?xi64>",
    "tensor<f32>",
];

/// Numbers at which formulas go wrong.
const NUMBERS: [&str; 14] = [
    "0.0",
    "-0.0",
    "1.0",
    "-1.0",
    "2.0",
    "0.5",
    "3.0e38",
    "1.0e-45",
    "0x7FC00000",
    "0x7F800000",
    "0xFF800000",
    "1.00000012",
    "16777216.0",
    "-88.5",
];

/// A stream of numbers below a bound, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// The text with one to four changes.
pub fn mutate(text: &str, seed: u32) -> String {
    let mut dice = Dice(seed.into());
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    for _ in 0..=dice.below(4) {
        change(&mut lines, &mut dice);
    }
    lines.join("\n")
}

fn change(lines: &mut Vec<String>, dice: &mut Dice) {
    let (from, to) = (dice.below(lines.len()), dice.below(lines.len()));
    match dice.below(10) {
        0 => drop(lines.remove(from)),
        1 => lines.swap(from, to),
        2 => insert(lines, from, to, dice),
        3..6 => lines[from] = with_other_op(&lines[from], dice),
        6 | 7 => lines[from] = with_other_operand(lines, from, dice),
        8 => lines[from] = with_other_number(&lines[from], dice),
        _ => lines[from] = with_other(&lines[from], "tensor<", ">", dice.of(&TYPES), dice),
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
}

/// Repeats a line further down, with a value of its own.
fn insert(lines: &mut Vec<String>, from: usize, to: usize, dice: &mut Dice) {
    let name = format!("%v{}", dice.below(100));
    let copy = match lines[from].trim_start().split_once(' ') {
        Some((value, rest)) if value.starts_with('%') => format!("  {name} {rest}"),
        _ => lines[from].clone(),
    };
    lines.insert(to, copy);
}

fn with_other_op(line: &str, dice: &mut Dice) -> String {
    let Some((before, rest)) = line.split_once("\"loss.") else { return line.to_owned() };
    let Some((op, after)) = rest.split_once('"') else { return line.to_owned() };
    let Some(words) = WORDS.iter().find(|words| words.contains(&op)) else { return line.to_owned() };
    format!("{before}\"loss.{}\"{after}", dice.of(words))
}

/// Replaces one operand by another value of the text.
fn with_other_operand(lines: &[String], at: usize, dice: &mut Dice) -> String {
    let values: Vec<&str> = lines.iter().flat_map(|line| names(line)).map(|(_, name)| name).collect();
    let line = &lines[at];
    let places: Vec<_> = names(line).collect();
    if places.is_empty() {
        return line.clone();
    }
    let (start, name) = places[dice.below(places.len())];
    format!("{}{}{}", &line[..start], dice.of(&values), &line[start + name.len()..])
}

/// The values that a line names, with their positions.
fn names(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.match_indices('%').map(|(start, _)| {
        let is_name = |it: char| it.is_ascii_alphanumeric() || "_$.-".contains(it);
        let end = line[start + 1..].find(|it| !is_name(it)).map_or(line.len(), |length| start + 1 + length);
        (start, &line[start..end])
    })
}

fn with_other_number(line: &str, dice: &mut Dice) -> String {
    let number = dice.of(&NUMBERS);
    with_other(line, "= ", " : f32", &format!("= {number} : f32"), dice)
}

/// Replaces one of the stretches of `line` from `start` to `end` by `by`.
fn with_other(line: &str, start: &str, end: &str, by: &str, dice: &mut Dice) -> String {
    let stretches: Vec<_> = line
        .match_indices(start)
        .filter_map(|(from, _)| Some((from, from + line[from..].find(end)? + end.len())))
        .collect();
    if stretches.is_empty() {
        return line.to_owned();
    }
    let (from, to) = stretches[dice.below(stretches.len())];
    format!("{}{by}{}", &line[..from], &line[to..])
}
