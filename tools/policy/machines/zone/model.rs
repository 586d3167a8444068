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
pub(crate) struct Chunks(pub(crate) Vec<Chunk<usize>>);

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

/// Pages of half a chunk, and of a word of its bitmap.
const HALF: usize = FRAMES / 2;
const WORD: usize = 64;

fn nr_free_of(pages: &[bool]) -> usize {
    pages.iter().filter(|&&free| free).count()
}

/// Returns the free blocks of each order, by halving blocks until they are free.
fn count_blocks(pages: &[bool]) -> [u64; NR_ORDERS] {
    fn halve(free: &[bool], counts: &mut [u64; NR_ORDERS]) {
        if free.iter().all(|&free| free) {
            // CAST: An order.
            counts[free.len().trailing_zeros() as usize] += 1;
        } else if free.len() > 1 {
            let (low, high) = free.split_at(free.len() / 2);
            halve(low, counts);
            halve(high, counts);
        }
    }
    let mut counts = [0; NR_ORDERS];
    halve(pages, &mut counts);
    counts
}

/// Returns the largest order of which a block is free.
fn largest(pages: &[bool]) -> Option<usize> {
    count_blocks(pages).iter().rposition(|&count| count != 0)
}

/// A block that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) chunk: usize,
    pub(crate) frame: usize,
    pub(crate) order: Order,
}

/// A zone and what it should be.
pub(crate) struct Model {
    pub(crate) zone: Zone<Chunks>,
    /// For each chunk and page, whether it is free.
    free: Vec<Vec<bool>>,
    /// For each chunk and page, whether it has the page.
    present: Vec<Vec<bool>>,
    pub(crate) live: Vec<Block>,
    /// The fewest free pages in this period.
    low: usize,
}

