// SPDX-License-Identifier: GPL-2.0

//! An allocation mapped into this process.

use rustix::mm;
use std::{ffi::c_void, slice, sync::atomic::AtomicU8};

/// An allocation mapped into this process; unmapped when dropped.
///
/// # Invariants
///
/// `start` is the start of a mapping of `length` bytes that only this value unmaps.
#[derive(Debug)]
pub struct Mapping {
    start: *mut c_void,
    length: usize,
}

// SAFETY: The mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}

// SAFETY: Access is by atomics only.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Takes over a mapping.
    ///
    /// # Safety
    ///
    /// `start` is the start of a mapping of `length` bytes that nothing else unmaps.
    pub(crate) unsafe fn from_raw(start: *mut c_void, length: usize) -> Self {
        // INVARIANT: The caller promises both.
        Self { start, length }
    }

    /// Returns the memory. Atomics, because the module or another mapping may write it meanwhile.
    pub fn bytes(&self) -> &[AtomicU8] {
        // SAFETY: By the type invariants, these bytes are mapped as long as `self` lives; they are
        // initialised, as the module zeroes or the caller wrote them; atomics may be shared.
        unsafe { slice::from_raw_parts(self.start.cast::<AtomicU8>(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, the mapping is there and only this value unmaps it.
        let result = unsafe { mm::munmap(self.start, self.length) };
        debug_assert!(result.is_ok());
    }
}
