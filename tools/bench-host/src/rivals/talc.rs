// SPDX-License-Identifier: GPL-2.0

//! `talc`: boundary tags, free lists by size, bitmaps of the lists.

use super::heap::{arm, Heap};
use crate::arm::Entry;
use std::{alloc::Layout, ptr::NonNull};
use talc::{base::Talc, source::Manual, DefaultBinning};

impl Heap for Talc<Manual, DefaultBinning> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: No shape has a size of 0.
        unsafe { self.allocate(layout) }
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { self.deallocate(block.as_ptr(), layout) };
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "talc",
    make: |shape| {
        Ok(arm(shape, |region| {
            let mut talc = Talc::new(Manual);
            // SAFETY: The region is nobody else's, and is there as long as the arm.
            unsafe { talc.claim(region.base().as_ptr(), region.bytes()) };
            talc
        }))
    },
};
