// SPDX-License-Identifier: GPL-2.0

//! Things to report that could not be said when they were found.

use crate::sync::{
    AtomicPtr,
    AtomicU64,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};

/// Reports of one kind.
pub(crate) struct Unsaid {
    count: AtomicU64,
    /// The last of them.
    pointer: AtomicPtr<c_void>,
}

impl Unsaid {
    /// Returns no reports.
    pub(crate) const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            pointer: AtomicPtr::new(null_mut()),
        }
    }

    /// Notes that there is something to report of a pointer.
    ///
    /// Context: Any, also NMI.
    pub(crate) fn note(&self, pointer: *const c_void) {
        // ORDERING: Of several pointers any is good. Release pairs with the Acquire in `take`.
        self.pointer.store(pointer.cast_mut(), Relaxed);
        self.count.fetch_add(1, Release);
    }

    /// Returns the pointer to report, if there is something to.
    pub(crate) fn take(&self) -> Option<*const c_void> {
        // ORDERING: Acquire pairs with the Release in `note`: there is a pointer.
        if self.count.load(Relaxed) == 0 || self.count.swap(0, Acquire) == 0 {
            return None;
        }
        // ORDERING: As above.
        Some(self.pointer.load(Relaxed).cast_const())
    }
}
