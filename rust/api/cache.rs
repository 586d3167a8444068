// SPDX-License-Identifier: GPL-2.0

//! Typed caches.

use crate::{
    allocator::raw,
    pool::Pool,
    sys, //
};
use core::{
    marker::PhantomData,
    ops::{
        Deref,
        DerefMut, //
    },
    pin::Pin,
    ptr::NonNull, //
};
use kernel::{
    alloc::Flags,
    prelude::*, //
};

/// A cache of objects of one type, with slabs of its own.
///
/// A [`CacheBox`] borrows the cache that it is of, so that no object outlives it.
///
/// # Invariants
///
/// `raw` is a live cache of objects that have the size and alignment of `T`.
pub struct Cache<'p, T> {
    raw: NonNull<sys::quarry_cache>,
    /// The pool is borrowed; objects are given out.
    _of: PhantomData<(&'p Pool, T)>,
}

// SAFETY: A cache may be used from any CPU. Dropping it drops no `T`.
unsafe impl<T> Send for Cache<'_, T> {}
// SAFETY: As above.
unsafe impl<T> Sync for Cache<'_, T> {}

impl<T> Cache<'static, T> {
    /// Makes a cache. Fails with `EINVAL` if `T` has no size or more than 8192 bytes, and with `ENOMEM`.
    ///
    /// Context: Process context. May sleep.
    pub fn new(name: &CStr) -> Result<Self> {
        let (size, align) = Self::layout()?;
        // SAFETY: The name is a string.
        let raw = unsafe { sys::quarry_cache_create(name.as_char_ptr(), size, align, 0, None) };
        Self::from_raw(raw)
    }
}

impl<'p, T> Cache<'p, T> {
    /// Makes a cache whose slabs are charged to a pool. Fails as [`Cache::new`].
    ///
    /// Context: Process context. May sleep.
    pub fn in_pool(pool: &'p Pool, name: &CStr) -> Result<Self> {
        let (size, align) = Self::layout()?;
        // SAFETY: The pool is alive, and the name is a string.
        let raw = unsafe {
            sys::quarry_pool_cache_create(pool.as_raw(), name.as_char_ptr(), size, align, 0, None)
        };
        Self::from_raw(raw)
    }

    fn layout() -> Result<(u32, u32)> {
        let size = u32::try_from(size_of::<T>())?;
        let align = u32::try_from(align_of::<T>())?;
        if size == 0 || size > 8192 {
            return Err(EINVAL);
        }
        Ok((size, align))
    }

    fn from_raw(raw: *mut sys::quarry_cache) -> Result<Self> {
        // INVARIANT: Just made with the layout of `T`.
        Ok(Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            _of: PhantomData,
        })
    }

    fn alloc(&self, flags: Flags) -> Result<NonNull<T>> {
        // SAFETY: By the type invariants.
        let object = unsafe { sys::quarry_cache_alloc(self.raw.as_ptr(), raw(flags)) };
        NonNull::new(object.cast()).ok_or(ENOMEM)
    }

    /// # Safety
    ///
    /// `object` came from `alloc` of this cache, and nobody uses it.
    unsafe fn free(&self, object: NonNull<T>) {
        // SAFETY: By the contract of this function.
        unsafe { sys::quarry_cache_free(self.raw.as_ptr(), object.as_ptr().cast()) };
    }

    /// Moves a value into an object.
    ///
    /// Context: Any, as `flags` allow.
    pub fn boxed(&self, value: T, flags: Flags) -> Result<CacheBox<'_, T>> {
        let object = self.alloc(flags)?;
        // SAFETY: The object has the layout of `T`, and is ours.
        unsafe { object.write(value) };
        // INVARIANT: Written above.
        Ok(CacheBox {
            object,
            cache: self,
        })
    }

    /// Initialises an object in place, where it stays.
    ///
    /// Context: Any, as `flags` and the initialiser allow.
    pub fn pin_init<E>(
        &self,
        init: impl PinInit<T, E>,
        flags: Flags,
    ) -> Result<Pin<CacheBox<'_, T>>>
    where
        Error: From<E>,
    {
        let object = self.alloc(flags)?;
        // SAFETY: The object has the layout of `T`, is ours, and is never moved: it is pinned below. If
        // it fails, it is freed without being dropped.
        let result = unsafe { init.__init(object.as_ptr()) };
        if let Err(err) = result {
            // SAFETY: Allocated above.
            unsafe { self.free(object) };
            return Err(err.into());
        }
        // INVARIANT: Initialised above.
        let this = CacheBox {
            object,
            cache: self,
        };
        // SAFETY: A `CacheBox` never moves what is in it, and gives no way to do so once it is pinned.
        Ok(unsafe { Pin::new_unchecked(this) })
    }
}

impl<T> Drop for Cache<'_, T> {
    /// Ends the cache. What a leaked box still holds keeps it until then.
    fn drop(&mut self) {
        // SAFETY: By the type invariants; boxes borrow the cache, so that there are none but leaked ones.
        unsafe { sys::quarry_cache_release(self.raw.as_ptr()) };
    }
}

/// A value in an object of a cache, freed when dropped.
///
/// # Invariants
///
/// `object` is a live object of `cache` that holds a `T`, and this is its only owner.
pub struct CacheBox<'c, T> {
    object: NonNull<T>,
    cache: &'c Cache<'c, T>,
}

// SAFETY: A box is its value; freeing works on any CPU.
unsafe impl<T: Send> Send for CacheBox<'_, T> {}
// SAFETY: As above.
unsafe impl<T: Sync> Sync for CacheBox<'_, T> {}

impl<T> Deref for CacheBox<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: By the type invariants.
        unsafe { self.object.as_ref() }
    }
}

impl<T> DerefMut for CacheBox<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariants.
        unsafe { self.object.as_mut() }
    }
}

impl<T> Drop for CacheBox<'_, T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants; this was its only owner.
        unsafe { self.object.drop_in_place() };
        // SAFETY: As above.
        unsafe { self.cache.free(self.object) };
    }
}
