// SPDX-License-Identifier: GPL-2.0

//! The free pages of one chunk.
//!
//! One bit a page. A free block of order *k* is an aligned run of 2^*k* set bits that is not part
//! of a larger one; two free buddies are one free block of the next order as soon as both sets of
//! bits are set, so no merge can be forgotten. The bit-parallel search for aligned runs is that of
//! LLFree (Wrenger et al., USENIX ATC 2023), with 64 pages a word.
//!
//! Small blocks are taken from the fuller half of the chunk first, and there from the word whose
//! largest run is the smallest that fits: a half is 2 MiB with 4 KiB pages, which is what is worth
//! keeping whole.
//!
//! # Laws
//!
//! - `free[h]` is the number of set bits in half `h`.
//! - `runs` describes each word, and `largest` the whole bitmap, unless they are stale.
//! - `free[0] + free[1] <= present`.

use super::{
    runs::{
        Runs,
        WORD_RUN, //
    },
    word::{
        length,
        run,
        starts,
        word_bits,
        word_mask,
        word_starts,
        WORD_ORDER, //
    },
    Order,
    NR_ORDERS, //
};
use crate::bins::{
    Link,
    Linked, //
};

/// Pages of a chunk.
pub(crate) const FRAMES: usize = 1024;

const WORD: usize = 64;
const WORDS: usize = FRAMES / WORD;
const HALF_WORDS: usize = WORDS / 2;

/// Returns the halves that some words lie in, the first of which is number `first`.
fn halves_of(first: usize, words: usize) -> core::ops::RangeInclusive<usize> {
    let half = first / HALF_WORDS;
    half..=(half + (words - 1) / HALF_WORDS).min(1)
}

/// Returns how many pages of `words` words lie in each half that has some.
fn pages_in_half(words: usize) -> u16 {
    // CAST: At most 512.
    (words.min(HALF_WORDS) * WORD) as u16
}

/// A law that does not hold, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) &'static str);

/// Some pages of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames([u64; WORDS]);

impl Frames {
    /// Iterates over the pages, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..FRAMES).filter(|frame| self.0[frame / WORD] & (1 << (frame % WORD)) != 0)
    }
}

/// The bitmap of a chunk and what is derived from it.
pub(crate) struct Chunk<Id> {
    link: Link<Id>,
    bits: [u64; WORDS],
    runs: Runs,
    /// Largest order in the chunk, plus one; 0 for a chunk without free pages.
    largest: u8,
    /// Words whose `runs` are out of date, one bit a word; with any, so are `largest` and the chunk's
    /// place in the zone.
    stale: u16,
    free: [u16; 2],
    present: u16,
    /// In which lists of the zone the chunk is: row and level.
    pub(super) place: Option<(u8, u8)>,
}

impl<Id> Linked<Id> for Chunk<Id> {
    fn link(&self) -> &Link<Id> {
        &self.link
    }
    fn link_mut(&mut self) -> &mut Link<Id> {
        &mut self.link
    }
}

impl<Id> Chunk<Id> {
    /// Returns a chunk without pages.
    pub(crate) const fn new() -> Self {
        Self {
            link: Link::new(),
            bits: [0; WORDS],
            runs: Runs::NONE,
            largest: 0,
            stale: 0,
            free: [0; 2],
            present: 0,
            place: None,
        }
    }

    /// Returns the number of free pages.
    #[inline]
    pub(crate) fn nr_free(&self) -> usize {
        usize::from(self.free[0]) + usize::from(self.free[1])
    }

    /// Returns the number of pages that the chunk has, free or not.
    pub(crate) fn nr_present(&self) -> usize {
        self.present.into()
    }

    /// Returns whether all pages that the chunk has are free.
    pub(crate) fn is_whole(&self) -> bool {
        self.nr_free() == self.nr_present()
    }

    /// Returns whether the page is free.
    pub(crate) fn is_free(&self, frame: usize) -> bool {
        self.bits[(frame / WORD) % WORDS] & (1 << (frame % WORD)) != 0
    }

    /// Adds pages that the chunk did not have, as free ones.
    pub(crate) fn add(&mut self, frame: usize, order: Order) {
        // CAST: At most `FRAMES`.
        self.present = self.present.wrapping_add(order.pages() as u16);
        self.put(frame, order);
    }

