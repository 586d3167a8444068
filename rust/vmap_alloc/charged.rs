// SPDX-License-Identifier: GPL-2.0

//! Areas whose pages are charged to an account.

use super::{
    for_each,
    layer,
    vfree,
    Layer, //
};
use crate::{
    account::Account,
    area::Spare,
    bindings,
    cache,
    gfp::Gfp,
    vmalloc::{
        Pages,
        State, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::Ordering::Relaxed, //
};

/// Allocates an area as [`super::vmalloc`] does, from the nodes of an account, and charges it.
///
/// Context: Process context.
pub(crate) fn vmalloc_charged(
    account: &Account,
    size: usize,
    gfp: Gfp,
    nid: i32,
    caller: usize,
) -> *mut c_void {
    let layer = layer();
    let limit = usize::MAX >> bindings::PAGE_SHIFT;
    let spare = Pages::for_bytes(size, bindings::PAGE_SHIFT, limit).and_then(|pages| {
        let attempt = || layer.take_charged(account, pages, size, gfp, nid);
        account.insist(gfp, attempt, || cache::shrink_account(account))
    });
    match spare {
        Some(spare) => super::hand_out(spare, size, caller),
        None => {
            // ORDERING: A counter for people.
            layer.failed.fetch_add(1, Relaxed);
            null_mut()
        }
    }
}

impl Layer {
    /// Returns an area of `pages` pages that are charged.
    fn take_charged(
        &self,
        account: &Account,
        pages: Pages,
        size: usize,
        gfp: Gfp,
        nid: i32,
    ) -> Option<Spare> {
        if !account.charge(pages.get()) {
            return None;
        }
        let spare = self.take_from_nodes(account, pages, size, gfp, nid);
        match &spare {
            Some(spare) => {
                spare.charge_to(Some(account));
                spare.track_again();
            }
            None => account.discharge(pages.get()),
        }
        spare
    }

    fn take_from_nodes(
        &self,
        account: &Account,
        pages: Pages,
        size: usize,
        gfp: Gfp,
        nid: i32,
    ) -> Option<Spare> {
        let nodes = account.nodes();
        if nodes.is_all() {
            return self.take(pages, size, gfp, nid);
        }
        let one = |node| self.take(pages, size, gfp.with(Gfp::THIS_NODE), node);
        let first = nodes.prefer(nid);
        one(first).or_else(|| nodes.iter().filter(|&node| node != first).find_map(one))
    }

    /// Makes an area in place of one of `had` pages that is charged to `account`, and moves the charge to
    /// it.
    pub(super) fn take_over(
        &self,
        account: Option<&Account>,
        had: usize,
        want: Pages,
        make: impl FnOnce() -> Option<Spare>,
    ) -> Option<Spare> {
        let Some(account) = account else {
            return make();
        };
        let more = want.get().saturating_sub(had);
        if !account.charge(more) {
            return None;
        }
        let spare = make();
        match &spare {
            Some(spare) => {
                spare.charge_to(Some(account));
                account.discharge(had.saturating_sub(want.get()));
            }
            None => account.discharge(more),
        }
        spare
    }
}

/// Frees all areas that are charged to an account. Returns how many.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody uses them any more.
pub(crate) unsafe fn vfree_charged(account: &Account) -> usize {
    let mut freed = 0usize;
    loop {
        let mut found = [core::ptr::null::<c_void>(); 32];
        let mut slots = found.iter_mut();
        for_each(|view| {
            let area = view.area();
            let ours = area.account().is_some_and(|of| core::ptr::eq(of, account));
            if ours && area.state() == State::Live {
                if let Some(slot) = slots.next() {
                    *slot = core::ptr::with_exposed_provenance(area.start());
                }
            }
        });
        let mut some = 0;
        for area in found.into_iter().filter(|area| !area.is_null()) {
            // SAFETY: By the contract of this function.
            unsafe { vfree(area) };
            some += 1;
        }
        freed += some;
        if some == 0 {
            return freed;
        }
    }
}
