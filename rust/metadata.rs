// SPDX-License-Identifier: GPL-2.0

//! Memory for bookkeeping, from the kernel's own allocator.
//!
//! It never lies in the pool, so that writing beyond the end of an allocation cannot reach it.

use crate::{
    bindings,
    gfp::Gfp, //
};
use core::{
    alloc::Layout,
    ptr::NonNull,
    sync::atomic::{
        AtomicUsize,
        Ordering::Relaxed, //
    }, //
};

/// Bytes in use.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Returns how many bytes of bookkeeping are in use.
pub(crate) fn bytes() -> usize {
    // ORDERING: A counter for people; nothing follows from it.
    BYTES.load(Relaxed)
}

/// Allocates cleared memory. Alignment beyond that of the kernel's `kmalloc` is not offered.
///
/// Context: Any, as `gfp` allows.
pub(crate) fn alloc(layout: Layout, gfp: Gfp) -> Option<NonNull<u8>> {
    let size = layout.size();
    // SAFETY: Plain allocation. The size is rounded up to the alignment, because the kernel aligns
    // sizes that are powers of two to themselves.
    let memory = unsafe {
        bindings::__kmalloc_noprof(
            size.next_multiple_of(layout.align()),
            gfp.for_metadata().as_raw(),
        )
    };
    let memory = NonNull::new(memory.cast::<u8>())?;
    // ORDERING: See `bytes`.
    BYTES.fetch_add(size, Relaxed);
    Some(memory)
}

/// Frees memory.
///
/// # Safety
///
/// `memory` came from [`alloc`] with the same layout, and nobody uses it any more.
pub(crate) unsafe fn free(memory: NonNull<u8>, layout: Layout) {
    // ORDERING: See `bytes`.
    BYTES.fetch_sub(layout.size(), Relaxed);
    // SAFETY: By the contract of this function.
    unsafe { bindings::kfree(memory.as_ptr().cast()) };
}
