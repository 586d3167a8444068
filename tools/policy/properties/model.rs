// SPDX-License-Identifier: GPL-2.0

//! What a zone should be: a `Vec<bool>` of pages for each chunk.

use crate::{
    bins::Arena,
    pool::{
        Chunk,
        Order,
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
    /// For each chunk, the range of pages that it has, which may be empty.
    present: Vec<(usize, usize)>,
    pub(super) live: Vec<Block>,
}

impl Model {
    /// Returns a zone that has no chunk yet but place for `chunks`.
    pub(super) fn new(chunks: usize) -> Self {
        Self {
            zone: Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect())),
            free: vec![vec![false; FRAMES]; chunks],
            present: vec![(0, 0); chunks],
            live: Vec::new(),
        }
    }

    /// Adds a chunk of one block.
    pub(super) fn add(&mut self, chunk: usize, frame: usize, order: Order) {
        assert_eq!(self.present[chunk], (0, 0));
        self.zone.add(chunk, frame, order);
        self.present[chunk] = (frame, order.pages());
        self.free[chunk][frame..frame + order.pages()].fill(true);
    }

    /// Returns whether the chunk has no pages.
    pub(super) fn is_absent(&self, chunk: usize) -> bool {
        self.present[chunk].1 == 0
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
        let (first, pages) = self.present[chunk];
        pages != 0
            && self.free[chunk][first..first + pages]
                .iter()
                .all(|&free| free)
    }

    /// Takes out a chunk that is wholly free, if there is one whose pages can be spared.
    pub(super) fn remove_whole(&mut self, keep: usize) -> Option<usize> {
        let free = self.nr_free();
        let removed = self.zone.remove_whole(keep);
        let fits = |chunk: usize| self.is_whole(chunk) && free - self.present[chunk].1 >= keep;
        match removed {
            Some((chunk, frames)) => {
                assert!(fits(chunk), "the chunk cannot be spared");
                let (first, pages) = self.present[chunk];
                assert!(
                    frames.iter().eq(first..first + pages),
                    "other pages than it had"
                );
                self.present[chunk] = (0, 0);
                self.free[chunk].fill(false);
            }
            None => assert!(!(0..self.free.len()).any(fits), "there was one"),
        }
        removed.map(|(chunk, _)| chunk)
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
        let present = self.present.iter().map(|present| present.1);
        assert_eq!(self.zone.nr_present(), present.sum());
        let chunks = self.present.iter().filter(|present| present.1 != 0);
        assert_eq!(self.zone.nr_chunks(), chunks.count());
        for (id, free) in self.free.iter().enumerate() {
            let chunk = self.zone.chunk(id);
            chunk.validate().unwrap();
            assert!((0..FRAMES).all(|frame| chunk.is_free(frame) == free[frame]));
            assert_eq!(chunk.nr_present(), self.present[id].1);
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
        let pages = whole.map(|chunk| self.present[chunk].1).sum::<usize>();
        assert_eq!(self.zone.nr_whole_pages(), pages);
        for id in 0..self.free.len() {
            let largest = self.count_blocks(id).iter().rposition(|&count| count != 0);
            assert_eq!(self.zone.chunk(id).largest().map(Order::index), largest);
        }
    }
}
