// SPDX-License-Identifier: GPL-2.0

//! What is said when memory is freed that cannot be, or a cache is used that is no more.

mod unsaid;

use crate::module_parameters;
use core::{
    ffi::c_void,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::prelude::*;
use unsaid::Unsaid;

/// Returns how many reports of a kind are printed before they are only counted.
pub(crate) fn loud() -> u64 {
    module_parameters::reports.value().into()
}

static BAD_USES: AtomicU64 = AtomicU64::new(0);
static BAD_FREES: AtomicU64 = AtomicU64::new(0);
static SAID: AtomicU64 = AtomicU64::new(0);

/// Refused frees, by kind, that could not be reported when they were found.
static UNSAID: [Unsaid; BadFree::ALL.len()] = [const { Unsaid::new() }; BadFree::ALL.len()];

/// Returns how many frees were refused.
pub(crate) fn bad_frees() -> u64 {
    // ORDERING: Statistics.
    BAD_FREES.load(Relaxed)
}

/// Returns how often a cache was used that had been destroyed; frees are counted as frees.
pub(crate) fn bad_uses() -> u64 {
    // ORDERING: Statistics.
    BAD_USES.load(Relaxed)
}

/// Why a free is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFree {
    /// The pool has no such page.
    Foreign,
    /// It is free already.
    Double,
    /// It is not where an allocation begins.
    Interior,
    /// It belongs to another layer, or has another order.
    Mismatch,
    /// It belongs to another cache.
    OtherCache,
    /// The cache that it was to go back to is no more.
    DeadCache,
    /// It is given another size than it can have.
    Size,
}

impl BadFree {
    const ALL: [Self; 7] = [
        Self::Foreign,
        Self::Double,
        Self::Interior,
        Self::Mismatch,
        Self::OtherCache,
        Self::DeadCache,
        Self::Size,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "the memory is not quarry's",
            Self::Double => "the memory is free already",
            Self::Interior => "no allocation begins here",
            Self::Mismatch => "allocated by another function, or with another order",
            Self::OtherCache => "the object belongs to another cache",
            Self::DeadCache => "the cache has been destroyed",
            Self::Size => "allocated with another size",
        }
    }
}

/// Reports a free that is refused: who was asked, with what, and what was found.
///
/// The address is printed as the kernel prints pointers: hashed. The memory is left alone, and the
/// system goes on.
#[cold]
#[inline(never)]
pub(crate) fn bad_free(function: &str, pointer: *const c_void, found: BadFree) {
    // ORDERING: Statistics.
    BAD_FREES.fetch_add(1, Relaxed);
    say(function, pointer, found);
}

fn say(function: &str, pointer: *const c_void, found: BadFree) {
    // ORDERING: Statistics.
    let before = SAID.fetch_add(1, Relaxed);
    if before < loud() {
        pr_err!(
            "bad free: {}({:p}): {}; left alone\n",
            function,
            pointer,
            found.as_str()
        );
    }
    if before.wrapping_add(1) == loud() {
        pr_err!("bad free: more of them are only counted, in stats\n");
    }
}

/// Reports the use of a cache that was destroyed: who was asked, and what it was called. Nothing is done.
#[cold]
#[inline(never)]
pub(crate) fn bad_use(function: &str, name: &str) {
    // ORDERING: Statistics.
    let before = BAD_USES.fetch_add(1, Relaxed);
    if before < loud() {
        pr_err!(
            "bad use: {}({}): the cache has been destroyed\n",
            function,
            name
        );
    }
    if before.wrapping_add(1) == loud() {
        pr_err!("bad use: more of them are only counted, in stats\n");
    }
}

/// Counts a free that is refused where nothing can be printed.
///
/// Context: Any, also NMI.
#[cold]
#[inline(never)]
pub(crate) fn bad_free_unsaid(pointer: *const c_void, found: BadFree) {
    // ORDERING: Statistics.
    BAD_FREES.fetch_add(1, Relaxed);
    let kinds = BadFree::ALL.iter().zip(&UNSAID);
    for (_, unsaid) in kinds.filter(|(kind, _)| **kind == found) {
        unsaid.note(pointer);
    }
}

/// Reports what could not be reported before, one of each kind: `function` was asked.
///
/// Context: Any but NMI.
pub(crate) fn say_unsaid(function: &str) {
    for (kind, unsaid) in BadFree::ALL.iter().zip(&UNSAID) {
        if let Some(pointer) = unsaid.take() {
            say(function, pointer, *kind);
        }
    }
}
