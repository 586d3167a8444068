// SPDX-License-Identifier: GPL-2.0

//! Slab caches of an open file.

use super::{
    pools::Charged,
    request::Arm, //
};
use crate::{
    account::Account,
    bindings,
    cache::{
        self,
        Cache, //
    },
    exports,
    requests::{
        self,
        KVec, //
    }, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::Arc, //
};

/// Bytes of the largest object.
const MAX_OBJECT: u32 = 8192;

/// Bytes of a name, with its final NUL.
const NAME_LEN: usize = bindings::QUARRY_NAME_LEN as usize;

/// What comes before the names of these caches in everything that lists caches.
const PREFIX: &[u8] = b"user:";

/// The name that a user gave a cache: 1 to 31 bytes of `[A-Za-z0-9_.-]`, then NULs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Name([u8; NAME_LEN]);

impl Name {
    /// Checks a name.
    pub(super) fn new(raw: [u8; NAME_LEN]) -> Result<Self> {
        let len = raw.iter().position(|&byte| byte == 0).ok_or(EINVAL)?;
        let (name, rest) = raw.split_at(len);
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
        if name.is_empty() || !name.iter().all(allowed) || rest.iter().any(|&byte| byte != 0) {
            return Err(EINVAL);
        }
        Ok(Self(raw))
    }

    /// Returns the name as the user gave it.
    fn as_str(&self) -> &str {
        let name = self.0.split(|&byte| byte == 0).next().unwrap_or_default();
        // All of it is ASCII.
        core::str::from_utf8(name).unwrap_or_default()
    }

    /// Returns the name that others see, cut off where the allocator would cut it off.
    fn shown(&self) -> [u8; NAME_LEN] {
        let mut shown = [0; NAME_LEN];
        let (prefix, rest) = shown.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX);
        for (to, from) in rest
            .iter_mut()
            .zip(&self.0)
            .take(NAME_LEN - 1 - PREFIX.len())
        {
            *to = *from;
        }
        shown
    }
}

/// What a cache is made of, checked.
pub(super) struct Shape {
    arm: Arm,
    name: Name,
    object_size: u32,
    align: u32,
    /// As user space gave it; looked up later.
    pool: u32,
}

impl Shape {
    /// Checks what user space asks for.
    pub(super) fn new(
        arm: Arm,
        name: [u8; NAME_LEN],
        object_size: u32,
        align: u32,
        pool: u32,
    ) -> Result<Self> {
        // CAST: A page has fewer than 2^32 bytes.
        let align_possible = align == 0 || (align.is_power_of_two() && align <= PAGE_SIZE as u32);
        let charged = arm == Arm::Quarry || pool == 0;
        if object_size == 0 || object_size > MAX_OBJECT || !align_possible || !charged {
            return Err(EINVAL);
        }
        Ok(Self {
            arm,
            name: Name::new(name)?,
            object_size,
            align,
            pool,
        })
    }
}

/// A cache of one of the two arms.
enum Raw {
    Quarry(NonNull<bindings::quarry_cache>),
    Kernel(NonNull<bindings::kmem_cache>),
}

impl Raw {
    /// Makes a cache.
    fn new(shape: &Shape) -> Result<Self> {
        match shape.arm {
            Arm::Quarry => {
                let name = shape.name.shown();
                let pool = Charged::new(shape.pool)?;
                // SAFETY: `name` ends with a NUL, which the allocator copies up to, and `Shape` has
                // checked the numbers. A pool with caches is not destroyed.
                let raw = unsafe {
                    exports::cache_create(
                        Some(pool.account()),
                        name.as_ptr().cast(),
                        shape.object_size,
                        shape.align,
                        0,
                        None,
                    )
                };
                Ok(Raw::Quarry(NonNull::new(raw).ok_or(ENOMEM)?))
            }
            Arm::Kernel => {
                requests::ask(size_of::<bindings::kmem_cache>())?;
                // The kernel wants no two caches of one name.
                // ORDERING: Relaxed: only the number counts.
                let id = NEXT_ID.fetch_add(1, Relaxed);
                let name = CString::try_from_fmt(fmt!("quarry:{id}:{}", shape.name.as_str()))?;
                // SAFETY: As above.
                let raw = unsafe {
                    bindings::quarry_helper_kmem_cache_create(
                        name.as_char_ptr(),
                        shape.object_size,
                        shape.align,
                    )
                };
                Ok(Raw::Kernel(NonNull::new(raw).ok_or(ENOMEM)?))
            }
        }
    }
}

