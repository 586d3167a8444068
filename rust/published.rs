// SPDX-License-Identifier: GPL-2.0

//! A pointer to something that is made once and then seen by all.

use crate::sync::{
    AtomicPtr,
    Ordering::{
        Acquire,
        Release, //
    }, //
};
use core::ptr::null_mut;

/// A pointer that others follow, or null.
pub(crate) struct Published<T>(AtomicPtr<T>);

impl<T> Published<T> {
    /// Returns a null pointer.
    pub(crate) const fn nothing() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Has others see what `this` points to, which is complete.
    pub(crate) fn publish(&self, this: *mut T) {
        // ORDERING: Release pairs with the Acquire in `get`: what the pointer leads to is visible.
        self.0.store(this, Release);
    }

    /// Returns the pointer. What it leads to is as it was when it was published, or later.
    #[inline(always)]
    pub(crate) fn get(&self) -> *mut T {
        // ORDERING: Acquire pairs with the Release in `publish`.
        self.0.load(Acquire)
    }

    /// Takes the pointer back, and returns it. Who got it before may still be using it.
    pub(crate) fn withdraw(&self) -> *mut T {
        // ORDERING: As in `get`. Nothing is made known by null.
        self.0.swap(null_mut(), Acquire)
    }
}
