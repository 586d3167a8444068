// SPDX-License-Identifier: GPL-2.0

//! All caches.
//!
//! # Lock order
//!
//! `CACHES` is a mutex: it is taken in process context, before any spinlock, and after the CPUs are held. A
//! cache is made under it, so that a switch of tracking finds it or is seen by it. Functions that run on
//! other CPUs meanwhile get the list from whoever holds it.

use super::{
    dead::Shells,
    nolock,
    Cache,
    Constructor,
    Shape, //
};
use crate::{
    account::Account,
    bindings,
    guard,
    percpu::wait_for_hotplug,
    published::Published,
    requests::{
        KBox,
        KVec, //
    }, //
};
use core::{
    ffi::{
        c_void,
        CStr, //
    },
    ptr::{
        null_mut,
        NonNull, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        rcu::synchronize_rcu, //
    }, //
};

/// A registered cache.
#[derive(Clone, Copy)]
struct Registered {
    cache: NonNull<Cache>,
    /// Nobody allocates from it any more; it ends when its objects are all free.
    released: bool,
}

// SAFETY: A cache is shared by all CPUs anyway.
unsafe impl Send for Registered {}

impl Registered {
    fn new(cache: NonNull<Cache>) -> Self {
        Self {
            cache,
            released: false,
        }
    }

    fn cache(&self) -> &Cache {
        // SAFETY: A cache is freed only after it was taken out of the list.
        unsafe { self.cache.as_ref() }
    }
}

/// All caches, the number that the next one gets, and what is left of the last ones.
struct Caches {
    list: KVec<Registered>,
    next_id: u32,
    shells: Shells,
}

global_lock! {
    // SAFETY: Initialised in `init`, before anything else of this module is used.
    unsafe(uninit) static CACHES: Mutex<Caches> = Caches {
        list: KVec::new(),
        next_id: 1,
        shells: Shells::new(),
    };
}

/// Who is told of caches that come and go. No lock is held then.
pub(crate) struct Observer {
    /// There is a new cache; nobody but its maker knows it yet.
    pub(crate) created: fn(&Cache),
    /// The cache with this number is no more.
    pub(crate) destroyed: fn(u32),
}

static OBSERVER: Published<Observer> = Published::nothing();

/// Says who is told from now on, if anybody.
pub(crate) fn observe(observer: Option<&'static Observer>) {
    let observer = observer.map_or(null_mut(), |observer| {
        core::ptr::from_ref(observer).cast_mut()
    });
    OBSERVER.publish(observer);
}

fn observer() -> Option<&'static Observer> {
    // SAFETY: Null, or from a reference that is good for as long as the module.
    unsafe { OBSERVER.get().as_ref() }
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

/// Makes a cache, whose slabs are charged to an account if one is named. `None` for arguments out of
/// range or no memory.
///
/// The account outlives the cache.
///
/// Context: Process context. May sleep.
pub(crate) fn create(
    account: Option<&'static Account>,
    name: &CStr,
    size: usize,
    align: usize,
    constructor: Option<Constructor>,
) -> Option<NonNull<Cache>> {
    let shape = Shape::new(size, align, guard::preset_of(account))?;
    let mut caches = CACHES.lock();
    let id = caches.next_id;
    let cache = Cache::new(name, shape, constructor, id, account).ok()?;
    caches.list.reserve(1, GFP_KERNEL).ok()?;
    let cache = NonNull::new(KBox::into_raw(cache))?;
    caches.list.push(Registered::new(cache), GFP_KERNEL).ok()?;
    caches.next_id = id.wrapping_add(1);
    drop(caches);
    if let Some(observer) = observer() {
        // SAFETY: Made above, and nobody else knows it.
        (observer.created)(unsafe { cache.as_ref() });
    }
    Some(cache)
}

/// Why a cache is not ended.
pub(crate) enum Refusal {
    /// So many objects are live.
    Live(usize),
    /// It was destroyed before.
    Dead,
}

/// Ends a cache whose objects are all free, but for its shell. Else says why not, and changes nothing.
///
/// Context: Process context, not when called by hotplug. May sleep.
///
/// # Safety
///
/// `cache` came from [`create`], and nobody allocates from it or frees to it during the call, or
/// uses it after a success, but for what is found to be wrong.
pub(crate) unsafe fn destroy(cache: NonNull<Cache>) -> Result<(), Refusal> {
    take_out(cache)?;
    // SAFETY: Taken out of the list above, and by contract nobody uses it.
    unsafe { bury(cache) };
    Ok(())
}

/// [`destroy`], for a cache that no module has the address of: no shell is left. Else returns how many
/// objects are live.
///
/// Context: Process context, not when called by hotplug. May sleep.
///
/// # Safety
///
/// As for [`destroy`], and nobody uses the cache afterwards.
pub(crate) unsafe fn destroy_unshared(cache: NonNull<Cache>) -> Result<(), usize> {
    match take_out(cache) {
        // SAFETY: Taken out of the list above, and by contract nobody uses it.
        Ok(()) => drop(unsafe { end(cache) }),
        Err(Refusal::Live(objects)) => return Err(objects),
        Err(Refusal::Dead) => {}
    }
    Ok(())
}

