//! The code of one kernel for a chunk.

use lossc_dialect::sum_shape::CHUNK;

use super::library;
use super::memory::{self, Memory, chunk_of_buffer};
use super::part::Part;
use super::{active, output};
use crate::lower::LowerError;
use crate::lower::call::Call;
use crate::lower::chunk::Chunk;
use crate::lower::emit::{Emitter, I32, Scalar, Value};
use crate::lower::pixel::{PixelCode, Tensor};
use crate::schedule::{Kernel, Schedule};

/// Up to this many active pixels of a chunk are computed alone; with more, finding each one
/// takes longer than computing all pixels.
pub(super) const FEW: usize = CHUNK / 4;

/// The code that computes a chunk: its random numbers, its pixels, its partials.
pub(super) struct HostKernel<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) kernel: &'a Kernel,
    pub(super) call: &'a Call,
    pub(super) chunk: &'a Chunk,
    pub(super) lanes: usize,
}

impl HostKernel<'_> {
    pub(super) fn emit(&self, emitter: &mut Emitter) -> Result<(), LowerError> {
        let code = PixelCode::new(self.schedule, self.kernel, self.lanes);
        let memory = Memory::new(emitter, &code, self.draws(), self.lanes);
        self.draw(emitter, &code, &memory);
        match self.schedule.parts(self.kernel) {
            None => self.part(emitter, self.kernel, &memory)?.walk(emitter)?,
            Some(parts) => self.compact(emitter, &parts, &memory)?,
        }
        for (index, reduction) in code.reductions.iter().enumerate() {
            let partial =
                library::partial(emitter, memory.of_reduction(reduction.group_total), reduction.is_count);
            self.chunk.store_partial(emitter, self.call, index, partial);
        }
        for (output, buffer) in &memory.outputs {
            let (tensor, scalar) = self.elements(emitter, output);
            output::call_write(emitter, (self.call, self.chunk), tensor, *buffer, scalar);
        }
        Ok(())
    }

    /// Draws the chunk's random numbers, if it needs any, and prefetches its inputs.
    fn draw(&self, emitter: &mut Emitter, code: &PixelCode<'_>, memory: &Memory) {
        if let Some(uniforms) = memory.uniforms {
            let inputs: Vec<_> = code.inputs().iter().map(|input| self.elements(emitter, input)).collect();
            library::call_draw(emitter, (self.call, self.chunk), uniforms, &inputs);
        }
    }

    /// A tensor's element at position 0 of the chunk, and its type.
    fn elements(&self, emitter: &mut Emitter, tensor: &Tensor) -> (Value, Scalar) {
        let scalar = Scalar::of(tensor.element);
        (self.chunk.elements(emitter, self.call.pixels[tensor.index], scalar), scalar)
    }

    /// Returns whether the kernel needs random numbers.
    fn draws(&self) -> bool {
        let parts = self.schedule.parts(self.kernel).map_or_else(|| vec![self.kernel.clone()], Vec::from);
        parts.iter().any(|part| PixelCode::new(self.schedule, part, self.lanes).uniform().is_some())
    }

    fn part<'a>(
        &'a self,
        emitter: &mut Emitter,
        kernel: &Kernel,
        memory: &'a Memory,
    ) -> Result<Part<'a>, LowerError> {
        Part::new(emitter, (self.schedule, kernel), (self.call, self.chunk), memory, self.lanes)
    }

    /// Finds the active pixels, then computes the rest for these if they are few, and otherwise
    /// for all pixels.
    fn compact(&self, emitter: &mut Emitter, parts: &[Kernel; 2], memory: &Memory) -> Result<(), LowerError> {
        let [of_all, of_active] = parts;
        let masks = self.active(emitter, of_all);
        if let Some(value) = of_all.compaction.filter(|_| of_all.loads.is_empty()) {
            self.part(emitter, of_all, memory)?.filling(value, masks).walk(emitter)?;
        }
        let rest = self.part(emitter, of_active, memory)?;
        let count = library::partial(emitter, masks, true);
        let few = emitter.integer(I32, FEW as i64);
        let are_many = emitter.compare("sgt", count, few);
        emitter.choose(
            are_many,
            |emitter| rest.walk(emitter).map(|()| vec![]),
            |emitter| active::compute(emitter, &rest, masks, count, self.lanes).map(|()| vec![]),
        )?;
        Ok(())
    }

    /// The memory of the active pixels' mask: its buffer if it is saved or loaded. The mask is
    /// false unless an earlier kernel has computed it.
    fn active(&self, emitter: &mut Emitter, of_all: &Kernel) -> Value {
        let code = PixelCode::new(self.schedule, of_all, self.lanes);
        let place =
            |emitter: &mut Emitter, saved| chunk_of_buffer(emitter, self.call, self.chunk, saved, self.lanes);
        match (code.loads.first(), code.saves.first()) {
            (Some(&saved), _) => place(emitter, saved),
            (None, Some(&saved)) => {
                let masks = place(emitter, saved);
                memory::clear_masks(emitter, masks, self.lanes);
                masks
            }
            (None, None) => memory::empty_masks(emitter, self.lanes),
        }
    }
}
