// SPDX-License-Identifier: GPL-2.0

//! `dlmalloc`: the port of Doug Lea's allocator.

use super::heap::{arm, Heap};
use crate::{arm::Entry, region::Region};
use dlmalloc::{Allocator, Dlmalloc};
use std::{
    alloc::Layout,
    ptr::{self, NonNull},
    sync::Mutex,
};

/// The memory of a region, to be given once.
struct Once(Mutex<Option<(usize, usize)>>);

impl Once {
    fn new(region: &Region) -> Self {
        Self(Mutex::new(Some((region.start(), region.bytes()))))
    }
}

/// Marks memory that is not to be given back.
const EXTERN: u32 = 1;

// SAFETY: The region is nobody else's, is there as long as the arm, and is given once.
unsafe impl Allocator for Once {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let mut region = match self.0.lock() {
            Ok(region) => region,
            Err(poisoned) => poisoned.into_inner(),
        };
        match region.take_if(|(_, bytes)| size <= *bytes) {
            Some((start, bytes)) => (ptr::with_exposed_provenance_mut(start), bytes, EXTERN),
            None => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _ptr: *mut u8, _old: usize, _new: usize, _can_move: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _ptr: *mut u8, _old: usize, _new: usize) -> bool {
        false
    }

    fn free(&self, _ptr: *mut u8, _size: usize) -> bool {
        false
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        false
    }

    fn page_size(&self) -> usize {
        crate::shape::PAGE
    }
}

impl Heap for Dlmalloc<Once> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        // SAFETY: No shape has a size of 0.
        NonNull::new(unsafe { self.malloc(layout.size(), layout.align()) })
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { Dlmalloc::free(self, block.as_ptr(), layout.size(), layout.align()) };
    }
}

/// The arm.
pub(super) const ENTRY: Entry = Entry {
    name: "dlmalloc",
    make: |shape| {
        Ok(arm(shape, |region| {
            Dlmalloc::new_with_allocator(Once::new(region))
        }))
    },
};
