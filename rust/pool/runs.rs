// SPDX-License-Identifier: GPL-2.0

//! The words of a chunk's bitmap, sorted by the largest run of free pages in each.
//!
//! For each run there is a set of words: 16 bits, four sets in an integer. Which word has the smallest
//! run that fits is then the lowest bit of what two masks leave, with no loop over the words.

/// The run of a word that is wholly free: its order plus one.
pub(super) const WORD_RUN: u8 = 7;

/// A word's bit in each of the sets of an integer.
const EACH: u64 = 0x0001_0001_0001_0001;

/// Sets of words by their run: the largest order in a word plus one. A word without free pages is in
/// none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Runs([u64; 2]);

impl Runs {
    /// No word has free pages.
    pub(super) const NONE: Self = Self([0; 2]);

    /// Says what the run of a word is, 0 to 7.
    #[inline(always)]
    pub(super) fn set(&mut self, word: usize, run: u8) {
        // CAST: One bit of 16.
        self.set_all(1 << (word % 16) as u16, run);
    }

    /// Says what the run of some words is, 0 to 7.
    #[inline(always)]
    pub(super) fn set_all(&mut self, words: u16, run: u8) {
        let words = u64::from(words);
        let out = !words.wrapping_mul(EACH);
        let [low, high] = &mut self.0;
        // The set of run 0 is kept empty.
        let to = (words << (16 * (run % 4))) & if run == 0 { 0 } else { !0 };
        *low = (*low & out) | if run < 4 { to } else { 0 };
        *high = (*high & out) | if run < 4 { 0 } else { to };
    }

    /// Returns the run of a word.
    pub(super) fn get(&self, word: usize) -> u8 {
        let is_in = |run: &u8| self.words(*run) & (1 << (word % 16)) != 0;
        (1..=WORD_RUN).find(is_in).unwrap_or(0)
    }

    /// Returns the words of a run.
    #[inline(always)]
    fn words(&self, run: u8) -> u16 {
        // CAST: One set of four.
        (self.0[usize::from(run / 4 % 2)] >> (16 * (run % 4))) as u16
    }

    /// Returns the words that are wholly free.
    #[inline(always)]
    pub(super) fn full(&self) -> u16 {
        self.words(WORD_RUN)
    }

    /// Returns the largest run of any word, or 0.
    #[inline(always)]
    pub(super) fn largest(&self) -> u8 {
        let [low, high] = self.0;
        let (sets, base) = if high != 0 { (high, 4) } else { (low, 0) };
        // CAST: At most 3.
        let set = (sets | 1).ilog2() as u8 / 16;
        base + set
    }

    /// Returns a word of `among` whose run is the smallest of at least `need`, from 1 to 7.
    #[inline(always)]
    pub(super) fn least(&self, need: u8, among: u16) -> Option<usize> {
        let among = u64::from(among).wrapping_mul(EACH);
        let [low, high] = self.0;
        let from = |run: u8| !0u64 << (16 * (run % 4));
        let low = if need < 4 { low & from(need) } else { 0 } & among;
        let high = if need < 4 { high } else { high & from(need) } & among;
        let sets = if low != 0 { low } else { high };
        // CAST: Below 16.
        (sets != 0).then(|| sets.trailing_zeros() as usize % 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_run_that_was_set_last() {
        let mut runs = Runs::NONE;
        for run in (0..=WORD_RUN).chain((0..WORD_RUN).rev()) {
            for word in 0..16 {
                runs.set(word, run);
                assert_eq!(runs.get(word), run);
            }
            assert_eq!(runs.largest(), run);
            assert_eq!(runs.full(), if run == WORD_RUN { !0 } else { 0 });
        }
        assert_eq!(runs, Runs::NONE);
    }

    #[test]
    fn the_smallest_run_that_fits_is_found() {
        let mut runs = Runs::NONE;
        for (word, run) in [(0, 7), (3, 5), (4, 2), (9, 5), (12, 3), (15, 4)] {
            runs.set(word, run);
        }
        let least = |need| runs.least(need, !0);
        assert_eq!(least(1), Some(4));
        assert_eq!(least(3), Some(12));
        assert_eq!(least(4), Some(15));
        assert_eq!(least(5), Some(3));
        assert_eq!(least(6), Some(0));
        assert_eq!(runs.least(1, 0xff00), Some(12));
        assert_eq!(runs.least(6, 0xff00), None);
        assert_eq!(runs.largest(), 7);
    }
}
