// SPDX-License-Identifier: GPL-2.0

//! Pools with a limit of their own.

use crate::sys;
use core::ptr::{
    null,
    NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// What a pool is made of, in bytes.
#[derive(Clone, Copy, Default)]
pub struct PoolTerms {
    /// The most that it may have, rounded up to pages; 0 for no limit of its own.
    pub limit: usize,
    /// What of that is set aside for those who cannot wait (`GFP_ATOMIC`).
    pub reserve: usize,
    /// Whether those wait for memory who may (`GFP_KERNEL`).
    pub waits: bool,
}

/// A named pool: a limit, a reserve, and caches that draw on it.
///
/// # Invariants
///
/// The pool is live until this is dropped.
pub struct Pool(NonNull<sys::quarry_pool>);

// SAFETY: A pool may be used from any CPU.
unsafe impl Send for Pool {}
// SAFETY: As above.
unsafe impl Sync for Pool {}

impl Pool {
    /// Makes a pool, with the errors of `quarry_pool_create()`.
    ///
    /// Context: Process context. May sleep.
    #[inline]
    pub fn new(name: &CStr, terms: PoolTerms) -> Result<Self> {
        // CAST: `c_ulong` is as wide as `usize`.
        let args = sys::quarry_pool_args {
            limit: terms.limit as _,
            reserve: terms.reserve as _,
            nodes: null(),
            flags: if terms.waits {
                sys::QUARRY_POOL_WAITS
            } else {
                0
            },
        };
        // SAFETY: The name is a string, and the terms are valid.
        let pool = from_err_ptr(unsafe { sys::quarry_pool_create(name.as_char_ptr(), &args) })?;
        // INVARIANT: Just made.
        Ok(Self(NonNull::new(pool).ok_or(ENOMEM)?))
    }

    #[inline]
    pub(crate) fn as_raw(&self) -> *mut sys::quarry_pool {
        self.0.as_ptr()
    }

    /// Changes the limit, to no less than the reserve. What is used beyond it stays until it is freed.
    #[inline]
    pub fn set_limit(&self, bytes: usize) {
        // SAFETY: By the type invariants. CAST: As above.
        unsafe { sys::quarry_pool_set_limit(self.as_raw(), bytes as _) };
    }

    /// Records who allocates from it, or no more; see `quarry_pool_track()`.
    ///
    /// Context: Process context. May sleep.
    #[inline]
    pub fn track(&self, on: bool) -> Result {
        // SAFETY: By the type invariants.
        to_result(unsafe { sys::quarry_pool_track(self.as_raw(), on) })
    }

    /// Returns the bytes of pages that are charged to it.
    #[inline]
    pub fn used(&self) -> usize {
        // SAFETY: By the type invariants. CAST: As above.
        unsafe { sys::quarry_pool_used(self.as_raw()) as usize }
    }
}

impl Drop for Pool {
    /// Ends the pool. Caches borrow it, so that none is left; what leaked keeps it, and is reported.
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants, and nobody else can use it any more.
        unsafe { sys::quarry_pool_destroy(self.as_raw()) };
    }
}
