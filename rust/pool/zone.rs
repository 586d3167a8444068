// SPDX-License-Identifier: GPL-2.0

//! The chunks of one NUMA node, sorted so that the fullest one that fits is found at once.
//!
//! Chunks are kept in lists by the largest order they have free (row) and by how few free pages the
//! fuller of their halves has (level). A request of order *k* looks at the rows from *k* up, takes
//! the lowest level, and among equals the lowest row: it goes where least is left, and whole halves
//! and whole chunks are broken last. Both steps cost the same however many chunks there are.
//!
//! # Laws
//!
//! - Every chunk of the zone is in the list of its row and level, or is stale and on the way there.
//! - `filled` has exactly those lists that are not empty.
//! - `free` is the sum of the free pages of all chunks, `present` of all their pages.

use super::{
    chunk::{
        Frames,
        FRAMES, //
    },
    Chunk,
    Order,
    Violation,
    NR_ORDERS, //
};
use crate::bins::{
    Arena,
    List, //
};

const LEVELS: usize = 16;
/// Level of chunks that are wholly free.
const WHOLE: u8 = 15;
/// Free pages of a half for each level.
const STEP: usize = 512 / LEVELS;
/// Chunks whose place is brought up to date together.
const BATCH: usize = 64;

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken<Id> {
    /// The chunk that the block is part of.
    pub(crate) chunk: Id,
    /// First page of the block in the chunk.
    pub(crate) frame: usize,
}

/// Which lists are not empty: one bit a row, 16 bits a level, four levels in an integer.
#[derive(Default)]
struct Filled([u64; LEVELS / 4]);

impl Filled {
    fn bit(row: usize, level: usize) -> u64 {
        1 << (row + level % 4 * 16)
    }

    fn add(&mut self, row: usize, level: usize) {
        self.0[level / 4 % 4] |= Self::bit(row, level);
    }

    fn remove(&mut self, row: usize, level: usize) {
        self.0[level / 4 % 4] &= !Self::bit(row, level);
    }

    fn has(&self, row: usize, level: usize) -> bool {
        self.0[level / 4 % 4] & Self::bit(row, level) != 0
    }

    /// Returns the lowest row from `row` on of the lowest level that has any: row and level.
    #[inline(always)]
    fn first(&self, row: usize) -> Option<(usize, usize)> {
        // CAST: A row is below 16.
        let fit = 0x0001_0001_0001_0001 * u64::from(0xffffu16 << row as u16);
        for (index, levels) in self.0.iter().enumerate() {
            let levels = levels & fit;
            if levels != 0 {
                // CAST: Below 64.
                let bit = levels.trailing_zeros() as usize;
                return Some((bit % 16, index * 4 + bit / 16));
            }
        }
        None
    }
}

/// Pages that a zone does not have any more.
pub(crate) struct Removed<Id> {
    /// The chunk that they were part of.
    pub(crate) chunk: Id,
    /// Which pages of it.
    pub(crate) frames: Frames,
    /// Whether it has no others.
    pub(crate) is_gone: bool,
}

/// The chunks of one node.
pub(crate) struct Zone<A: Arena> {
    arena: A,
    lists: [[List<A::Id>; LEVELS]; NR_ORDERS],
    filled: Filled,
    free: usize,
    /// The fewest free pages in this period.
    low: usize,
    present: usize,
    chunks: usize,
    /// Chunks that were put to and not yet moved to their new place.
    stale: [Option<A::Id>; BATCH],
    nr_stale: usize,
}

