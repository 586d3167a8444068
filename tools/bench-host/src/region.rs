// SPDX-License-Identifier: GPL-2.0

//! The memory that blocks are allocated from.

use crate::shape::Shape;
use std::{
    alloc::{alloc, dealloc, handle_alloc_error, Layout},
    ptr::NonNull,
};

/// The largest block and more: 4 MiB.
const ALIGN: usize = 4 << 20;

/// Memory that nobody has written to, freed when it is dropped.
///
/// # Invariants
///
/// `base` was allocated with `layout`, and is freed by the drop only.
pub struct Region {
    base: NonNull<u8>,
    layout: Layout,
}

impl Region {
    /// Returns memory for blocks of a shape, aligned to 4 MiB.
    pub fn new(shape: Shape) -> Self {
        // PANIC: The alignment is a power of two, and sizes are far below the largest.
        let layout = Layout::from_size_align(shape.region(), ALIGN).expect("a valid layout");
        // SAFETY: The size is not 0.
        let base = unsafe { alloc(layout) };
        let Some(base) = NonNull::new(base) else {
            handle_alloc_error(layout)
        };
        // INVARIANT: Allocated just now.
        Self { base, layout }
    }

    /// Returns where it begins.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> usize {
        self.layout.size()
    }

    /// Returns the address of its first byte.
    pub fn start(&self) -> usize {
        self.base.as_ptr().expose_provenance()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}
