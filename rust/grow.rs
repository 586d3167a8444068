// SPDX-License-Identifier: GPL-2.0

//! Chunks from the kernel and back.
//!
//! The pool grows by blocks as large as [`step`] says. If the kernel has none, it takes the largest
//! that it gets, down to the order that is wanted. Every page of a chunk is a page of its own to the kernel, as
//! after `split_page()`, so that any page can be mapped or referenced.

use crate::{
    bindings,
    chunk::ChunkId,
    gfp::Gfp,
    lock::{
        Guard,
        RawLock, //
    },
    page_alloc::{
        pool,
        Blocks,
        KernelZone, //
    },
    pool::{
        step,
        suffices,
        Order,
        Removed,
        Urgency,
        FRAMES, //
    },
    requests,
    trace,
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
    /// Chunks taken from the kernel, or begun.
    pub(crate) grown: u64,
    /// Blocks taken that were smaller than a chunk.
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

/// Moves what lies in this CPU's magazines and in the depots back to the zones, where it can merge.
///
/// Returns whether a node need not grow then.
///
/// Context: Any but NMI.
pub(crate) fn gather(node: usize, order: Order) -> bool {
    flush_cpu(false);
    flush_depots();
    let Some(zone) = pool().zone(node) else {
        return false;
    };
    let zone = zone.lock();
    suffices(zone.nr_present(), zone.nr_free(), order)
}

/// Adds a chunk, or less, of which a block of `order` can be taken. Returns whether it did.
///
/// Context: Any but NMI, as `gfp` allows.
pub(crate) fn grow(node: usize, order: Order, gfp: Gfp) -> bool {
    let Some(zone) = pool().zone(node) else {
        return false;
    };
    let present = zone.lock().nr_present();
    let mut size = step(present, order);
    loop {
        if try_add(node, size, gfp, size == order) {
            return true;
        }
        if size == order {
            break;
        }
        let Some(smaller) = Order::new(size.get() - 1) else {
            return false;
        };
        size = smaller;
    }
    // Chunks of which the pool has only some pages are in the way of larger blocks, when it is at its
    // limit or the kernel has none.
    if gfp.may_sleep() && make_way(node) && try_add(node, order, gfp, true) {
        return true;
    }
    // ORDERING: Statistics.
    REFUSED.fetch_add(1, Relaxed);
    false
}

/// Gives wholly free chunks of all nodes back, and all that is free in the small chunks of one. Returns
/// whether that was anything.
fn make_way(node: usize) -> bool {
    let mut pages = shrink(Keep::Nothing);
    while let Some(some) = strip_one(node) {
        pages += some;
    }
    pages != 0
}

/// Takes a block of the kernel's into the pool. Returns whether it could.
fn try_add(node: usize, order: Order, gfp: Gfp, insist: bool) -> bool {
    if !book(order.pages()) {
        return false;
    }
    let Some(first) = ask_kernel(node, order, gfp, insist) else {
        unbook(order.pages());
        return false;
    };
    let added = add(node, order, gfp, first);
    if !added {
        give_back(first, order.pages());
    }
    added
}

/// Asks the kernel for a block of a node, as single pages. Returns the first.
fn ask_kernel(node: usize, order: Order, gfp: Gfp, insist: bool) -> Option<Pfn> {
    if requests::must_fail(order.pages() << bindings::PAGE_SHIFT) {
        return None;
    }
    let nid = i32::try_from(node).ok()?;
    let flags = gfp.for_chunk(insist).as_raw();
    // SAFETY: Plain allocation; `node` is one of the machine's.
    let page = unsafe { bindings::quarry_helper_alloc_pages_node(nid, flags, order.get()) };
    if page.is_null() {
        return None;
    }
    // SAFETY: The block is ours and not compound.
    unsafe { bindings::split_page(page, order.get()) };
    Some(Pfn::of_page(page))
}

/// Adds pages of the kernel's, from `pfn` on, to a zone. Returns whether it could.
fn add(node: usize, order: Order, gfp: Gfp, pfn: Pfn) -> bool {
    let Some(zone) = pool().zone(node) else {
        return false;
    };
    let attached = window::window(pfn.window()).and_then(|window| {
        // CAST: Node numbers are small.
        let chunk = window.attach(pfn.window(), node as u32, pool().locals(node)?, gfp)?;
        // A window whose frames lie on two nodes serves the one that came first.
        (window.node() as usize == node).then_some((window, ChunkId::new(chunk)))
    });
    let Some((window, chunk)) = attached else {
        return false;
    };
    let mut guard = zone.lock();
    for frame in pfn.frame()..pfn.frame() + order.pages() {
        // ORDERING: Under the zone's lock, like every other change from or to `FREE`.
        window.state(frame).store(FREE, Relaxed);
    }
    let is_new = guard.add(chunk, pfn.frame(), order);
    drop(guard);
    trace::grow(node, order.pages());
    // ORDERING: Statistics.
    GROWN.fetch_add(is_new.into(), Relaxed);
    if order != Order::MAX {
        GROWN_SMALL.fetch_add(1, Relaxed);
    }
    true
}

/// Gives `count` pages from `first` on back to the kernel, and only then their booking: what is not given
/// back is missed when the module ends.
fn give_back(first: Pfn, count: usize) {
    for pfn in first.0..first.0 + count {
        // SAFETY: The page came from the kernel, was split from its block, and nobody uses it.
        unsafe { bindings::quarry_helper_free_page(Pfn(pfn).page()) };
    }
    unbook(count);
}

/// What stays when the pool shrinks.
#[derive(Clone, Copy)]
pub(crate) enum Keep {
    /// The reserve of each node.
    Reserve,
    /// Nothing.
    Nothing,
}

/// Gives one wholly free chunk of a node back, if what is to stay remains. Returns its pages.
///
/// Context: Process context. Does not sleep.
pub(crate) fn shrink_one(node: usize, keep: Keep) -> Option<usize> {
    let zone = pool().zone(node)?;
    let mut guard = zone.lock();
    let keep = match keep {
        Keep::Reserve => pool().watermark().pages(guard.nr_present()),
        Keep::Nothing => 0,
    };
    let removed = guard.remove_whole(keep)?;
    Some(return_to_kernel(guard, &removed))
}

/// Gives the free pages of a chunk of a node back of which the pool has only some. Returns how many.
///
/// Context: Process context. Does not sleep.
fn strip_one(node: usize) -> Option<usize> {
    let mut guard = pool().zone(node)?.lock();
    let removed = guard.remove_small()?;
    Some(return_to_kernel(guard, &removed))
}

/// Gives pages back that a zone does not have any more. Returns how many.
fn return_to_kernel(zone: Guard<'_, KernelZone>, removed: &Removed<ChunkId>) -> usize {
    let index = removed.chunk.window();
    let Some(window) = window::window(index) else {
        return 0;
    };
    for frame in removed.frames.iter() {
        // ORDERING: Under the zone's lock, like every other change from or to `ABSENT`.
        window.state(frame).store(ABSENT, Relaxed);
    }
    drop(zone);
    let mut pages = 0usize;
    for frame in removed.frames.iter() {
        give_back(Pfn(index * FRAMES + frame), 1);
        pages += 1;
    }
    // CAST: Lossless.
    trace::shrink(window.node() as usize, pages);
    // ORDERING: Statistics.
    RETURNED.fetch_add(removed.is_gone.into(), Relaxed);
    pages
}

/// Gives wholly free chunks of all nodes back. Returns the pages.
///
/// Context: Process context. May be called from reclaim: does not sleep or allocate.
pub(crate) fn shrink(keep: Keep) -> usize {
    let mut pages = 0;
    for node in 0..pool().zones().len() {
        while let Some(some) = shrink_one(node, keep) {
            pages += some;
        }
    }
    pages
}

/// Gives back three quarters of the wholly free pages of each node that nobody needed since the last
/// call, of which one chunk's worth stays.
///
/// Context: Process context.
pub(crate) fn decay() {
    for (node, zone) in pool().zones().enumerate() {
        let surplus = zone.lock().begin_period().saturating_sub(FRAMES);
        let mut left = surplus - surplus / 4;
        while left > 0 {
            let Some(pages) = shrink_one(node, Keep::Reserve) else {
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

/// Empties the full magazines of the depots that were of no use since the last tick.
pub(crate) fn trim_depots() {
    for (order, front) in pool().fronts() {
        front.trim_depots(&Blocks(order));
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

/// Makes the pool of each node with memory as large as its reserve.
pub(crate) fn prime() {
    for (node, zone) in pool().zones().enumerate() {
        // CAST: Node numbers are small.
        // SAFETY: Looks at a mask of nodes.
        if !unsafe { bindings::quarry_helper_node_has_memory(node as i32) } {
            continue;
        }
        let lacks = || {
            let present = zone.lock().nr_present();
            present < pool().watermark().pages(present)
        };
        while lacks() && grow(node, Order::ZERO, Gfp::KERNEL) {}
    }
}

/// Returns how many pages of all nodes only atomic callers get.
pub(crate) fn reserved() -> usize {
    let of_zone = |zone: &RawLock<KernelZone>| match zone.lock().nr_present() {
        0 => 0,
        present => pool().watermark().pages(present),
    };
    pool().zones().map(of_zone).sum()
}

/// Returns how many free pages of a node are more than its reserve.
pub(crate) fn nr_surplus(node: usize) -> usize {
    pool().zone(node).map_or(0, |zone| {
        let zone = zone.lock();
        let (present, free) = (zone.nr_present(), zone.nr_free());
        pool().watermark().available(present, free, Urgency::Normal)
    })
}
