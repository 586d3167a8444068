// SPDX-License-Identifier: GPL-2.0

//! Chunks from the kernel and back.
//!
//! The pool grows by blocks of order 10. If the kernel has none, it takes the largest that it gets,
//! down to the order that is wanted. Every page of a chunk is a page of its own to the kernel, as
//! after `split_page()`, so that any page can be mapped or referenced.

use crate::{
    bindings,
    chunk::ChunkId,
    gfp::Gfp,
    page_alloc::{
        pool,
        Blocks, //
    },
    pool::{
        Order,
        Urgency,
        FRAMES, //
    },
    window::{
        self,
        Pfn,
        ABSENT,
        FREE, //
    }, //
};
use core::sync::atomic::{
    AtomicU64,
    AtomicUsize,
    Ordering::Relaxed, //
};

/// Pages that the pool has, or is about to have.
static PAGES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Most pages that the pool may have.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
static GROWN: AtomicU64 = AtomicU64::new(0);
static GROWN_SMALL: AtomicU64 = AtomicU64::new(0);
static RETURNED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// How the pool has grown.
#[derive(Clone, Copy)]
pub(crate) struct Growth {
    /// Pages that the pool has.
    pub(crate) pages: usize,
    /// Most pages that it has had.
    pub(crate) peak: usize,
    /// Most pages that it may have.
    pub(crate) limit: usize,
    /// Blocks taken from the kernel.
    pub(crate) grown: u64,
    /// Those of them that were smaller than a chunk.
    pub(crate) grown_small: u64,
    /// Chunks given back.
    pub(crate) returned: u64,
    /// Requests that the kernel refused.
    pub(crate) refused: u64,
}

/// Returns how the pool has grown.
pub(crate) fn growth() -> Growth {
    // ORDERING: Statistics.
    Growth {
        pages: PAGES.load(Relaxed),
        peak: PEAK.load(Relaxed),
        limit: LIMIT.load(Relaxed),
        grown: GROWN.load(Relaxed),
        grown_small: GROWN_SMALL.load(Relaxed),
        returned: RETURNED.load(Relaxed),
        refused: REFUSED.load(Relaxed),
    }
}

/// Sets the most pages that the pool may have. What it has more stays until it is free.
pub(crate) fn set_limit(pages: usize) {
    // ORDERING: A number to compare with; nothing else follows from it.
    LIMIT.store(pages, Relaxed);
}

/// Books pages against the limit. Returns whether there was room.
fn book(pages: usize) -> bool {
    // ORDERING: The counter alone decides; it orders nothing else.
    let limit = LIMIT.load(Relaxed);
    let booked = PAGES.fetch_update(Relaxed, Relaxed, |now| {
        now.checked_add(pages).filter(|&then| then <= limit)
    });
    if let Ok(before) = booked {
        PEAK.fetch_max(before.wrapping_add(pages), Relaxed);
    }
    booked.is_ok()
}

/// Takes a booking back.
fn unbook(pages: usize) {
    PAGES.fetch_sub(pages, Relaxed);
}

/// Adds a chunk, or less, of which a block of `order` can be taken. Returns whether it did.
///
/// Context: Any but NMI, as `gfp` allows.
pub(crate) fn grow(node: usize, order: Order, gfp: Gfp) -> bool {
    let mut size = Order::MAX;
    loop {
        if book(size.pages()) {
            if add(node, size, gfp, size == order) {
                return true;
            }
            unbook(size.pages());
        }
        if size == order {
            // ORDERING: Statistics.
            REFUSED.fetch_add(1, Relaxed);
            return false;
        }
        let Some(smaller) = Order::new(size.get() - 1) else {
            return false;
        };
        size = smaller;
    }
}

/// Takes a block of the kernel's into the pool.
fn add(node: usize, order: Order, gfp: Gfp, insist: bool) -> bool {
    let Ok(nid) = i32::try_from(node) else {
        return false;
    };
    let Some(zone) = pool().zone(node) else {
        return false;
    };
    let flags = gfp.for_chunk(insist).as_raw();
    // SAFETY: Plain allocation; `node` is one of the machine's.
    let page = unsafe { bindings::quarry_helper_get_chunk(nid, flags, order.get()) };
    if page.is_null() {
        return false;
    }
    // SAFETY: The block is ours and not compound.
    unsafe { bindings::split_page(page, order.get()) };
    let pfn = Pfn::of_page(page);
    let attached = window::window(pfn.window()).and_then(|window| {
        // CAST: Node numbers are small.
        let chunk = window.attach(pfn.window(), node as u32, gfp)?;
        // A window whose frames lie on two nodes serves the one that came first.
        (window.node() as usize == node).then_some((window, ChunkId::new(chunk)))
    });
    let Some((window, chunk)) = attached else {
        give_back(pfn, order.pages());
        return false;
    };
    let mut guard = zone.lock();
    for frame in pfn.frame()..pfn.frame() + order.pages() {
        // ORDERING: Under the zone's lock, like every other change from or to `FREE`.
        window.state(frame).store(FREE, Relaxed);
    }
    guard.add(chunk, pfn.frame(), order);
    drop(guard);
    // ORDERING: Statistics.
    GROWN.fetch_add(1, Relaxed);
    if order != Order::MAX {
        GROWN_SMALL.fetch_add(1, Relaxed);
    }
    true
}