    /// Takes all free pages out of the chunk, which is in no list: it does not have them any more.
    /// Returns which pages they were.
    pub(super) fn strip(&mut self) -> Frames {
        // CAST: At most `FRAMES`.
        let present = self.nr_present().wrapping_sub(self.nr_free()) as u16;
        let left = Self {
            present,
            ..Self::new()
        };
        Frames(core::mem::replace(self, left).bits)
    }

    /// Marks a block free. Returns whether the chunk's place in its zone was up to date before.
    ///
    /// The block must be aligned to its size, lie in the chunk, and not be free.
    #[inline(always)]
    pub(crate) fn put(&mut self, frame: usize, order: Order) -> bool {
        let first = (frame / WORD) % WORDS;
        // CAST: At most `FRAMES`.
        let pages = order.pages() as u16;
        if order.index() <= WORD_ORDER {
            let mask = (!0u64 >> (WORD - order.pages())) << (frame % WORD);
            debug_assert_eq!(self.bits[first] & mask, 0, "the block is free already");
            self.bits[first] |= mask;
            let half = first / HALF_WORDS;
            self.free[half] = self.free[half].wrapping_add(pages);
        } else {
            self.put_words(first, order.pages() / WORD);
        }
        let stale = self.stale;
        self.stale = stale | (1 << first);
        stale == 0
    }

    /// Marks the `count` pages of a word free that `bits` stand for, which must not be free. Returns
    /// whether the chunk's place in its zone was up to date before.
    #[inline(always)]
    pub(crate) fn put_bits(&mut self, word: usize, bits: u64, count: u16) -> bool {
        let word = word % WORDS;
        debug_assert_eq!(self.bits[word] & bits, 0, "a page is free already");
        debug_assert_eq!(bits.count_ones(), u32::from(count));
        self.bits[word] |= bits;
        let half = word / HALF_WORDS;
        self.free[half] = self.free[half].wrapping_add(count);
        let stale = self.stale;
        self.stale = stale | (1 << word);
        stale == 0
    }

    /// Marks whole words free.
    #[inline(never)]
    fn put_words(&mut self, first: usize, words: usize) {
        for word in self.bits.iter_mut().skip(first).take(words) {
            debug_assert_eq!(*word, 0, "the block is free already");
            *word = !0;
        }
        self.runs.set_all(word_bits(first, words), WORD_RUN);
        for half in halves_of(first, words) {
            // CAST: At most 512.
            self.free[half] = self.free[half].wrapping_add(pages_in_half(words));
        }
    }

    /// Takes up to `max` blocks and passes the first page of each to `emit`.
    #[cfg(test)]
    pub(crate) fn take(&mut self, order: Order, max: usize, mut emit: impl FnMut(usize)) -> usize {
        self.take_runs(order, max, |first, count| {
            (0..count).for_each(|block| emit(first + (block << order.get())));
        })
    }

    /// Takes up to `max` blocks and passes runs of them to `emit`: the first page of the first, and how
    /// many blocks there are.
    ///
    /// The chunk is not stale; [`Chunk::refresh`] is due afterwards.
    pub(crate) fn take_runs(
        &mut self,
        order: Order,
        max: usize,
        mut emit: impl FnMut(usize, usize),
    ) -> usize {
        let mut taken = 0;
        while taken < max {
            let got = if order.index() <= WORD_ORDER {
                match self.best_word(order) {
                    Some(word) => self.take_in_word(word, order, max - taken, &mut emit),
                    None => 0,
                }
            } else {
                self.take_words(order, &mut emit)
            };
            if got == 0 {
                break;
            }
            taken = taken.wrapping_add(got);
        }
        taken
    }

    /// Returns the halves, the fuller one first; a half without free pages comes last.
    fn halves(&self) -> [usize; 2] {
        // A half without free pages wraps to the largest number.
        if self.free[1].wrapping_sub(1) < self.free[0].wrapping_sub(1) {
            [1, 0]
        } else {
            [0, 1]
        }
    }

    /// Returns the word to take a block of `order <= 6` from.
    fn best_word(&self, order: Order) -> Option<usize> {
        // CAST: At most 7.
        let need = order.get() as u8 + 1;
        let [near, far] = self.halves();
        let in_half = |half: usize| {
            self.runs
                .least(need, word_bits(half * HALF_WORDS, HALF_WORDS))
        };
        in_half(near).or_else(|| in_half(far))
    }

