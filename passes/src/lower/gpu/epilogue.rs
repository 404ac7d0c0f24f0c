//! The steps after the totals, by the threads of a block: one thread per group.

use lossc_faults::{Fault, is_seeded};

use super::BLOCK;
use super::combine::accumulators;
use super::thread::{barrier, thread_of_block};
use crate::lower::LowerError;
use crate::lower::emit::{Emitter, F64, Value};
use crate::lower::epilogue::Workers;

/// All threads of a block; the first one does the work that is done once.
pub(super) struct Block;

impl Workers for Block {
    fn own_groups(&self, emitter: &mut Emitter, groups: Value) -> [Value; 3] {
        [thread_of_block(emitter), groups, emitter.index(BLOCK)]
    }

    /// Each thread computes the value of one group, and the first thread adds them, for one
    /// block's worth of groups after another.
    fn add_groups(
        &self,
        emitter: &mut Emitter,
        groups: Value,
        value: impl FnOnce(&mut Emitter, Value) -> Result<Value, LowerError>,
    ) -> Result<Value, LowerError> {
        let zero = emitter.constant(F64, "0.0");
        let bounds = [emitter.index(0), groups, emitter.index(BLOCK)];
        let total = emitter.repeat(bounds, &[zero], |emitter, first, total| {
            let (thread, values) = (thread_of_block(emitter), accumulators(emitter));
            let group = emitter.add(first, thread);
            let exists = emitter.compare("ult", group, groups);
            emitter.when(exists, |emitter| {
                let value = value(emitter, group)?;
                emitter.store_element(value, values, thread);
                Ok(())
            })?;
            if !is_seeded(Fault::ThreadsDoNotWait) {
                barrier(emitter);
            }
            let (is_first, left) = (is_first(emitter), emitter.apply("arith.subi", &[groups, first]));
            let total = emitter.choose(
                is_first,
                |emitter| Ok::<_, LowerError>(vec![add_up(emitter, values, left, total[0])]),
                |_| Ok(vec![total[0]]),
            )?;
            barrier(emitter);
            Ok::<_, LowerError>(total)
        })?;
        Ok(total[0])
    }

    fn once(
        &self,
        emitter: &mut Emitter,
        body: impl FnOnce(&mut Emitter) -> Result<(), LowerError>,
    ) -> Result<(), LowerError> {
        let is_first = is_first(emitter);
        emitter.when(is_first, body)
    }

    fn meet(&self, emitter: &mut Emitter) {
        barrier(emitter);
    }
}

fn is_first(emitter: &mut Emitter) -> Value {
    let (thread, zero) = (thread_of_block(emitter), emitter.index(0));
    emitter.compare("eq", thread, zero)
}

/// Adds the first `count` values, at most a block's worth, to `total`.
fn add_up(emitter: &mut Emitter, values: Value, count: Value, total: Value) -> Value {
    let most = emitter.index(BLOCK);
    let count = emitter.apply("arith.minsi", &[count, most]);
    let bounds = [emitter.index(0), count, emitter.index(1)];
    emitter.sum_up(bounds, total, |emitter, number, total| {
        let value = emitter.load_element("value", values, number, F64);
        emitter.apply("arith.addf", &[total, value])
    })
}
