// SPDX-License-Identifier: GPL-2.0

//! `buddy_system_allocator`: as a heap with lists through free blocks, and for page numbers with a
//! B-tree for each order.

use super::heap::{arm, Heap};
use crate::{
    arm::{runner, Entry, OneByOne, Single},
    shape::{Shape, PAGE},
};
use buddy_system_allocator::FrameAllocator;
use std::{alloc::Layout, ptr::NonNull};

/// Orders, up to more than any region.
const ORDERS: usize = 32;

impl Heap for buddy_system_allocator::Heap<ORDERS> {
    #[inline]
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        buddy_system_allocator::Heap::alloc(self, layout).ok()
    }

    #[inline]
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { self.dealloc(block, layout) };
    }
}

/// The heap.
pub(super) const HEAP: Entry = Entry {
    name: "buddy_system heap",
    make: |shape| {
        Ok(arm(shape, |region| {
            let mut heap = buddy_system_allocator::Heap::empty();
            // SAFETY: The region is nobody else's, and is there as long as the arm.
            unsafe { heap.init(region.start(), region.bytes()) };
            heap
        }))
    },
};

/// Blocks of page numbers, which stand for addresses from 0 on.
struct Frames {
    frames: FrameAllocator<ORDERS>,
    pages: usize,
}

impl Single for Frames {
    #[inline]
    fn alloc(&mut self) -> Option<usize> {
        Some(self.frames.alloc(self.pages)? * PAGE)
    }

    #[inline]
    fn free(&mut self, block: usize) {
        self.frames.dealloc(block / PAGE, self.pages);
    }
}

/// The allocator of page numbers.
pub(super) const FRAMES: Entry = Entry {
    name: "buddy_system frames",
    make: |shape| match shape {
        Shape::Pages { order } => {
            let mut frames = FrameAllocator::new();
            frames.add_frame(0, shape.region() / PAGE);
            let pages = 1 << order;
            Ok(runner(OneByOne(Frames { frames, pages })))
        }
        Shape::Object { .. } => Err("gives whole pages"),
    },
};