impl Model {
    /// Returns a zone that has no chunk yet but place for `chunks`.
    pub(crate) fn new(chunks: usize) -> Self {
        Self {
            zone: Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect())),
            free: vec![vec![false; FRAMES]; chunks],
            present: vec![vec![false; FRAMES]; chunks],
            live: Vec::new(),
            low: 0,
        }
    }

    /// Adds a block to a chunk that has none of its pages.
    pub(crate) fn add(&mut self, chunk: usize, frame: usize, order: Order) {
        assert!(self.lacks(chunk, frame, order));
        let is_new = self.nr_present(chunk) == 0;
        assert_eq!(self.zone.add(chunk, frame, order), is_new);
        self.present[chunk][frame..frame + order.pages()].fill(true);
        self.free[chunk][frame..frame + order.pages()].fill(true);
    }

    /// Returns whether the chunk has no page of a block.
    pub(crate) fn lacks(&self, chunk: usize, frame: usize, order: Order) -> bool {
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
    /// if there are no more. The first must come from where the least is broken.
    pub(crate) fn take(&mut self, order: Order, max: usize) -> usize {
        let best = self.best_chunk(order);
        let mut got = Vec::new();
        let taken = self.zone.take_runs(order, max, |first, count| {
            assert!(count > 0, "a run of nothing");
            got.extend((0..count).map(|block| (first.chunk, first.frame + block * order.pages())));
        });
        assert_eq!(taken, got.len());
        assert!(taken <= max);
        if let (Some(&(chunk, frame)), Some(best)) = (got.first(), best) {
            assert_eq!(self.rank(chunk, order), Some(best), "not the best chunk");
            self.check_place(chunk, frame, order);
        }
        for (chunk, frame) in got {
            assert_eq!(frame % order.pages(), 0, "not aligned");
            let pages = &mut self.free[chunk][frame..frame + order.pages()];
            assert!(pages.iter().all(|&free| free), "taken twice");
            pages.fill(false);
            self.live.push(Block {
                chunk,
                frame,
                order,
            });
        }
        assert!(taken == max || !self.has(order), "there was one more");
        self.low = self.low.min(self.nr_free());
        taken
    }

    /// Returns how little a block of `order` breaks in a chunk, less being better; `None` if it has none.
    fn rank(&self, chunk: usize, order: Order) -> Option<(usize, usize)> {
        let free = &self.free[chunk];
        let largest = largest(free).filter(|&largest| largest >= order.index())?;
        let fuller = self.halves(chunk)[0];
        let level = if self.is_whole(chunk) {
            15
        } else {
            (nr_free_of(&free[fuller * HALF..][..HALF]) - 1) / 32
        };
        Some((level, largest))
    }

    fn best_chunk(&self, order: Order) -> Option<(usize, usize)> {
        let ranks = (0..self.free.len()).filter_map(|chunk| self.rank(chunk, order));
        ranks.min()
    }

    /// Returns the halves of a chunk, the one with fewer free pages first, but for one with none.
    fn halves(&self, chunk: usize) -> [usize; 2] {
        let free = |half: &usize| nr_free_of(&self.free[chunk][half * HALF..][..HALF]);
        let mut halves = [0, 1];
        halves.sort_by_key(|half| match free(half) {
            0 => FRAMES,
            free => free,
        });
        halves
    }

    /// Checks that a block which is about to be taken lies in the half where one should be looked for first
    /// and, if it is no larger than a word, in a word whose largest run is the smallest that fits.
    fn check_place(&self, chunk: usize, frame: usize, order: Order) {
        if order.pages() > HALF {
            return;
        }
        let free = &self.free[chunk];
        let fits = |half: &usize| {
            let mut blocks = free[half * HALF..][..HALF].chunks(order.pages());
            blocks.any(|block| block.iter().all(|&free| free))
        };
        let half = self.halves(chunk).into_iter().find(fits);
        assert_eq!(half, Some(frame / HALF), "in the wrong half");
        if order.pages() <= WORD {
            let words = free[frame / HALF * HALF..][..HALF].chunks(WORD);
            let least = words
                .filter_map(|word| largest(word).filter(|&largest| largest >= order.index()))
                .min();
            let word = &free[frame / WORD * WORD..][..WORD];
            assert_eq!(largest(word), least, "in the wrong word");
        }
    }

    /// Puts a live block back.
    pub(crate) fn put(&mut self, index: usize) {
        let block = self.live.swap_remove(index);
        self.zone.put(block.chunk, block.frame, block.order);
        self.free[block.chunk][block.frame..block.frame + block.order.pages()].fill(true);
    }

    /// Puts all live blocks back, in one go, that lie in the word of the bitmap in which a live one begins.
    pub(crate) fn put_word(&mut self, index: usize) {
        let at = self.live[index];
        if at.order.pages() > WORD {
            return self.put(index);
        }
        let word = |block: &Block| (block.chunk, block.frame / WORD);
        let together = |block: &Block| block.order.pages() <= WORD && word(block) == word(&at);
        let mut bits = 0u64;
        for block in self.live.iter().filter(|block| together(block)) {
            for frame in block.frame..block.frame + block.order.pages() {
                bits |= 1 << (frame % WORD);
                self.free[at.chunk][frame] = true;
            }
        }
        self.live.retain(|block| !together(block));
        // CAST: At most 64.
        let count = bits.count_ones() as u16;
        self.zone.put_bits(at.chunk, at.frame / WORD, bits, count);
    }

    /// Puts back a block that is live.
    pub(crate) fn put_block(&mut self, block: Block) {
        let index = self.live.iter().position(|&live| live == block);
        self.put(index.expect("the block is not live"));
    }

    /// Begins a period: what is idle are whole chunks that nobody needed.
    pub(crate) fn begin_period(&mut self) {
        let whole = (0..self.free.len()).filter(|&chunk| self.is_whole(chunk));
        let pages = whole.map(|chunk| self.nr_present(chunk)).sum::<usize>();
        assert_eq!(self.zone.begin_period(), pages.min(self.low));
        self.low = self.nr_free();
    }

    /// Returns whether the chunk has pages and all of them are free.
    fn is_whole(&self, chunk: usize) -> bool {
        self.nr_present(chunk) != 0 && self.free[chunk] == self.present[chunk]
    }

    /// Takes out a chunk that is wholly free, if there is one whose pages can be spared.
    pub(crate) fn remove_whole(&mut self, keep: usize) -> Option<usize> {
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
    pub(crate) fn remove_small(&mut self) -> Option<usize> {
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
        self.low = self.low.min(self.nr_free());
        chunk
    }

    /// Returns the number of free pages.
    pub(crate) fn nr_free(&self) -> usize {
        self.free.iter().map(|free| nr_free_of(free)).sum()
    }

    /// Returns the free blocks of each order of a chunk.
    fn count_blocks(&self, chunk: usize) -> [u64; NR_ORDERS] {
        count_blocks(&self.free[chunk])
    }

    /// Compares everything that the zone tells, and lets it check itself.
    pub(crate) fn check(&self) {
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
    pub(crate) fn check_settled(&mut self) {
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
