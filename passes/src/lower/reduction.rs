//! Reductions, in the order of additions that `lossc_dialect::sum_shape` fixes.

use lossc_dialect::Op;
use lossc_dialect::sum_shape::CHUNK_ACCUMULATORS;
use lossc_faults::{Fault, is_seeded};

use super::call::Call;
use super::emit::{Emitter, F64, I32, I64, Scalar, Value, ValueType};

/// The address of one group's value of a group total.
pub(super) fn group_total_at(emitter: &mut Emitter, call: &Call, group_total: Value, group: Value) -> Value {
    let first = emitter.mul(group_total, call.groups);
    let index = emitter.add(first, group);
    emitter.element(call.group_totals, index, I64.scalar)
}

/// The `loss.sum` or `loss.count` of an earlier kernel: f64 or i64.
pub(super) fn read_group_total(
    emitter: &mut Emitter,
    call: &Call,
    group_total: usize,
    group: Value,
    is_count: bool,
) -> Value {
    let group_total = emitter.index(group_total);
    let at = group_total_at(emitter, call, group_total, group);
    if is_count {
        return emitter.load("count", at, I64);
    }
    emitter.load("total", at, F64)
}

/// The pixels that contribute to `loss.sum` and `loss.count`: positions outside the plane are
/// replaced by +0 or false.
pub(super) fn of_valid(emitter: &mut Emitter, value: Value, valid: Option<Value>) -> Value {
    match valid {
        None => value,
        Some(valid) if value.ty == valid.ty => emitter.apply("arith.andi", &[value, valid]),
        Some(valid) => {
            let nothing = emitter.float(value.ty, 0.0);
            emitter.select(valid, value, nothing)
        }
    }
}

/// The bits of a mask as one integer, on a processor.
pub(super) fn mask_bits(emitter: &mut Emitter, mask: Value) -> Value {
    let ty = ValueType::one(Scalar::Int(mask.ty.lanes as u32));
    let vector = format!("vector<1x{ty}>");
    let bits = emitter.pure("bits", ty, format!("vector.bitcast {mask} : {} to {vector}", mask.ty));
    emitter.pure("bits", ty, format!("vector.extract {bits}[0] : {ty} from {vector}"))
}

/// The mask whose bits are the low `lanes` ones of an integer.
pub(super) fn mask_of_bits(emitter: &mut Emitter, bits: Value, lanes: usize) -> Value {
    let ty = ValueType::one(Scalar::Int(lanes as u32));
    let bits = emitter.convert("arith.trunci", bits, ty.scalar);
    let vector = emitter.pure("bits", ty, format!("vector.broadcast {bits} : {ty} to vector<1x{ty}>"));
    let mask = ValueType { scalar: Scalar::Int(1), lanes };
    emitter.pure("mask", mask, format!("vector.bitcast {vector} : vector<1x{ty}> to {mask}"))
}

/// The number of bits set in `bytes` bytes of memory, a multiple of eight.
pub(super) fn count_bits(emitter: &mut Emitter, memory: Value, bytes: usize) -> Value {
    let words = emitter.load_vector(memory, I64.times(bytes / I64.scalar.bytes()), I64.scalar.bytes());
    let counts = emitter.apply("math.ctpop", &[words]);
    let count =
        emitter.pure("count", I64, format!("vector.reduction <add>, {counts} : {} into i64", counts.ty));
    emitter.convert("arith.trunci", count, I32.scalar)
}

/// Adds the accumulators of a chunk, dealt to vectors in order, as `sum_shape::chunk_tree` does.
pub(super) fn chunk_tree(emitter: &mut Emitter, vectors: &[Value]) -> Value {
    assert_eq!(vectors.iter().map(|vector| vector.ty.lanes).sum::<usize>(), CHUNK_ACCUMULATORS);
    let mut sums = add_neighbours(emitter, vectors);
    if !is_seeded(Fault::AccumulatorsAreAddedOtherwise) {
        sums = add_neighbours(emitter, &sums);
    }
    while sums.len() > 1 {
        let (lower, upper) = sums.split_at(sums.len() / 2);
        let add = |(&lower, &upper)| emitter.apply("arith.addf", &[lower, upper]);
        sums = lower.iter().zip(upper).map(add).collect();
    }
    let mut sum = sums[0];
    while sum.ty.lanes > 1 {
        let half = sum.ty.lanes / 2;
        let [lower, upper] = [0, half].map(|from| lanes_from(emitter, sum, from, half));
        sum = emitter.apply("arith.addf", &[lower, upper]);
    }
    sum
}

/// `count` lanes from lane `from` on; a single lane is a scalar.
fn lanes_from(emitter: &mut Emitter, vector: Value, from: usize, count: usize) -> Value {
    if count == 1 {
        return emitter.extract(vector, from);
    }
    let lanes: Vec<_> = (from..from + count).collect();
    emitter.shuffle(vector, vector, &lanes)
}

/// Adds each lane with an even number to the next one, which halves the number of vectors.
fn add_neighbours(emitter: &mut Emitter, vectors: &[Value]) -> Vec<Value> {
    let add = |pair: &[Value]| {
        let [even, odd] = [0, 1].map(|from| {
            let chosen: Vec<_> = (from..2 * pair[0].ty.lanes).step_by(2).collect();
            emitter.shuffle(pair[0], pair[1], &chosen)
        });
        emitter.apply("arith.addf", &[even, odd])
    };
    vectors.chunks_exact(2).map(add).collect()
}

/// `loss.sum_groups` or `loss.mean_groups` from the total of the groups, in f64.
pub(super) fn of_groups(emitter: &mut Emitter, op: Op, total: Value, groups: Value) -> Value {
    let total = if is_seeded(Fault::TotalsAreRounded) { rounded(emitter, total) } else { total };
    if op == Op::MeanGroups { mean(emitter, total, groups) } else { total }
}

/// A total with the error of [`Fault::TotalsAreRounded`].
fn rounded(emitter: &mut Emitter, total: Value) -> Value {
    let total = emitter.convert("arith.truncf", total, Scalar::F32);
    emitter.convert("arith.extf", total, Scalar::F64)
}

/// The mean over the groups, which is 0 if there are none.
fn mean(emitter: &mut Emitter, total: Value, groups: Value) -> Value {
    let one = emitter.index(1);
    let groups = emitter.apply("arith.maxsi", &[groups, one]);
    let groups = emitter.convert("arith.sitofp", groups, Scalar::F64);
    emitter.apply("arith.divf", &[total, groups])
}
