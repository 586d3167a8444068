// SPDX-License-Identifier: GPL-2.0

//! Values that exist from the module's initialisation to its exit.

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit, //
};

/// A static that is set once, before anybody reads it.
///
/// Reading costs nothing: there is no check. That it is set is a matter of the order in
/// [`crate::quarry`](crate), where all of them are set and ended.
pub(crate) struct Global<T>(UnsafeCell<MaybeUninit<T>>);

// SAFETY: Shared access gives `&T` only; setting and ending happen while nobody reads.
unsafe impl<T: Send + Sync> Sync for Global<T> {}

impl<T> Global<T> {
    /// Returns a value that is not set.
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Sets the value.
    ///
    /// # Safety
    ///
    /// Nobody reads it at the same time, and it is not set.
    pub(crate) unsafe fn set(&self, value: T) {
        // SAFETY: By the contract of this function, nobody else has access.
        unsafe { (*self.0.get()).write(value) };
    }

    /// Returns the value.
    ///
    /// # Safety
    ///
    /// It is set.
    #[inline(always)]
    pub(crate) unsafe fn get(&self) -> &T {
        // SAFETY: By the contract of this function.
        unsafe { (*self.0.get()).assume_init_ref() }
    }

    /// Ends the value.
    ///
    /// # Safety
    ///
    /// It is set, and nobody reads it any more.
    pub(crate) unsafe fn end(&self) {
        // SAFETY: By the contract of this function.
        unsafe { (*self.0.get()).assume_init_drop() };
    }
}
