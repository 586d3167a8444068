// SPDX-License-Identifier: GPL-2.0

//! The slabs of one cache on one node, the fullest first.
//!
//! Slabs with free and used objects are sorted into eight lists by the share of their objects that
//! is free. Slabs without used objects are kept apart, so that they are used last and can be given
//! back. Slabs without free objects are in a list only where somebody wants to find all slabs.
//!
//! # Laws
//!
//! - A slab is listed exactly if it has a free object, or all are.
//! - `empty` counts the slabs in the list of wholly free ones, `slabs` all slabs, `free` the free
//!   objects of all slabs.

use crate::{
    bins::{
        Arena,
        List, //
    },
    pool::Violation, //
};

const LEVELS: usize = 8;
/// Index of the list of slabs without used objects.
const EMPTY: usize = LEVELS;
/// Index of the list of slabs without free objects.
const FULL: usize = LEVELS + 1;
const LISTS: usize = LEVELS + 2;

/// What [`Partial`] needs to know about a slab.
pub(crate) trait Listed {
    /// Returns the number of free objects.
    fn free(&self) -> u32;
    /// Returns in which list the slab is.
    fn place(&self) -> Option<u8>;
    /// Says in which list the slab is now, and with how many free objects it leaves that list.
    fn set_place(&mut self, place: Option<u8>, leaves_at: u32);
    /// Returns with how many free objects the slab leaves its list, when objects are put.
    fn leaves_at(&self) -> u32;
    /// Takes the `count` objects back that `bits` of a word of the bitmap stand for. Returns whether
    /// they were taken; else it does nothing.
    fn put_bits(&mut self, word: usize, bits: u64, count: u32) -> bool;
}

/// What becomes of slabs without free objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// They are in no list.
    Unlisted,
    /// They are in a list, for [`Partial::for_each`] to find them.
    Listed,
}

/// What a change to a slab means for its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The slab has used objects.
    Used,
    /// The slab has no used object any more.
    Emptied,
}

/// The slabs of one cache on one node.
pub(crate) struct Partial<A: Arena> {
    arena: A,
    lists: [List<A::Id>; LISTS],
    /// The lists of slabs with free objects that are not empty.
    mask: u32,
    full: Full,
    objects: u32,
    slabs: usize,
    empty: usize,
    /// The fewest slabs without used objects in this period.
    low: usize,
    free: usize,
}

