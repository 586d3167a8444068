// SPDX-License-Identifier: GPL-2.0

//! What a zone should be: a `Vec<bool>` of pages for each chunk.

use crate::{
    bins::Arena,
    pool::{
        Chunk,
        Order,
        Removed,
        Zone,
        FRAMES,
        NR_ORDERS, //
    }, //
};

/// Chunks in a vector.
pub(super) struct Chunks(pub(super) Vec<Chunk<usize>>);

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

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) chunk: usize,
    pub(super) frame: usize,
    pub(super) order: Order,
}

/// A zone and what it should be.
pub(super) struct Model {
    pub(super) zone: Zone<Chunks>,
    /// For each chunk and page, whether it is free.
    free: Vec<Vec<bool>>,
    /// For each chunk and page, whether it has the page.
    present: Vec<Vec<bool>>,
    pub(super) live: Vec<Block>,
}

impl Model {
    /// Returns a zone that has no chunk yet but place for `chunks`.
    pub(super) fn new(chunks: usize) -> Self {
        Self {
            zone: Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect())),
            free: vec![vec![false; FRAMES]; chunks],
            present: vec![vec![false; FRAMES]; chunks],
            live: Vec::new(),
        }
    }

    /// Adds a block to a chunk that has none of its pages.
    pub(super) fn add(&mut self, chunk: usize, frame: usize, order: Order) {
        assert!(self.lacks(chunk, frame, order));
        let is_new = self.nr_present(chunk) == 0;
        assert_eq!(self.zone.add(chunk, frame, order), is_new);
        self.present[chunk][frame..frame + order.pages()].fill(true);
        self.free[chunk][frame..frame + order.pages()].fill(true);
    }

    /// Returns whether the chunk has no page of a block.
    pub(super) fn lacks(&self, chunk: usize, frame: usize, order: Order) -> bool {
        let pages = &self.present[chunk][frame..frame + order.pages()];
        pages.iter().all(|&present| !present)
    }

    fn nr_present(&self, chunk: usize) -> usize {
        let pages = self.present[chunk].iter();
        pages.filter(|&&present| present).count()
    }

    /// Returns whether an aligned run of free pages of this order exists.
    fn has(&self, order: Order) -> bool {
        let mut runs = self.free.iter().flat_map(|free| free.chunks(order.pages()));
        runs.any(|run| run.iter().all(|&free| free))
    }

    /// Takes up to `max` blocks, each of which must be free, aligned and the zone's own; fewer only
    /// if there are no more.
    pub(super) fn take(&mut self, order: Order, max: usize) -> usize {
        let mut got = Vec::new();
        let taken = self.zone.take(order, max, |taken| got.push(taken));
        assert_eq!(taken, got.len());
        assert!(taken <= max);
        for block in got {
            assert_eq!(block.frame % order.pages(), 0, "not aligned");
            let pages = &mut self.free[block.chunk][block.frame..block.frame + order.pages()];
            assert!(pages.iter().all(|&free| free), "taken twice");
            pages.fill(false);
            self.live.push(Block {
                chunk: block.chunk,
                frame: block.frame,
                order,
            });
        }
        assert!(taken == max || !self.has(order), "there was one more");
        taken
    }

    /// Puts a live block back.
    pub(super) fn put(&mut self, index: usize) {
        let block = self.live.swap_remove(index);
        self.zone.put(block.chunk, block.frame, block.order);
        self.free[block.chunk][block.frame..block.frame + block.order.pages()].fill(true);
    }

    /// Returns whether the chunk has pages and all of them are free.
    fn is_whole(&self, chunk: usize) -> bool {
        self.nr_present(chunk) != 0 && self.free[chunk] == self.present[chunk]
    }

    /// Takes out a chunk that is wholly free, if there is one whose pages can be spared.
    pub(super) fn remove_whole(&mut self, keep: usize) -> Option<usize> {
        let free = self.nr_free();
        let removed = self.zone.remove_whole(keep);
        let fits = |chunk: usize| self.is_whole(chunk) && free - self.nr_present(chunk) >= keep;
        match &removed {
            Some(removed) => assert!(fits(removed.chunk), "the chunk cannot be spared"),
            None => assert!(!(0..self.free.len()).any(fits), "there was one"),
        }
        removed.map(|removed| self.removed(&removed))
    }

    /// Takes the free pages out of a chunk that has only some pages, if there is one.
    pub(super) fn remove_small(&mut self) -> Option<usize> {
        let removed = self.zone.remove_small();
        let fits = |chunk: usize| {
            self.nr_present(chunk) < FRAMES && self.free[chunk].iter().any(|&free| free)
        };
        match &removed {
            Some(removed) => assert!(fits(removed.chunk), "not a small chunk"),
            None => assert!(!(0..self.free.len()).any(fits), "there was one"),
        }
        removed.map(|removed| self.removed(&removed))
    }

    /// Takes note of what was removed, which must be all that was free in its chunk.
    fn removed(&mut self, removed: &Removed<usize>) -> usize {
        let chunk = removed.chunk;
        let free = (0..FRAMES).filter(|&frame| self.free[chunk][frame]);
        assert!(removed.frames.iter().eq(free), "other pages than it had");
        for frame in removed.frames.iter() {
            self.present[chunk][frame] = false;
        }
        self.free[chunk].fill(false);
        assert_eq!(removed.is_gone, self.nr_present(chunk) == 0);
        chunk
    }

    /// Returns the number of free pages.
    pub(super) fn nr_free(&self) -> usize {
        self.free.iter().flatten().filter(|&&free| free).count()
    }

    /// Returns the free blocks of each order of a chunk, by halving blocks until they are free.
    fn count_blocks(&self, chunk: usize) -> [u64; NR_ORDERS] {
        fn halve(free: &[bool], counts: &mut [u64; NR_ORDERS]) {
            if free.iter().all(|&free| free) {
                counts[free.len().trailing_zeros() as usize] += 1;
            } else if free.len() > 1 {
                let (low, high) = free.split_at(free.len() / 2);
                halve(low, counts);
                halve(high, counts);
            }
        }
        let mut counts = [0; NR_ORDERS];
        halve(&self.free[chunk], &mut counts);
        counts
    }

    /// Compares everything that the zone tells, and lets it check itself.
    pub(super) fn check(&self) {
        self.zone.validate().unwrap();
        assert_eq!(self.zone.nr_free(), self.nr_free());
        let present = (0..self.free.len()).map(|chunk| self.nr_present(chunk));
        assert_eq!(self.zone.nr_present(), present.clone().sum());
        let chunks = present.filter(|&present| present != 0);
        assert_eq!(self.zone.nr_chunks(), chunks.count());
        for (id, free) in self.free.iter().enumerate() {
            let chunk = self.zone.chunk(id);
            chunk.validate().unwrap();
            assert!((0..FRAMES).all(|frame| chunk.is_free(frame) == free[frame]));
            assert_eq!(chunk.nr_present(), self.nr_present(id));
            let mut counts = [0; NR_ORDERS];
            chunk.count_blocks(&mut counts);
            assert_eq!(counts, self.count_blocks(id));
        }
    }

    /// Like [`Model::check`], after the zone has put its chunks in order.
    pub(super) fn check_settled(&mut self) {
        self.zone.settle();
        self.check();
        let whole = (0..self.free.len()).filter(|&chunk| self.is_whole(chunk));
        let pages = whole.map(|chunk| self.nr_present(chunk)).sum::<usize>();
        assert_eq!(self.zone.nr_whole_pages(), pages);
        for id in 0..self.free.len() {
            let largest = self.count_blocks(id).iter().rposition(|&count| count != 0);
            assert_eq!(self.zone.chunk(id).largest().map(Order::index), largest);
        }
    }
}
