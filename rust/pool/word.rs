// SPDX-License-Identifier: GPL-2.0

//! Runs of free pages within one word of a chunk's bitmap, found bit-parallel.

/// Largest order within one word.
pub(super) const WORD_ORDER: usize = 6;

/// Bits at multiples of 2^order, for orders within a word.
const ALIGNED: [u64; WORD_ORDER + 1] = [
    !0,
    0x5555_5555_5555_5555,
    0x1111_1111_1111_1111,
    0x0101_0101_0101_0101,
    0x0001_0001_0001_0001,
    0x0000_0001_0000_0001,
    1,
];

/// Returns the aligned starts of free runs of 2^`order` pages in a word, `order <= 6`.
#[inline(always)]
pub(super) const fn starts(word: u64, order: usize) -> u64 {
    let mut runs = word;
    let mut i = 0;
    while i < order {
        runs &= runs >> (1 << i);
        i += 1;
    }
    runs & aligned(order)
}

/// Returns the bits at multiples of 2^`order`, `order <= 6`.
#[inline(always)]
const fn aligned(order: usize) -> u64 {
    ALIGNED[if order <= WORD_ORDER {
        order
    } else {
        WORD_ORDER
    }]
}

/// Returns the largest order in a word plus one, or 0.
#[inline]
pub(super) const fn run(word: u64) -> u8 {
    if word == 0 {
        return 0;
    }
    if word == !0 {
        return 7;
    }
    let mut order = 1;
    let mut runs = word & (word >> 1) & ALIGNED[1];
    while runs != 0 {
        runs = runs & (runs >> (1 << order)) & ALIGNED[order + 1];
        order += 1;
    }
    // CAST: At most `WORD_ORDER`.
    order as u8
}

/// Returns the bits of the words that a block of `order >= 6` covers.
pub(super) const fn word_mask(order: usize) -> u16 {
    // CAST: At most 16 bits.
    ((1u32 << (1 << (order - WORD_ORDER))) - 1) as u16
}

/// Returns how many free blocks of 2^`order` pages lie one behind the other at the lowest bits of
/// `starts`, which are starts of such blocks and begin with one.
#[inline(always)]
pub(super) const fn length(starts: u64, order: usize) -> usize {
    // CAST: At most 64.
    (!(starts | !aligned(order))).trailing_zeros() as usize >> order
}

/// Returns `words` bits from `first` on.
#[inline(always)]
pub(super) const fn word_bits(first: usize, words: usize) -> u16 {
    // CAST: At most 16 bits.
    (((1u32 << words) - 1) << first) as u16
}

/// Returns the aligned starts of free blocks of 2^`order` pages, `order >= 6`, where `full` says which
/// words are wholly free.
#[inline(always)]
pub(super) const fn word_starts(full: u16, order: usize) -> u16 {
    let two = full & (full >> 1) & 0x5555;
    let four = two & (two >> 2) & 0x1111;
    let eight = four & (four >> 4) & 0x0101;
    match order {
        WORD_ORDER => full,
        7 => two,
        8 => four,
        9 => eight,
        _ => eight & (eight >> 8) & 1,
    }
}
