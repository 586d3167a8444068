// SPDX-License-Identifier: GPL-2.0

//! `kmalloc` for any context, also NMI and with any lock held. It may fail at any time.

use super::{
    class,
    classes,
    is_nothing,
    look_closer,
    SIZES,
    ZERO_SIZE, //
};
use crate::{
    cache,
    gfp::Gfp,
    page_alloc,
    report::BadFree,
    window, //
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};

/// Classes that are tried: that of the size, and the next larger.
///
/// What was interrupted may be using the magazines of the first.
const TRIED: usize = 2;

static FAILED: AtomicU64 = AtomicU64::new(0);

/// Allocates `size` bytes without waiting, from a node if one is named. Null if there are none at hand.
///
/// Context: Any, also NMI.
#[cold]
#[inline(never)]
pub(crate) fn kmalloc_nolock(size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    let first = match size {
        0 => return core::ptr::without_provenance_mut(ZERO_SIZE),
        1..=class::LARGEST => class::class(size - 1),
        _ => return null_mut(),
    };
    let caches = classes().iter().take(SIZES.len());
    for cache in caches.skip(first).take(TRIED) {
        if let Some(memory) = cache.alloc_nolock(gfp, nid) {
            return memory.as_ptr().cast();
        }
    }
    // ORDERING: Statistics.
    FAILED.fetch_add(1, Relaxed);
    null_mut()
}

/// Returns how many such allocations found nothing.
pub(crate) fn nolock_failed() -> u64 {
    // ORDERING: Statistics.
    FAILED.load(Relaxed)
}

/// Frees memory of a class, or an object of a cache, without waiting.
///
/// Context: Any, also NMI.
///
/// # Safety
///
/// The caller gives up the memory, if it is such.
#[cold]
#[inline(never)]
pub(crate) unsafe fn kfree_nolock(pointer: *const c_void) {
    if is_nothing(pointer) {
        return;
    }
    let address = pointer.addr();
    let found = cache::find(address).zip(NonNull::new(pointer.cast_mut().cast::<u8>()));
    let result = match found {
        // SAFETY: By the contract of this function.
        Some(((slab, index), object)) => unsafe { cache::free_nolock(slab, index, object) },
        None => Err(what_else(address)),
    };
    if let Err(why) = result {
        cache::bad_free_nolock(pointer, why);
    }
}

/// Returns why what lies at an address, and is not the start of an object, is not freed here.
fn what_else(address: usize) -> BadFree {
    let why = match window::at(address) {
        // ORDERING: What others do with what is theirs decides only which refusal it is.
        Some((window, frame)) => page_alloc::wrong_state(window.state(frame).load(Relaxed)),
        None => BadFree::Foreign,
    };
    look_closer(address, why)
}
