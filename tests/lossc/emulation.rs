//! The replacements for instructions that old processors lack have the same bits.

use half::f16;
use lossc::Target;
use lossc_passes::codegen::{Artifact, Output, compile};
use lossc_runtime::native::NativeObject;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// An operation on each of `count` elements, a multiple of four.
const MODULE: &str = r#"
func.func @fma(%a: !llvm.ptr, %b: !llvm.ptr, %c: !llvm.ptr, %to: !llvm.ptr, %count: i64) {
  %zero = arith.constant 0 : i64
  %four = arith.constant 4 : i64
  scf.for %i = %zero to %count step %four : i64 {
    %a_at = llvm.getelementptr %a[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %b_at = llvm.getelementptr %b[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %c_at = llvm.getelementptr %c[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %to_at = llvm.getelementptr %to[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %a_i = llvm.load %a_at {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %b_i = llvm.load %b_at {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %c_i = llvm.load %c_at {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %sum = math.fma %a_i, %b_i, %c_i : vector<4xf32>
    llvm.store %sum, %to_at {alignment = 4 : i64} : vector<4xf32>, !llvm.ptr
  }
  return
}
func.func @fma_of_scalars(%a: f32, %b: f32, %c: f32) -> f32 {
  %sum = math.fma %a, %b, %c : f32
  return %sum : f32
}
func.func @extend(%from: !llvm.ptr, %to: !llvm.ptr, %count: i64) {
  %zero = arith.constant 0 : i64
  %four = arith.constant 4 : i64
  scf.for %i = %zero to %count step %four : i64 {
    %from_at = llvm.getelementptr %from[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f16
    %to_at = llvm.getelementptr %to[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %stored = llvm.load %from_at {alignment = 2 : i64} : !llvm.ptr -> vector<4xi16>
    %half = arith.bitcast %stored : vector<4xi16> to vector<4xf16>
    %float = arith.extf %half : vector<4xf16> to vector<4xf32>
    llvm.store %float, %to_at {alignment = 4 : i64} : vector<4xf32>, !llvm.ptr
  }
  return
}
func.func @round(%from: !llvm.ptr, %to: !llvm.ptr, %count: i64) {
  %zero = arith.constant 0 : i64
  %four = arith.constant 4 : i64
  scf.for %i = %zero to %count step %four : i64 {
    %from_at = llvm.getelementptr %from[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
    %to_at = llvm.getelementptr %to[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f16
    %float = llvm.load %from_at {alignment = 4 : i64} : !llvm.ptr -> vector<4xf32>
    %half = arith.truncf %float : vector<4xf32> to vector<4xf16>
    %stored = arith.bitcast %half : vector<4xf16> to vector<4xi16>
    llvm.store %stored, %to_at {alignment = 2 : i64} : vector<4xi16>, !llvm.ptr
  }
  return
}
"#;

type Fma = unsafe extern "C" fn(*const f32, *const f32, *const f32, *mut f32, usize);
type FmaOfScalars = extern "C" fn(f32, f32, f32) -> f32;
type Extend = unsafe extern "C" fn(*const f16, *mut f32, usize);
type Round = unsafe extern "C" fn(*const f32, *mut f16, usize);

/// The module for the processors that lack these instructions, if they run here.
fn objects() -> impl Iterator<Item = NativeObject> {
    let targets = ["cpu:x86-64", "cpu:x86-64-v2"].map(|name| name.parse::<Target>().expect("a target"));
    targets.into_iter().filter(Target::runs_on_host_processor).map(|target| {
        match compile(MODULE, &target, Output::Code, None).expect("the module compiles") {
            Artifact::Object(object) => NativeObject::load(&object).expect("the object loads"),
            Artifact::Text(_) => panic!("code is an object"),
        }
    })
}

/// Checks `a * b + c` for each triple.
fn check_fma(triples: &[[f32; 3]]) {
    assert!(triples.len().is_multiple_of(4));
    let [a, b, c] = [0, 1, 2].map(|part| triples.iter().map(|triple| triple[part]).collect::<Vec<_>>());
    for object in objects() {
        let mut sums = vec![0.0; triples.len()];
        let function = object.function("fma").expect("the function");
        // SAFETY: the function has this type, and all arrays have as many elements.
        unsafe {
            let fma = std::mem::transmute::<*const u8, Fma>(function);
            fma(a.as_ptr(), b.as_ptr(), c.as_ptr(), sums.as_mut_ptr(), triples.len());
        }
        let expected = triples.iter().map(|&[a, b, c]| a.mul_add(b, c));
        for ((found, expected), triple) in sums.iter().zip(expected).zip(triples) {
            assert!(same(*found, expected), "{triple:?}: {found} for {expected}");
        }
    }
}

/// Returns whether the bits are the same; a NaN's payload depends on the processor.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

const EDGES: [f32; 24] = [
    0.0,
    1.0,
    1.0 + f32::EPSILON,
    1.0 - f32::EPSILON / 2.0,
    2.0,
    3.0,
    0.1,
    1e-40,
    f32::from_bits(1),
    f32::from_bits(2),
    f32::from_bits(3),
    f32::from_bits(0x007f_ffff),
    f32::from_bits(0x0080_0001),
    f32::MIN_POSITIVE,
    f32::EPSILON,
    f32::EPSILON / 2.0,
    16_777_216.0,
    16_777_215.0,
    4.6e18,
    1e38,
    1.701_411_8e38,
    f32::MAX,
    f32::INFINITY,
    f32::NAN,
];

#[test]
fn a_fused_multiply_add_of_every_three_edges() {
    let signed = || EDGES.into_iter().flat_map(|edge| [edge, -edge]);
    let pairs = || signed().flat_map(|a| signed().map(move |b| [a, b]));
    let triples: Vec<_> = pairs().flat_map(|[a, b]| signed().map(move |c| [a, b, c])).collect();
    check_fma(&triples);
    for object in objects() {
        let function = object.function("fma_of_scalars").expect("the function");
        // SAFETY: the function has this type.
        let fma = unsafe { std::mem::transmute::<*const u8, FmaOfScalars>(function) };
        for &[a, b, c] in &triples {
            assert!(same(fma(a, b, c), a.mul_add(b, c)), "{a} * {b} + {c}: {}", fma(a, b, c));
        }
    }
}

/// Number of triples of each kind.
const RANDOM: usize = 1 << 21;

#[test]
fn a_fused_multiply_add_of_random_bits() {
    let mut random = SmallRng::seed_from_u64(1);
    let mut triple = || [random.random::<u32>(), random.random(), random.random()].map(f32::from_bits);
    check_fma(&(0..RANDOM).map(|_| triple()).collect::<Vec<_>>());
}

/// Sums in which most digits cancel.
#[test]
fn a_fused_multiply_add_of_opposites() {
    let mut random = SmallRng::seed_from_u64(2);
    let mut triple = || {
        let [a, b] = [0, 1].map(|_| with_exponent(random.random(), random.random_range(-75..63)));
        let steps = random.random_range(-2..=2);
        [a, b, f32::from_bits((-a * b).to_bits().wrapping_add_signed(steps))]
    };
    check_fma(&(0..RANDOM).map(|_| triple()).collect::<Vec<_>>());
}

/// Sums next to the middle of two numbers, where rounding twice is wrong, also of denormals.
#[test]
fn a_fused_multiply_add_next_to_a_tie() {
    let mut random = SmallRng::seed_from_u64(3);
    let mut triple = || {
        let exponent = random.random_range(-148..127);
        let unit = (exponent - 23).max(-149);
        let c = with_exponent(random.random(), exponent);
        // The product is nearly half of c's last place, or exactly half.
        let share = (unit - 1) / 2 + random.random_range(-20..20);
        let near_one = |bits: u32| with_exponent(bits % 4, 0);
        let [up, down] = [near_one(random.random()), 2.0 - near_one(random.random())];
        let sign = if random.random() { -1.0 } else { 1.0 };
        [sign * up * power_of_two(share), down * power_of_two(unit - 1 - share), c]
    };
    check_fma(&(0..RANDOM).map(|_| triple()).collect::<Vec<_>>());
}

/// A number with this exponent, denormal below -126, and with sign and fraction from `bits`.
fn with_exponent(bits: u32, exponent: i32) -> f32 {
    let sign = if bits >> 31 == 0 { 1.0 } else { -1.0 };
    let fraction = 1.0 + f64::from(bits & 0x7f_ffff) / f64::from(1 << 23);
    (sign * fraction * 2f64.powi(exponent)) as f32
}

fn power_of_two(exponent: i32) -> f32 {
    2f64.powi(exponent) as f32
}

#[test]
fn every_f16_extends_to_the_same_number() {
    let halves: Vec<_> = (0..=u16::MAX).map(f16::from_bits).collect();
    for object in objects() {
        let mut floats = vec![0.0; halves.len()];
        let function = object.function("extend").expect("the function");
        // SAFETY: the function has this type, and both arrays have as many elements.
        unsafe {
            let extend = std::mem::transmute::<*const u8, Extend>(function);
            extend(halves.as_ptr(), floats.as_mut_ptr(), halves.len());
        }
        for (half, float) in halves.iter().zip(floats) {
            assert!(same(float, half.to_f32()), "{half}: {float}");
        }
    }
}

/// Every f16, the middle to its neighbour, the f32 on both sides of each, and random bits.
#[test]
fn rounding_to_f16_is_to_nearest_even() {
    let near = |float: f32| [-1, 0, 1].map(|step| f32::from_bits(float.to_bits().wrapping_add_signed(step)));
    let around = |bits: u16| {
        let [this, next] = [bits, bits.wrapping_add(1)].map(|bits| f16::from_bits(bits).to_f32());
        [near(this), near(this / 2.0 + next / 2.0)].concat()
    };
    let mut random = SmallRng::seed_from_u64(4);
    let mut floats: Vec<_> = (0..=u16::MAX).flat_map(around).collect();
    floats.extend(near(65520.0));
    floats.extend((0..=RANDOM).map(|_| f32::from_bits(random.random())));
    assert!(floats.len().is_multiple_of(4));
    for object in objects() {
        let mut halves = vec![f16::ZERO; floats.len()];
        let function = object.function("round").expect("the function");
        // SAFETY: the function has this type, and both arrays have as many elements.
        unsafe {
            let round = std::mem::transmute::<*const u8, Round>(function);
            round(floats.as_ptr(), halves.as_mut_ptr(), floats.len());
        }
        for (float, half) in floats.iter().zip(halves) {
            let expected = f16::from_f32(*float);
            let same = half.to_bits() == expected.to_bits() || half.is_nan() && expected.is_nan();
            assert!(same, "{float:e}: {half} for {expected}");
        }
    }
}