impl<A, Id> Zone<A>
where
    A: Arena<Id = Id, Node = Chunk<Id>>,
    Id: Copy + PartialEq,
{
    /// Returns a zone without chunks. The kernel makes zones in place, of zeroes.
    #[cfg(not(CONFIG_RUST))]
    pub(crate) fn new(arena: A) -> Self {
        Self {
            arena,
            lists: [[List::new(); LEVELS]; NR_ORDERS],
            filled: Filled::default(),
            free: 0,
            low: 0,
            present: 0,
            chunks: 0,
            stale: [None; BATCH],
            nr_stale: 0,
        }
    }

    /// Returns the number of free pages.
    #[inline]
    pub(crate) fn nr_free(&self) -> usize {
        self.free
    }

    /// Returns the number of pages, free or not.
    #[inline]
    pub(crate) fn nr_present(&self) -> usize {
        self.present
    }

    /// Returns the number of chunks.
    #[cfg(not(CONFIG_RUST))]
    pub(crate) fn nr_chunks(&self) -> usize {
        self.chunks
    }

    /// Returns where the zone's chunks are stored.
    pub(crate) fn arena(&mut self) -> &mut A {
        &mut self.arena
    }

    /// Returns a chunk of this zone.
    #[cfg(not(CONFIG_RUST))]
    pub(crate) fn chunk(&self, id: Id) -> &Chunk<Id> {
        self.arena.node(id)
    }

    /// Adds pages as free ones, to a new chunk or to one that lacks just these. Returns whether the
    /// chunk is new.
    pub(crate) fn add(&mut self, id: Id, frame: usize, order: Order) -> bool {
        let is_new = self.arena.node(id).nr_present() == 0;
        self.chunks = self.chunks.wrapping_add(is_new.into());
        self.settle();
        self.arena.node_mut(id).add(frame, order);
        self.free = self.free.wrapping_add(order.pages());
        self.present = self.present.wrapping_add(order.pages());
        self.place(id);
        is_new
    }

    /// Takes up to `max` blocks and passes each to `emit`. Returns how many there were.
    #[cfg(test)]
    pub(crate) fn take(
        &mut self,
        order: Order,
        max: usize,
        mut emit: impl FnMut(Taken<Id>),
    ) -> usize {
        self.take_runs(order, max, |first, count| {
            for block in 0..count {
                let frame = first.frame + (block << order.get());
                emit(Taken { frame, ..first });
            }
        })
    }

    /// Takes up to `max` blocks, as much as possible from one chunk.
    ///
    /// Passes runs of them to `emit`, the first block and how many there are, and returns how many
    /// blocks there were.
    pub(crate) fn take_runs(
        &mut self,
        order: Order,
        max: usize,
        mut emit: impl FnMut(Taken<Id>, usize),
    ) -> usize {
        self.settle();
        let mut taken = 0;
        while taken < max {
            let Some(id) = self.pick(order) else {
                break;
            };
            let chunk = self.arena.node_mut(id);
            let got = chunk.take_runs(order, max - taken, |frame, count| {
                emit(Taken { chunk: id, frame }, count);
            });
            self.free = self.free.wrapping_sub(got << order.get());
            self.low = self.low.min(self.free);
            self.place(id);
            if got == 0 {
                // The chunk was in a list that promises such a block; `place` has mended that.
                debug_assert!(false, "a listed chunk had no block");
                break;
            }
            taken = taken.wrapping_add(got);
        }
        taken
    }

    /// Takes a block back.
    ///
    /// The caller has made sure that the block is one that `take` gave and nobody put back since.
    #[inline(always)]
    pub(crate) fn put(&mut self, id: Id, frame: usize, order: Order) {
        self.free = self.free.wrapping_add(order.pages());
        if self.arena.node_mut(id).put(frame, order) {
            self.is_stale(id);
        }
    }

    /// Takes the `count` pages of a chunk back that `bits` of a word of its bitmap stand for, as
    /// [`Zone::put`] does.
    #[inline(always)]
    pub(crate) fn put_bits(&mut self, id: Id, word: usize, bits: u64, count: u16) {
        self.free = self.free.wrapping_add(count.into());
        if self.arena.node_mut(id).put_bits(word, bits, count) {
            self.is_stale(id);
        }
    }

    /// Notes that a chunk's place is no longer up to date.
    fn is_stale(&mut self, id: Id) {
        if self.nr_stale == BATCH {
            self.settle();
        }
        self.stale[self.nr_stale % BATCH] = Some(id);
        self.nr_stale += 1;
    }

    /// Moves the chunks that were put to since the last call to their new places.
    pub(crate) fn settle(&mut self) {
        while self.nr_stale > 0 {
            self.nr_stale -= 1;
            if let Some(id) = self.stale[self.nr_stale % BATCH].take() {
                self.place(id);
            }
        }
    }

    /// Takes the pages of a chunk, all of which are free, leaving `keep` free pages in the zone.
    pub(crate) fn remove_whole(&mut self, keep: usize) -> Option<Removed<Id>> {
        self.settle();
        let id = self.find_whole(keep)?;
        Some(self.strip(id))
    }

    /// Takes the free pages of a chunk that has only some of its pages.
    pub(crate) fn remove_small(&mut self) -> Option<Removed<Id>> {
        self.settle();
        let id = self.find_small()?;
        Some(self.strip(id))
    }

    /// Takes the free pages out of a chunk.
    fn strip(&mut self, id: Id) -> Removed<Id> {
        self.unlist(id);
        let chunk = self.arena.node_mut(id);
        let pages = chunk.nr_free();
        let frames = chunk.strip();
        let is_gone = chunk.nr_present() == 0;
        self.free = self.free.wrapping_sub(pages);
        self.low = self.low.min(self.free);
        self.present = self.present.wrapping_sub(pages);
        self.chunks = self.chunks.wrapping_sub(is_gone.into());
        Removed {
            chunk: id,
            frames,
            is_gone,
        }
    }

    fn find_small(&self) -> Option<Id> {
        for list in self.lists.iter().flatten() {
            let mut at = list.first();
            while let Some(id) = at {
                if self.arena.node(id).nr_present() < FRAMES {
                    return Some(id);
                }
                at = list.after(&self.arena, id);
            }
        }
        None
    }

    fn find_whole(&self, keep: usize) -> Option<Id> {
        for row in (0..NR_ORDERS).rev() {
            let mut at = self.lists[row][usize::from(WHOLE)].first();
            while let Some(id) = at {
                let chunk = self.arena.node(id);
                if chunk.is_whole() && self.free.wrapping_sub(chunk.nr_present()) >= keep {
                    return Some(id);
                }
                at = self.lists[row][usize::from(WHOLE)].after(&self.arena, id);
            }
        }
        None
    }

    /// Begins a period. Returns how many pages lie in chunks that are wholly free, at most as many as
    /// were free all the time in the period that ends: nobody needed them.
    pub(crate) fn begin_period(&mut self) -> usize {
        self.settle();
        let idle = core::mem::replace(&mut self.low, self.free);
        self.nr_whole_pages().min(idle)
    }

    /// Returns how many pages lie in chunks that are wholly free.
    pub(crate) fn nr_whole_pages(&self) -> usize {
        let mut pages = 0usize;
        for row in &self.lists {
            let list = &row[usize::from(WHOLE)];
            let mut at = list.first();
            while let Some(id) = at {
                let chunk = self.arena.node(id);
                if chunk.is_whole() {
                    pages = pages.wrapping_add(chunk.nr_present());
                }
                at = list.after(&self.arena, id);
            }
        }
        pages
    }

    /// Returns the chunk to take a block from.
    fn pick(&self, order: Order) -> Option<Id> {
        let (row, level) = self.filled.first(order.index())?;
        self.lists.get(row)?.get(level)?.first()
    }

    /// Moves a chunk to the list where it belongs.
    fn place(&mut self, id: Id) {
        let chunk = self.arena.node_mut(id);
        chunk.refresh();
        let place = chunk.largest().map(|order| {
            let level = if chunk.is_whole() {
                WHOLE
            } else {
                // CAST: Below `LEVELS`, because a half has at most 512 pages.
                (chunk.tightness().saturating_sub(1) / STEP) as u8
            };
            // CAST: Below `NR_ORDERS`.
            (order.get() as u8, level)
        });
        if chunk.place == place {
            return;
        }
        self.unlist(id);
        if let Some((row, level)) = place {
            let (row, level) = (usize::from(row), usize::from(level));
            self.lists[row][level].push(&mut self.arena, id);
            self.filled.add(row, level);
            self.arena.node_mut(id).place = place;
        }
    }

    fn unlist(&mut self, id: Id) {
        let Some((row, level)) = self.arena.node_mut(id).place.take() else {
            return;
        };
        let (row, level) = (usize::from(row), usize::from(level));
        self.lists[row][level].remove(&mut self.arena, id);
        if self.lists[row][level].is_empty() {
            self.filled.remove(row, level);
        }
    }

    /// Checks the laws of the zone's lists. Returns how many chunks are listed.
    ///
    /// Chunks without free pages are in no list; the caller checks them one by one, with
    /// [`Chunk::validate`], and adds up.
    pub(crate) fn validate(&self) -> Result<usize, Violation> {
        let (mut listed, mut free) = (0usize, 0usize);
        for (row, lists) in self.lists.iter().enumerate() {
            for (level, list) in lists.iter().enumerate() {
                if list.is_empty() == self.filled.has(row, level) {
                    return Err(Violation("zone: a list is not where its mask says"));
                }
                let Some(count) = list.validate(&self.arena) else {
                    return Err(Violation("zone: links of a list disagree"));
                };
                listed = listed.wrapping_add(count);
                let mut at = list.first();
                while let Some(id) = at {
                    let chunk = self.arena.node(id);
                    chunk.validate()?;
                    if chunk.place.map(|(r, l)| (r.into(), l.into())) != Some((row, level)) {
                        return Err(Violation("zone: a chunk is in the wrong list"));
                    }
                    if !chunk.is_stale() && chunk.largest().map(Order::index) != Some(row) {
                        return Err(Violation("zone: a chunk is in the wrong row"));
                    }
                    free = free.wrapping_add(chunk.nr_free());
                    at = list.after(&self.arena, id);
                }
            }
        }
        // A stale chunk that was full before is in no list yet.
        for id in self.stale.iter().take(self.nr_stale).flatten() {
            let chunk = self.arena.node(*id);
            if chunk.place.is_none() {
                free = free.wrapping_add(chunk.nr_free());
            }
        }
        if free != self.free {
            return Err(Violation("zone: free pages miscounted"));
        }
        if self.free > self.present || listed > self.chunks {
            return Err(Violation("zone: more listed than present"));
        }
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Chunks(Vec<Chunk<usize>>);

    impl Arena for Chunks {
        type Id = usize;
        type Node = Chunk<usize>;
        fn node(&self, id: usize) -> &Chunk<usize> {
            &self.0[id]
        }
        fn node_mut(&mut self, id: usize) -> &mut Chunk<usize> {
            &mut self.0[id]
        }
    }

    fn zone(chunks: usize) -> Zone<Chunks> {
        let mut zone = Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect()));
        for id in 0..chunks {
            zone.add(id, 0, Order::MAX);
        }
        zone.validate().unwrap();
        zone
    }

    fn take(zone: &mut Zone<Chunks>, order: u32) -> Option<Taken<usize>> {
        let mut got = None;
        zone.take(Order::new(order).unwrap(), 1, |taken| got = Some(taken));
        zone.validate().unwrap();
        got
    }

    #[test]
    fn the_fullest_chunk_is_used_first() {
        let mut zone = zone(3);
        let first = take(&mut zone, 0).unwrap().chunk;
        for _ in 1..FRAMES {
            assert_eq!(take(&mut zone, 0).unwrap().chunk, first);
        }
        assert_ne!(take(&mut zone, 0).unwrap().chunk, first);
    }

    #[test]
    fn a_large_block_goes_where_it_fits() {
        let mut zone = zone(2);
        let first = take(&mut zone, 0).unwrap().chunk;
        assert_ne!(take(&mut zone, 10).unwrap().chunk, first);
        assert_eq!(take(&mut zone, 10), None);
        assert_eq!(take(&mut zone, 9).unwrap().chunk, first);
    }

    #[test]
    fn whole_chunks_leave_and_the_rest_stays() {
        let mut zone = zone(3);
        let used = take(&mut zone, 0).unwrap();
        assert_eq!(zone.nr_whole_pages(), 2 * FRAMES);
        assert!(zone.remove_whole(0).is_some());
        assert!(zone.remove_whole(FRAMES).is_none());
        assert!(zone.remove_whole(0).is_some());
        assert!(zone.remove_whole(0).is_none());
        zone.put(used.chunk, used.frame, Order::ZERO);
        zone.settle();
        zone.validate().unwrap();
        let removed = zone.remove_whole(0).unwrap();
        assert_eq!(removed.chunk, used.chunk);
        assert!(removed.frames.iter().eq(0..FRAMES));
        assert_eq!(
            (zone.nr_free(), zone.nr_present(), zone.nr_chunks()),
            (0, 0, 0)
        );
    }

    #[test]
    fn small_chunks_lose_what_is_free_and_keep_what_is_not() {
        let mut zone = zone(1);
        zone.arena().0.push(Chunk::new());
        let small = 1;
        assert!(zone.add(small, 256, Order::new(8).unwrap()));
        let used = take(&mut zone, 3).unwrap();
        assert_eq!(used.chunk, small);
        let removed = zone.remove_small().unwrap();
        assert_eq!((removed.chunk, removed.is_gone), (small, false));
        assert_eq!(removed.frames.iter().count(), 256 - 8);
        zone.validate().unwrap();
        assert!(zone.remove_small().is_none());
        assert_eq!((zone.nr_present(), zone.nr_chunks()), (FRAMES + 8, 2));
        // Pages come back beside those that stayed, and the rest goes with the last of them.
        assert!(!zone.add(small, 512, Order::new(8).unwrap()));
        zone.put(used.chunk, used.frame, Order::new(3).unwrap());
        zone.settle();
        zone.validate().unwrap();
        let removed = zone.remove_small().unwrap();
        assert!(removed.is_gone);
        assert_eq!(removed.frames.iter().count(), 256 + 8);
        assert_eq!((zone.nr_present(), zone.nr_chunks()), (FRAMES, 1));
    }

    #[test]
    fn only_pages_that_nobody_needed_for_a_period_are_idle() {
        let mut zone = zone(4);
        zone.begin_period();
        assert_eq!(zone.begin_period(), 4 * FRAMES);
        let used = [take(&mut zone, 10).unwrap(), take(&mut zone, 10).unwrap()];
        for block in used {
            zone.put(block.chunk, block.frame, Order::MAX);
        }
        assert_eq!(zone.begin_period(), 2 * FRAMES);
        assert_eq!(zone.begin_period(), 4 * FRAMES);
        let page = take(&mut zone, 0).unwrap();
        assert_eq!(zone.begin_period(), 3 * FRAMES);
        zone.put(page.chunk, page.frame, Order::ZERO);
    }

    #[test]
    fn puts_settle_in_batches() {
        let mut zone = zone(2 * BATCH);
        let mut all = Vec::new();
        zone.take(Order::ZERO, usize::MAX, |taken| all.push(taken));
        assert_eq!(all.len(), 2 * BATCH * FRAMES);
        for (i, taken) in all.iter().enumerate() {
            zone.put(taken.chunk, taken.frame, Order::ZERO);
            if i % 4096 == 7 {
                zone.validate().unwrap();
            }
        }
        zone.settle();
        zone.validate().unwrap();
        assert_eq!(zone.nr_whole_pages(), 2 * BATCH * FRAMES);
    }
}
