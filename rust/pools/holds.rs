// SPDX-License-Identifier: GPL-2.0

//! How many keep a pool from being destroyed.

use crate::sync::{
    AtomicUsize,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};

/// A number of those who hold something.
///
/// [`Holds::add`] and [`Holds::is_none`] are called under one lock, [`Holds::end`] without it.
pub(crate) struct Holds(AtomicUsize);

impl Holds {
    /// Returns the number of nobody.
    pub(crate) const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts one more.
    pub(crate) fn add(&self) {
        // ORDERING: Under the lock that `is_none` is called under.
        self.0.fetch_add(1, Relaxed);
    }

    /// Counts one less, who is done with what is held.
    pub(crate) fn end(&self) {
        // ORDERING: Release pairs with the Acquire in `is_none`.
        self.0.fetch_sub(1, Release);
    }

    /// Returns whether there is nobody, and who was there is done.
    pub(crate) fn is_none(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`.
        self.0.load(Acquire) == 0
    }
}
