// SPDX-License-Identifier: GPL-2.0

//! What the presets `hardened` and `debug` do to memory: [`crate::preset`] says what that is.
//!
//! Nothing here is on a fast path. A cache or a front of another preset than `fast` has the fast path of its
//! frees closed, in the debug preset that of its allocations too, and the slow ones ask for extras, as they
//! do for `init_on_free`.
//!
//! # Lock order
//!
//! The lock of a quarantine is taken alone.

use crate::{
    account::Account,
    bindings,
    global::Global,
    page_alloc,
    preset::{
        Checks,
        Preset, //
    },
    requests,
    slab::{
        wrong_in_poison,
        wrong_in_zone,
        POISON,
        POISON_END, //
    },
    tracking, //
};
use core::sync::atomic::{
    AtomicBool,
    Ordering::Relaxed, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

pub(crate) mod area;
pub(crate) mod block;
pub(crate) mod report;
mod who;

pub(crate) use report::found;
pub(crate) use who::Who;

/// What the module was loaded with.
struct Loaded {
    preset: Preset,
    /// Those of pools that are made with the debug preset.
    checks: Checks,
}

static LOADED: Global<Loaded> = Global::new();
/// Whether there was ever a pool of another preset than `fast`.
static ANY: AtomicBool = AtomicBool::new(false);

/// Notes the presets that the module was loaded with. Fails with `EINVAL` if there are none such.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init(preset: u8, checks: u32) -> Result {
    let checks = Checks::from_bits(checks).ok_or(EINVAL)?;
    let preset = Preset::from_number(preset, checks).ok_or(EINVAL)?;
    prepare(preset)?;
    // SAFETY: By the contract of this function.
    unsafe { LOADED.set(Loaded { preset, checks }) };
    block::init()
}

/// Frees what [`init`] has set up.
///
/// # Safety
///
/// [`init`] has succeeded, and nobody frees memory any more.
pub(crate) unsafe fn exit() {
    block::exit();
}

/// Returns the preset of what is charged to no pool.
pub(crate) fn default() -> Preset {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { LOADED.get() }.preset
}

/// Returns the debug preset, with the checks that the module was loaded with.
pub(crate) fn debug() -> Preset {
    // SAFETY: As above.
    Preset::Debug(unsafe { LOADED.get() }.checks)
}

/// Returns the preset of what is charged to an account, or to none.
pub(crate) fn preset_of(account: Option<&Account>) -> Preset {
    account.map_or_else(default, Account::preset)
}

/// Returns whether anything has another preset than `fast`.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // ORDERING: Set before there is anything of the preset.
    ANY.load(Relaxed)
}

/// Sees to it that something can have a preset.
///
/// Context: Process context. May sleep.
pub(crate) fn prepare(preset: Preset) -> Result {
    if preset.is_fast() {
        return Ok(());
    }
    if preset
        .checks()
        .is_some_and(|checks| checks.has(Checks::USER))
    {
        requests::ask(0)?;
        // SAFETY: May be called again and again, where one may sleep.
        to_result(unsafe { bindings::stack_depot_init() })?;
    }
    // ORDERING: As in `is_on`.
    ANY.store(true, Relaxed);
    tracking::alone(page_alloc::set_extras);
    Ok(())
}

/// Bytes that nobody may use: a view of a part of an object, a block, or an area.
///
/// # Safety
///
/// The bytes are there, and nobody but a caller who misuses memory writes them during the call.
unsafe fn bytes<'a>(at: usize, count: usize) -> &'a mut [u8] {
    // SAFETY: By the contract of this function. What a misuse writes meanwhile is what is looked for.
    unsafe { core::slice::from_raw_parts_mut(core::ptr::with_exposed_provenance_mut(at), count) }
}

/// Checks that a zone holds one value. What does not is reported of `subject`, and restored.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn check_zone(
    subject: &report::Subject<'_>,
    what: &str,
    at: usize,
    count: usize,
    value: u8,
) {
    // SAFETY: By the contract of this function.
    let zone = unsafe { bytes(at, count) };
    if let Some(wrong) = wrong_in_zone(zone, value) {
        found(subject, what, at, zone, wrong, value);
        zone.fill(value);
    }
}

/// Checks that free memory is poisoned. What is not is reported of `subject`, and restored.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn check_poison(subject: &report::Subject<'_>, at: usize, count: usize) {
    // SAFETY: By the contract of this function.
    let free = unsafe { bytes(at, count) };
    if let Some(wrong) = wrong_in_poison(free) {
        let right = if wrong.first + 1 == count {
            POISON_END
        } else {
            POISON
        };
        found(subject, "Poison overwritten", at, free, wrong, right);
        crate::slab::poison(free);
    }
}

/// Looks at bytes.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn view<'a>(at: usize, count: usize) -> &'a [u8] {
    // SAFETY: By the contract of this function.
    unsafe { bytes(at, count) }
}

/// Fills a zone.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn fill(at: usize, count: usize, value: u8) {
    // SAFETY: By the contract of this function.
    unsafe { bytes(at, count) }.fill(value);
}

/// Poisons free memory.
///
/// # Safety
///
/// As for [`bytes`].
pub(crate) unsafe fn poison(at: usize, count: usize) {
    // SAFETY: By the contract of this function.
    crate::slab::poison(unsafe { bytes(at, count) });
}
