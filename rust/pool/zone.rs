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
//! - Bit *l* of `levels[r]` is set exactly if list (*r*, *l*) is not empty.
//! - `free` is the sum of the free pages of all chunks, `present` of all their pages.

use super::{
    chunk::Frames,
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
const BATCH: usize = 8;

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken<Id> {
    /// The chunk that the block is part of.
    pub(crate) chunk: Id,
    /// First page of the block in the chunk.
    pub(crate) frame: usize,
}

/// The chunks of one node.
pub(crate) struct Zone<A: Arena> {
    arena: A,
    lists: [[List<A::Id>; LEVELS]; NR_ORDERS],
    levels: [u16; NR_ORDERS],
    free: usize,
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
    /// Returns a zone without chunks.
    #[cfg(test)]
    pub(crate) fn new(arena: A) -> Self {
        Self {
            arena,
            lists: [[List::new(); LEVELS]; NR_ORDERS],
            levels: [0; NR_ORDERS],
            free: 0,
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
    #[cfg(test)]
    pub(crate) fn nr_present(&self) -> usize {
        self.present
    }

    /// Returns the number of chunks.
    #[cfg(test)]
    pub(crate) fn nr_chunks(&self) -> usize {
        self.chunks
    }

    /// Returns where the zone's chunks are stored.
    pub(crate) fn arena(&mut self) -> &mut A {
        &mut self.arena
    }

    /// Returns a chunk of this zone.
    #[cfg(test)]
    pub(crate) fn chunk(&self, id: Id) -> &Chunk<Id> {
        self.arena.node(id)
    }

    /// Adds pages as free ones, to a new chunk or to one that lacks just these.
    pub(crate) fn add(&mut self, id: Id, frame: usize, order: Order) {
        if self.arena.node(id).nr_present() == 0 {
            self.chunks = self.chunks.wrapping_add(1);
        }
        self.settle();
        self.arena.node_mut(id).add(frame, order);
        self.free = self.free.wrapping_add(order.pages());
        self.present = self.present.wrapping_add(order.pages());
        self.place(id);
    }

    /// Takes up to `max` blocks, as much as possible from one chunk.
    ///
    /// Passes each to `emit` and returns how many there were.
    pub(crate) fn take(
        &mut self,
        order: Order,
        max: usize,
        mut emit: impl FnMut(Taken<Id>),
    ) -> usize {
        self.settle();
        let mut taken = 0;
        while taken < max {
            let Some(id) = self.pick(order) else {
                break;
            };
            let got = self
                .arena
                .node_mut(id)
                .take(order, max - taken, |frame| emit(Taken { chunk: id, frame }));
            self.free = self.free.wrapping_sub(got << order.get());
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
            if self.nr_stale == BATCH {
                self.settle();
            }
            self.stale[self.nr_stale % BATCH] = Some(id);
            self.nr_stale += 1;
        }
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
    pub(crate) fn remove_whole(&mut self, keep: usize) -> Option<(Id, Frames)> {
        self.settle();
        let id = self.find_whole(keep)?;
        self.unlist(id);
        let pages = self.arena.node(id).nr_present();
        self.free = self.free.wrapping_sub(pages);
        self.present = self.present.wrapping_sub(pages);
        self.chunks = self.chunks.wrapping_sub(1);
        Some((id, self.arena.node_mut(id).clear()))
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
        let mut best = (u16::BITS, 0);
        for row in order.and_larger() {
            let level = self.levels[row.index()].trailing_zeros();
            if level < best.0 {
                best = (level, row.index());
            }
        }
        // CAST: At most 16.
        self.lists[best.1].get(best.0 as usize)?.first()
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
            self.levels[row] |= 1 << level;
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
            self.levels[row] &= !(1 << level);
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
                if list.is_empty() == (self.levels[row] & (1 << level) != 0) {
                    return Err(Violation("zone: level mask disagrees with its list"));
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
    use crate::pool::FRAMES;

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
        assert_eq!(zone.remove_whole(FRAMES), None);
        assert!(zone.remove_whole(0).is_some());
        assert_eq!(zone.remove_whole(0), None);
        zone.put(used.chunk, used.frame, Order::ZERO);
        zone.settle();
        zone.validate().unwrap();
        let (chunk, frames) = zone.remove_whole(0).unwrap();
        assert_eq!(chunk, used.chunk);
        assert!(frames.iter().eq(0..FRAMES));
        assert_eq!(
            (zone.nr_free(), zone.nr_present(), zone.nr_chunks()),
            (0, 0, 0)
        );
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
