// SPDX-License-Identifier: GPL-2.0

//! Contiguous memory of any size: classes from slabs, larger sizes straight from the page pool.

use crate::{
    cache::{
        self,
        Cache, //
    },
    front::{
        Slot,
        NR_CLASSES, //
    },
    gfp::Gfp,
    global::Global,
    page_alloc::{
        self,
        Kind,
        NO_NODE, //
    },
    pool::Order,
    report::{
        self,
        BadFree, //
    },
    window::{
        self,
        Window, //
    },
    words, //
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

use class::SIZES;

/// What an allocation of no bytes gives: the kernel's `ZERO_SIZE_PTR`.
const ZERO_SIZE: usize = 16;

/// Largest allocation, in bytes.
pub(crate) const MAX: usize = PAGE_SIZE << Order::MAX.get();

/// Number of classes, rounded up so that a mask keeps an index in bounds.
const SLOTS: usize = SIZES.len().next_power_of_two();

const _: () = assert!(SLOTS <= NR_CLASSES);

/// What the fast path needs to know.
struct Classes {
    /// Sizes below and up to this one are served by the fast path: none, if all memory is cleared.
    fast: usize,
    caches: [&'static Cache; SLOTS],
}

static CLASSES: Global<Classes> = Global::new();

#[inline(always)]
fn classes() -> &'static Classes {
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
    let classes = classes();
    if last < classes.fast && !gfp.wants_zero() {
        // SAFETY: `fast` is at most this.
        unsafe { core::hint::assert_unchecked(last < class::LARGEST) };
        let class = class::class(last);
        // SAFETY: There are so many classes.
        unsafe { core::hint::assert_unchecked(class < SLOTS) };
        // SAFETY: Published by `init`; the caches live as long as this module is in use.
        if let Some(entry) = unsafe { Slot::class(class).here().pop() } {
            return cache::hand_out(entry).as_ptr().cast();
        }
    }
    kmalloc_node(size, gfp, NO_NODE)
}

/// Allocates `size` bytes from a node, or from the nearest. Null if there is no memory.
///
/// Context: Any but NMI, as `gfp` allows.
#[cold]
#[inline(never)]
pub(crate) fn kmalloc_node(size: usize, gfp: Gfp, nid: i32) -> *mut c_void {
    let memory = match size {
        0 => return core::ptr::without_provenance_mut(ZERO_SIZE),
        1..=class::LARGEST => {
            let class = class::class(size - 1) % SLOTS;
            classes().caches[class].alloc(gfp, nid)
        }
        _ => Order::for_pages(size.div_ceil(PAGE_SIZE))
            .and_then(|order| page_alloc::alloc(Kind::Large, gfp, order, nid)),
    };
    memory.map_or(null_mut(), |memory| memory.as_ptr().cast())
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
        Some(_) if cache::slab_of(address).is_some() => Err(BadFree::Interior),
        // SAFETY: By the contract of this function.
        Some(((window, frame), block)) => unsafe { free_large(window, frame, block) },
        None => Err(BadFree::Foreign),
    };
    if let Err(why) = result {
        report::bad_free("quarry_kfree", pointer, why);
    }
}

/// Returns the order of the large allocation that begins at an address.
fn large(window: &Window, frame: usize, address: usize) -> Result<Order, BadFree> {
    // ORDERING: The state of a block changes by its owner's hand only.
    let state = window.state(frame).load(Relaxed);
    match Order::new((state & 0x0f).into()) {
        Some(order) if state == window::held(Kind::Large, order) => {
            if address % PAGE_SIZE == 0 {
                Ok(order)
            } else {
                Err(BadFree::Interior)
            }
        }
        _ => Err(page_alloc::wrong_state(state)),
    }
}

/// # Safety
///
/// As for [`kfree`].
unsafe fn free_large(window: &Window, frame: usize, block: NonNull<u8>) -> Result<(), BadFree> {
    let order = large(window, frame, block.addr().get())?;
    // SAFETY: By the contract of this function.
    unsafe { page_alloc::free(Kind::Large, block, order) }
}

/// Returns the usable size of an allocation; 0 if it is none of quarry's.
pub(crate) fn ksize(pointer: *const c_void) -> usize {
    let address = pointer.addr();
    if address <= ZERO_SIZE {
        return 0;
    }
    let Some((window, frame)) = window::at(address) else {
        return 0;
    };
    match cache::slab_of(address) {
        // CAST: Lossless.
        Some(slab) => slab.geometry().stride as usize,
        None => large(window, frame, address).map_or(0, |order| PAGE_SIZE << order.get()),
    }
}

