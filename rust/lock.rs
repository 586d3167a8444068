// SPDX-License-Identifier: GPL-2.0

//! Spinlocks that keep interrupts off.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)
//!
//! Raw, because they are taken with preemption off, where a lock of a real-time kernel may not sleep.
//!
//! # Lock order
//!
//! No lock is taken while another of the classes `Depot`, `Slab` or `Zone` is held: each is held for
//! one batch and let go. `Window` is taken alone, and so are `Area`, `Stash` and `Track`. Where a lock may
//! be held already, only [`RawLock::try_lock`] is used, and nothing is locked under what it takes.

use crate::bindings;
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    }, //
};
use kernel::types::Opaque;

/// What a lock protects; tells locks apart for lockdep.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    /// The registry and the kept areas of the vmalloc layer.
    Area,
    /// The depot of a front on one node.
    Depot,
    /// The slabs of a cache on one node.
    Slab,
    /// What an account has set aside.
    Stash,
    /// Where allocations were made.
    Track,
    /// What is attached to the windows of the chunk table.
    Window,
    /// The chunks of one node.
    Zone,
}

impl Class {
    fn as_raw(self) -> bindings::quarry_lock_class {
        match self {
            Self::Area => bindings::quarry_lock_class_QUARRY_LOCK_AREA,
            Self::Depot => bindings::quarry_lock_class_QUARRY_LOCK_DEPOT,
            Self::Slab => bindings::quarry_lock_class_QUARRY_LOCK_SLAB,
            Self::Stash => bindings::quarry_lock_class_QUARRY_LOCK_STASH,
            Self::Track => bindings::quarry_lock_class_QUARRY_LOCK_TRACK,
            Self::Window => bindings::quarry_lock_class_QUARRY_LOCK_WINDOW,
            Self::Zone => bindings::quarry_lock_class_QUARRY_LOCK_ZONE,
        }
    }
}

/// A raw spinlock and what it protects.
pub(crate) struct RawLock<T> {
    raw: Opaque<bindings::raw_spinlock_t>,
    data: UnsafeCell<T>,
}

// SAFETY: The lock hands out the data to one CPU at a time.
unsafe impl<T: Send> Send for RawLock<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for RawLock<T> {}

impl<T> RawLock<T> {
    /// Returns an unlocked lock.
    pub(crate) fn new(data: T, class: Class) -> Self {
        let this = Self {
            raw: Opaque::uninit(),
            data: UnsafeCell::new(data),
        };
        // SAFETY: The lock is valid for writes; it holds no pointer to itself and may be moved
        // until it is first taken.
        unsafe { bindings::quarry_helper_lock_init(this.raw.get(), class.as_raw()) };
        this
    }

    /// Makes an unlocked lock around data that is there already.
    ///
    /// For data that is too large for the stack.
    ///
    /// # Safety
    ///
    /// `this` is valid for writes and not shared, and its data is initialised, for example because
    /// all zeroes are a value of `T` and the memory is cleared.
    pub(crate) unsafe fn init_around(this: *mut Self, class: Class) {
        // SAFETY: By the contract of this function.
        unsafe { bindings::quarry_helper_lock_init((&raw mut (*this).raw).cast(), class.as_raw()) };
    }

    /// Takes the lock and turns interrupts off.
    ///
    /// Context: Any but NMI.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // SAFETY: The lock was initialised by `new`.
        let flags = unsafe { bindings::quarry_helper_lock(self.raw.get()) };
        Guard { lock: self, flags }
    }

    /// Takes the lock and turns interrupts off, unless somebody has it.
    ///
    /// Without `CONFIG_SMP` nobody can tell, and it is never taken.
    ///
    /// Context: Any, also NMI, and under the lock itself.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        let mut flags = 0;
        // SAFETY: The lock was initialised by `new`, and there is room for the flags.
        if unsafe { bindings::quarry_helper_trylock(self.raw.get(), &mut flags) } {
            Some(Guard { lock: self, flags })
        } else {
            None
        }
    }
}

/// A lock that is held.
pub(crate) struct Guard<'a, T> {
    lock: &'a RawLock<T>,
    flags: usize,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: The lock is held.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The lock is held, and this is its only guard.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: Taken by `lock`, which returned these flags.
        unsafe { bindings::quarry_helper_unlock(self.lock.raw.get(), self.flags) };
    }
}