/// Number of the next cache of the kernel's.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

/// A cache that an open file owns, destroyed when dropped.
///
/// # Invariants
///
/// - `raw` is a live cache without a constructor, of objects of `object_size` bytes.
/// - `objects` is at least the number of its live objects, and grows only while the cache is in a
///   [`CacheTable`].
pub(super) struct UserCache {
    raw: Raw,
    object_size: u32,
    name: Name,
    objects: AtomicU64,
}

// SAFETY: Caches may be used from any task.
unsafe impl Send for UserCache {}

// SAFETY: As above, also by several at a time.
unsafe impl Sync for UserCache {}

impl UserCache {
    /// Makes a cache.
    pub(super) fn new(shape: &Shape) -> Result<Arc<Self>> {
        requests::ask(size_of::<Self>())?;
        // INVARIANT: The cache is new, so nothing of it is live.
        let cache = Self {
            raw: Raw::new(shape)?,
            object_size: shape.object_size,
            name: shape.name,
            objects: AtomicU64::new(0),
        };
        Ok(Arc::new(cache, GFP_KERNEL_ACCOUNT)?)
    }

    /// Returns whose cache it is.
    /// Returns what its slabs are charged to.
    pub(super) fn account(&self) -> Option<&'static Account> {
        match self.raw {
            // SAFETY: By the type invariants, the cache is alive.
            Raw::Quarry(raw) => unsafe { raw.cast::<Cache>().as_ref() }.account(),
            Raw::Kernel(_) => None,
        }
    }

    pub(super) fn arm(&self) -> Arm {
        match self.raw {
            Raw::Quarry(_) => Arm::Quarry,
            Raw::Kernel(_) => Arm::Kernel,
        }
    }

    /// Returns the bytes of an object.
    pub(super) fn object_size(&self) -> usize {
        // CAST: At most `MAX_OBJECT`.
        self.object_size as usize
    }

    /// Allocates an object for whoever has taken the cache out of its table with
    /// [`CacheTable::get`].
    ///
    /// On failure, the caller's claim on the cache ends.
    pub(super) fn alloc(&self, gfp: bindings::gfp_t) -> Option<NonNull<u8>> {
        let object = match self.raw {
            // SAFETY: By the type invariants, the cache is live.
            Raw::Quarry(raw) => unsafe { exports::quarry_cache_alloc(raw.as_ptr(), gfp) },
            // SAFETY: As above.
            Raw::Kernel(raw) => unsafe {
                bindings::quarry_helper_kmem_cache_alloc(raw.as_ptr(), gfp)
            },
        };
        let object = NonNull::new(object.cast());
        if object.is_none() {
            self.end_claim();
        }
        object
    }

    /// Frees an object, and ends the claim under which it was allocated.
    ///
    /// # Safety
    ///
    /// The object must have come from [`alloc`](Self::alloc) of this cache, and not be used any
    /// more.
    pub(super) unsafe fn free(&self, object: NonNull<u8>) {
        let object = object.as_ptr().cast();
        match self.raw {
            // SAFETY: By the type invariants, the cache is live; the rest is this function's
            // contract.
            Raw::Quarry(raw) => unsafe { exports::quarry_cache_free(raw.as_ptr(), object) },
            // SAFETY: As above.
            Raw::Kernel(raw) => unsafe { bindings::kmem_cache_free(raw.as_ptr(), object) },
        }
        self.end_claim();
    }

    /// Ends a claim that [`CacheTable::get`] made.
    pub(super) fn end_claim(&self) {
        // ORDERING: Release pairs with the Acquire in `is_idle`: the object has been freed before
        // the cache looks idle.
        self.objects.fetch_sub(1, Release);
    }

    fn is_idle(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end_claim`.
        self.objects.load(Acquire) == 0
    }
}

impl Drop for UserCache {
    fn drop(&mut self) {
        match self.raw {
            Raw::Quarry(raw) => {
                // Only those of modules leave shells, so that open files cannot displace them.
                // SAFETY: By the type invariants, the cache is live, and this was its only owner.
                let result = unsafe { cache::destroy_unshared(raw.cast()) };
                // Every object holds a reference to its cache.
                debug_assert!(result.is_ok());
            }
            // SAFETY: As above.
            Raw::Kernel(raw) => unsafe { bindings::kmem_cache_destroy(raw.as_ptr()) },
        }
    }
}

/// What an id stands for.
enum Place {
    /// Nothing.
    Free,
    /// A cache that is being made, which takes long.
    Making(Name),
    /// A cache.
    Ready(Arc<UserCache>),
}

impl Place {
    fn is_called(&self, name: &Name) -> bool {
        match self {
            Place::Free => false,
            Place::Making(its) => its == name,
            Place::Ready(cache) => cache.name == *name,
        }
    }
}

/// The caches of an open file, by id: the index in the table plus one.
pub(super) struct CacheTable {
    places: KVec<Place>,
}

impl CacheTable {
    /// Makes a table without caches.
    pub(super) fn new() -> Self {
        Self {
            places: KVec::new(),
        }
    }

    /// Returns the id of an idle cache that is charged to an account.
    pub(super) fn find_idle(&self, account: &Account) -> Option<u32> {
        let index = self.places.iter().position(|place| match place {
            Place::Ready(cache) => {
                let ours = cache.account().is_some_and(|of| core::ptr::eq(of, account));
                ours && cache.is_idle()
            }
            _ => false,
        })?;
        u32::try_from(index + 1).ok()
    }

    /// Returns an id for a cache to be made, until [`settle`](Self::settle).
    pub(super) fn reserve(&mut self, shape: &Shape) -> Result<u32> {
        if self.places.iter().any(|place| place.is_called(&shape.name)) {
            return Err(EEXIST);
        }
        let is_free = |place: &Place| matches!(place, Place::Free);
        let index = match self.places.iter().position(is_free) {
            Some(index) => index,
            None => {
                self.places.push(Place::Free, GFP_KERNEL_ACCOUNT)?;
                self.places.len() - 1
            }
        };
        if let Some(place) = self.places.get_mut(index) {
            *place = Place::Making(shape.name);
        }
        Ok(u32::try_from(index + 1)?)
    }

    /// Makes a reserved id stand for a cache, or for nothing.
    pub(super) fn settle(&mut self, id: u32, cache: Option<Arc<UserCache>>) {
        if let Ok(place @ Place::Making(_)) = self.place(id) {
            *place = cache.map_or(Place::Free, Place::Ready);
        }
    }

    /// Returns a cache for one allocation, which must end in [`UserCache::alloc`].
    pub(super) fn get(&mut self, id: u32) -> Result<Arc<UserCache>> {
        let Place::Ready(cache) = self.place(id)? else {
            return Err(ENOENT);
        };
        // INVARIANT: The cache is in this table, and the number now includes the object to come.
        // ORDERING: Relaxed: whoever looks whether the cache is idle holds the same lock as this
        // table's caller.
        cache.objects.fetch_add(1, Relaxed);
        Ok(cache.clone())
    }

    /// Takes an idle cache out of the table. It is destroyed when the caller drops it.
    pub(super) fn remove(&mut self, id: u32) -> Result<Arc<UserCache>> {
        let place = self.place(id)?;
        match core::mem::replace(place, Place::Free) {
            Place::Ready(cache) if cache.is_idle() => Ok(cache),
            other => {
                let busy = matches!(other, Place::Ready(_));
                *place = other;
                Err(if busy { EBUSY } else { ENOENT })
            }
        }
    }

    fn place(&mut self, id: u32) -> Result<&mut Place> {
        // CAST: `usize` has at least 32 bits.
        let index = id.checked_sub(1).ok_or(ENOENT)? as usize;
        let index = super::table::bounded(index, self.places.len()).ok_or(ENOENT)?;
        self.places.get_mut(index).ok_or(ENOENT)
    }
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kunit_tests(quarry_device_caches)]
mod tests {
    use super::*;

    fn raw(name: &[u8]) -> [u8; NAME_LEN] {
        let mut raw = [0; NAME_LEN];
        raw[..name.len()].copy_from_slice(name);
        raw
    }

    #[test]
    fn names_are_checked() {
        assert!(Name::new(raw(b"inode_cache-2.x")).is_ok());
        assert!(Name::new(raw(b"")).is_err());
        assert!(Name::new(raw(b"a/b")).is_err());
        assert!(Name::new(raw(b"a b")).is_err());
        assert!(Name::new(raw(b"a\0b")).is_err());
        assert!(Name::new([b'x'; NAME_LEN]).is_err());
    }

    #[test]
    fn shown_name_has_prefix_and_nul() -> Result {
        let shown = Name::new(raw(b"abc"))?.shown();
        assert!(shown[..9] == *b"user:abc\0");
        let mut longest = [b'x'; NAME_LEN];
        longest[NAME_LEN - 1] = 0;
        assert!(Name::new(longest)?.shown()[NAME_LEN - 1] == 0);
        Ok(())
    }
}
