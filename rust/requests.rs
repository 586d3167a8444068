// SPDX-License-Identifier: GPL-2.0

//! What quarry requests of the kernel: memory, mappings, threads. Each request can be made to fail, to
//! see what then happens.
//!
//! By chance: `fail_requests/` in debugfs. The n-th: the parameter `fail_nth` for the requests of
//! loading, `QUARRY_IOC_FAIL_NTH` for those of a thread. While none of them is set, a request loads two
//! words more; no allocation that is served from what quarry has makes one.
//!
//! Boxes and vectors are those of the kernel crate, over allocators that can be made to fail: the types
//! here are used instead of those of the same name there. The kernel's own knobs (`failslab` and the like) reach some of the same
//! places, in kernels that have them.

use crate::{
    bindings,
    fault::{
        Knobs,
        Nth, //
    },
};
use core::{
    alloc::Layout,
    ptr::NonNull,
    sync::atomic::{
        AtomicU32,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    alloc::{
        allocator,
        AllocError,
        Allocator,
        Box,
        Flags,
        NumaNode,
        Vec, //
    },
    prelude::*, //
};

/// Faults by chance.
pub(crate) static KNOBS: Knobs = Knobs::new();

/// Whether faults are logged: 0 not, 1 a line, 2 with the stack.
pub(crate) static VERBOSE: AtomicU32 = AtomicU32::new(0);

/// Requests that were made to fail.
pub(crate) static FAULTS: AtomicU32 = AtomicU32::new(0);

/// The fault of one thread.
static NTH: Nth = Nth::new();

/// Who owns the fault of one thread while the module is loaded; files begin at 1.
const LOADING: u64 = u64::MAX;

/// A box of the kernel's `kmalloc()`.
pub(crate) type KBox<T> = Box<T, Kmalloc>;

/// A vector of the kernel's `kmalloc()`.
pub(crate) type KVec<T> = Vec<T, Kmalloc>;

/// A vector of the kernel's `kvmalloc()`.
pub(crate) type KVVec<T> = Vec<T, KVmalloc>;

/// Returns whether a request for so many bytes must fail.
///
/// Context: Any.
#[inline]
pub(crate) fn must_fail(bytes: usize) -> bool {
    // ORDERING: A hint; who sets a fault for itself sees it.
    (NTH.is_set() || KNOBS.probability.load(Relaxed) != 0) && is_hit(bytes)
}

#[cold]
fn is_hit(bytes: usize) -> bool {
    // SAFETY: Looks at what runs here.
    let (in_task, thread) = unsafe { (bindings::quarry_helper_in_task(), current!().pid()) };
    // CAST: Threads have positive numbers.
    let hit = in_task && NTH.hit(thread as u32)
        // SAFETY: Random numbers may be had in any context.
        || KNOBS.hit(bytes, || unsafe { bindings::quarry_helper_random_percent() });
    if hit {
        // ORDERING: A counter and a switch for people; nothing follows from them.
        FAULTS.fetch_add(1, Relaxed);
        let verbose = VERBOSE.load(Relaxed);
        if verbose > 0 {
            pr_info!("a request for {} bytes is made to fail\n", bytes);
        }
        if verbose > 1 {
            // SAFETY: May be called in any context.
            unsafe { bindings::dump_stack() };
        }
    }
    hit
}

/// Fails with `ENOMEM` if a request for so many bytes must fail.
///
/// Context: Any.
#[inline]
pub(crate) fn ask(bytes: usize) -> Result {
    if must_fail(bytes) {
        Err(ENOMEM)
    } else {
        Ok(())
    }
}

/// Has the `nth` request of this thread fail, on behalf of an open file; 0 for none. Returns what was left
/// until then of what the file had wanted before. Fails with `EBUSY` while another file has a wish.
pub(crate) fn fail_nth(file: u64, nth: u32) -> Result<u32> {
    let left = NTH.unset(file);
    // CAST: Threads have positive numbers.
    if nth != 0 && !NTH.set(file, current!().pid() as u32, nth) {
        return Err(EBUSY);
    }
    Ok(left)
}

/// The fault of the thread that loads the module, until dropped.
pub(crate) struct WhileLoading(());

impl WhileLoading {
    /// Has the `nth` request fail; 0 for none.
    pub(crate) fn new(nth: u32) -> Self {
        // Nobody else can have it so early.
        let _ = fail_nth(LOADING, nth);
        Self(())
    }
}

impl Drop for WhileLoading {
    fn drop(&mut self) {
        let _ = fail_nth(LOADING, 0);
    }
}

/// The kernel's `kmalloc()`, which can be made to fail.
pub(crate) struct Kmalloc;

/// The kernel's `kvmalloc()`, which can be made to fail.
pub(crate) struct KVmalloc;

macro_rules! failing {
    ($name:ident, $inner:ty) => {
        // SAFETY: All is done by an allocator of the kernel crate, or fails.
        unsafe impl Allocator for $name {
            const MIN_ALIGN: usize = <$inner as Allocator>::MIN_ALIGN;

            unsafe fn realloc(
                ptr: Option<NonNull<u8>>,
                layout: Layout,
                old_layout: Layout,
                flags: Flags,
                nid: NumaNode,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // A size of 0 frees, and does not fail.
                if layout.size() != 0 && must_fail(layout.size()) {
                    return Err(AllocError);
                }
                // SAFETY: By the contract of this function.
                unsafe { <$inner>::realloc(ptr, layout, old_layout, flags, nid) }
            }
        }
    };
}

failing!(Kmalloc, allocator::Kmalloc);
failing!(KVmalloc, allocator::KVmalloc);
