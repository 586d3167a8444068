// SPDX-License-Identifier: GPL-2.0

//! Many single pages at once, straight from and to the zones.

use super::{
    clear,
    extras,
    extras_on_free,
    has_extras,
    has_extras_on_free,
    must_clear,
    pool,
    with_growth,
    wrong_state,
    Blocks,
    Kind, //
};
use crate::{
    bindings,
    front::Backing,
    gfp::Gfp,
    magazine::{
        Batch,
        Entry, //
    },
    numa,
    pool::Order,
    report::{
        self,
        BadFree, //
    },
    track::Scope,
    window::{
        self,
        cached,
        held,
        Pfn, //
    }, //
};
use core::{
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed, //
};
use kernel::page::PAGE_SIZE;

/// Blocks that bulk calls take from a zone at a time.
const BULK: usize = 32;

/// Allocates single pages into an array, as many as there are. Returns how many.
pub(crate) fn alloc_bulk(
    kind: Kind,
    gfp: Gfp,
    nid: i32,
    pages: &mut [*mut bindings::page],
) -> usize {
    let order = Order::ZERO;
    let mut filled = 0;
    while filled < pages.len() {
        let want = (pages.len() - filled).min(BULK);
        let got = with_growth(gfp, order, nid, |node| {
            let mut got = 0;
            let node = node.unwrap_or_else(numa::here);
            // CAST: At most `BULK`.
            Blocks(order).refill(node, gfp, want as u32, |run| {
                let slots = pages.iter_mut().skip(filled + got);
                for (slot, entry) in slots.zip(run.iter()) {
                    // ORDERING: The page is ours alone.
                    entry.state.store(held(kind, order), Relaxed);
                    *slot = Pfn::of_address(entry.address.addr().get()).page();
                    got += 1;
                }
            });
            (got != 0).then_some(got)
        });
        let Some(got) = got else {
            break;
        };
        if has_extras(gfp) {
            let some = pages.iter().skip(filled).take(got);
            some.for_each(|page| extras_of_page(kind, *page, gfp));
        }
        filled += got;
    }
    pool().front(order).count_bulk(filled as u64, 0);
    filled
}

/// Does what is to be done for a page that is about to be handed out, to a caller or to an area.
fn extras_of_page(kind: Kind, page: *mut bindings::page, gfp: Gfp) {
    let Some(address) = NonNull::new(Pfn::of_page(page).address()) else {
        return;
    };
    if kind == Kind::Block {
        // SAFETY: The page is ours.
        unsafe { extras(address, Order::ZERO, gfp, Scope::ALL) };
    } else if must_clear(gfp) {
        // SAFETY: As above.
        unsafe { clear(address, PAGE_SIZE) };
    }
}

/// Frees single pages, and passes those that cannot be freed to `refused`, each with the reason.
///
/// # Safety
///
/// The caller gives up the pages, if they are some.
pub(crate) unsafe fn free_bulk(
    kind: Kind,
    pages: &[*mut bindings::page],
    mut refused: impl FnMut(*mut bindings::page, BadFree),
) {
    let mut batch = Batch::<BULK>::new();
    let mut node = 0;
    let mut freed = 0u64;
    for &page in pages {
        match release(kind, page) {
            Ok((entry, of)) => {
                freed += 1;
                // A batch is of one node.
                if of != node || !batch.push(entry) {
                    Blocks(Order::ZERO).drain(node, batch.entries());
                    batch = Batch::new();
                    node = of;
                    batch.push(entry);
                }
            }
            Err(why) => refused(page, why),
        }
    }
    Blocks(Order::ZERO).drain(node, batch.entries());
    pool().front(Order::ZERO).count_bulk(0, freed);
}

/// Reports a page of quarry's own that cannot be freed: its state has been overwritten.
pub(crate) fn lost(page: *mut bindings::page, why: BadFree) {
    report::bad_free("free of an area's page", page.cast(), why);
}

/// Takes a page from its owner. Returns the page and its node.
fn release(kind: Kind, page: *const bindings::page) -> Result<(Entry, usize), BadFree> {
    let pfn = Pfn::of_page(page);
    let window = window::window(pfn.window()).ok_or(BadFree::Foreign)?;
    let state = window.state(pfn.frame());
    // ORDERING: As in `free`.
    let found = state.load(Relaxed);
    if found != held(kind, Order::ZERO) {
        return Err(wrong_state(found));
    }
    state.store(cached(Order::ZERO), Relaxed);
    let address = NonNull::new(pfn.address()).ok_or(BadFree::Foreign)?;
    if has_extras_on_free() {
        // SAFETY: The page was its owner's until now and is ours.
        unsafe { extras_on_free(address, Order::ZERO) };
    }
    // CAST: Lossless.
    Ok((Entry { address, state }, window.node() as usize))
}
