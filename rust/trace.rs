// SPDX-License-Identifier: GPL-2.0

//! Events for tracefs, perf and trace-cmd.
//!
//! C header: [`include/trace/events/quarry.h`](../include/trace/events/quarry.h)
//!
//! Each is only on a path that is slow anyway, and costs a call and a jump that is patched while nobody
//! listens; those of magazines a look at a number.
//!
//! Context: Any but NMI.

use crate::bindings;

/// Something happened with entries of a node's magazines.
#[derive(Clone, Copy)]
pub(crate) enum Magazines {
    /// A magazine was filled from the backing store.
    Refill,
    /// One was emptied into it.
    Drain,
    /// An entry went past them.
    Slow,
}

/// Tells of the magazines of a node.
#[inline(always)]
pub(crate) fn magazines(what: Magazines, node: usize, entries: u32) {
    // SAFETY: A number of C's that changes as a whole; an old one is as good.
    if unsafe { (&raw const bindings::quarry_listeners).read_volatile() } != 0 {
        tell(what, node, entries);
    }
}

#[cold]
#[inline(never)]
fn tell(what: Magazines, node: usize, entries: u32) {
    // CAST: Node numbers are small.
    let node = node as i32;
    match what {
        // SAFETY: Takes any numbers.
        Magazines::Refill => unsafe { bindings::quarry_helper_trace_refill(node, entries) },
        // SAFETY: As above.
        Magazines::Drain => unsafe { bindings::quarry_helper_trace_drain(node, entries) },
        // SAFETY: As above.
        Magazines::Slow => unsafe { bindings::quarry_helper_trace_slow(node, entries) },
    }
}

/// Tells that the pool has taken pages from the kernel.
pub(crate) fn grow(node: usize, pages: usize) {
    // CAST: As above. Pages are counted in machine words.
    // SAFETY: Takes any numbers.
    unsafe { bindings::quarry_helper_trace_grow(node as i32, pages) };
}

/// Tells that the pool has given pages back.
pub(crate) fn shrink(node: usize, pages: usize) {
    // CAST: As above.
    // SAFETY: Takes any numbers.
    unsafe { bindings::quarry_helper_trace_shrink(node as i32, pages) };
}

/// Tells that somebody has got memory.
pub(crate) fn alloc(call_site: usize, address: usize, bytes: usize) {
    let address = core::ptr::without_provenance(address);
    // SAFETY: Takes any numbers.
    unsafe { bindings::quarry_helper_trace_alloc(call_site, address, bytes) };
}

/// Tells that somebody has given memory back.
pub(crate) fn free(address: usize, bytes: usize) {
    let address = core::ptr::without_provenance(address);
    // SAFETY: Takes any numbers.
    unsafe { bindings::quarry_helper_trace_free(address, bytes) };
}
