// SPDX-License-Identifier: GPL-2.0

//! A list to which anybody adds, and from which nothing is removed.
//!
//! # Laws
//!
//! - There is at most one node with a key.
//! - Who finds a node finds it complete.

use crate::sync::{
    AtomicPtr,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};
use core::ptr::{
    null_mut,
    NonNull, //
};

/// A value and its key.
pub(crate) struct Node<T> {
    key: usize,
    next: *mut Node<T>,
    value: T,
}

impl<T> Node<T> {
    /// Returns a node that is in no bucket.
    pub(crate) const fn new(key: usize, value: T) -> Self {
        Self {
            key,
            next: null_mut(),
            value,
        }
    }
}

/// Nodes, the latest first.
///
/// # Invariants
///
/// What `first` and the nodes behind it point to is null, or a node that lives as long as the bucket.
pub(crate) struct Bucket<T> {
    first: AtomicPtr<Node<T>>,
}

impl<T> Bucket<T> {
    /// Returns a bucket without nodes.
    pub(crate) const fn new() -> Self {
        // INVARIANT: Null.
        Self {
            first: AtomicPtr::new(null_mut()),
        }
    }

    /// Returns each key with its value.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        // ORDERING: Acquire pairs with the Release in `add`: the node is complete. Those behind it were
        // there before it.
        let mut at = self.first.load(Acquire);
        core::iter::from_fn(move || {
            // SAFETY: By the type invariants.
            let node = unsafe { at.as_ref() }?;
            at = node.next;
            Some((node.key, &node.value))
        })
    }

    /// Returns the value of a key.
    #[inline]
    pub(crate) fn find(&self, key: usize) -> Option<&T> {
        self.iter()
            .find_map(|(of, value)| (of == key).then_some(value))
    }

    /// Adds a node, unless there is one with its key. Returns the value that the key has now, and whether it
    /// is that of the node.
    ///
    /// # Safety
    ///
    /// The node is the caller's. If it is added, it lives as long as the bucket.
    pub(crate) unsafe fn add(&self, node: NonNull<Node<T>>) -> (&T, bool) {
        loop {
            // ORDERING: Acquire as in `iter`: whoever finds the node finds those behind it.
            let first = self.first.load(Acquire);
            // SAFETY: By the contract of this function, also below.
            if let Some(value) = self.find(unsafe { node.as_ref() }.key) {
                return (value, false);
            }
            // SAFETY: As above; nobody else has seen it.
            unsafe { (*node.as_ptr()).next = first };
            // ORDERING: Release pairs with the Acquire in `iter`. On failure nothing is read.
            let added = self
                .first
                .compare_exchange(first, node.as_ptr(), Release, Relaxed);
            if added.is_ok() {
                // SAFETY: INVARIANT: It is in the bucket, and stays there.
                return (unsafe { &node.as_ref().value }, true);
            }
        }
    }

    /// Passes on each node, of a bucket that nobody else uses any more.
    pub(crate) fn take_all(&mut self, mut free: impl FnMut(NonNull<Node<T>>)) {
        // ORDERING: Nobody else has access.
        let mut at = self.first.swap(null_mut(), Relaxed);
        while let Some(node) = NonNull::new(at) {
            // SAFETY: By the type invariants.
            at = unsafe { node.as_ref() }.next;
            free(node);
        }
    }
}