/// Gives `count` pages from `first` on back to the kernel.
fn give_back(first: Pfn, count: usize) {
    for pfn in first.0..first.0 + count {
        // SAFETY: The page came from the kernel, was split from its block, and nobody uses it.
        unsafe { bindings::quarry_helper_free_page(Pfn(pfn).page()) };
    }
}

/// Gives one wholly free chunk of a node back, if `keep` free pages remain. Returns its pages.
///
/// Context: Process context. Does not sleep.
pub(crate) fn shrink_one(node: usize, keep: usize) -> Option<usize> {
    let zone = pool().zone(node)?;
    let mut guard = zone.lock();
    let (chunk, frames) = guard.remove_whole(keep)?;
    let index = chunk.window();
    let window = window::window(index)?;
    for frame in frames.iter() {
        // ORDERING: Under the zone's lock, like every other change from or to `ABSENT`.
        window.state(frame).store(ABSENT, Relaxed);
    }
    drop(guard);
    let mut pages = 0usize;
    for frame in frames.iter() {
        give_back(Pfn(index * FRAMES + frame), 1);
        pages += 1;
    }
    unbook(pages);
    // ORDERING: Statistics.
    RETURNED.fetch_add(1, Relaxed);
    Some(pages)
}

/// Gives wholly free chunks of all nodes back, keeping `keep` free pages on each. Returns the pages.
///
/// Context: Process context. May be called from reclaim: does not sleep or allocate.
pub(crate) fn shrink(keep: usize) -> usize {
    let mut pages = 0;
    for node in 0..pool().zones().len() {
        while let Some(some) = shrink_one(node, keep) {
            pages += some;
        }
    }
    pages
}

/// Gives back half of the wholly free pages of each node, of which one chunk's worth stays.
///
/// Context: Process context.
pub(crate) fn decay() {
    let reserve = pool().watermark().pages();
    for (node, zone) in pool().zones().enumerate() {
        let mut zone = zone.lock();
        zone.settle();
        let surplus = zone.nr_whole_pages().saturating_sub(FRAMES);
        drop(zone);
        let mut left = surplus.div_ceil(2);
        while left > 0 {
            let Some(pages) = shrink_one(node, reserve) else {
                break;
            };
            left = left.saturating_sub(pages);
        }
    }
}

/// Moves blocks that lie in magazines back to the zones, where they can merge.
///
/// Those of all CPUs if the caller may sleep; else those of this CPU and the depots.
///
/// Context: Any but NMI, as `gfp` allows.
#[cold]
pub(crate) fn relieve(gfp: Gfp) {
    if gfp.may_sleep() {
        // SAFETY: The function may run in interrupt context; the caller may sleep, so that
        // interrupts are on.
        unsafe { bindings::quarry_helper_on_each_cpu(Some(flush_this_cpu), core::ptr::null_mut()) };
    } else {
        flush_cpu(false);
    }
    flush_depots();
}

/// Empties the depots of all orders.
pub(crate) fn flush_depots() {
    for (order, front) in pool().fronts() {
        front.flush_depots(&Blocks(order));
    }
}

/// Empties this CPU's magazines of blocks, or those not used since the last tick.
pub(crate) fn flush_cpu(idle_only: bool) {
    for (order, front) in pool().fronts() {
        front.flush_this_cpu(&Blocks(order), idle_only);
    }
}

/// # Safety
///
/// Runs on the CPU whose magazines are meant, in any context but NMI.
unsafe extern "C" fn flush_this_cpu(_argument: *mut core::ffi::c_void) {
    flush_cpu(false);
}

/// Adds a chunk to each node with memory, so that there is a reserve from the start.
pub(crate) fn prime() {
    for node in 0..pool().zones().len() {
        // CAST: Node numbers are small.
        // SAFETY: Looks at a mask of nodes.
        if unsafe { bindings::quarry_helper_node_has_memory(node as i32) } {
            grow(node, Order::MAX, Gfp::KERNEL);
        }
    }
}

/// Returns how many of the pool's pages of a node are free in chunks, for anybody.
pub(crate) fn nr_free(node: usize) -> usize {
    pool().zone(node).map_or(0, |zone| {
        pool()
            .watermark()
            .available(zone.lock().nr_free(), Urgency::Atomic)
    })
}