/// Returns the usable size of the live allocation that begins at an address.
fn live_size(address: usize) -> Result<usize, BadFree> {
    let (window, frame) = window::at(address).ok_or(BadFree::Foreign)?;
    if let Some((slab, index)) = cache::find(address) {
        if !slab.is_live(index) {
            return Err(BadFree::Double);
        }
        // CAST: Lossless.
        return Ok(slab.geometry().stride as usize);
    }
    if cache::slab_of(address).is_some() {
        return Err(BadFree::Interior);
    }
    large(window, frame, address).map(|order| PAGE_SIZE << order.get())
}

/// Returns whether a cache is that of a class.
pub(crate) fn is_class(cache: &Cache) -> bool {
    classes()
        .caches
        .iter()
        .any(|class| core::ptr::eq(*class, cache))
}

/// Changes the size of an allocation, keeping its contents. Null if there is no memory.
///
/// What stays in place is aligned to `align`; what moves is aligned as any allocation of that size,
/// and lies on `nid` or the nearest node. With `__GFP_THISNODE`, what lies on another node moves.
///
/// Context: Any but NMI, as `gfp` allows.
///
/// # Safety
///
/// `pointer` is null, or came from [`kmalloc`] or [`krealloc`] and is given up on success.
pub(crate) unsafe fn krealloc(
    pointer: *const c_void,
    size: usize,
    align: usize,
    gfp: Gfp,
    nid: i32,
) -> *mut c_void {
    if size == 0 {
        // SAFETY: By the contract of this function.
        unsafe { kfree(pointer) };
        return core::ptr::without_provenance_mut(ZERO_SIZE);
    }
    let fresh = || match nid {
        NO_NODE => kmalloc(size, gfp),
        nid => kmalloc_node(size, gfp, nid),
    };
    let address = pointer.addr();
    if address <= ZERO_SIZE {
        return fresh();
    }
    let room = match live_size(address) {
        Ok(room) => room,
        Err(why) => {
            report::bad_free("quarry_krealloc", pointer, why);
            return null_mut();
        }
    };
    let elsewhere = || gfp.this_node_only() && nid != NO_NODE && !lies_on(address, nid);
    if size <= room && address & align.wrapping_sub(1) == 0 && !elsewhere() {
        if page_alloc::must_clear(gfp) {
            // What is not asked for now is clear when it is asked for later.
            // SAFETY: The caller has `room` bytes there.
            unsafe {
                pointer
                    .cast_mut()
                    .cast::<u8>()
                    .add(size)
                    .write_bytes(0, room - size)
            };
        }
        return pointer.cast_mut();
    }
    let other = fresh();
    if !other.is_null() {
        // SAFETY: Both have that many bytes, are of whole words, and do not overlap.
        unsafe {
            words::copy(pointer.cast(), other.cast(), (room.min(size)).div_ceil(8));
        }
        // SAFETY: By the contract of this function.
        unsafe { kfree(pointer) };
    }
    other
}

/// Returns whether an address of quarry's lies on a node.
fn lies_on(address: usize, nid: i32) -> bool {
    // CAST: Nodes are few.
    window::at(address).is_some_and(|(window, _)| window.node() as i32 == nid)
}

/// Creates the caches of the classes.
///
/// # Safety
///
/// Called once, after [`cache::init`] and before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    let mut caches = [None; SIZES.len()];
    for (class, (slot, size)) in caches.iter_mut().zip(SIZES).enumerate() {
        // CAST: Lossless.
        *slot = cache::create(class::name(class), size as usize, 0, None);
        if slot.is_none() {
            break;
        }
    }
    if caches.iter().any(Option::is_none) {
        for cache in caches.into_iter().flatten() {
            // SAFETY: Made above and not used.
            let _ = unsafe { cache::destroy(cache) };
        }
        return Err(ENOMEM);
    }
    // SAFETY: The caches live until `exit`.
    let classes = caches.map(|cache| cache.map(|cache| unsafe { cache.as_ref() }));
    let first = classes[0].ok_or(ENOMEM)?;
    let cache = |class: usize| classes.get(class).copied().flatten().unwrap_or(first);
    let caches: [&Cache; SLOTS] = core::array::from_fn(cache);
    for (class, cache) in caches.iter().enumerate() {
        cache.publish(Slot::class(class));
    }
    let classes = Classes {
        fast: if page_alloc::must_clear(Gfp::NOWAIT) {
            0
        } else {
            class::LARGEST
        },
        caches,
    };
    // SAFETY: By the contract of this function.
    unsafe { CLASSES.set(classes) };
    Ok(())
}

/// Ends the caches of the classes. Returns how many objects were still live.
///
/// # Safety
///
/// Nobody uses this module any more.
pub(crate) unsafe fn exit() -> usize {
    let mut live = 0;
    for &class in classes().caches.iter().take(SIZES.len()) {
        // SAFETY: Made by `init`; by the contract of this function nobody uses it.
        if let Err(objects) = unsafe { cache::destroy(NonNull::from(class)) } {
            pr_err!(
                "leak: {} objects of {} are live\n",
                objects,
                class.name().as_str()
            );
            live += objects;
        }
    }
    live
}
