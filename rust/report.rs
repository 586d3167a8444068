// SPDX-License-Identifier: GPL-2.0

//! What is said when memory is freed that cannot be.

use core::{
    ffi::c_void,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::prelude::*;

/// Reports printed before they are only counted.
const LOUD: u64 = 32;

static BAD_FREES: AtomicU64 = AtomicU64::new(0);

/// Returns how many frees were refused.
pub(crate) fn bad_frees() -> u64 {
    // ORDERING: Statistics.
    BAD_FREES.load(Relaxed)
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
}

impl BadFree {
    fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "the memory is not quarry's",
            Self::Double => "the memory is free already",
            Self::Interior => "no allocation begins here",
            Self::Mismatch => "allocated by another function, or with another order",
            Self::OtherCache => "the object belongs to another cache",
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
    let before = BAD_FREES.fetch_add(1, Relaxed);
    if before < LOUD {
        pr_err!(
            "bad free: {}({:p}): {}; left alone\n",
            function,
            pointer,
            found.as_str()
        );
    }
    if before.wrapping_add(1) == LOUD {
        pr_err!("bad free: more of them are only counted, in stats\n");
    }
}
