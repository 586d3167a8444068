// SPDX-License-Identifier: GPL-2.0

//! Contiguous memory of any size: classes from slabs, larger sizes straight from the page pool.

use crate::{
    account::{
        self,
        Account, //
    },
    cache::{
        self,
        Cache,
        Name, //
    },
    front::{
        Slot,
        NR_CLASSES, //
    },
    gfp::Gfp,
    global::Global,
    guard::{
        self,
        block, //
    },
    page_alloc::{
        self,
        Kind,
        NO_NODE, //
    },
    pool::Order,
    preset::Preset,
    published::Published,
    report::{
        self,
        BadFree, //
    },
    requests::KBox,
    track::NR_ACCOUNTS,
    window::{
        self,
        Pfn,
        Window, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::Ordering::Relaxed, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

mod class;
mod nolock;
mod resize;
mod sized;

pub(crate) use nolock::{
    kfree_nolock,
    kmalloc_nolock,
    nolock_failed, //
};
pub(crate) use resize::krealloc;
pub(crate) use sized::kfree_sized;

use class::SIZES;

/// What an allocation of no bytes gives: the kernel's `ZERO_SIZE_PTR`.
const ZERO_SIZE: usize = 16;

/// Largest allocation, in bytes.
pub(crate) const MAX: usize = PAGE_SIZE << Order::MAX.get();

/// Number of classes, rounded up so that a mask keeps an index in bounds.
const SLOTS: usize = SIZES.len().next_power_of_two();

const _: () = assert!(SLOTS <= NR_CLASSES);

/// The caches of all classes.
type Caches = [&'static Cache; SLOTS];

/// The classes of each account, by its number.
static CHARGED: [Published<Caches>; NR_ACCOUNTS] = [const { Published::nothing() }; NR_ACCOUNTS];

/// The classes that are charged to no account.
static CLASSES: Global<Caches> = Global::new();

#[inline(always)]
fn classes() -> &'static Caches {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { CLASSES.get() }
}

/// Allocates `size` bytes. Null if there is no memory.
///
/// Context: Any but NMI, as `gfp` allows.
#[inline(always)]
pub(crate) fn kmalloc(size: usize, gfp: Gfp) -> *mut c_void {
    // A size of 0 wraps, and goes the long way.
    let last = size.wrapping_sub(1);
    if last >= class::LARGEST {
        return kmalloc_pages(size, gfp, NO_NODE);
    }
    if gfp.wants_zero() {
        return kmalloc_node(size, gfp, NO_NODE);
    }
    let class = class::class(last);
    // SAFETY: There are so many classes.
    unsafe { core::hint::assert_unchecked(class < SLOTS) };
    // SAFETY: Published by `init`; the caches live as long as this module is in use.
    match unsafe { Slot::class(class).here().pop() } {
        Some(entry) => cache::hand_out(entry).as_ptr().cast(),
        None => kmalloc_node(size, gfp, NO_NODE),
    }
}

/// Allocates `size` bytes from a node, or from the nearest. Null if there is no memory.
///
/// Context: Any but NMI, as `gfp` allows.
#[cold]
#[inline(never)]
pub(crate) fn kmalloc_node(size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    let last = size.wrapping_sub(1);
    if last >= class::LARGEST {
        return kmalloc_pages(size, gfp, nid);
    }
    let cache = classes()[class::class(last) % SLOTS];
    if is_page_like(cache, size) {
        return kmalloc_pages(size, gfp, nid);
    }
    pointer_to(of_class(cache, size, gfp, nid))
}

/// Returns whether `size` bytes are a block in the debug preset, though there is a class: so they are aligned
/// to their size.
#[inline(always)]
fn is_page_like(cache: &Cache, size: usize) -> bool {
    cache.is_debug() && size > PAGE_SIZE
}

/// Allocates `size` bytes from the cache of their class.
#[inline(always)]
fn of_class(cache: &Cache, size: usize, gfp: Gfp, nid: i32) -> Option<NonNull<u8>> {
    let memory = cache.alloc(gfp, nid)?;
    if cache.is_debug() {
        cache.shorten(memory.addr().get(), size);
    }
    Some(memory)
}

/// Returns the pointer that C has to memory, null for none.
fn pointer_to(memory: Option<NonNull<u8>>) -> *mut c_void {
    memory.map_or(null_mut(), |memory| memory.as_ptr().cast())
}

/// Allocates what is too large for a class, or no bytes.
#[cold]
#[inline(never)]
fn kmalloc_pages(size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    if size == 0 {
        return core::ptr::without_provenance_mut(ZERO_SIZE);
    }
    if guard::is_on() {
        return kmalloc_guarded(size, gfp, nid);
    }
    let memory = Order::for_pages(size.div_ceil(PAGE_SIZE))
        .and_then(|order| page_alloc::alloc(Kind::Large, gfp, order, nid));
    pointer_to(memory)
}

/// The same where something has another preset than `fast`.
#[cold]
#[inline(never)]
fn kmalloc_guarded(size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    let preset = guard::default();
    let kind = match preset {
        Preset::Debug(_) => Kind::Fenced,
        _ => Kind::Large,
    };
    pointer_to(of_pages(preset, size, |order| {
        page_alloc::alloc(kind, gfp, order, nid)
    }))
}

/// Allocates `size` bytes, which are too many for a class, from what `alloc` gives.
fn of_pages(
    preset: Preset,
    size: usize,
    alloc: impl FnOnce(Order) -> Option<NonNull<u8>>,
) -> Option<NonNull<u8>> {
    let order = block::order_for(size, preset)?;
    let memory = alloc(order)?;
    // SAFETY: Just allocated.
    unsafe { block::fence(preset, memory, order, size) };
    Some(memory)
}

/// Allocates `size` bytes that are charged to an account which has classes. Null if there is no memory.
///
/// Context: Any but NMI, as `gfp` allows.
#[cold]
#[inline(never)]
pub(crate) fn kmalloc_charged(account: &Account, size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    let largest = match account.preset().checks() {
        None => class::LARGEST,
        Some(_) => PAGE_SIZE,
    };
    let memory = match size {
        0 => return core::ptr::without_provenance_mut(ZERO_SIZE),
        _ if size <= largest => charged(account).and_then(|caches| {
            let class = class::class(size - 1) % SLOTS;
            of_class(caches[class], size, gfp, nid)
        }),
        _ => of_pages(account.preset(), size, |order| {
            let relieve = || cache::shrink_account(account);
            account.alloc(Kind::ChargedLarge, gfp, order, nid, relieve)
        }),
    };
    pointer_to(memory)
}

/// Returns the classes of an account.
fn charged(account: &Account) -> Option<&Caches> {
    let caches = CHARGED.get(account.number())?.get();
    // SAFETY: Null, or classes that stay until the account is closed, which nobody then uses.
    unsafe { caches.as_ref() }
}

/// Frees memory of [`kmalloc`] or [`krealloc`].
///
/// Context: Any but NMI.
///
/// # Safety
///
/// The caller gives up the memory, if it is such.
#[inline(always)]
pub(crate) unsafe fn kfree(pointer: *const c_void) {
    let address = pointer.addr();
    if let Some((slab, index)) = cache::find(address) {
        // SAFETY: What lies in a slab is not null.
        let object = unsafe { NonNull::new_unchecked(pointer.cast_mut().cast::<u8>()) };
        // SAFETY: By the contract of this function.
        match unsafe { cache::free(slab, index, object) } {
            Ok(()) => return,
            Err(why) => return report::bad_free("quarry_kfree", pointer, why),
        }
    }
    // SAFETY: By the contract of this function.
    unsafe { kfree_unusual(pointer) }
}

/// Frees what is no object of a slab.
///
/// # Safety
///
/// As for [`kfree`].
#[cold]
#[inline(never)]
unsafe fn kfree_unusual(pointer: *const c_void) {
    let address = pointer.addr();
    if address <= ZERO_SIZE {
        return;
    }
    let found = window::at(address).zip(NonNull::new(pointer.cast_mut().cast::<u8>()));
    let result = match found {
        // SAFETY: By the contract of this function.
        Some(((window, frame), block)) => unsafe { free_large(window, frame, block) },
        None => Err(BadFree::Foreign),
    };
    if let Err(why) = result {
        report::bad_free("quarry_kfree", pointer, look_closer(address, why));
    }
}

/// Looks closer at what was not freed for `why`: where no object begins may be the middle of something.
#[cold]
#[inline(never)]
fn look_closer(address: usize, why: BadFree) -> BadFree {
    if cache::find(address).is_some() {
        return why;
    }
    within(address).unwrap_or_else(|| page_alloc::look_closer(Pfn::of_address(address), why))
}

/// Returns the order of the large allocation of a kind that begins at an address.
#[inline(always)]
fn large(window: &Window, frame: usize, address: usize, kind: Kind) -> Result<Order, BadFree> {
    // ORDERING: The state of a block changes by its owner's hand only.
    let state = window.state(frame).load(Relaxed);
    match Order::new((state & 0x0f).into()) {
        Some(order) if state == window::held(kind, order) => {
            if address % PAGE_SIZE == 0 {
                Ok(order)
            } else {
                Err(BadFree::Interior)
            }
        }
        _ => Err(page_alloc::wrong_state(state)),
    }
}

/// Returns the kind and the order of the large allocation that begins at an address, whichever kind it is.
fn any_large(window: &Window, frame: usize, address: usize) -> Result<(Kind, Order), BadFree> {
    for kind in [Kind::Large, Kind::ChargedLarge, Kind::Fenced] {
        match large(window, frame, address, kind) {
            Err(BadFree::Mismatch) => {}
            other => return other.map(|order| (kind, order)),
        }
    }
    Err(BadFree::Mismatch)
}

/// Returns what is wrong with an address within a slab at which no object of it begins.
fn within(address: usize) -> Option<BadFree> {
    cache::slab_of(address).map(|_| BadFree::Interior)
}

/// # Safety
///
/// As for [`kfree`].
unsafe fn free_large(window: &Window, frame: usize, block: NonNull<u8>) -> Result<(), BadFree> {
    match large(window, frame, block.addr().get(), Kind::Large) {
        // SAFETY: By the contract of this function.
        Ok(order) => unsafe { page_alloc::free(Kind::Large, block, order) },
        // SAFETY: As above.
        Err(BadFree::Mismatch) => unsafe { free_other(window, frame, block) },
        Err(why) => Err(why),
    }
}

/// # Safety
///
/// As for [`kfree`].
#[cold]
#[inline(never)]
unsafe fn free_other(window: &Window, frame: usize, block: NonNull<u8>) -> Result<(), BadFree> {
    let (kind, order) = any_large(window, frame, block.addr().get())?;
    let preset = match kind {
        Kind::ChargedLarge => account::of_block(block).map_or(Preset::Fast, Account::preset),
        _ => guard::default(),
    };
    // SAFETY: By the contract of this function.
    unsafe { block::check_fence(preset, block, order) };
    match kind {
        // SAFETY: As above.
        Kind::ChargedLarge => unsafe { account::free(kind, block, order) },
        // SAFETY: As above.
        _ => unsafe { page_alloc::free(kind, block, order) },
    }
}

/// Returns whether a pointer is null, or what an allocation of no bytes gives.
pub(crate) fn is_nothing(pointer: *const c_void) -> bool {
    pointer.addr() <= ZERO_SIZE
}

/// Returns the usable size of an allocation; 0 if it is none of quarry's.
pub(crate) fn ksize(pointer: *const c_void) -> usize {
    live(pointer.addr()).map_or(0, |(room, _)| room)
}

/// Returns the usable size of the live allocation that begins at an address, and what it is charged to.
fn live(address: usize) -> Result<(usize, Option<&'static Account>), BadFree> {
    let (window, frame) = window::at(address).ok_or(BadFree::Foreign)?;
    if let Some((slab, index)) = cache::find(address) {
        if !slab.is_live(index) {
            return Err(BadFree::Double);
        }
        let cache = slab.cache();
        return Ok((cache.room(slab, index), cache.account()));
    }
    within(address).map_or(Ok(()), Err)?;
    let memory = NonNull::new(core::ptr::with_exposed_provenance_mut(address));
    let memory = memory.ok_or(BadFree::Foreign)?;
    let (kind, order) = any_large(window, frame, address)?;
    let account = match kind {
        Kind::ChargedLarge => account::of_block(memory),
        _ => None,
    };
    Ok((
        block::room(guard::preset_of(account), memory, order),
        account,
    ))
}

/// Returns the usable size of the live allocation that begins at an address, if it is charged to nothing, and
/// not guarded.
#[inline(always)]
fn live_uncharged(address: usize) -> Option<usize> {
    let (window, frame) = window::at(address)?;
    if let Some((slab, index)) = cache::find(address) {
        let plain = slab.is_live(index) && slab.cache().is_plain();
        // CAST: Lossless.
        return plain.then(|| slab.geometry().stride as usize);
    }
    let order = large(window, frame, address, Kind::Large).ok()?;
    Some(PAGE_SIZE << order.get())
}

/// Returns what a live allocation is charged to.
pub(crate) fn account_of(pointer: *const c_void) -> Option<&'static Account> {
    live(pointer.addr()).ok()?.1
}

/// Returns whether a cache is that of a class.
pub(crate) fn is_class(cache: &Cache) -> bool {
    let caches = match cache.account() {
        None => Some(classes()),
        Some(account) => charged(account),
    };
    caches.is_some_and(|caches| caches.iter().any(|class| core::ptr::eq(*class, cache)))
}

/// Makes the caches of the classes. `name` says what those of a class are called.
fn make_caches(account: Option<&'static Account>, name: impl Fn(usize) -> Name) -> Result<Caches> {
    let mut caches = [None; SIZES.len()];
    for (class, (slot, size)) in caches.iter_mut().zip(SIZES).enumerate() {
        // CAST: Lossless.
        *slot = cache::create(account, name(class).as_c_str(), size as usize, 0, None);
        if slot.is_none() {
            break;
        }
    }
    if caches.iter().any(Option::is_none) {
        for cache in caches.into_iter().flatten() {
            // SAFETY: Made above and not used.
            let _ = unsafe { cache::destroy_unshared(cache) };
        }
        return Err(ENOMEM);
    }
    // SAFETY: The caches live until `exit` or `close`.
    let classes = caches.map(|cache| cache.map(|cache| unsafe { cache.as_ref() }));
    let first = classes[0].ok_or(ENOMEM)?;
    let cache = |class: usize| classes.get(class).copied().flatten().unwrap_or(first);
    Ok(core::array::from_fn(cache))
}

/// Creates the caches of the classes.
///
/// # Safety
///
/// Called once, after [`cache::init`] and before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    let caches = make_caches(None, |class| Name::new(class::name(class)))?;
    // SAFETY: By the contract of this function.
    unsafe { CLASSES.set(caches) };
    publish();
    Ok(())
}

