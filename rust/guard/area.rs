// SPDX-License-Identifier: GPL-2.0

//! Areas in the presets `hardened` and `debug`.
//!
//! Behind each area lies a page that is not mapped, in every preset. Of the last page, what was not asked for
//! is a zone in the debug preset. An area that is freed is cleared or poisoned; poisoned, it is checked when it
//! is used again or unmapped.

use super::{
    preset_of,
    report::Subject, //
};
use crate::{
    area::Area,
    page_alloc,
    preset::{
        Checks,
        Preset, //
    },
    slab::REDZONE_LIVE, //
};
use core::ptr::NonNull;

fn subject(area: &Area) -> Subject<'static> {
    Subject {
        name: "vmalloc",
        start: area.start(),
        bytes: area.requested().min(area.bytes()),
        who: None,
    }
}

/// The zone of a live area: where it begins, and its bytes.
fn zone(area: &Area) -> (usize, usize) {
    let used = area.requested().min(area.bytes());
    (area.start() + used, area.bytes() - used)
}

fn preset(area: &Area) -> Preset {
    preset_of(area.account())
}

/// Does what is to be done for an area whose caller is about to get it, of `bytes` bytes.
#[cold]
#[inline(never)]
pub(crate) fn handed_out(area: &Area, bytes: usize) {
    if preset(area)
        .checks()
        .is_some_and(|checks| checks.has(Checks::REDZONE))
    {
        // SAFETY: The area is mapped and ours, and has so many bytes.
        unsafe { super::fill(area.start() + bytes, area.bytes() - bytes, REDZONE_LIVE) };
    }
}

/// Checks an area that is live no more, or about to change its size, and is charged still.
pub(crate) fn check_zone(area: &Area) {
    let zoned = |checks: Checks| checks.has(Checks::SANITY) && checks.has(Checks::REDZONE);
    if preset(area).checks().is_some_and(zoned) {
        let (at, count) = zone(area);
        // SAFETY: The area is mapped and ours.
        unsafe {
            super::check_zone(
                &subject(area),
                "Right Redzone overwritten",
                at,
                count,
                REDZONE_LIVE,
            )
        };
    }
}

/// Checks an area that is freed, and charged still, and clears or poisons it.
pub(crate) fn freed(area: &Area) {
    check_zone(area);
    match preset(area) {
        Preset::Fast => {}
        // The caller has cleared it.
        Preset::Hardened if page_alloc::must_clear_on_free() => {}
        // SAFETY: The area is mapped and ours.
        Preset::Hardened => unsafe { clear(area) },
        Preset::Debug(checks) if checks.has(Checks::POISON) => {
            // SAFETY: The area is mapped and ours.
            unsafe { super::poison(area.start(), area.bytes()) };
            area.set_poisoned(checks.has(Checks::SANITY));
        }
        Preset::Debug(_) => {}
    }
}

/// Clears an area.
///
/// # Safety
///
/// It is mapped, and nobody's but the caller's.
pub(crate) unsafe fn clear(area: &Area) {
    let start = core::ptr::with_exposed_provenance_mut(area.start());
    if let Some(start) = NonNull::new(start) {
        // SAFETY: By the contract of this function; areas are whole pages.
        unsafe { page_alloc::clear(start, area.bytes()) };
    }
}

/// Checks a free area that is to be used again, or unmapped.
pub(crate) fn leaves(area: &Area) {
    if area.set_poisoned(false) {
        let subject = Subject {
            bytes: area.bytes(),
            ..subject(area)
        };
        // SAFETY: The area is mapped and ours.
        unsafe { super::check_poison(&subject, area.start(), area.bytes()) };
    }
}
