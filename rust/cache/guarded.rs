// SPDX-License-Identifier: GPL-2.0

//! Objects of caches in the presets `hardened` and `debug`.
//!
//! In the debug preset the place of an object is divided as [`Padding`] says. What is noted of each object, the
//! size that was asked for and who used it last, lies with the slab's bookkeeping, where no overflow gets.
//!
//! # Laws
//!
//! - A zone is `REDZONE_LIVE` before the object is live, and `REDZONE_FREE` after it was.
//! - An object that lies free in its slab is poisoned, unless the cache has a constructor.

use super::{
    find,
    slab_head::SlabRef,
    Cache, //
};
use crate::{
    guard::{
        self,
        report::Subject,
        Who, //
    },
    magazine::Entry,
    pool::Violation,
    preset::Checks,
    slab::{
        wrong_in_poison,
        wrong_in_zone,
        Padding,
        REDZONE_FREE,
        REDZONE_LIVE, //
    },
    words, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicU32,
        Ordering::Relaxed, //
    }, //
};
use kernel::prelude::*;

const LEFT: &str = "Left Redzone overwritten";
const RIGHT: &str = "Right Redzone overwritten";

/// What is noted of an object in the debug preset. Zeroes for one that was never allocated.
#[derive(Default)]
pub(super) struct Note {
    /// Bytes that were asked for.
    requested: AtomicU32,
    allocated: Who,
    freed: Who,
}

/// Whether who allocates an object is noted. That takes locks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Notes {
    /// It is.
    Made,
    /// What is noted stays as it is.
    Kept,
}

impl Cache {
    /// Returns whether its objects have notes.
    #[inline(always)]
    pub(crate) fn is_debug(&self) -> bool {
        self.padding.is_some()
    }

    /// Returns the checks and the layout of the debug preset, if that is the cache's.
    fn debug(&self) -> Option<(Checks, Padding)> {
        self.preset.checks().zip(self.padding)
    }

    /// Returns how many bytes of a live object its owner may use.
    pub(crate) fn room(&self, slab: SlabRef, index: u32) -> usize {
        match slab.note(index) {
            // ORDERING: Written by the owner.
            Some(note) => note.requested.load(Relaxed) as usize,
            None => self.object_bytes(),
        }
    }

    /// Returns the bytes of an object without what is around it.
    pub(crate) fn object_bytes(&self) -> usize {
        // CAST: Lossless.
        self.padding
            .map_or(self.geometry.stride, |padding| padding.object) as usize
    }

    /// Clears an object, and nothing around it.
    ///
    /// # Safety
    ///
    /// It is one of the cache's, and the caller's.
    #[inline(always)]
    pub(super) unsafe fn clear(&self, object: NonNull<u8>) {
        match self.padding {
            // SAFETY: By the contract of this function. A stride is whole words. CAST: Lossless.
            None => unsafe { words::clear(object.cast(), self.geometry.stride as usize / 8) },
            // SAFETY: As above.
            Some(padding) => unsafe {
                guard::fill(object.addr().get(), padding.object as usize, 0)
            },
        }
    }

    /// Fills the objects of a new slab.
    #[cold]
    #[inline(never)]
    pub(super) fn guard_new(&self, slab: SlabRef) {
        let Some((checks, padding)) = self.debug() else {
            return;
        };
        for index in 0..self.geometry.objects {
            self.mark_free(slab.address(index), checks, padding);
        }
    }

    /// Checks an object that is about to be live, and makes its zones those of a live one.
    pub(super) fn guard_out(&self, entry: &Entry, notes: Notes) {
        let Some((checks, padding)) = self.debug() else {
            return;
        };
        let address = entry.address.addr().get();
        let Some((slab, index)) = find(address) else {
            return;
        };
        if checks.has(Checks::SANITY) {
            self.check_free(slab, index, checks, padding);
        }
        self.set_zones(address, checks, padding, REDZONE_LIVE);
        if let Some(note) = slab.note(index) {
            // ORDERING: The object is ours alone.
            note.requested.store(padding.object, Relaxed);
            if notes == Notes::Made && checks.has(Checks::USER) {
                note.allocated.note();
            }
        }
        self.tell(checks, "alloc", address);
    }

    /// Lets the owner of a live object use its first `size` bytes only.
    pub(crate) fn shorten(&self, address: usize, size: usize) {
        let Some((checks, padding)) = self.debug() else {
            return;
        };
        let note = find(address).and_then(|(slab, index)| slab.note(index));
        let (Some(note), Ok(requested)) = (note, u32::try_from(size)) else {
            return;
        };
        if checks.has(Checks::REDZONE) && requested < padding.object {
            // ORDERING: The object is the caller's alone.
            note.requested.store(requested, Relaxed);
            // SAFETY: A part of the object. CAST: Lossless.
            unsafe { guard::fill(address + size, padding.object as usize - size, REDZONE_LIVE) };
        }
    }

    /// Does what is to be done in the debug preset for an object that was live until now.
    pub(super) fn guard_in(&self, slab: SlabRef, entry: Entry) {
        let Some((checks, padding)) = self.debug() else {
            return;
        };
        let Some(index) = slab.index_of(entry.state) else {
            return;
        };
        let address = entry.address.addr().get();
        if checks.has(Checks::SANITY) {
            self.check_zones(slab, index, checks, padding, REDZONE_LIVE);
        }
        if let Some(note) = slab.note(index).filter(|_| checks.has(Checks::USER)) {
            note.freed.note();
        }
        self.mark_free(address, checks, padding);
        self.tell(checks, "free", address);
    }

