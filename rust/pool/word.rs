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
    runs & ALIGNED[if order <= WORD_ORDER {
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
