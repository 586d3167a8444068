// SPDX-License-Identifier: GPL-2.0

//! Allocating, freeing and reallocating areas: what [`crate::exports`] wraps.
//!
//! An allocation takes a kept area of its size if there is one; else pages from the pool, which it
//! maps. A free keeps the area. What it costs to map and unmap is paid when the working set grows
//! and when it shrinks, not each time.

use crate::{
    area::{
        Area,
        Draft,
        Spare,
        View, //
    },
    area_keep::{
        Keep,
        Leaving,
        Sums,
        Surplus, //
    },
    bindings,
    gfp::Gfp,
    global::Global,
    page_alloc::{
        must_clear,
        must_clear_on_free, //
    },
    report::{
        self,
        BadFree, //
    },
    vmalloc::{
        Bounds,
        Pages,
        Plan,
        Refusal,
        State, //
    },
    vmap::Mapper, //
};
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The whole layer.
pub(crate) struct Layer {
    pub(crate) mapper: Mapper,
    pub(crate) keep: Keep,
    refused: AtomicU64,
    failed: AtomicU64,
}

static LAYER: Global<Layer> = Global::new();

/// Returns the layer.
#[inline(always)]
pub(crate) fn layer() -> &'static Layer {
    // SAFETY: The module's initialisation calls `init` before anybody can call anything else here,
    // and its exit calls `teardown` after that.
    unsafe { LAYER.get() }
}

/// What of a look at an area outlives it.
#[derive(Clone, Copy)]
pub(crate) struct AreaInfo {
    /// Address of the first byte.
    pub(crate) start: usize,
    /// Number of pages.
    pub(crate) pages: usize,
    /// Bytes that were asked for.
    pub(crate) requested: usize,
    /// Who has it.
    pub(crate) state: State,
    /// Where it was allocated, or 0.
    pub(crate) caller: usize,
}

impl AreaInfo {
    /// Returns what is to be known of an area.
    pub(crate) fn of(area: &Area) -> Self {
        Self {
            start: area.start(),
            pages: area.size().get(),
            requested: area.requested(),
            state: area.state(),
            caller: area.caller(),
        }
    }
}

/// How much stays when kept areas are given back.
#[derive(Clone, Copy)]
pub(crate) enum Stay {
    /// Nothing.
    Nothing,
    /// Areas with so many pages.
    Pages(usize),
}

/// Numbers of the layer.
#[derive(Clone, Copy)]
pub(crate) struct Counters {
    /// Areas that callers have.
    pub(crate) live: u64,
    /// What the CPUs count.
    pub(crate) sums: Sums,
    /// Areas mapped since the beginning.
    pub(crate) maps: u64,
    /// Areas unmapped since the beginning.
    pub(crate) unmaps: u64,
    /// Frees and reallocations of what was no live area.
    pub(crate) refused: u64,
    /// Allocations that failed.
    pub(crate) failed: u64,
}

/// Sets the layer up. `keep` is how many pages kept areas may have: 1/64 of the memory if not said.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Called once, before anything else in this file.
pub(crate) unsafe fn init(keep: Option<usize>) -> Result {
    let ram = totalram();
    let layer = Layer {
        mapper: Mapper::new(ram)?,
        keep: Keep::new(keep.unwrap_or(Bounds::limit_for(ram)))?,
        refused: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    };
    // SAFETY: By the contract of this function.
    unsafe { LAYER.set(layer) };
    Ok(())
}

/// Ends the layer: frees what is kept, reports what is still live and leaves it mapped. Returns how
/// many areas that were.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// [`init`] has succeeded, and nothing else in this file is called any more.
pub(crate) unsafe fn teardown() -> usize {
    shrink(Stay::Nothing);
    let mut leaked = 0usize;
    for_each(|view| {
        leaked = leaked.wrapping_add(1);
        if leaked <= 16 {
            let info = AreaInfo::of(view.area());
            let (pages, caller) = (info.pages, info.caller as *const c_void);
            pr_err!("vmalloc: area of {pages} pages is still live, allocated by {caller:p}\n");
        }
    });
    if leaked > 0 {
        pr_err!("vmalloc: {leaked} areas leaked\n");
    }
    // SAFETY: By the contract of this function.
    unsafe { LAYER.end() };
    leaked
}

