//! Memory for the values that kernels keep for one another.

use lossc_dialect::Element;
use lossc_faults::{Fault, is_seeded};

use super::Schedule;

/// What a temporary holds of each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Temporary {
    /// An f32.
    Float,
    /// A bit.
    Mask,
}

/// The places in the order of kernels between which a stored value is needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Lifetime {
    first: usize,
    last: usize,
}

impl Schedule {
    /// What a stored value's temporary holds.
    pub fn temporary_of(&self, stored: usize) -> Temporary {
        match self.program.ty(self.stored[stored].value).element {
            Element::Mask => Temporary::Mask,
            _ => Temporary::Float,
        }
    }

    /// The temporaries.
    pub fn temporaries(&self) -> Vec<Temporary> {
        let count = self.stored.iter().map(|stored| stored.temporary + 1).max().unwrap_or(0);
        let holder = |temporary| {
            let stored = self.stored.iter().position(|stored| stored.temporary == temporary);
            self.temporary_of(stored.expect("a temporary holds something"))
        };
        (0..count).map(holder).collect()
    }

    /// Lets stored values share a temporary where none is needed while another is.
    pub(super) fn share_temporaries(&mut self) {
        let lifetimes: Vec<_> = (0..self.stored.len()).map(|stored| self.lifetime(stored)).collect();
        let mut by_start: Vec<_> = (0..lifetimes.len()).collect();
        by_start.sort_by_key(|&stored| lifetimes[stored]);
        // What each temporary holds, and when it was last needed.
        let mut temporaries: Vec<(Temporary, usize)> = vec![];
        for stored in by_start {
            let (holds, Lifetime { first, last }) = (self.temporary_of(stored), lifetimes[stored]);
            let free = temporaries.iter().position(|&(held, until)| held == holds && until < first);
            let temporary = free.unwrap_or(temporaries.len());
            if temporary == temporaries.len() {
                temporaries.push((holds, last));
            }
            temporaries[temporary].1 = last;
            self.stored[stored].temporary = temporary;
        }
    }

    fn lifetime(&self, stored: usize) -> Lifetime {
        let lists = [&self.forward, &self.backward, &self.forward_backward];
        let touches = |&kernel: &usize| {
            let kernel = &self.kernels[kernel];
            kernel.loads.contains(&stored) || kernel.stores.contains(&stored)
        };
        let order = lists.into_iter().flatten().enumerate();
        let mut places = order.filter(|(_, kernel)| touches(kernel)).map(|(place, _)| place);
        let first = places.next().unwrap_or(0);
        let last = places.last().filter(|_| !is_seeded(Fault::KeptValuesAreOverwritten));
        Lifetime { first, last: last.unwrap_or(first) }
    }
}