    /// Checks the objects of a slab that is about to be given back, which are all free.
    #[cold]
    #[inline(never)]
    pub(super) fn guard_release(&self, slab: SlabRef) {
        if let Some((checks, padding)) = self
            .debug()
            .filter(|(checks, _)| checks.has(Checks::SANITY))
        {
            for index in 0..self.geometry.objects {
                self.check_free(slab, index, checks, padding);
            }
        }
    }

    /// Looks, without a report, whether what lies around the objects of a slab is whole, and those that are
    /// free in it are poisoned. The lock of the slab's node is held.
    pub(super) fn validate_guards(
        &self,
        slab: SlabRef,
        is_free: impl Fn(u32) -> bool,
    ) -> Result<(), Violation> {
        let Some((checks, padding)) = self.debug() else {
            return Ok(());
        };
        for index in 0..self.geometry.objects {
            let address = slab.address(index);
            if checks.has(Checks::REDZONE) {
                for (at, count) in zones(address, padding, padding.object as usize) {
                    // Somebody may be handing it out, or freeing it.
                    // SAFETY: A part of the slab.
                    let zone = unsafe { guard::view(at, count) };
                    let fine = |byte: &u8| [REDZONE_LIVE, REDZONE_FREE].contains(byte);
                    if !zone.iter().all(fine) {
                        return Err(Violation("slab: a redzone is overwritten"));
                    }
                }
            }
            if is_free(index) && self.is_poisoned(checks) {
                // SAFETY: As above. CAST: Lossless.
                let object = unsafe { guard::view(address, padding.object as usize) };
                if wrong_in_poison(object).is_some() {
                    return Err(Violation("slab: a free object is overwritten"));
                }
                let wrong = |(at, count)| {
                    // SAFETY: As above.
                    wrong_in_zone(unsafe { guard::view(at, count) }, REDZONE_FREE).is_some()
                };
                let mut zones = zones(address, padding, padding.object as usize).into_iter();
                if checks.has(Checks::REDZONE) && zones.any(wrong) {
                    return Err(Violation("slab: a redzone of a free object is overwritten"));
                }
            }
        }
        Ok(())
    }

    /// A constructor says what is in a free object.
    fn is_poisoned(&self, checks: Checks) -> bool {
        checks.has(Checks::POISON) && self.constructor.is_none()
    }

    fn mark_free(&self, address: usize, checks: Checks, padding: Padding) {
        self.set_zones(address, checks, padding, REDZONE_FREE);
        if self.is_poisoned(checks) {
            // SAFETY: The object is ours. CAST: Lossless.
            unsafe { guard::poison(address, padding.object as usize) };
        }
    }

    fn set_zones(&self, address: usize, checks: Checks, padding: Padding, value: u8) {
        if checks.has(Checks::REDZONE) {
            for (at, count) in zones(address, padding, padding.object as usize) {
                // SAFETY: What lies around an object is nobody's.
                unsafe { guard::fill(at, count, value) };
            }
        }
    }

    fn check_zones(&self, slab: SlabRef, index: u32, checks: Checks, padding: Padding, value: u8) {
        if !checks.has(Checks::REDZONE) {
            return;
        }
        let used = match value {
            REDZONE_LIVE => self.room(slab, index),
            _ => padding.object as usize,
        };
        let address = slab.address(index);
        let subject = self.subject(slab, index, used);
        for ((at, count), what) in zones(address, padding, used).into_iter().zip([LEFT, RIGHT]) {
            // SAFETY: What lies around an object is nobody's.
            unsafe { guard::check_zone(&subject, what, at, count, value) };
        }
    }

    fn check_free(&self, slab: SlabRef, index: u32, checks: Checks, padding: Padding) {
        self.check_zones(slab, index, checks, padding, REDZONE_FREE);
        if self.is_poisoned(checks) {
            let bytes = padding.object as usize;
            let subject = self.subject(slab, index, bytes);
            // SAFETY: The object is free, and ours or its slab's.
            unsafe { guard::check_poison(&subject, slab.address(index), bytes) };
        }
    }

    fn subject(&self, slab: SlabRef, index: u32, bytes: usize) -> Subject<'_> {
        Subject {
            name: self.name.as_str(),
            start: slab.address(index),
            bytes,
            who: slab.note(index).map(|note| [&note.allocated, &note.freed]),
        }
    }

    fn tell(&self, checks: Checks, what: &str, address: usize) {
        if checks.has(Checks::TRACE) {
            let (name, object) = (self.name.as_str(), address as *const u8);
            pr_info!("TRACE {name} {what} {object:p}\n");
        }
    }
}

/// The zones on the left and on the right of an object of which `used` bytes are its owner's: where each
/// begins, and its bytes.
fn zones(address: usize, padding: Padding, used: usize) -> [(usize, usize); 2] {
    // CAST: Lossless.
    let [left, object, right] =
        [padding.left, padding.object, padding.right].map(|bytes| bytes as usize);
    [
        (address - left, left),
        (address + used, object - used + right),
    ]
}
