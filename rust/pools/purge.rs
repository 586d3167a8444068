// SPDX-License-Identifier: GPL-2.0

//! Finding all that is charged to an account, to count it or to free it.

use crate::{
    account::{
        self,
        Account, //
    },
    bindings,
    cache,
    kmalloc,
    owners,
    pool::{
        Order,
        FRAMES, //
    },
    vmalloc::State,
    vmap_alloc,
    window::{
        self,
        held,
        Kind,
        Pfn, //
    }, //
};
use core::{
    ops::ControlFlow,
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed, //
};

/// Calls `f` with each live block that is charged to an account: what it is, where, and how large.
fn for_each_block(account: &Account, mut f: impl FnMut(Kind, NonNull<u8>, Order)) {
    for index in 0..window::nr_windows() {
        let Some(window) = window::window(index).filter(|window| window.chunk().is_some()) else {
            continue;
        };
        for frame in 0..FRAMES {
            let pfn = Pfn(index * FRAMES + frame);
            if !owners::of(pfn).is_some_and(|owner| account.is_owner(owner)) {
                continue;
            }
            // ORDERING: Whoever counts or frees what others use gets what it was at some moment.
            let state = window.state(frame).load(Relaxed);
            let order = Order::new((state & 0x0f).into());
            for kind in [Kind::Charged, Kind::ChargedLarge] {
                match (order, NonNull::new(pfn.address())) {
                    (Some(order), Some(block)) if state == held(kind, order) => {
                        f(kind, block, order)
                    }
                    _ => {}
                }
            }
        }
        // SAFETY: Process context, without spinlocks.
        unsafe { bindings::quarry_helper_cond_resched() };
    }
}

/// Returns how many blocks and areas are charged to an account.
pub(super) fn count(account: &Account) -> (usize, usize) {
    let (mut blocks, mut areas) = (0usize, 0usize);
    for_each_block(account, |_, _, _| blocks += 1);
    vmap_alloc::for_each(|view| {
        let area = view.area();
        let ours = area.account().is_some_and(|of| core::ptr::eq(of, account));
        areas += usize::from(ours && area.state() != State::Kept);
    });
    (blocks, areas)
}

/// Returns how many caches draw on an account that are none of its classes.
pub(super) fn nr_caches(account: &Account) -> usize {
    let mut caches = 0;
    cache::for_each(|cache| {
        let ours = cache.account().is_some_and(|of| core::ptr::eq(of, account));
        caches += usize::from(ours && !kmalloc::is_class(cache));
        ControlFlow::Continue(())
    });
    caches
}

/// Frees all that is charged to an account, and ends its caches.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody uses the account, its caches, or what came from them.
pub(super) unsafe fn purge(account: &Account) {
    // SAFETY: By the contract of this function.
    unsafe { vmap_alloc::vfree_charged(account) };
    for_each_block(account, |kind, block, order| {
        // SAFETY: By the contract of this function.
        let _ = unsafe { account::free(kind, block, order) };
    });
    loop {
        let mut next = None;
        cache::for_each(|cache| {
            let ours = cache.account().is_some_and(|of| core::ptr::eq(of, account));
            if ours && (cache.census().live() != 0 || !kmalloc::is_class(cache)) {
                next = Some(NonNull::from(cache));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        let Some(cache) = next else {
            return;
        };
        // SAFETY: By the contract of this function, it does not end meanwhile.
        let this = unsafe { cache.as_ref() };
        // SAFETY: By the contract of this function.
        let freed = unsafe { this.free_live() };
        // SAFETY: As above.
        let ended = !kmalloc::is_class(this) && unsafe { cache::destroy(cache) }.is_ok();
        if freed == 0 && !ended {
            // There is no memory to note the slabs in. What is left is reported.
            return;
        }
    }
}
