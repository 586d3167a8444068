// SPDX-License-Identifier: GPL-2.0

//! `buddy-alloc`: lists through free blocks, with bitmaps in front of its memory.

use super::heap::{arm, Heap};
use crate::{arm::Entry, shape::Shape};
use buddy_alloc::buddy_alloc::{BuddyAlloc, BuddyAllocParam};
use std::{alloc::Layout, ptr::NonNull};

/// Smallest block for objects, in bytes.
const LEAF: usize = 16;

impl Heap for BuddyAlloc {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        NonNull::new(self.malloc(layout.size()))
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, _layout: Layout) {
        BuddyAlloc::free(self, block.as_ptr());
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "buddy-alloc",
    make: |shape| {
        let leaf = match shape {
            Shape::Pages { order: 0 } => shape.size(),
            Shape::Pages { .. } => return Err("aligns blocks to its first one, not to their size"),
            Shape::Object { .. } => LEAF,
        };
        Ok(arm(shape, |region| {
            let param = BuddyAllocParam::new(region.base().as_ptr(), region.bytes(), leaf);
            // SAFETY: The region is nobody else's, and is there as long as the arm.
            unsafe { BuddyAlloc::new(param) }
        }))
    },
};
