// SPDX-License-Identifier: GPL-2.0

//! What is left of caches that were destroyed, so that their use is found.
//!
//! The shell of a cache has its name and the tables of its front, in which no CPU has a fast path: a use
//! fails where the fast path would have found an empty magazine, and the slow path looks whether the cache
//! is dead. So no fast path has to.
//!
//! The shells of the last caches stay, and the oldest goes when there is a new one. Who uses a cache after so
//! many others were destroyed is not found.

use super::{
    Cache,
    KVec, //
};
use crate::requests::KBox;
use core::{
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed, //
};

/// Most shells that stay.
const SHELLS: usize = 64;

/// The shells, as a ring.
pub(super) struct Shells {
    ring: [Option<NonNull<Cache>>; SHELLS],
    /// The place of the oldest, or one that is free.
    next: usize,
}

// SAFETY: A shell is owned by the ring; others look at it only.
unsafe impl Send for Shells {}

impl Shells {
    /// Returns a ring without shells.
    pub(super) const fn new() -> Self {
        Self {
            ring: [None; SHELLS],
            next: 0,
        }
    }

    /// Takes a shell in. Returns the oldest one if there are too many now, for the caller to drop.
    pub(super) fn push(&mut self, shell: KBox<Cache>) -> Option<KBox<Cache>> {
        let oldest = self.ring.get_mut(self.next)?;
        let oldest = core::mem::replace(oldest, NonNull::new(KBox::into_raw(shell)));
        self.next = (self.next + 1) % SHELLS;
        Self::back(oldest)
    }

    /// Gives all shells up, and drops them.
    pub(super) fn clear(&mut self) {
        for shell in &mut self.ring {
            drop(Self::back(shell.take()));
        }
    }

    fn back(shell: Option<NonNull<Cache>>) -> Option<KBox<Cache>> {
        // SAFETY: From a `KBox` in `push`, and in the ring no more.
        shell.map(|shell| unsafe { KBox::from_raw(shell.as_ptr()) })
    }
}

impl Cache {
    /// Returns whether the cache was destroyed, as far as can still be told.
    ///
    /// Context: Any.
    pub(crate) fn is_dead(&self) -> bool {
        // ORDERING: Nothing follows from it: a dead cache has nothing to look at but its name, which never
        // changes.
        self.dead.load(Relaxed)
    }

    /// Says that the cache is destroyed.
    ///
    /// The lock of the list is held.
    pub(super) fn die(&self) {
        // ORDERING: Who destroys the cache too looks under the lock; see `is_dead` for others.
        self.dead.store(true, Relaxed);
    }

    /// Leaves the shell of a dead cache, whose slabs have been released.
    ///
    /// Context: Process context.
    pub(super) fn retire(&mut self) {
        self.front.retire();
        self.nodes = KVec::new();
        self.account = None;
    }
}