/// Publishes the fast paths, again when they have changed.
pub(crate) fn publish() {
    for (class, cache) in classes().iter().enumerate() {
        cache.publish(Slot::class(class));
    }
}

/// Ends the caches of the classes. Returns how many objects were still live.
///
/// # Safety
///
/// Nobody uses this module any more.
pub(crate) unsafe fn exit() -> usize {
    // SAFETY: By the contract of this function.
    unsafe { end_caches(classes()) }
}

/// Ends caches, and reports those that cannot end. Returns how many objects are live.
///
/// # Safety
///
/// They were made by `make_caches`, and nobody uses them any more.
unsafe fn end_caches(caches: &Caches) -> usize {
    let mut live = 0;
    for &class in caches.iter().take(SIZES.len()) {
        // SAFETY: By the contract of this function.
        if let Err(objects) = unsafe { cache::destroy_unshared(NonNull::from(class)) } {
            let name = class.name().as_str();
            pr_err!("leak: {} objects of {} are live\n", objects, name);
            live += objects;
        }
    }
    live
}

/// Makes classes for an account, whose caches begin with a name.
///
/// Context: Process context. May sleep.
pub(crate) fn open(account: &'static Account, name: &str) -> Result {
    let slot = CHARGED.get(account.number()).ok_or(EINVAL)?;
    let caches = make_caches(Some(account), |class| {
        Name::joined(name, class::name(class))
    })?;
    let boxed = KBox::new(caches, GFP_KERNEL).inspect_err(|_| {
        // SAFETY: Made above and not used.
        unsafe { end_caches(&caches) };
    })?;
    slot.publish(KBox::into_raw(boxed));
    Ok(())
}

/// Ends the classes of an account, of which nothing is live.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody uses the account any more.
pub(crate) unsafe fn close(account: &Account) {
    let Some(slot) = CHARGED.get(account.number()) else {
        return;
    };
    let caches = slot.withdraw();
    if !caches.is_null() {
        // SAFETY: Stored by `open`; nobody uses it, by the contract of this function.
        let caches = unsafe { KBox::from_raw(caches) };
        // SAFETY: As above.
        unsafe { end_caches(&caches) };
    }
}
