// SPDX-License-Identifier: GPL-2.0

//! The sizes of blocks.

use std::alloc::Layout;

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// Bytes that pages are allocated from: so many that 4096 of them are a tenth of what fits for an
/// arm, too, that needs two pages for each.
const PAGES: usize = 384 << 20;
/// Bytes that objects are allocated from.
const OBJECTS: usize = 4 << 20;

/// What kind of block, of which size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 2^order pages, aligned to their size.
    Pages {
        /// The order.
        order: u32,
    },
    /// An object, aligned to 8 bytes.
    Object {
        /// Its bytes.
        size: usize,
    },
}

impl Shape {
    /// Returns the bytes of a block.
    pub fn size(self) -> usize {
        match self {
            Self::Pages { order } => PAGE << order,
            Self::Object { size } => size,
        }
    }

    /// Returns what its address is a multiple of.
    pub fn align(self) -> usize {
        match self {
            Self::Pages { .. } => self.size(),
            Self::Object { .. } => 8,
        }
    }

    /// Returns size and alignment.
    pub fn layout(self) -> Layout {
        // PANIC: Alignments are powers of two, and sizes far below the largest.
        Layout::from_size_align(self.size(), self.align()).expect("a valid layout")
    }

    /// Returns how many bytes the blocks are allocated from.
    pub fn region(self) -> usize {
        match self {
            Self::Pages { .. } => PAGES,
            Self::Object { .. } => OBJECTS,
        }
    }
}
