// SPDX-License-Identifier: GPL-2.0

//! `linked_list_allocator`: first fit in one list of holes, sorted by address.

use super::heap::{arm, Heap};
use crate::arm::Entry;
use std::{alloc::Layout, ptr::NonNull};

impl Heap for linked_list_allocator::Heap {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.allocate_first_fit(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { self.deallocate(block, layout) };
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "linked_list",
    make: |shape| {
        Ok(arm(shape, |region| {
            let mut heap = linked_list_allocator::Heap::empty();
            // SAFETY: The region is nobody else's, and is there as long as the arm.
            unsafe { heap.init(region.base().as_ptr(), region.bytes()) };
            heap
        }))
    },
};
