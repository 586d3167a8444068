// SPDX-License-Identifier: GPL-2.0

//! Areas that change their size.

use super::{
    extras_on_free,
    hand_out,
    totalram,
    Layer, //
};
use crate::{
    area::{
        Draft,
        Spare, //
    },
    gfp::Gfp,
    guard,
    page_alloc::{
        has_extras_on_free,
        must_clear, //
    },
    track,
    vmalloc::{
        Pages,
        Plan, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::Ordering::Relaxed, //
};

impl Layer {
    /// Gives `old`, which has been claimed, a size of `size` bytes in `want` pages.
    pub(super) fn resize(
        &self,
        old: Spare,
        size: usize,
        want: Pages,
        gfp: Gfp,
        nid: i32,
    ) -> *mut c_void {
        let (had, caller) = (old.area().requested(), old.area().caller());
        let zero = must_clear(gfp);
        let new = match Plan::new(old.area().size(), want) {
            Plan::Stay => {
                guard::area::check_zone(old.area());
                if zero {
                    clear(old.address(), had, size);
                }
                return hand_out(old, size, caller);
            }
            Plan::Copy => {
                let pages = old.area().size().get();
                self.take_over(old.area().account(), pages, want, || {
                    self.take(want, size, gfp, nid)
                })
            }
            Plan::Remap => return self.remap(old, size, want, gfp, nid),
        };
        let Some(new) = new else {
            // ORDERING: A counter for people.
            self.failed.fetch_add(1, Relaxed);
            old.hand_out(had, caller);
            return null_mut();
        };
        new.track_again();
        let bytes = had.min(size);
        // SAFETY: Both are mapped that far and belong to nobody else; they are not the same.
        unsafe {
            core::ptr::copy_nonoverlapping(
                old.address().cast::<u8>(),
                new.address().cast::<u8>(),
                bytes,
            )
        };
        if has_extras_on_free() {
            extras_on_free(old.area());
        }
        old.charge_to(None);
        old.keep();
        self.give(old);
        hand_out(new, size, caller)
    }

    /// Maps the pages of `old` again, with more or fewer behind them.
    #[cold]
    fn remap(&self, old: Spare, size: usize, want: Pages, gfp: Gfp, nid: i32) -> *mut c_void {
        let (had, caller) = (old.area().requested(), old.area().caller());
        let pages = old.area().size().get();
        let new = self.take_over(old.area().account(), pages, want, || {
            if !gfp.may_sleep() || want.get() > totalram() {
                return None;
            }
            let mut draft = Draft::new(want, gfp)?;
            draft.adopt(old.area().pages());
            if !draft.fill(gfp, nid) {
                return None;
            }
            self.mapper.map(draft, gfp)
        });
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
        guard::area::check_zone(old.area());
        let shared = old.area().size().min(want).get();
        track::freed(old.area().start());
        new.track_again();
        self.mapper.withdraw(old).unmap(shared);
        hand_out(new, size, caller)
    }
}

/// Clears the bytes from `from` up to `to` of a mapping.
fn clear(address: *mut c_void, from: usize, to: usize) {
    if let Some(bytes) = to.checked_sub(from) {
        // SAFETY: The callers have a mapping of at least `to` bytes to themselves.
        unsafe { address.cast::<u8>().add(from).write_bytes(0, bytes) };
    }
}
