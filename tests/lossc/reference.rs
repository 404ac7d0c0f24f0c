//! The reference: the losses in double precision, from their definition, sharing no code with the
//! compiler. Even Philox is written again.

/// The drop probability of a negative with logit `x`.
pub type Schedule = fn(f64) -> f64;

/// The schedules by name.
pub const SCHEDULES: [(&str, Schedule); 3] = [("linear", linear), ("squ", squ), ("log", log)];

fn linear(x: f64) -> f64 {
    sigmoid(-x)
}

fn squ(x: f64) -> f64 {
    sigmoid(-x) * sigmoid(-x)
}

fn log(x: f64) -> f64 {
    1.0 - softplus(x) / std::f64::consts::LN_10
}

/// 1 / (1 + e^-x)
pub fn sigmoid(x: f64) -> f64 {
    if x > 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// log(1 + e^x)
pub fn softplus(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// The uniform number of pixel `index`, by Philox4x32-10 as in reference.md.
pub fn uniform(seed: u64, stream: u64, index: u64) -> f32 {
    let low = |x: u64| x & 0xffff_ffff;
    let block = index >> 2;
    let mut c = [low(block), block >> 32, low(stream), stream >> 32];
    let mut key = [low(seed), seed >> 32];
    for round in 0..10 {
        if round > 0 {
            key = [low(key[0] + 0x9E37_79B9), low(key[1] + 0xBB67_AE85)];
        }
        let (first, second) = (0xD251_1F53 * c[0], 0xCD9E_8D57 * c[2]);
        c = [(second >> 32) ^ c[1] ^ key[0], low(second), (first >> 32) ^ c[3] ^ key[1], low(first)];
    }
    let word = c[(index & 3) as usize] as u32 as i32;
    let size = if word < 0 { !word } else { word };
    size as f32 * 4.656_612_7e-10_f32
}

/// Input of the reference for one pixel.
#[derive(Clone, Copy, Debug)]
pub struct Pixel {
    /// The logit.
    pub x: f64,
    /// True if it is a positive.
    pub positive: bool,
    /// Its uniform number.
    pub u: f32,
    /// Its balancing group.
    pub group: usize,
    /// True if it is ignored.
    pub ignored: bool,
}

/// Expected values of the loss.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub loss: f64,
    pub positives: Vec<i64>,
    pub kept: Vec<i64>,
    pub gradient: Vec<f64>,
    /// Negatives whose draw is too near their drop probability for f32 to decide.
    pub close_calls: usize,
}

/// The random drop loss of `pixels` with its gradient. `kept` decides close calls.
pub fn random_drop(
    pixels: &[Pixel],
    groups: usize,
    schedule: Schedule,
    kept: impl Fn(usize) -> bool,
) -> Verdict {
    random_drop_within(6e-7, pixels, groups, schedule, kept)
}

/// The same, where a draw within `close` of its probability is a close call.
pub fn random_drop_within(
    close: f64,
    pixels: &[Pixel],
    groups: usize,
    schedule: Schedule,
    kept: impl Fn(usize) -> bool,
) -> Verdict {
    let mut verdict = Verdict { positives: vec![0; groups], kept: vec![0; groups], ..Verdict::default() };
    let mut keeps = vec![false; pixels.len()];
    for (index, pixel) in pixels.iter().enumerate().filter(|(_, pixel)| !pixel.ignored) {
        let probability = schedule(pixel.x);
        let u = f64::from(pixel.u);
        let is_close = !pixel.positive && (u - probability).abs() <= close;
        verdict.close_calls += usize::from(is_close);
        keeps[index] =
            !pixel.positive && if is_close { kept(index) } else { u >= probability || probability.is_nan() };
        verdict.positives[pixel.group] += i64::from(pixel.positive);
        verdict.kept[pixel.group] += i64::from(keeps[index]);
    }
    weigh(pixels, &keeps, &mut verdict);
    verdict
}

/// Cross entropy with each class weighted by the other's share.
pub fn balanced_bce(pixels: &[Pixel], groups: usize) -> Verdict {
    random_drop(pixels, groups, |_| -1.0, |_| true)
}

/// Plain cross entropy, summed.
pub fn bce(pixels: &[Pixel], groups: usize) -> Verdict {
    let mut verdict = Verdict { positives: vec![0; groups], ..Verdict::default() };
    for pixel in pixels {
        let (sign, valid) = (if pixel.positive { -1.0 } else { 1.0 }, f64::from(u8::from(!pixel.ignored)));
        verdict.positives[pixel.group] += i64::from(pixel.positive && !pixel.ignored);
        verdict.loss += if pixel.ignored { 0.0 } else { softplus(sign * pixel.x) };
        verdict.gradient.push(if pixel.ignored { 0.0 } else { valid * sign * sigmoid(sign * pixel.x) });
    }
    verdict
}

fn weigh(pixels: &[Pixel], keeps: &[bool], verdict: &mut Verdict) {
    for (pixel, &keep) in pixels.iter().zip(keeps) {
        let (p, n) = (verdict.positives[pixel.group] as f64, verdict.kept[pixel.group] as f64);
        let total = p + n;
        let used = !pixel.ignored && (pixel.positive || keep);
        let weight = if pixel.positive { n / total } else { p / total };
        if !used || (weight == 0.0 && !pixel.x.is_nan()) {
            verdict.gradient.push(0.0);
            continue;
        }
        let sign = if pixel.positive { -1.0 } else { 1.0 };
        verdict.loss += weight * softplus(sign * pixel.x);
        verdict.gradient.push(weight * sign * sigmoid(sign * pixel.x));
    }
}
