// SPDX-License-Identifier: GPL-2.0

//! Looking areas up.

use super::layer;
use crate::{
    account::Account,
    area::{
        Area,
        View, //
    },
    bindings,
    vmalloc::State, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::sync::rcu;

/// What of a look at an area outlives it.
#[derive(Clone, Copy)]
pub(crate) struct AreaInfo {
    /// Address of the first byte.
    pub(crate) start: usize,
    /// Number of pages.
    pub(crate) pages: usize,
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
            state: area.state(),
            caller: area.caller(),
        }
    }
}

/// Returns what `f` says of the area that `ptr` lies in, if there is a live one.
fn live<T>(ptr: *const c_void, f: impl FnOnce(&Area) -> Option<T>) -> Option<T> {
    let guard = rcu::read_lock();
    let area = layer().mapper.table().find(ptr.addr(), &guard)?;
    match area.state() {
        State::Live | State::Moving => f(area),
        State::Kept => None,
    }
}

/// Returns the page behind an address in a live area, or null.
///
/// Context: Any.
pub(crate) fn vmalloc_to_page(ptr: *const c_void) -> *mut bindings::page {
    let page = live(ptr, |area| {
        let index = ptr.addr().wrapping_sub(area.start()) >> bindings::PAGE_SHIFT;
        area.pages().get(index).copied()
    });
    page.unwrap_or(null_mut())
}

/// Returns page number `index` of the live area that `ptr` lies in, or null.
///
/// Context: Any.
pub(crate) fn page_of(ptr: *const c_void, index: usize) -> *mut bindings::page {
    live(ptr, |area| area.pages().get(index).copied()).unwrap_or(null_mut())
}

/// Returns whether `ptr` lies in an area, live or kept.
///
/// Context: Any.
#[inline]
pub(crate) fn is_area(ptr: *const c_void) -> bool {
    let table = layer().mapper.table();
    table.covers(ptr.addr()) && table.find(ptr.addr(), &rcu::read_lock()).is_some()
}

/// Returns how many bytes the live area that starts at `ptr` was asked to have.
///
/// Context: Any.
pub(crate) fn requested(ptr: *const c_void) -> Option<usize> {
    live(ptr, |area| {
        (area.start() == ptr.addr()).then(|| area.requested())
    })
}

/// Returns what the pages of the live area that `ptr` lies in are charged to.
///
/// Context: Any.
pub(crate) fn account_of(ptr: *const c_void) -> Option<&'static Account> {
    live(ptr, |area| area.account())
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