    #[inline]
    fn take_in_word(
        &mut self,
        word: usize,
        order: Order,
        max: usize,
        emit: &mut impl FnMut(usize, usize),
    ) -> usize {
        let word = word % WORDS;
        let mut bits = self.bits[word];
        let mut blocks = starts(bits, order.index());
        let mut taken = 0;
        while blocks != 0 && taken < max {
            // CAST: Below 64.
            let bit = blocks.trailing_zeros() as usize;
            let length = length(blocks >> bit, order.index()).min(max - taken);
            let mask = (!0u64 >> (WORD - (length << order.index()))) << bit;
            blocks &= !mask;
            bits &= !mask;
            emit(word * WORD + bit, length);
            taken += length;
        }
        self.bits[word] = bits;
        self.runs.set(word, run(bits));
        let half = word / HALF_WORDS;
        // CAST: At most 64 pages.
        self.free[half] = self.free[half].wrapping_sub((taken << order.index()) as u16);
        taken
    }

    /// Takes one block of `order > 6`.
    fn take_words(&mut self, order: Order, emit: &mut impl FnMut(usize, usize)) -> usize {
        let words = order.pages() / WORD;
        let blocks = word_starts(self.runs.full(), order.index());
        let near = blocks & word_bits(self.halves()[0] * HALF_WORDS, HALF_WORDS);
        let blocks = if near != 0 { near } else { blocks };
        if blocks == 0 {
            return 0;
        }
        // CAST: Below 16.
        let first = blocks.trailing_zeros() as usize;
        for word in self.bits.iter_mut().skip(first).take(words) {
            *word = 0;
        }
        self.runs.set_all(word_bits(first, words), 0);
        for half in halves_of(first, words) {
            self.free[half] = self.free[half].wrapping_sub(pages_in_half(words));
        }
        emit(first * WORD, 1);
        1
    }

    /// Brings `largest` up to date.
    pub(super) fn refresh(&mut self) {
        while self.stale != 0 {
            // CAST: Below 16.
            let word = self.stale.trailing_zeros() as usize % WORDS;
            self.stale &= self.stale.wrapping_sub(1);
            self.runs.set(word, run(self.bits[word]));
        }
        let most = self.runs.largest();
        self.largest = if most < WORD_RUN {
            most
        } else {
            let full = self.runs.full();
            let mut order = WORD_ORDER + 1;
            while order < NR_ORDERS && word_starts(full, order) != 0 {
                order += 1;
            }
            // CAST: At most 11.
            order as u8
        };
    }

    /// Returns whether [`Chunk::refresh`] is due.
    pub(super) fn is_stale(&self) -> bool {
        self.stale != 0
    }

    /// Returns the largest order that can be taken.
    pub(crate) fn largest(&self) -> Option<Order> {
        Order::new(u32::from(self.largest).wrapping_sub(1))
    }

    /// Returns the free pages of the fuller half that has any, or 0.
    pub(super) fn tightness(&self) -> usize {
        self.free[self.halves()[0]].into()
    }

    /// Returns which words have all their pages free, one bit a word; also where `runs` is stale.
    fn full_words(&self) -> u16 {
        self.bits
            .iter()
            .rev()
            .fold(0, |full, &bits| (full << 1) | u16::from(bits == !0))
    }

    /// Adds the number of free blocks of each order to `counts`, each page counted once.
    pub(crate) fn count_blocks(&self, counts: &mut [u64; NR_ORDERS]) {
        let mut full = self.full_words();
        for order in (WORD_ORDER..NR_ORDERS).rev() {
            let words = 1usize << (order - WORD_ORDER);
            let mask = word_mask(order);
            for first in (0..WORDS).step_by(words) {
                if (full >> first) & mask == mask {
                    full &= !(mask << first);
                    counts[order] = counts[order].wrapping_add(1);
                }
            }
        }
        for &word in self.bits.iter().filter(|&&word| word != !0) {
            let mut bits = word;
            for order in (0..WORD_ORDER).rev() {
                let found = starts(bits, order);
                counts[order] = counts[order].wrapping_add(found.count_ones().into());
                // Each start stands for a run: widen it to all its bits and take them out.
                let mut covered = found;
                for i in 0..order {
                    covered |= covered << (1 << i);
                }
                bits &= !covered;
            }
        }
    }

