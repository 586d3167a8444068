// SPDX-License-Identifier: GPL-2.0

//! All caches.
//!
//! # Lock order
//!
//! `CACHES` is a mutex: it is taken in process context, before any spinlock. Functions that run on
//! other CPUs meanwhile get the list from whoever holds it.

use super::{
    geometry,
    Cache,
    Constructor, //
};
use crate::bindings;
use core::{
    ffi::{
        c_void,
        CStr, //
    },
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        Ordering::{
            Acquire,
            Release, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::global_lock, //
};

/// A registered cache.
#[derive(Clone, Copy)]
struct Registered(NonNull<Cache>);

// SAFETY: A cache is shared by all CPUs anyway.
unsafe impl Send for Registered {}

impl Registered {
    fn cache(&self) -> &Cache {
        // SAFETY: A cache is freed only after it was taken out of the list.
        unsafe { self.0.as_ref() }
    }
}

/// All caches, and the number that the next one gets.
struct Caches {
    list: KVec<Registered>,
    next_id: u32,
}

global_lock! {
    // SAFETY: Initialised in `init`, before anything else of this module is used.
    unsafe(uninit) static CACHES: Mutex<Caches> = Caches {
        list: KVec::new(),
        next_id: 1,
    };
}

/// Who is told of caches that come and go. No lock is held then.
pub(crate) struct Observer {
    /// There is a new cache; nobody but its maker knows it yet.
    pub(crate) created: fn(&Cache),
    /// The cache with this number is no more.
    pub(crate) destroyed: fn(u32),
}

static OBSERVER: AtomicPtr<Observer> = AtomicPtr::new(null_mut());

/// Says who is told from now on, if anybody.
pub(crate) fn observe(observer: Option<&'static Observer>) {
    let observer = observer.map_or(null_mut(), |observer| {
        core::ptr::from_ref(observer).cast_mut()
    });
    // ORDERING: Release pairs with the Acquire in `observer`: what the observer needs is set up.
    OBSERVER.store(observer, Release);
}

fn observer() -> Option<&'static Observer> {
    // ORDERING: Acquire pairs with the Release in `observe`.
    // SAFETY: Null, or from a reference that is good for as long as the module.
    unsafe { OBSERVER.load(Acquire).as_ref() }
}

/// Sets up the list.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() {
    // SAFETY: By the contract of this function.
    unsafe { CACHES.init() };
}

/// Makes a cache. `None` for arguments out of range or no memory.
///
/// Context: Process context. May sleep.
pub(crate) fn create(
    name: &CStr,
    size: usize,
    align: usize,
    constructor: Option<Constructor>,
) -> Option<NonNull<Cache>> {
    let geometry = geometry(size, align)?;
    let mut caches = CACHES.lock();
    let id = caches.next_id;
    let cache = Cache::new(name, geometry, constructor, id).ok()?;
    caches.list.reserve(1, GFP_KERNEL).ok()?;
    let cache = NonNull::new(KBox::into_raw(cache))?;
    caches.list.push(Registered(cache), GFP_KERNEL).ok()?;
    caches.next_id = id.wrapping_add(1);
    drop(caches);
    if let Some(observer) = observer() {
        // SAFETY: Made above, and nobody else knows it.
        (observer.created)(unsafe { cache.as_ref() });
    }
    Some(cache)
}

/// Ends a cache whose objects are all free. Else returns how many are live, and changes nothing.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// `cache` came from [`create`], and nobody allocates from it or frees to it during the call, or
/// uses it after a success.
pub(crate) unsafe fn destroy(cache: NonNull<Cache>) -> Result<(), usize> {
    let mut caches = CACHES.lock();
    // SAFETY: By the contract of this function, the cache is alive.
    let this = unsafe { cache.as_ref() };
    flush(&[Registered(cache)]);
    let census = this.census();
    if census.live() != 0 {
        return Err(census.live());
    }
    caches.list.retain(|other| other.0 != cache);
    if caches.list.is_empty() {
        // Statics are never dropped, so that the last cache takes the list's memory along.
        caches.list = KVec::new();
    }
    drop(caches);
    if let Some(observer) = observer() {
        (observer.destroyed)(this.id());
    }
    this.release_empty(0);
    // SAFETY: Made by `create` from a `KBox`; out of the list, and by contract nobody uses it.
    drop(unsafe { KBox::from_raw(cache.as_ptr()) });
    Ok(())
}

/// Calls `f` with each cache, oldest first, until it says stop.
///
/// Context: Process context. May sleep.
pub(crate) fn for_each(mut f: impl FnMut(&Cache) -> core::ops::ControlFlow<()>) {
    for cache in &CACHES.lock().list {
        if f(cache.cache()).is_break() {
            break;
        }
    }
}

/// What the function on each CPU gets.
struct OnEachCpu<'a> {
    list: &'a [Registered],
    idle_only: bool,
}

/// # Safety
///
/// `argument` points to an [`OnEachCpu`]. Runs in any context but NMI.
unsafe extern "C" fn flush_this_cpu(argument: *mut c_void) {
    // SAFETY: By the contract of this function.
    let argument = unsafe { &*argument.cast::<OnEachCpu<'_>>() };
    for cache in argument.list {
        cache.cache().flush_cpu(argument.idle_only);
    }
}

fn on_each_cpu(list: &[Registered], idle_only: bool) {
    let mut argument = OnEachCpu { list, idle_only };
    // SAFETY: The function may run in interrupt context; the call waits for all CPUs, so that the
    // argument outlives its use. Callers are in process context.
    unsafe {
        bindings::quarry_helper_on_each_cpu(
            Some(flush_this_cpu),
            core::ptr::from_mut(&mut argument).cast(),
        )
    };
}

fn flush(list: &[Registered]) {
    on_each_cpu(list, false);
    for cache in list {
        cache.cache().flush_depots();
    }
}

/// Empties all magazines and gives all empty slabs back. Returns the slabs.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink_all() -> usize {
    let caches = CACHES.lock();
    flush(&caches.list);
    caches
        .list
        .iter()
        .map(|cache| cache.cache().release_empty(0))
        .sum()
}

/// Empties the magazines of one cache and gives its empty slabs back. Returns whether slabs remain.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink(cache: &Cache) -> bool {
    flush(&[Registered(NonNull::from(cache))]);
    cache.release_empty(0);
    cache.slab_pages() != 0
}

/// Empties what was not used since the last tick, and gives half of the empty slabs back.
///
/// Context: Process context. May sleep.
pub(crate) fn tick() {
    let caches = CACHES.lock();
    on_each_cpu(&caches.list, true);
    for cache in &caches.list {
        let cache = cache.cache();
        let empty = cache.census().empty;
        if empty > 1 {
            cache.release_empty(empty / 2);
        }
    }
}

/// Calls `f` with each cache, for a CPU that has been taken away.
///
/// Context: Process context. May sleep.
pub(crate) fn for_each_during_hotplug(f: impl Fn(&Cache)) {
    for cache in &CACHES.lock().list {
        f(cache.cache());
    }
}
