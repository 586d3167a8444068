// SPDX-License-Identifier: GPL-2.0

//! A list of what one CPU has left to do later.
//!
//! After Treiber, "Systems Programming: Coping with Parallelism" (1986), of which nothing but the whole is
//! taken: so it does not matter that a thing may be put again while somebody looks at it as the first.
//!
//! # Laws
//!
//! - A thing in the list is the list's. Who takes the list has all that was in it, alone.
//! - What was in the list when [`Later::do_all`] begins, and what somebody was doing then, is done when it
//!   has returned and nobody [is busy](Later::is_busy).

use crate::sync::{
    AtomicPtr,
    AtomicUsize,
    Ordering::{
        AcqRel,
        Acquire,
        Relaxed,
        Release, //
    }, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};

/// A list of things, each of which has the address of the next.
pub(crate) struct Later<T> {
    first: AtomicPtr<T>,
    /// How many are doing what was in the list.
    busy: AtomicUsize,
}

impl<T> Later<T> {
    /// Returns a list with nothing in it.
    pub(crate) const fn new() -> Self {
        Self {
            first: AtomicPtr::new(null_mut()),
            busy: AtomicUsize::new(0),
        }
    }

    /// Puts a thing that is the caller's into the list. `link` notes in it which is the next.
    ///
    /// Context: Any, also NMI.
    pub(crate) fn put(&self, thing: NonNull<T>, link: impl Fn(*mut T)) {
        // ORDERING: Only followed if the exchange below agrees.
        let mut first = self.first.load(Relaxed);
        loop {
            link(first);
            // ORDERING: Release pairs with the Acquire in `do_all`: the link is there, and what was done
            // to the thing before.
            let put = self
                .first
                .compare_exchange(first, thing.as_ptr(), Release, Relaxed);
            match put {
                Ok(_) => return,
                // Something interrupted this, and has put what it had, or somebody has taken the list.
                Err(now) => first = now,
            }
        }
    }

    /// Does what is in the list. `one` does one thing and returns the next, or `None` if that cannot be told.
    ///
    /// Whoever calls this is not put off for long: preemption is off.
    pub(crate) fn do_all(&self, mut one: impl FnMut(NonNull<T>) -> Option<*mut T>) {
        // ORDERING: Before the list is taken: see there.
        self.busy.fetch_add(1, Relaxed);
        // ORDERING: Acquire pairs with the Release in `put`. Release pairs with the Acquire of the same
        // exchange by another, who finds nothing then, and sees that somebody is busy.
        let mut at = self.first.swap(null_mut(), AcqRel);
        while let Some(thing) = NonNull::new(at) {
            match one(thing) {
                Some(next) => at = next,
                None => break,
            }
        }
        // ORDERING: Release pairs with the Acquire in `is_busy`: the things are done.
        self.busy.fetch_sub(1, Release);
    }

    /// Returns whether somebody is doing what was in the list.
    pub(crate) fn is_busy(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `do_all`.
        self.busy.load(Acquire) != 0
    }
}
