// SPDX-License-Identifier: GPL-2.0

//! `bitmap-allocator`: a tree of 16-bit words over the bits of pages.

use crate::{
    arm::{runner, Entry, OneByOne, Single},
    shape::{Shape, PAGE},
};
use bitmap_allocator::{BitAlloc, BitAlloc1M};

/// Page numbers, which stand for addresses from 0 on.
struct Bits {
    bits: Box<BitAlloc1M>,
    order: usize,
}

impl Single for Bits {
    #[inline]
    fn alloc(&mut self) -> Option<usize> {
        let first = match self.order {
            0 => self.bits.alloc(),
            order => self.bits.alloc_contiguous(None, 1 << order, order),
        };
        Some(first? * PAGE)
    }

    #[inline]
    fn free(&mut self, block: usize) {
        match self.order {
            0 => self.bits.dealloc(block / PAGE),
            order => self.bits.dealloc_contiguous(block / PAGE, 1 << order),
        };
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "bitmap-allocator",
    make: |shape| match shape {
        Shape::Pages { order } => {
            let mut bits = Box::new(BitAlloc1M::DEFAULT);
            bits.insert(0..shape.region() / PAGE);
            // CAST: At most 10.
            let order = order as usize;
            Ok(runner(OneByOne(Bits { bits, order })))
        }
        Shape::Object { .. } => Err("gives whole pages"),
    },
};
