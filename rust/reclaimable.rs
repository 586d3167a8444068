// SPDX-License-Identifier: GPL-2.0

//! Tells the kernel how much of what the pool has it could have back.
//!
//! C header: [`include/linux/vmstat.h`](srctree/include/linux/vmstat.h)
//!
//! Pages that are free in the pool count as `NR_KERNEL_MISC_RECLAIMABLE` of their node, so that they are
//! part of `KReclaimable` and `MemAvailable` in `/proc/meminfo`: the shrinker gives them back. The numbers
//! are brought up to date once a second, which is what `vmstat` itself does. The reserve, and areas that
//! are kept mapped, are not counted.

use crate::{
    bindings,
    global::Global,
    grow,
    requests::KVec, //
};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::Relaxed, //
};
use kernel::prelude::*;

/// For each node, the pages that the kernel knows of.
static TOLD: Global<KVec<AtomicUsize>> = Global::new();

/// Telling, until dropped.
pub(crate) struct Telling(());

impl Telling {
    /// Begins with nothing told.
    ///
    /// # Safety
    ///
    /// Called once, before [`tell`], and dropped when that is not called any more.
    pub(crate) unsafe fn new() -> Result<Self> {
        // SAFETY: Set at boot.
        let nodes = unsafe { bindings::nr_node_ids };
        let mut told = KVec::with_capacity(nodes as usize, GFP_KERNEL)?;
        for _ in 0..nodes {
            told.push(AtomicUsize::new(0), GFP_KERNEL)?;
        }
        // SAFETY: By the contract of this function.
        unsafe { TOLD.set(told) };
        Ok(Self(()))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        update(|_| 0);
        // SAFETY: Set by `new`, and by its contract nobody tells any more.
        unsafe { TOLD.end() };
    }
}

/// Brings the kernel's numbers up to date.
///
/// Context: Process context, between [`Telling::new`] and its end.
pub(crate) fn tell() {
    update(grow::nr_surplus);
}

fn update(now: impl Fn(usize) -> usize) {
    // SAFETY: Set by `Telling::new`.
    let told = unsafe { TOLD.get() };
    for (node, told) in told.iter().enumerate() {
        let now = now(node);
        // ORDERING: Whoever changes it tells the difference; nothing else follows from it.
        let before = told.swap(now, Relaxed);
        if now != before {
            // CAST: Node numbers, and numbers of pages, are small. A node that has pages has data.
            // SAFETY: The node exists, since it has or had pages of the pool.
            unsafe {
                bindings::quarry_helper_mod_node_reclaimable(
                    node as i32,
                    (now as isize).wrapping_sub(before as isize),
                )
            };
        }
    }
}
