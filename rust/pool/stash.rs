// SPDX-License-Identifier: GPL-2.0

//! Blocks that a named pool has set aside, by order.
//!
//! Blocks come in as they were allocated and go out in the order that is wanted; a larger one is
//! split then. Buddies do not merge here: [`Stash::take_worn`] gives those to exchange for a large one.
//!
//! # Laws
//!
//! - `pages` is the sum of the pages of all blocks, and at most what is wanted.

use super::Order;

/// Order of the blocks that a stash is made of.
pub(crate) const STASH_ORDER: u32 = 3;
const NR_LISTS: usize = STASH_ORDER as usize + 1;

/// Room for so many names of blocks.
pub(crate) trait Shelf {
    /// A block's name.
    type Id: Copy;

    /// Puts a name on top. Returns whether there was room.
    fn push(&mut self, id: Self::Id) -> bool;

    /// Takes the name on top.
    fn pop(&mut self) -> Option<Self::Id>;

    /// Returns how many there are.
    fn len(&self) -> usize;
}

/// Blocks of an order up to [`STASH_ORDER`].
pub(crate) struct Stash<S: Shelf> {
    shelves: [S; NR_LISTS],
    pages: usize,
    /// Pages that there should be.
    wanted: usize,
}

impl<S: Shelf> Stash<S> {
    /// Returns an empty stash; shelf number *k* takes blocks of order *k*, and has room for `wanted >> k`
    /// of them, rounded up.
    pub(crate) fn new(shelves: [S; NR_LISTS], wanted: usize) -> Self {
        Self {
            shelves,
            pages: 0,
            wanted,
        }
    }

    /// Returns the pages that are there.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// Puts a block in. Returns whether it was wanted.
    pub(crate) fn put(&mut self, id: S::Id, order: Order) -> bool {
        let pages = order.pages();
        let Some(shelf) = self.shelves.get_mut(order.index()) else {
            return false;
        };
        if self.pages + pages > self.wanted || !shelf.push(id) {
            return false;
        }
        self.pages += pages;
        true
    }

    /// Takes a block of an order. A larger one is split: `upper` names the upper of two halves, from the
    /// name of the whole and the order of the halves.
    pub(crate) fn take(
        &mut self,
        order: Order,
        mut upper: impl FnMut(S::Id, Order) -> S::Id,
    ) -> Option<S::Id> {
        let (mut at, id) = (order.index()..NR_LISTS)
            .find_map(|at| self.shelves.get_mut(at)?.pop().map(|id| (at, id)))?;
        self.pages -= order.pages();
        while at > order.index() {
            at -= 1;
            let half = u32::try_from(at).ok().and_then(Order::new)?;
            let rest = upper(id, half);
            // There is room: splitting makes no more blocks of an order than the shelf is for, and if it
            // did, the block would only be missing.
            if !self.shelves.get_mut(at)?.push(rest) {
                self.pages -= half.pages();
            }
        }
        Some(id)
    }

    /// Returns whether blocks that are smaller than [`STASH_ORDER`] have as many pages as one of that.
    pub(crate) fn is_worn(&self) -> bool {
        let small = self.shelves.iter().enumerate().take(STASH_ORDER as usize);
        small.map(|(at, shelf)| shelf.len() << at).sum::<usize>() >= 1 << STASH_ORDER
    }

    /// Takes so many of these blocks, if it [is worn](Stash::is_worn). Passes each with its order.
    pub(crate) fn take_worn(&mut self, mut take: impl FnMut(S::Id, Order)) {
        if !self.is_worn() {
            return;
        }
        let (small, _) = self.shelves.split_at_mut(STASH_ORDER as usize);
        let mut left = 1usize << STASH_ORDER;
        for (at, shelf) in small.iter_mut().enumerate().rev() {
            let Some(order) = u32::try_from(at).ok().and_then(Order::new) else {
                return;
            };
            while left >= order.pages() {
                let Some(id) = shelf.pop() else {
                    break;
                };
                left -= order.pages();
                self.pages -= order.pages();
                take(id, order);
            }
        }
    }

    /// Takes any block, with its order.
    pub(crate) fn any(&mut self) -> Option<(S::Id, Order)> {
        let shelves = self.shelves.iter_mut().enumerate();
        let (at, id) = shelves
            .rev()
            .find_map(|(at, shelf)| Some((at, shelf.pop()?)))?;
        let order = u32::try_from(at).ok().and_then(Order::new)?;
        self.pages -= order.pages();
        Some((id, order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(Vec<usize>, usize);

    impl Shelf for Names {
        type Id = usize;
        fn push(&mut self, id: usize) -> bool {
            let room = self.0.len() < self.1;
            if room {
                self.0.push(id);
            }
            room
        }
        fn pop(&mut self) -> Option<usize> {
            self.0.pop()
        }
        fn len(&self) -> usize {
            self.0.len()
        }
    }

    fn order(order: u32) -> Order {
        Order::new(order).unwrap()
    }

    fn stash(pages: usize) -> Stash<Names> {
        let shelf = |order: usize| Names(Vec::new(), (pages >> order) + 1);
        let mut stash = Stash::new(core::array::from_fn(shelf), pages);
        for block in 0..pages >> STASH_ORDER {
            assert!(stash.put(block << STASH_ORDER, order(STASH_ORDER)));
        }
        stash
    }

    fn upper(id: usize, half: Order) -> usize {
        id + half.pages()
    }

    #[test]
    fn every_page_is_given_once() {
        for size in 0..=STASH_ORDER {
            let mut stash = stash(32);
            let mut seen = [false; 32];
            for _ in 0..32 >> size {
                let block = stash.take(order(size), upper).unwrap();
                for seen in seen.iter_mut().skip(block).take(1 << size) {
                    assert!(!core::mem::replace(seen, true));
                }
            }
            assert!(seen.iter().all(|&seen| seen));
            assert_eq!(stash.take(order(0), upper), None);
            assert_eq!(stash.pages(), 0);
        }
    }

    #[test]
    fn nothing_larger_than_a_block_comes_out() {
        assert_eq!(stash(32).take(order(STASH_ORDER + 1), upper), None);
        assert!(!stash(0).put(0, order(STASH_ORDER + 1)));
    }

    #[test]
    fn no_more_goes_in_than_is_wanted() {
        let mut stash = stash(16);
        assert!(!stash.put(100, order(0)));
        let block = stash.take(order(1), upper).unwrap();
        assert!(stash.put(block, order(1)));
        assert!(!stash.put(100, order(0)));
    }

    #[test]
    fn what_is_worn_is_as_much_as_a_block() {
        let mut stash = stash(16);
        assert!(!stash.is_worn());
        stash.take_worn(|_, _| panic!("nothing is worn"));
        let pages: Vec<_> = (0..8)
            .map(|_| stash.take(order(0), upper).unwrap())
            .collect();
        for page in pages {
            assert!(stash.put(page, order(0)));
        }
        let mut worn = 0;
        stash.take_worn(|_, order| worn += order.pages());
        assert_eq!((worn, stash.pages()), (8, 8));
        assert!(stash.take(order(STASH_ORDER), upper).is_some());
    }

    #[test]
    fn any_empties_it() {
        let mut stash = stash(24);
        stash.take(order(0), upper);
        let mut pages = 0;
        while let Some((_, order)) = stash.any() {
            pages += order.pages();
        }
        assert_eq!((pages, stash.pages()), (23, 0));
    }
}
