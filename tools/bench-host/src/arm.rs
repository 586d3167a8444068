// SPDX-License-Identifier: GPL-2.0

//! What is measured: allocators of blocks of one size.
//!
//! A block is known by its address alone, as in the kernel.

use crate::{
    bench::{Bench, Runner},
    shape::Shape,
};

/// An allocator of blocks of one size.
pub trait Arm {
    /// Blocks that a pair of calls allocates and frees.
    const BATCH: usize = 1;

    /// Allocates a block for each slot, from the first slot on. Returns how many there were.
    fn take(&mut self, slots: &mut [usize]) -> usize;

    /// Frees blocks.
    fn put(&mut self, blocks: &[usize]);
}

/// An allocator with calls for one block.
pub trait Single {
    /// Allocates a block.
    fn alloc(&mut self) -> Option<usize>;

    /// Frees a block.
    fn free(&mut self, block: usize);
}

/// An arm that calls its allocator for each block.
pub struct OneByOne<T>(pub T);

impl<T: Single> Arm for OneByOne<T> {
    #[inline]
    fn take(&mut self, slots: &mut [usize]) -> usize {
        for (taken, slot) in slots.iter_mut().enumerate() {
            match self.0.alloc() {
                Some(block) => *slot = block,
                None => return taken,
            }
        }
        slots.len()
    }

    #[inline]
    fn put(&mut self, blocks: &[usize]) {
        for &block in blocks {
            self.0.free(block);
        }
    }
}

/// An arm that can be made for a shape.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What it is called in tables.
    pub name: &'static str,
    /// Makes it, or says why it does not have blocks of this shape.
    pub make: fn(Shape) -> Result<Box<dyn Runner>, &'static str>,
}

/// Returns an arm as what is run.
pub fn runner<A: Arm + 'static>(arm: A) -> Box<dyn Runner> {
    Box::new(Bench::new(arm))
}
