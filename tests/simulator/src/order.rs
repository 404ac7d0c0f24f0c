//! The order in which threads and blocks take turns.

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;

/// Who runs first where the kernel leaves it open.
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
    /// Three orders that a kernel should not be able to tell apart.
    pub const ALL: [Self; 3] = [Self::Forward, Self::Reverse, Self::Shuffled(7)];

    pub(crate) fn turns(self) -> Turns {
        let seed = if let Self::Shuffled(seed) = self { seed } else { 0 };
        Turns { order: self, random: SmallRng::seed_from_u64(seed) }
    }
}

/// The permutations that an order gives one after the other.
pub(crate) struct Turns {
    order: Order,
    random: SmallRng,
}

impl Turns {
    /// Puts `items` in the order of the next turn; they are ascending before.
    pub(crate) fn arrange<T>(&mut self, items: &mut [T]) {
        match self.order {
            Order::Forward => {}
            Order::Reverse => items.reverse(),
            Order::Shuffled(_) => items.shuffle(&mut self.random),
        }
    }
}
