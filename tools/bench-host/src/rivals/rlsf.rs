// SPDX-License-Identifier: GPL-2.0

//! `rlsf`: two-level segregated fit.

use super::heap::{arm, Heap};
use crate::arm::Entry;
use rlsf::Tlsf;
use std::{alloc::Layout, ptr::NonNull};

/// Lists for 32 B to 8 GiB, 32 for each power of two.
struct Tlsf32 {
    tlsf: Tlsf<'static, u32, u32, 28, 32>,
}

impl Heap for Tlsf32 {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.tlsf.allocate(layout)
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { self.tlsf.deallocate(block, layout.align()) };
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "rlsf",
    make: |shape| {
        Ok(arm(shape, |region| {
            let mut tlsf = Tlsf::new();
            let memory = NonNull::slice_from_raw_parts(region.base(), region.bytes());
            // SAFETY: The region is nobody else's, and is there as long as the arm.
            unsafe { tlsf.insert_free_block_ptr(memory) };
            Tlsf32 { tlsf }
        }))
    },
};
