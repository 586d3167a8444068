// SPDX-License-Identifier: GPL-2.0

//! `slabmalloc`: pages of objects with a bitmap at their end.

use super::heap::{arm, Heap};
use crate::{
    arm::Entry,
    shape::{Shape, PAGE},
};
use slabmalloc::{ObjectPage, SCAllocator};
use std::{alloc::Layout, ptr::NonNull};

impl Heap for SCAllocator<'static, ObjectPage<'static>> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        self.allocate(layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // It fails for layouts of another size only.
        let _ = self.deallocate(block, layout);
    }
}

/// The arm. It has all its pages from the beginning, as quarry has its slabs.
pub(super) const ENTRY: Entry = Entry {
    name: "slabmalloc",
    make: |shape| match shape {
        Shape::Pages { .. } => Err("gives objects smaller than a page"),
        Shape::Object { size } => Ok(arm(shape, |region| {
            let mut slabs = SCAllocator::new(size);
            for page in (0..region.bytes()).step_by(PAGE) {
                // SAFETY: The page lies in the region, which is nobody else's.
                let page = unsafe { region.base().add(page) };
                // SAFETY: As above.
                unsafe { page.write_bytes(0, PAGE) };
                // SAFETY: A page of zeroes is an `ObjectPage`, aligned to its size. The region is
                // there as long as the arm.
                let page = unsafe { page.cast::<ObjectPage<'static>>().as_mut() };
                // SAFETY: No object of the page is in use.
                unsafe { slabs.refill(page) };
            }
            slabs
        })),
    },
};