impl<A> Partial<A>
where
    A: Arena,
    A::Node: Listed,
{
    /// Returns an empty set of slabs that have `objects` objects each.
    pub(crate) fn new(arena: A, objects: u32, full: Full) -> Self {
        Self {
            arena,
            lists: [List::new(); LISTS],
            mask: 0,
            full,
            objects,
            slabs: 0,
            empty: 0,
            low: 0,
            free: 0,
        }
    }

    /// Returns the number of slabs.
    pub(crate) fn nr_slabs(&self) -> usize {
        self.slabs
    }

    /// Returns the number of slabs without used objects.
    pub(crate) fn nr_empty(&self) -> usize {
        self.empty
    }

    /// Begins a period. Returns how many slabs were without used objects all the time in the period
    /// that ends: nobody needed them.
    pub(crate) fn begin_period(&mut self) -> usize {
        core::mem::replace(&mut self.low, self.empty)
    }

    /// Returns the number of free objects.
    pub(crate) fn nr_free(&self) -> usize {
        self.free
    }

    /// Adds a slab whose objects are all free.
    pub(crate) fn add(&mut self, id: A::Id) {
        self.slabs = self.slabs.wrapping_add(1);
        self.free = self.free.wrapping_add(self.arena.node(id).free() as usize);
        self.place(id);
    }

    /// Returns the slab to take objects from: the fullest one that has any.
    #[inline]
    pub(crate) fn best(&self) -> Option<A::Id> {
        // CAST: At most 32.
        self.lists.get(self.mask.trailing_zeros() as usize)?.first()
    }

    /// Lets `change` take or put objects of a slab, and sorts the slab anew.
    #[inline]
    pub(crate) fn change<R>(
        &mut self,
        id: A::Id,
        change: impl FnOnce(&mut A::Node) -> R,
    ) -> (R, Change) {
        let node = self.arena.node_mut(id);
        let before = node.free();
        let result = change(node);
        let after = node.free();
        // CAST: Lossless.
        self.free = self
            .free
            .wrapping_add(after as usize)
            .wrapping_sub(before as usize);
        self.place(id);
        let change = if after == self.objects && before != after {
            Change::Emptied
        } else {
            Change::Used
        };
        (result, change)
    }

    /// Puts the `count` objects of a slab back that `bits` of a word of its bitmap stand for. Returns
    /// what that means for the cache.
    #[inline]
    pub(crate) fn put_bits(&mut self, id: A::Id, word: usize, bits: u64, count: u32) -> Change {
        let node = self.arena.node_mut(id);
        if !node.put_bits(word, bits, count) {
            return Change::Used;
        }
        // CAST: Lossless.
        self.free = self.free.wrapping_add(count as usize);
        let free = node.free();
        if free < node.leaves_at() {
            return Change::Used;
        }
        self.place(id);
        if free == self.objects {
            Change::Emptied
        } else {
            Change::Used
        }
    }

    /// Takes out a slab without used objects, as long as more than `keep` are left.
    pub(crate) fn remove_empty(&mut self, keep: usize) -> Option<A::Id> {
        if self.empty <= keep {
            return None;
        }
        let id = self.lists[EMPTY].first()?;
        self.unlist(id);
        self.slabs = self.slabs.wrapping_sub(1);
        self.free = self.free.wrapping_sub(self.arena.node(id).free() as usize);
        Some(id)
    }

    #[inline]
    fn place(&mut self, id: A::Id) {
        let node = self.arena.node_mut(id);
        let free = node.free();
        let objects = self.objects.max(1);
        let (place, leaves_at) = match free {
            0 if self.full == Full::Unlisted => (None, 1),
            // CAST: `FULL` and `EMPTY` are small.
            0 => (Some(FULL as u8), 1),
            free if free == objects => (Some(EMPTY as u8), u32::MAX),
            free => {
                let level = free.wrapping_mul(LEVELS as u32) / objects;
                let next = level.wrapping_add(1).wrapping_mul(objects);
                // CAST: Below `LEVELS`.
                (Some(level as u8), next.div_ceil(LEVELS as u32).min(objects))
            }
        };
        if node.place() == place {
            return;
        }
        self.unlist(id);
        self.arena.node_mut(id).set_place(place, leaves_at);
        if let Some(place) = place {
            let list = usize::from(place) % LISTS;
            self.lists[list].push(&mut self.arena, id);
            // `best` is to find no list of full slabs.
            self.mask |= (1 << list) & !(1 << FULL);
            if list == EMPTY {
                self.empty = self.empty.wrapping_add(1);
            }
        }
    }

    fn unlist(&mut self, id: A::Id) {
        let node = self.arena.node_mut(id);
        let Some(place) = node.place() else {
            return;
        };
        node.set_place(None, 1);
        let list = usize::from(place) % LISTS;
        self.lists[list].remove(&mut self.arena, id);
        if self.lists[list].is_empty() {
            self.mask &= !(1 << list);
        }
        if list == EMPTY {
            self.empty = self.empty.wrapping_sub(1);
            self.low = self.low.min(self.empty);
        }
    }

    /// Calls `look` with each slab, if all are listed; else with those that have free objects.
    pub(crate) fn for_each(&self, mut look: impl FnMut(A::Id)) {
        for list in &self.lists {
            let mut at = list.first();
            while let Some(id) = at {
                look(id);
                at = list.after(&self.arena, id);
            }
        }
    }

    /// Checks the laws, and each listed slab with `check`. Returns how many slabs are listed.
    pub(crate) fn validate(
        &self,
        mut check: impl FnMut(&A::Node) -> Result<(), Violation>,
    ) -> Result<usize, Violation> {
        let (mut listed, mut free) = (0usize, 0usize);
        for (place, list) in self.lists.iter().enumerate() {
            let has_free = self.mask & (1 << place) != 0;
            if has_free != (place != FULL && !list.is_empty()) {
                return Err(Violation("cache: list mask disagrees with its list"));
            }
            let Some(count) = list.validate(&self.arena) else {
                return Err(Violation("cache: links of a slab list disagree"));
            };
            if place == EMPTY && count != self.empty {
                return Err(Violation("cache: empty slabs miscounted"));
            }
            listed = listed.wrapping_add(count);
            let mut at = list.first();
            while let Some(id) = at {
                let node = self.arena.node(id);
                if node.place().map(usize::from) != Some(place)
                    || (node.free() == 0) != (place == FULL)
                {
                    return Err(Violation("cache: a slab is in the wrong list"));
                }
                if (node.free() == self.objects) != (place == EMPTY) {
                    return Err(Violation("cache: an empty slab is in the wrong list"));
                }
                check(node)?;
                free = free.wrapping_add(node.free() as usize);
                at = list.after(&self.arena, id);
            }
        }
        if free != self.free
            || listed > self.slabs
            || (self.full == Full::Listed && listed < self.slabs)
        {
            return Err(Violation("cache: free objects of slabs miscounted"));
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bins::{
        Link,
        Linked, //
    };

    struct Slab {
        link: Link<usize>,
        free: u32,
        place: Option<u8>,
        leaves_at: u32,
    }

    impl Linked<usize> for Slab {
        fn link(&self) -> &Link<usize> {
            &self.link
        }
        fn link_mut(&mut self) -> &mut Link<usize> {
            &mut self.link
        }
    }

    impl Listed for Slab {
        fn free(&self) -> u32 {
            self.free
        }
        fn place(&self) -> Option<u8> {
            self.place
        }
        fn set_place(&mut self, place: Option<u8>, leaves_at: u32) {
            self.place = place;
            self.leaves_at = leaves_at;
        }
        fn leaves_at(&self) -> u32 {
            self.leaves_at
        }
        fn put_bits(&mut self, _word: usize, _bits: u64, count: u32) -> bool {
            self.free += count;
            true
        }
    }

    struct Slabs(Vec<Slab>);

    impl Arena for Slabs {
        type Id = usize;
        type Node = Slab;
        fn node(&self, id: usize) -> &Slab {
            &self.0[id]
        }
        fn node_mut(&mut self, id: usize) -> &mut Slab {
            &mut self.0[id]
        }
    }

    fn partial(slabs: usize, objects: u32) -> Partial<Slabs> {
        let slab = |_| Slab {
            link: Link::new(),
            free: objects,
            place: None,
            leaves_at: 1,
        };
        let mut partial = Partial::new(
            Slabs((0..slabs).map(slab).collect()),
            objects,
            Full::Unlisted,
        );
        for id in 0..slabs {
            partial.add(id);
        }
        partial
    }

    fn take(partial: &mut Partial<Slabs>, n: u32) -> Option<usize> {
        let id = partial.best()?;
        partial.change(id, |slab| slab.free -= n.min(slab.free));
        partial.validate(|_| Ok(())).unwrap();
        Some(id)
    }

    #[test]
    fn the_fullest_slab_serves_until_it_is_used_up() {
        let mut partial = partial(3, 32);
        let first = take(&mut partial, 1).unwrap();
        for _ in 1..32 {
            assert_eq!(take(&mut partial, 1), Some(first));
        }
        assert_ne!(take(&mut partial, 1), Some(first));
        assert_eq!(partial.nr_empty(), 1);
    }

    #[test]
    fn only_slabs_that_nobody_needed_for_a_period_are_idle() {
        let mut partial = partial(3, 8);
        partial.begin_period();
        let id = take(&mut partial, 1).unwrap();
        assert_eq!(partial.put_bits(id, 0, 1, 1), Change::Emptied);
        assert_eq!(partial.begin_period(), 2);
        assert_eq!(partial.begin_period(), 3);
    }

    #[test]
    fn an_emptied_slab_is_told_and_can_leave() {
        let mut partial = partial(1, 8);
        let id = take(&mut partial, 2).unwrap();
        assert_eq!(partial.remove_empty(0), None);
        assert_eq!(partial.put_bits(id, 0, 1, 1), Change::Used);
        assert_eq!(partial.put_bits(id, 0, 2, 1), Change::Emptied);
        assert_eq!(partial.remove_empty(1), None);
        assert_eq!(partial.remove_empty(0), Some(id));
        assert_eq!((partial.nr_slabs(), partial.nr_free()), (0, 0));
    }
}
