// SPDX-License-Identifier: GPL-2.0

//! Blocks that were freed and are not to be had again for a while.
//!
//! What lies here cannot be handed out, so that who still uses it harms nobody, and a change of it is found
//! when it leaves. hardened_malloc (GrapheneOS) has both orders: first in, first out keeps each block for as
//! long as possible; one picked at random makes it hard to guess when a block comes back.

use super::Order;

/// Most blocks.
pub(crate) const ROOM: usize = 16;

/// Freed blocks, oldest first.
pub(crate) struct Quarantine<T> {
    blocks: [Option<(T, Order)>; ROOM],
    count: usize,
    pages: usize,
    most: usize,
}

/// Which block leaves when there are too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// The one that has been here longest.
    Oldest,
    /// One that a random number picks.
    Picked(u32),
}

impl<T: Copy> Quarantine<T> {
    /// Returns an empty quarantine of at most so many pages.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            blocks: [None; ROOM],
            count: 0,
            pages: 0,
            most,
        }
    }

    /// Returns how many pages lie here.
    #[cfg(test)]
    fn pages(&self) -> usize {
        self.pages
    }

    /// Puts a block in. Returns whether there is room: not if it is too large, or no block has left since
    /// [`Quarantine::leave`] had one to.
    pub(crate) fn put(&mut self, block: T, order: Order) -> bool {
        if order.pages() > self.most {
            return false;
        }
        let Some(slot) = self.blocks.get_mut(self.count) else {
            return false;
        };
        *slot = Some((block, order));
        self.count += 1;
        self.pages += order.pages();
        true
    }

    /// Takes a block out if there are too many, or too many pages.
    pub(crate) fn leave(&mut self, which: Leaves) -> Option<(T, Order)> {
        if self.count < ROOM && self.pages <= self.most {
            return None;
        }
        self.take(match which {
            Leaves::Oldest => 0,
            // CAST: Lossless.
            Leaves::Picked(number) => number as usize % self.count.max(1),
        })
    }

    /// Takes any block out.
    pub(crate) fn any(&mut self) -> Option<(T, Order)> {
        self.take(0)
    }

    fn take(&mut self, index: usize) -> Option<(T, Order)> {
        let found = self.blocks.get_mut(index)?.take()?;
        self.blocks.get_mut(index..self.count)?.rotate_left(1);
        self.count -= 1;
        self.pages -= found.1.pages();
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(order: u32) -> Order {
        Order::new(order).unwrap()
    }

    #[test]
    fn the_oldest_leaves_first() {
        let mut quarantine = Quarantine::new(1000);
        let mut left = Vec::new();
        for block in 0..100 {
            assert!(quarantine.put(block, order(0)));
            left.extend(quarantine.leave(Leaves::Oldest));
        }
        let expected: Vec<_> = (0..100 - ROOM as i32 + 1).map(|n| (n, order(0))).collect();
        assert_eq!(left, expected);
    }

    #[test]
    fn what_is_put_in_comes_out_once() {
        let mut quarantine = Quarantine::new(64);
        let mut out = Vec::new();
        for block in 0..1000u32 {
            let size = order(block % 4);
            assert!(quarantine.put(block, size));
            while let Some((block, _)) =
                quarantine.leave(Leaves::Picked(block.wrapping_mul(2654435761)))
            {
                out.push(block);
            }
            assert!(quarantine.pages() <= 64);
        }
        while let Some((block, _)) = quarantine.any() {
            out.push(block);
        }
        assert_eq!(quarantine.pages(), 0);
        out.sort_unstable();
        assert_eq!(out, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_too_large_is_not_taken() {
        let mut quarantine = Quarantine::new(7);
        assert!(!quarantine.put((), order(3)));
        assert!(quarantine.put((), order(2)));
        assert_eq!(quarantine.leave(Leaves::Oldest), None);
    }
}