fn totalram() -> usize {
    // SAFETY: Plain question.
    unsafe { bindings::quarry_helper_totalram_pages() }
}

/// Allocates an area of `size` bytes; null if there is no memory, or `size` is 0 or too large.
///
/// `caller` is shown beside the area, 0 if not known. Callers who may not sleep get a kept area or
/// nothing.
///
/// Context: Process context.
pub(crate) fn vmalloc(size: usize, gfp: Gfp, nid: i32, caller: usize) -> *mut c_void {
    let layer = layer();
    let limit = usize::MAX >> bindings::PAGE_SHIFT;
    let spare = Pages::for_bytes(size, bindings::PAGE_SHIFT, limit)
        .and_then(|pages| layer.take(pages, gfp, nid));
    match spare {
        Some(spare) => spare.hand_out(size, caller),
        None => {
            // ORDERING: A counter for people.
            layer.failed.fetch_add(1, Relaxed);
            null_mut()
        }
    }
}

/// Frees an area. What is none, or not live, is reported and left alone.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// If `ptr` is the start of a live area, nobody uses that any more.
pub(crate) unsafe fn vfree(ptr: *const c_void) {
    if ptr.is_null() {
        return;
    }
    let layer = layer();
    match layer.claim(ptr, State::Kept) {
        Ok(spare) => layer.give(spare),
        Err(refusal) => layer.refuse("quarry_vfree", ptr, refusal),
    }
}

/// Changes the size of an area. Null if that failed; `ptr` is then as it was. Size 0 frees.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// If `ptr` is the start of a live area, the caller owns it, and goes on with what is returned.
pub(crate) unsafe fn vrealloc(
    ptr: *const c_void,
    size: usize,
    gfp: Gfp,
    caller: usize,
) -> *mut c_void {
    if size == 0 {
        // SAFETY: By the contract of this function.
        unsafe { vfree(ptr) };
        return null_mut();
    }
    if ptr.is_null() {
        return vmalloc(size, gfp, bindings::NUMA_NO_NODE, caller);
    }
    let layer = layer();
    let limit = usize::MAX >> bindings::PAGE_SHIFT;
    let Some(want) = Pages::for_bytes(size, bindings::PAGE_SHIFT, limit) else {
        return null_mut();
    };
    match layer.claim(ptr, State::Moving) {
        Ok(old) => layer.resize(old, size, want, gfp),
        Err(refusal) => {
            layer.refuse("quarry_vrealloc", ptr, refusal);
            null_mut()
        }
    }
}

/// Returns the page behind an address in a live area, or null.
///
/// Context: Any.
pub(crate) fn vmalloc_to_page(ptr: *const c_void) -> *mut bindings::page {
    let guard = rcu::read_lock();
    match layer().mapper.table().find(ptr.addr(), &guard) {
        Some(area) if area.state() != State::Kept => {
            let index = ptr.addr().wrapping_sub(area.start()) >> bindings::PAGE_SHIFT;
            area.pages().get(index).copied().unwrap_or(null_mut())
        }
        _ => null_mut(),
    }
}

/// Returns page number `index` of the live area that `ptr` lies in, or null.
///
/// Context: Any.
pub(crate) fn page_of(ptr: *const c_void, index: usize) -> *mut bindings::page {
    let guard = rcu::read_lock();
    match layer().mapper.table().find(ptr.addr(), &guard) {
        Some(area) if area.state() != State::Kept => {
            area.pages().get(index).copied().unwrap_or(null_mut())
        }
        _ => null_mut(),
    }
}

/// Returns whether `ptr` lies in an area, live or kept.
///
/// Context: Any.
#[inline]
pub(crate) fn is_area(ptr: *const c_void) -> bool {
    let table = layer().mapper.table();
    table.covers(ptr.addr()) && table.find(ptr.addr(), &rcu::read_lock()).is_some()
}