    /// Checks the laws of the chunk.
    pub(crate) fn validate(&self) -> Result<(), Violation> {
        for (word, &bits) in self.bits.iter().enumerate() {
            if self.stale & (1 << word) == 0 && self.runs.get(word) != run(bits) {
                return Err(Violation("chunk: largest run of a word is wrong"));
            }
        }
        for (half, words) in self.free.iter().zip(self.bits.chunks(HALF_WORDS)) {
            if u32::from(*half) != words.iter().map(|word| word.count_ones()).sum::<u32>() {
                return Err(Violation("chunk: free pages of a half miscounted"));
            }
        }
        if self.nr_free() > self.nr_present() {
            return Err(Violation("chunk: more pages free than present"));
        }
        if self.stale == 0 {
            let mut counts = [0; NR_ORDERS];
            self.count_blocks(&mut counts);
            let largest = counts.iter().rposition(|&count| count != 0);
            if largest != self.largest().map(Order::index) {
                return Err(Violation("chunk: largest order is wrong"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = FRAMES / 2;

    fn full() -> Chunk<usize> {
        let mut chunk = Chunk::new();
        chunk.add(0, Order::MAX);
        chunk.refresh();
        chunk
    }

    fn order(order: u32) -> Order {
        Order::new(order).unwrap()
    }

    fn take_one(chunk: &mut Chunk<usize>, order: Order) -> Option<usize> {
        let mut at = None;
        chunk.take(order, 1, |frame| at = Some(frame));
        chunk.refresh();
        chunk.validate().unwrap();
        at
    }

    #[test]
    fn blocks_of_every_order_are_aligned_and_disjoint() {
        for o in 0..11 {
            let mut chunk = full();
            let mut seen = Vec::new();
            let n = chunk.take(order(o), usize::MAX, |frame| seen.push(frame));
            assert_eq!(n, FRAMES >> o);
            seen.sort_unstable();
            assert!(seen.iter().enumerate().all(|(i, &frame)| frame == i << o));
            assert_eq!(chunk.nr_free(), 0);
        }
    }

    #[test]
    fn buddies_merge_up_to_the_whole_chunk() {
        let mut chunk = full();
        let mut pages = Vec::new();
        chunk.take(Order::ZERO, usize::MAX, |frame| pages.push(frame));
        for (i, &frame) in pages.iter().rev().enumerate() {
            chunk.put(frame, Order::ZERO);
            chunk.refresh();
            chunk.validate().unwrap();
            let expected = usize::BITS - 1 - (i + 1).leading_zeros();
            // Freed from the top down, the largest run is the largest power of two below.
            assert_eq!(chunk.largest(), Order::new(expected));
        }
        assert!(chunk.is_whole());
    }

    #[test]
    fn adjacent_pages_that_are_not_buddies_stay_apart() {
        let mut chunk = full();
        chunk.take(Order::ZERO, usize::MAX, |_| ());
        chunk.put(1, Order::ZERO);
        chunk.put(2, Order::ZERO);
        chunk.refresh();
        assert_eq!(chunk.largest(), Some(Order::ZERO));
        assert_eq!(take_one(&mut chunk, order(1)), None);
    }

    #[test]
    fn small_blocks_leave_the_free_half_whole() {
        let mut chunk = full();
        let first = take_one(&mut chunk, Order::ZERO).unwrap() / HALF;
        for _ in 1..HALF {
            assert_eq!(take_one(&mut chunk, Order::ZERO).unwrap() / HALF, first);
        }
        assert_eq!(chunk.largest(), Some(order(9)));
    }

    #[test]
    fn counts_each_free_page_once() {
        let mut chunk = full();
        for o in [0, 3, 5, 7, 1, 8] {
            take_one(&mut chunk, order(o)).unwrap();
            let mut counts = [0; NR_ORDERS];
            chunk.count_blocks(&mut counts);
            let pages: u64 = counts.iter().enumerate().map(|(o, n)| n << o).sum();
            assert_eq!(pages, chunk.nr_free() as u64);
        }
    }

    #[test]
    fn a_chunk_may_have_only_some_of_its_pages() {
        let mut chunk = Chunk::<usize>::new();
        chunk.add(512, order(8));
        chunk.refresh();
        assert_eq!(chunk.largest(), Some(order(8)));
        assert!(chunk.is_whole());
        assert_eq!(take_one(&mut chunk, order(8)), Some(512));
        assert_eq!(take_one(&mut chunk, Order::ZERO), None);
    }
}
