// SPDX-License-Identifier: GPL-2.0

//! Memory for bookkeeping, from the kernel's own allocator.
//!
//! It never lies in the pool, so that writing beyond the end of an allocation cannot reach it.

use crate::{
    bindings,
    gfp::Gfp,
    requests, //
};
use core::{
    alloc::Layout,
    ptr::NonNull,
    sync::atomic::{
        AtomicUsize,
        Ordering::Relaxed, //
    }, //
};

/// What bookkeeping is about.
#[derive(Clone, Copy)]
pub(crate) enum About {
    /// Chunks, their pages, and magazines of blocks.
    Pool,
    /// Slabs, which page is part of which slab, and magazines of objects.
    Slab,
    /// Where allocations were made.
    Track,
}

/// Bytes in use, about each.
static BYTES: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

impl About {
    /// Returns how many bytes of bookkeeping about this are in use.
    pub(crate) fn bytes(self) -> usize {
        // ORDERING: A counter for people; nothing follows from it.
        self.counter().load(Relaxed)
    }

    fn counter(self) -> &'static AtomicUsize {
        let [pool, slab, track] = &BYTES;
        match self {
            Self::Pool => pool,
            Self::Slab => slab,
            Self::Track => track,
        }
    }
}

/// Returns how many bytes of bookkeeping are in use.
pub(crate) fn bytes() -> usize {
    About::Pool.bytes() + About::Slab.bytes() + About::Track.bytes()
}

/// Allocates cleared memory. Alignment beyond that of the kernel's `kmalloc` is not offered.
///
/// Context: Any, as `gfp` allows.
pub(crate) fn alloc(about: About, layout: Layout, gfp: Gfp) -> Option<NonNull<u8>> {
    let size = layout.size();
    if requests::must_fail(size) {
        return None;
    }
    // SAFETY: Plain allocation. The size is rounded up to the alignment, because the kernel aligns
    // sizes that are powers of two to themselves.
    let memory = unsafe {
        bindings::__kmalloc_noprof(
            size.next_multiple_of(layout.align()),
            gfp.for_metadata().as_raw(),
        )
    };
    let memory = NonNull::new(memory.cast::<u8>())?;
    // ORDERING: See `About::bytes`.
    about.counter().fetch_add(size, Relaxed);
    Some(memory)
}

/// Frees memory.
///
/// # Safety
///
/// `memory` came from [`alloc`] with the same layout and subject, and nobody uses it any more.
pub(crate) unsafe fn free(about: About, memory: NonNull<u8>, layout: Layout) {
    // ORDERING: See `About::bytes`.
    about.counter().fetch_sub(layout.size(), Relaxed);
    // SAFETY: By the contract of this function.
    unsafe { bindings::kfree(memory.as_ptr().cast()) };
}
