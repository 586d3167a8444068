// SPDX-License-Identifier: GPL-2.0

//! The free objects of one slab, one bit each.
//!
//! The words are somebody else's, outside the slab's own pages: writing beyond the end of an object
//! cannot reach them.
//!
//! # Laws
//!
//! - `free` is the number of set bits.
//! - No bit at or beyond the number of objects is set.

use super::Geometry;
use crate::pool::Violation;

/// A view of the free objects of a slab.
pub(crate) struct Objects<'a> {
    words: &'a mut [u64],
    free: &'a mut u32,
}

impl<'a> Objects<'a> {
    /// Returns a view on `words`, of which `free` bits are set.
    pub(crate) fn new(words: &'a mut [u64], free: &'a mut u32) -> Self {
        Self { words, free }
    }

    /// Marks all objects free.
    pub(crate) fn fill(&mut self, geometry: &Geometry) {
        let mut left = geometry.objects;
        for word in self.words.iter_mut() {
            *word = match left {
                0 => 0,
                1..=63 => (1 << left) - 1,
                _ => !0,
            };
            left = left.saturating_sub(64);
        }
        *self.free = geometry.objects;
    }

    /// Takes up to `max` objects, lowest first, and passes runs of them to `emit`: the index of the
    /// first, and how many there are.
    #[inline]
    pub(crate) fn take_runs(&mut self, max: u32, mut emit: impl FnMut(u32, u32)) -> u32 {
        let want = max.min(*self.free);
        let mut left = want;
        let mut base = 0;
        for word in self.words.iter_mut() {
            if left == 0 {
                break;
            }
            let mut bits = *word;
            while bits != 0 && left != 0 {
                let first = bits.trailing_zeros();
                let length = (!(bits >> first)).trailing_zeros().min(left);
                bits &= !((!0 >> (64 - length)) << first);
                left -= length;
                emit(base | first, length);
            }
            *word = bits;
            base = base.wrapping_add(64);
        }
        let taken = want.wrapping_sub(left);
        *self.free = self.free.wrapping_sub(taken);
        taken
    }

    /// Marks the `count` objects free that `bits` of a word stand for. Returns whether all were taken
    /// before; else it does nothing.
    #[inline]
    pub(crate) fn put_bits(&mut self, word: usize, bits: u64, count: u32) -> bool {
        debug_assert_eq!(bits.count_ones(), count);
        let Some(word) = self.words.get_mut(word) else {
            return false;
        };
        if *word & bits != 0 {
            return false;
        }
        *word |= bits;
        *self.free = self.free.wrapping_add(count);
        true
    }

    /// Returns whether the object is free.
    pub(crate) fn is_free(&self, index: u32) -> bool {
        // CAST: Lossless.
        self.words
            .get((index / 64) as usize)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    /// Checks the laws.
    pub(crate) fn validate(&self, geometry: &Geometry) -> Result<(), Violation> {
        let set: u32 = self.words.iter().map(|word| word.count_ones()).sum();
        if set != *self.free {
            return Err(Violation("slab: free objects miscounted"));
        }
        if (geometry.objects..geometry.objects.next_multiple_of(64)).any(|i| self.is_free(i)) {
            return Err(Violation("slab: an object beyond the last is free"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_is_given_once_and_taken_back_once() {
        for size in [8, 24, 64, 200, 1000, 4096] {
            let g = Geometry::new(size, 0, 4096).unwrap();
            let mut words = vec![0; g.words()];
            let mut free = 0;
            let mut objects = Objects::new(&mut words, &mut free);
            objects.fill(&g);
            objects.validate(&g).unwrap();
            let mut seen = Vec::new();
            while objects.take_runs(7, |i, n| seen.extend(i..i + n)) != 0 {
                objects.validate(&g).unwrap();
            }
            assert!(seen.iter().copied().eq(0..g.objects));
            for &i in seen.iter().rev() {
                let mut put = || objects.put_bits(i as usize / 64, 1 << (i % 64), 1);
                assert!(put());
                assert!(!put());
                objects.validate(&g).unwrap();
            }
        }
    }
}
