//! Memory for the values that kernels save for one another.

use lossc_dialect::Element;
use lossc_faults::{Fault, is_seeded};

use super::Schedule;

/// The content of a buffer, per pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Buffer {
    /// An f32.
    Float,
    /// A bit.
    Mask,
}

/// The positions in the order of kernels between which a saved value is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lifetime {
    first: usize,
    last: usize,
}

impl Schedule {
    /// The content of a saved value's buffer.
    pub fn buffer_of(&self, saved: usize) -> Buffer {
        match self.program.ty(self.saved[saved].value).element {
            Element::Mask => Buffer::Mask,
            _ => Buffer::Float,
        }
    }

    /// The buffers.
    pub fn buffers(&self) -> Vec<Buffer> {
        let count = self.saved.iter().map(|saved| saved.buffer + 1).max().unwrap_or(0);
        let holder = |buffer| {
            let saved = self.saved.iter().position(|saved| saved.buffer == buffer);
            self.buffer_of(saved.expect("a buffer holds something"))
        };
        (0..count).map(holder).collect()
    }

    /// Lets saved values share a buffer if their lifetimes do not overlap.
    pub(super) fn share_buffers(&mut self) {
        let lifetimes: Vec<_> = (0..self.saved.len()).map(|saved| self.lifetime(saved)).collect();
        let mut by_start: Vec<_> = (0..lifetimes.len()).collect();
        by_start.sort_by_key(|&saved| lifetimes[saved]);
        // The content of each buffer, and the position at which it was last needed.
        let mut buffers: Vec<(Buffer, usize)> = vec![];
        for saved in by_start {
            let (holds, Lifetime { first, last }) = (self.buffer_of(saved), lifetimes[saved]);
            let free = buffers.iter().position(|&(held, until)| held == holds && until < first);
            let buffer = free.unwrap_or(buffers.len());
            if buffer == buffers.len() {
                buffers.push((holds, last));
            }
            buffers[buffer].1 = last;
            self.saved[saved].buffer = buffer;
        }
    }

    fn lifetime(&self, saved: usize) -> Lifetime {
        let lists = [&self.forward, &self.backward, &self.forward_backward];
        let touches = |&kernel: &usize| {
            let kernel = &self.kernels[kernel];
            kernel.loads.contains(&saved) || kernel.saves.contains(&saved)
        };
        let order = lists.into_iter().flatten().enumerate();
        let mut places = order.filter(|(_, kernel)| touches(kernel)).map(|(place, _)| place);
        let first = places.next().unwrap_or(0);
        let last = places.last().filter(|_| !is_seeded(Fault::SavedValuesAreOverwritten));
        Lifetime { first, last: last.unwrap_or(first) }
    }
}