/// Takes a cache out of the list, if its objects are all free in their slabs.
fn take_out(cache: NonNull<Cache>) -> Result<(), Refusal> {
    // SAFETY: By the contract of the callers, the cache is alive, or a shell.
    let this = unsafe { cache.as_ref() };
    if try_remove(cache)? {
        return Ok(());
    }
    // Some may lie in a magazine of a CPU that is going. Whether they do cannot be counted: while that CPU's
    // are emptied, an object may be seen in neither place.
    wait_for_hotplug();
    if try_remove(cache)? {
        return Ok(());
    }
    Err(Refusal::Live(this.census().live().max(1)))
}

/// Takes a cache out of the list, if its objects are all free in their slabs. Returns whether they were.
fn try_remove(cache: NonNull<Cache>) -> Result<bool, Refusal> {
    let mut caches = CACHES.lock();
    let registered = Registered::new(cache);
    if registered.cache().is_dead() {
        return Err(Refusal::Dead);
    }
    flush(&[registered]);
    let all_free = registered.cache().is_all_free();
    if all_free {
        caches.remove(cache);
    }
    Ok(all_free)
}

/// Ends a cache as soon as its objects are all free: at once, or in [`end_released`].
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// `cache` came from [`create`], and nobody allocates from it any more. Objects may be freed during
/// the call and afterwards.
pub(crate) unsafe fn release(cache: NonNull<Cache>) {
    for other in &mut CACHES.lock().list {
        other.released |= other.cache == cache;
    }
    end_released();
}

/// Ends the released caches whose objects are all free. Returns how many are left.
///
/// Context: Process context. May sleep.
pub(crate) fn end_released() -> usize {
    let mut left = 0;
    let mut skip = 0;
    loop {
        let mut caches = CACHES.lock();
        let released = caches.list.iter().filter(|cache| cache.released).nth(skip);
        let Some(&released) = released else {
            break;
        };
        flush(&[released]);
        if !released.cache().is_all_free() {
            left += 1;
            skip += 1;
            continue;
        }
        caches.remove(released.cache);
        drop(caches);
        // Whoever freed the last objects has preemption off until it is done with the cache.
        synchronize_rcu();
        // SAFETY: Taken out of the list above. By the contract of `release`, only frees were left,
        // and all objects are free.
        unsafe { bury(released.cache) };
    }
    left
}

impl Caches {
    /// Takes a cache out of the list: it is dead.
    fn remove(&mut self, cache: NonNull<Cache>) {
        Registered::new(cache).cache().die();
        self.list.retain(|other| other.cache != cache);
        if self.list.is_empty() {
            // Statics are never dropped, so that the last cache takes the list's memory along.
            self.list = KVec::new();
        }
    }
}

/// Leaves the shell of a cache.
///
/// # Safety
///
/// As for [`end`].
unsafe fn bury(cache: NonNull<Cache>) {
    // SAFETY: By the contract of this function.
    let mut cache = unsafe { end(cache) };
    cache.retire();
    let oldest = CACHES.lock().shells.push(cache);
    drop(oldest);
}

/// Frees the shells.
///
/// Context: Process context.
///
/// # Safety
///
/// Nobody uses this module any more.
pub(crate) unsafe fn exit_dead() {
    CACHES.lock().shells.clear();
}

/// Gives back all that a cache has but itself, which it returns.
///
/// # Safety
///
/// The cache came from [`create`], is in the list no more, and nobody uses it. Its objects are free.
unsafe fn end(cache: NonNull<Cache>) -> KBox<Cache> {
    // SAFETY: By the contract of this function, the cache is alive.
    let this = unsafe { cache.as_ref() };
    if let Some(observer) = observer() {
        (observer.destroyed)(this.id());
    }
    this.release_empty();
    // SAFETY: Made by `create` from a `KBox`; nobody uses it, by the contract of this function.
    unsafe { KBox::from_raw(cache.as_ptr()) }
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

/// Moves all objects that are in magazines into their slabs, but for those of a CPU that is using them, or
/// that is going: [`wait_for_hotplug`], and do it again.
fn flush(list: &[Registered]) {
    nolock::settle();
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
        .map(|cache| cache.cache().release_empty())
        .sum()
}

/// Empties the magazines of one cache and gives its empty slabs back. Returns whether slabs remain.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink(cache: &Cache) -> bool {
    flush(&[Registered::new(NonNull::from(cache))]);
    cache.release_empty();
    cache.slab_pages() != 0
}

/// Empties the magazines of an account's caches and gives their empty slabs back.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink_account(account: &Account) {
    account.empty_quarantine();
    let caches = CACHES.lock();
    for registered in &caches.list {
        let cache = registered.cache();
        if cache.account().is_some_and(|of| core::ptr::eq(of, account)) {
            flush(core::slice::from_ref(registered));
            cache.release_empty();
        }
    }
}

/// Gives back what was of no use since the last tick, and ends what was released.
///
/// Context: Process context. May sleep.
pub(crate) fn tick() {
    nolock::settle();
    let caches = CACHES.lock();
    on_each_cpu(&caches.list, true);
    for cache in &caches.list {
        let cache = cache.cache();
        cache.trim_depots();
        cache.release_idle();
    }
    drop(caches);
    end_released();
}

/// Calls `f` with each cache, for a CPU that has been taken away.
///
/// Context: Process context. May sleep.
pub(crate) fn for_each_during_hotplug(f: impl Fn(&Cache)) {
    for cache in &CACHES.lock().list {
        f(cache.cache());
    }
}
