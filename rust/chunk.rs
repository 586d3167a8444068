// SPDX-License-Identifier: GPL-2.0

//! Chunks as the kernel stores them.

use crate::{
    bins::Arena,
    gfp::Gfp,
    metadata::{
        self,
        About, //
    },
    pool::Chunk, //
};
use core::{
    alloc::Layout,
    ptr::NonNull, //
};

/// A chunk and what the mechanism needs of it.
pub(crate) struct KernelChunk {
    policy: Chunk<ChunkId>,
    window: usize,
}

impl KernelChunk {
    /// Allocates a chunk without pages for a window.
    pub(crate) fn new(window: usize, gfp: Gfp) -> Option<NonNull<Self>> {
        let chunk = metadata::alloc(About::Pool, Layout::new::<Self>(), gfp)?.cast::<Self>();
        // SAFETY: Large enough, aligned, and not shared yet.
        unsafe {
            chunk.write(Self {
                policy: Chunk::new(),
                window,
            })
        };
        Some(chunk)
    }

    /// Frees a chunk.
    ///
    /// # Safety
    ///
    /// It came from [`KernelChunk::new`], and nobody uses it any more.
    pub(crate) unsafe fn free(this: NonNull<Self>) {
        // SAFETY: By the contract of this function.
        unsafe { metadata::free(About::Pool, this.cast(), Layout::new::<Self>()) };
    }
}

/// Names a chunk.
///
/// # Invariants
///
/// The chunk is attached to a window, and so lives as long as the module.
#[derive(Clone, Copy, PartialEq)]
#[repr(transparent)]
pub(crate) struct ChunkId(NonNull<KernelChunk>);

// SAFETY: What it names is touched under the lock of its zone only.
unsafe impl Send for ChunkId {}

impl ChunkId {
    /// Names a chunk that is attached to a window.
    #[inline(always)]
    pub(crate) fn new(chunk: NonNull<KernelChunk>) -> Self {
        // INVARIANT: Callers have it from `Window::chunk` or `Window::attach`.
        Self(chunk)
    }

    /// Returns the index of the chunk's window.
    #[inline(always)]
    pub(crate) fn window(self) -> usize {
        // SAFETY: By the type invariants the chunk is alive; `window` never changes.
        unsafe { (*self.0.as_ptr()).window }
    }
}

/// The right to touch the chunks of a zone: lies within the zone's lock.
///
/// # Invariants
///
/// Only chunks of that one zone are named to it.
pub(crate) struct Chunks(());

impl Arena for Chunks {
    type Id = ChunkId;
    type Node = Chunk<ChunkId>;

    #[inline(always)]
    fn node(&self, id: ChunkId) -> &Chunk<ChunkId> {
        // SAFETY: By the invariants of `ChunkId`, alive; by the type invariants, ours.
        unsafe { &(*id.0.as_ptr()).policy }
    }

    #[inline(always)]
    fn node_mut(&mut self, id: ChunkId) -> &mut Chunk<ChunkId> {
        // SAFETY: As above; `&mut self` is the only access to the zone's chunks.
        unsafe { &mut (*id.0.as_ptr()).policy }
    }
}