/// Returns what is to be known of the area that `ptr` lies in.
///
/// Context: Any.
pub(crate) fn area_info(ptr: *const c_void) -> Option<AreaInfo> {
    let guard = rcu::read_lock();
    let area = layer().mapper.table().find(ptr.addr(), &guard)?;
    Some(AreaInfo::of(area))
}

/// Calls `f` for each area, live or kept. `f` must not sleep.
///
/// Context: Process context.
pub(crate) fn for_each(mut f: impl FnMut(View<'_>)) {
    layer().mapper.table().for_each_slot(|address, view| {
        if view.area().start() == address {
            f(view);
        }
    });
}

/// Unmaps kept areas and frees their pages until no more than `stay` are left. Returns the pages.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink(stay: Stay) -> usize {
    let layer = layer();
    let stay = match stay {
        Stay::Nothing => 0,
        Stay::Pages(pages) => pages,
    };
    let mut excess = layer.keep.sums().kept_pages.saturating_sub(stay);
    let mut freed = 0usize;
    while excess > 0 {
        let Some(leaving) = layer.keep.evict(excess) else {
            break;
        };
        let pages = layer.unmap_all(leaving);
        excess = excess.saturating_sub(pages);
        freed = freed.wrapping_add(pages);
    }
    freed
}

/// Gives back some of what was not used since the last call. Called once a second.
///
/// Context: Process context. May sleep.
pub(crate) fn decay() {
    let layer = layer();
    layer.keep.decay(|leaving| {
        layer.unmap_all(leaving);
    });
}

/// Returns the pages of kept areas.
///
/// Context: Any.
pub(crate) fn kept_pages() -> usize {
    layer().keep.sums().kept_pages
}

/// Returns the numbers of the layer.
///
/// Context: Any.
pub(crate) fn counters() -> Counters {
    let layer = layer();
    let sums = layer.keep.sums();
    let (maps, unmaps) = layer.mapper.counts();
    Counters {
        live: sums.allocs.saturating_sub(sums.frees),
        sums,
        maps,
        unmaps,
        // ORDERING: Counters for people.
        refused: layer.refused.load(Relaxed),
        failed: layer.failed.load(Relaxed),
    }
}

impl Layer {
    /// Returns an area of `pages` pages, cleared if need be.
    #[inline]
    fn take(&self, pages: Pages, gfp: Gfp, nid: i32) -> Option<Spare> {
        let kept = pages.class().and_then(|class| self.keep.take(class, nid));
        let Some(spare) = kept else {
            return self.map_new(pages, gfp, nid);
        };
        if must_clear(gfp) {
            spare.clear();
        }
        Some(spare)
    }

    #[cold]
    fn map_new(&self, pages: Pages, gfp: Gfp, nid: i32) -> Option<Spare> {
        if !gfp.may_sleep() || pages.get() > totalram() {
            return None;
        }
        let mut draft = Draft::new(pages, gfp)?;
        // What is kept in other sizes may be all that is missing.
        if !draft.fill(gfp, nid) && (shrink(Stay::Nothing) == 0 || !draft.fill(gfp, nid)) {
            return None;
        }
        let spare = self.mapper.map(draft, gfp)?;
        self.keep.count_alloc();
        Some(spare)
    }

    /// Takes the area that starts at `ptr` from its caller.
    #[inline]
    fn claim(&self, ptr: *const c_void, to: State) -> Result<Spare, Refusal> {
        let guard = rcu::read_lock();
        let area = self.mapper.table().find(ptr.addr(), &guard);
        let area = area.ok_or(Refusal::Foreign)?;
        area.claim(ptr.addr(), to)?;
        // SAFETY: Just claimed, so that the record stays without the guard.
        Ok(unsafe { Spare::claimed(area) })
    }

