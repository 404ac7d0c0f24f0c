//! The order in which threads and blocks take turns.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;

/// Order of threads and blocks where the kernel leaves it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending.
    Forward,
    /// Descending.
    Reverse,
    /// A new permutation at each turn, from this seed.
    Shuffled(u64),
}

impl Order {
    /// Three orders that must not make a difference to a kernel.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Reverse, Self::Shuffled(7)];

    pub(crate) fn turns(self) -> Turns {
        let seed = if let Self::Shuffled(seed) = self { seed } else { 0 };
        Turns { order: self, random: SmallRng::seed_from_u64(seed) }
    }
}

/// The successive permutations of an order.
pub(crate) struct Turns {
    order: Order,
    random: SmallRng,
}

impl Turns {
    /// Arranges `items`, ascending so far, in the order of the next turn.
    pub(crate) fn arrange<T>(&mut self, items: &mut [T]) {
        match self.order {
            Order::Forward => {}
            Order::Reverse => items.reverse(),
            Order::Shuffled(_) => items.shuffle(&mut self.random),
        }
    }
}
