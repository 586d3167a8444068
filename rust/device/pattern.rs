// SPDX-License-Identifier: GPL-2.0

//! The pattern of `QUARRY_CMD_FILL` and `QUARRY_CMD_VERIFY`.
//!
//! It can be computed from any offset on, differs from one seed and from one word to the next, and
//! costs a multiplication at its start and an addition, a shift and a XOR a word.

use super::data::{
    Piece,
    Range, //
};
use kernel::prelude::*;

/// 2^64 divided by the golden ratio, which spreads consecutive numbers well. Knuth, TAOCP volume 3,
/// section 6.4.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The words of a pattern, one after the other.
struct Words(u64);

impl Words {
    /// Starts with the word that holds a byte.
    fn from_offset(seed: u64, offset: usize) -> Self {
        // CAST: `u64` holds every `usize`.
        Self(seed.wrapping_add(offset as u64 / 8).wrapping_mul(STEP))
    }

    fn next(&mut self) -> u64 {
        let x = self.0;
        self.0 = x.wrapping_add(STEP);
        x ^ (x >> 29)
    }
}

/// Returns the byte at an offset.
fn byte(seed: u64, offset: usize) -> u8 {
    // CAST: Takes the lowest byte.
    (Words::from_offset(seed, offset).next() >> (8 * (offset % 8))) as u8
}

/// Writes a pattern.
pub(super) fn fill(range: Range<'_>, seed: u64) -> Result {
    range.for_each(|piece| {
        let (before, nr) = piece.words();
        let mut words = Words::from_offset(seed, piece.offset + before);
        piece.set_words(|| words.next());
        for part in [0..before, before + nr * 8..piece.len] {
            for index in part {
                piece.set_byte(index, byte(seed, piece.offset + index));
            }
        }
        Ok(())
    })
}

/// Compares with a pattern. Returns the offset of the first byte that differs.
pub(super) fn verify(range: Range<'_>, seed: u64) -> Result<Option<u64>> {
    let mut bad = None;
    range.for_each(|piece| {
        if bad.is_none() {
            bad = first_bad(&piece, seed);
        }
        Ok(())
    })?;
    // CAST: `u64` holds every `usize`.
    Ok(bad.map(|offset| offset as u64))
}

fn first_bad(piece: &Piece<'_>, seed: u64) -> Option<usize> {
    let (before, nr) = piece.words();
    let differs = |index: &usize| piece.byte(*index) != byte(seed, piece.offset + index);
    let mut words = Words::from_offset(seed, piece.offset + before);
    let mut bad_word = || piece.find_bad_word(|word| word == words.next());
    (0..before)
        .find(differs)
        .or_else(|| {
            let start = before + bad_word()? * 8;
            // A word that user space has changed back since is called bad at its first byte.
            Some((start..start + 8).find(differs).unwrap_or(start))
        })
        .or_else(|| (before + nr * 8..piece.len).find(differs))
        .map(|index| piece.offset + index)
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kunit_tests(quarry_device_pattern)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_the_definition() {
        for offset in 0..64usize {
            let x = (7 + offset as u64 / 8).wrapping_mul(STEP);
            let expected = ((x ^ (x >> 29)) >> (8 * (offset % 8))) as u8;
            assert!(byte(7, offset) == expected);
        }
    }

    #[test]
    fn words_hold_the_bytes() {
        let mut words = Words::from_offset(3, 0);
        for word in 0..8 {
            let bytes = words.next().to_le_bytes();
            for (i, &b) in bytes.iter().enumerate() {
                assert!(b == byte(3, word * 8 + i));
            }
        }
    }
}
