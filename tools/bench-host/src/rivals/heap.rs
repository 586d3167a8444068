// SPDX-License-Identifier: GPL-2.0

//! Allocators that are given memory and keep their bookkeeping in it.

use crate::{
    arm::{runner, OneByOne, Single},
    bench::Runner,
    region::Region,
    shape::Shape,
};
use std::{
    alloc::Layout,
    ptr::{self, NonNull},
};

/// A general allocator.
pub(super) trait Heap {
    /// Allocates memory.
    fn alloc(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Frees memory.
    ///
    /// # Safety
    ///
    /// `block` is from [`Heap::alloc`] of this heap with this layout, and was not freed since.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);
}

/// Blocks of one shape from a heap.
struct Blocks<H> {
    heap: H,
    layout: Layout,
    /// What the heap gives out; dropped after it.
    _region: Region,
}

impl<H: Heap> Single for Blocks<H> {
    #[inline]
    fn alloc(&mut self) -> Option<usize> {
        let block = self.heap.alloc(self.layout)?;
        Some(block.as_ptr().expose_provenance())
    }

    #[inline]
    fn free(&mut self, block: usize) {
        let Some(block) = NonNull::new(ptr::with_exposed_provenance_mut(block)) else {
            return;
        };
        // SAFETY: A work frees what it has allocated with this arm, once.
        unsafe { self.heap.free(block, self.layout) };
    }
}

/// Returns an arm that allocates blocks of a shape from the heap that `make` makes of a region.
pub(super) fn arm<H: Heap + 'static>(
    shape: Shape,
    make: impl FnOnce(&Region) -> H,
) -> Box<dyn Runner> {
    let region = Region::new(shape);
    runner(OneByOne(Blocks {
        heap: make(&region),
        layout: shape.layout(),
        _region: region,
    }))
}