    /// Keeps an area, or unmaps it where there is no room.
    #[inline]
    fn give(&self, spare: Spare) {
        if must_clear_on_free() {
            spare.clear();
        }
        match self.keep.give(spare) {
            Ok(()) => {}
            Err(Surplus::One(spare)) => self.discard(spare),
            Err(Surplus::Chain(leaving)) => {
                self.unmap_all(leaving);
            }
        }
    }

    /// Unmaps areas and frees their pages; returns how many those were.
    fn unmap_all(&self, leaving: Leaving) -> usize {
        let mut pages = 0usize;
        for spare in leaving {
            pages = pages.wrapping_add(spare.area().size().get());
            self.discard(spare);
        }
        pages
    }

    /// Unmaps an area that `keep` has let go.
    fn discard(&self, spare: Spare) {
        let withdrawn = self.mapper.withdraw(spare);
        self.keep.left();
        withdrawn.unmap(0);
    }

    /// Gives `old`, which has been claimed, a size of `size` bytes in `want` pages.
    fn resize(&self, old: Spare, size: usize, want: Pages, gfp: Gfp) -> *mut c_void {
        let (had, caller) = (old.area().requested(), old.area().caller());
        let zero = must_clear(gfp);
        let new = match Plan::new(old.area().size(), want) {
            Plan::Stay => {
                if zero {
                    clear(old.address(), had, size);
                }
                return old.hand_out(size, caller);
            }
            Plan::Copy => self.take(want, gfp, bindings::NUMA_NO_NODE),
            Plan::Remap => return self.remap(old, size, want, gfp),
        };
        let Some(new) = new else {
            // ORDERING: A counter for people.
            self.failed.fetch_add(1, Relaxed);
            old.hand_out(had, caller);
            return null_mut();
        };
        let bytes = had.min(size);
        // SAFETY: Both are mapped that far and belong to nobody else; they are not the same.
        unsafe {
            core::ptr::copy_nonoverlapping(
                old.address().cast::<u8>(),
                new.address().cast::<u8>(),
                bytes,
            )
        };
        old.keep();
        self.give(old);
        new.hand_out(size, caller)
    }

    /// Maps the pages of `old` again, with more or fewer behind them.
    #[cold]
    fn remap(&self, old: Spare, size: usize, want: Pages, gfp: Gfp) -> *mut c_void {
        let (had, caller) = (old.area().requested(), old.area().caller());
        let new = (|| {
            if !gfp.may_sleep() || want.get() > totalram() {
                return None;
            }
            let mut draft = Draft::new(want, gfp)?;
            draft.adopt(old.area().pages());
            if !draft.fill(gfp, bindings::NUMA_NO_NODE) {
                return None;
            }
            self.mapper.map(draft, gfp)
        })();
        let Some(new) = new else {
            // ORDERING: A counter for people.
            self.failed.fetch_add(1, Relaxed);
            old.hand_out(had, caller);
            return null_mut();
        };
        if must_clear(gfp) {
            // New pages are clear; the rest of the last old one may not be.
            let end = old.area().bytes().min(new.area().bytes());
            clear(new.address(), had, end);
        }
        let shared = old.area().size().min(want).get();
        self.mapper.withdraw(old).unmap(shared);
        new.hand_out(size, caller)
    }

    #[cold]
    fn refuse(&self, function: &str, ptr: *const c_void, refusal: Refusal) {
        // ORDERING: A counter for people.
        self.refused.fetch_add(1, Relaxed);
        let found = match refusal {
            Refusal::Foreign => BadFree::Foreign,
            Refusal::Interior(_) => BadFree::Interior,
            // Who reallocates an area frees the old one.
            Refusal::Freed | Refusal::Busy => BadFree::Double,
        };
        report::bad_free(function, ptr, found);
    }
}

/// Clears the bytes from `from` up to `to` of a mapping.
fn clear(address: *mut c_void, from: usize, to: usize) {
    if let Some(bytes) = to.checked_sub(from) {
        // SAFETY: The callers have a mapping of at least `to` bytes to themselves.
        unsafe { address.cast::<u8>().add(from).write_bytes(0, bytes) };
    }
}
