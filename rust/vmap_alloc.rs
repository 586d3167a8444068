// SPDX-License-Identifier: GPL-2.0

//! Allocating, freeing and reallocating areas: what [`crate::exports`] wraps.
//!
//! An allocation takes a kept area of its size if there is one; else pages from the pool, which it
//! maps. A free keeps the area. What it costs to map and unmap is paid when the working set grows
//! and when it shrinks, not each time.

mod charged;
mod look;
mod resize;

pub(crate) use charged::{
    vfree_charged,
    vmalloc_charged, //
};
pub(crate) use look::{
    account_of,
    area_info,
    for_each,
    is_area,
    page_of,
    requested,
    vmalloc_to_page,
    AreaInfo, //
};

use crate::{
    area::{
        Area,
        Draft,
        Spare, //
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
    guard,
    page_alloc::{
        has_extras,
        has_extras_on_free,
        must_clear,
        must_clear_on_free, //
    },
    report::{
        self,
        BadFree, //
    },
    track::{
        self,
        Scope, //
    },
    vmalloc::{
        Bounds,
        Pages,
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
        .and_then(|pages| layer.take(pages, size, gfp, nid));
    match spare {
        Some(spare) => spare.hand_out(size, caller),
        None => {
            // ORDERING: A counter for people.
            layer.failed.fetch_add(1, Relaxed);
            null_mut()
        }
    }
}

/// Gives an area to its caller.
#[inline]
fn hand_out(spare: Spare, size: usize, caller: usize) -> *mut c_void {
    if guard::is_on() {
        guard::area::handed_out(spare.area(), size);
    }
    spare.hand_out(size, caller)
}

/// Does what is to be done for a kept area that a caller gets, of `size` bytes.
#[cold]
#[inline(never)]
fn extras(area: &Area, size: usize, gfp: Gfp) {
    guard::area::leaves(area);
    if must_clear(gfp) {
        // SAFETY: Taken by the caller, so that it is mapped and nobody's.
        unsafe { guard::area::clear(area) };
    }
    guard::area::handed_out(area, size);
    track::allocated(area.start(), area.bytes(), Scope::ALL);
}

/// Does what is to be done for an area that was its caller's until now.
#[cold]
#[inline(never)]
fn extras_on_free(area: &Area) {
    track::freed(area.start());
    if must_clear_on_free() {
        // SAFETY: Claimed by the caller, so that it is mapped and nobody's.
        unsafe { guard::area::clear(area) };
    }
    guard::area::freed(area);
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
        Ok(spare) => {
            if has_extras_on_free() {
                extras_on_free(spare.area());
            }
            spare.discharge();
            layer.give(spare);
        }
        Err(refusal) => layer.refuse("quarry_vfree", ptr, refusal),
    }
}

/// Changes the size of an area. Null if that failed; `ptr` is then as it was. Size 0 frees. What is
/// added lies on `nid` or the nearest node.
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
    nid: i32,
    caller: usize,
) -> *mut c_void {
    if size == 0 {
        // SAFETY: By the contract of this function.
        unsafe { vfree(ptr) };
        return null_mut();
    }
    if ptr.is_null() {
        return vmalloc(size, gfp, nid, caller);
    }
    let layer = layer();
    let limit = usize::MAX >> bindings::PAGE_SHIFT;
    let Some(want) = Pages::for_bytes(size, bindings::PAGE_SHIFT, limit) else {
        return null_mut();
    };
    match layer.claim(ptr, State::Moving) {
        Ok(old) => layer.resize(old, size, want, gfp, nid),
        Err(refusal) => {
            layer.refuse("quarry_vrealloc", ptr, refusal);
            null_mut()
        }
    }
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
    /// Returns an area of `pages` pages for `size` bytes, charged to nobody yet, cleared if need be.
    #[inline]
    fn take(&self, pages: Pages, size: usize, gfp: Gfp, nid: i32) -> Option<Spare> {
        let kept = pages.class().and_then(|class| self.keep.take(class, nid));
        let Some(spare) = kept else {
            return self.map_new(pages, size, gfp, nid);
        };
        if has_extras(gfp) {
            extras(spare.area(), size, gfp);
        }
        Some(spare)
    }

    #[cold]
    fn map_new(&self, pages: Pages, size: usize, gfp: Gfp, nid: i32) -> Option<Spare> {
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
        guard::area::handed_out(spare.area(), size);
        spare.track(Scope::ALL);
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
        guard::area::leaves(spare.area());
        let withdrawn = self.mapper.withdraw(spare);
        self.keep.left();
        withdrawn.unmap(0);
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
