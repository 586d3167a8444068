// SPDX-License-Identifier: GPL-2.0

//! From a page to what owns it, if something of the layer above does: a slab.
//!
//! A pointer for each page, in arrays of one window each. A table over all windows leads to them; each of
//! its pointers is less by what is to be added for the first frame of its window, so that a frame's
//! number is the index. Windows without slabs share an array in which nobody owns a page, so that
//! looking up any address needs a bounds check and no other.
//!
//! # Laws
//!
//! - An array that was once made for a window stays until the module goes.

use crate::{
    gfp::Gfp,
    global::Global,
    lock::{
        Class,
        RawLock, //
    },
    metadata::{
        self,
        About, //
    },
    pool::FRAMES,
    requests::KVVec,
    window::{
        nr_windows,
        Pfn, //
    }, //
};
use core::{
    alloc::Layout,
    ptr::NonNull,
    sync::atomic::{
        AtomicPtr,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    }, //
};
use kernel::{
    alloc::AllocError,
    prelude::*, //
};

/// What a pointer to an owner points to: the end of its record.
pub(crate) enum Owner {}

/// Most bytes of a record that are looked at without knowing that there is one.
pub(crate) const RECORD: usize = 128;

/// The record of pages that have no owner: zeroes, which a fast path can read like any other.
#[repr(C, align(64))]
struct Nobody([u8; RECORD]);

static NOBODY: Nobody = Nobody([0; RECORD]);

/// Returns the owner of pages that have none.
#[inline(always)]
pub(crate) const fn nobody() -> *mut Owner {
    core::ptr::from_ref(&NOBODY)
        .wrapping_add(1)
        .cast_mut()
        .cast()
}

type Slot = AtomicPtr<Owner>;
type Owners = [Slot; FRAMES];

/// The array of all windows without slabs.
static NO_OWNERS: Owners = [const { AtomicPtr::new(nobody()) }; FRAMES];

/// The table, one pointer for each window.
struct Table(NonNull<AtomicPtr<Slot>>);

// SAFETY: The table is made to be shared.
unsafe impl Send for Table {}
// SAFETY: As above.
unsafe impl Sync for Table {}

static TABLE: Global<Table> = Global::new();
/// Serialises changes of the table.
static CHANGE: Global<RawLock<()>> = Global::new();

/// Returns what the table has for a window whose owners are `array`.
fn shifted(array: *const Owners, window: usize) -> *mut Slot {
    let first = array.cast::<Slot>().cast_mut();
    first.wrapping_sub(window.wrapping_mul(FRAMES))
}

/// # Safety
///
/// There is such a window.
#[inline(always)]
unsafe fn entry(window: usize) -> &'static AtomicPtr<Slot> {
    // SAFETY: Set by `init`, which runs before anybody can call.
    let Table(table) = unsafe { TABLE.get() };
    // SAFETY: By the contract of this function; the table lives until the module goes.
    unsafe { table.add(window).as_ref() }
}

/// Returns the slot of a frame.
///
/// # Safety
///
/// Its window exists.
#[inline(always)]
unsafe fn slot(pfn: Pfn) -> &'static Slot {
    // ORDERING: Acquire pairs with the Release in `ensure`: the array is initialised.
    // SAFETY: By the contract of this function.
    let slots = unsafe { entry(pfn.window()) }.load(Acquire);
    // SAFETY: By the laws of this module, and because the frame lies in the window.
    unsafe { &*slots.wrapping_add(pfn.0) }
}

/// Returns what owns a page, [`nobody`] if nothing does; `None` beyond the end of memory.
#[inline(always)]
pub(crate) fn of(pfn: Pfn) -> Option<*mut Owner> {
    if pfn.window() >= nr_windows() {
        return None;
    }
    // SAFETY: Checked above.
    let slot = unsafe { slot(pfn) };
    // ORDERING: Acquire pairs with the Release in `set`: what the owner points to is initialised.
    Some(slot.load(Acquire))
}

/// Says what owns `count` pages from `first` on, which lie in a window that has an array.
pub(crate) fn set(first: Pfn, count: usize, owner: *mut Owner) {
    for frame in first.0..first.0.wrapping_add(count) {
        debug_assert!(Pfn(frame).window() < nr_windows());
        // SAFETY: The window has an array, and so exists.
        let slot = unsafe { slot(Pfn(frame)) };
        // ORDERING: Release pairs with the Acquire in `of`.
        slot.store(owner, Release);
    }
}

/// Makes room for the owners of the pages of a window.
///
/// Context: Any but NMI, as `gfp` allows.
pub(crate) fn ensure(window: usize, gfp: Gfp) -> Result<(), AllocError> {
    if window >= nr_windows() {
        return Err(AllocError);
    }
    // SAFETY: Checked above.
    let entry = unsafe { entry(window) };
    let none = shifted(&NO_OWNERS, window);
    if entry.load(Relaxed) != none {
        return Ok(());
    }
    let layout = Layout::new::<Owners>();
    let fresh = metadata::alloc(About::Slab, layout, gfp).ok_or(AllocError)?;
    for frame in 0..FRAMES {
        // SAFETY: The memory has room for so many pointers and is not shared yet.
        unsafe { fresh.cast::<*mut Owner>().add(frame).write(nobody()) };
    }
    // SAFETY: Set by `init`, which ran before any page was handed out.
    let guard = unsafe { CHANGE.get() }.lock();
    if entry.load(Relaxed) == none {
        // ORDERING: Release pairs with the Acquire in `slot`: the array is initialised.
        entry.store(shifted(fresh.as_ptr().cast(), window), Release);
        return Ok(());
    }
    drop(guard);
    // SAFETY: Allocated above and not published.
    unsafe { metadata::free(About::Slab, fresh, layout) };
    Ok(())
}

/// Makes the table.
///
/// # Safety
///
/// Called once, after [`crate::window::init`] and before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    let mut table = KVVec::with_capacity(nr_windows(), GFP_KERNEL)?;
    for window in 0..nr_windows() {
        table.push(AtomicPtr::new(shifted(&NO_OWNERS, window)), GFP_KERNEL)?;
    }
    let (table, _, _) = table.into_raw_parts();
    // SAFETY: By the contract of this function, nobody reads yet.
    unsafe { CHANGE.set(RawLock::new((), Class::Window)) };
    // SAFETY: As above.
    unsafe { TABLE.set(Table(NonNull::new(table).ok_or(ENOMEM)?)) };
    Ok(())
}

/// Frees the table and the arrays.
///
/// # Safety
///
/// Called once, after everything that looks up owners has ended, and before [`crate::window::exit`].
pub(crate) unsafe fn exit() {
    for window in 0..nr_windows() {
        let none = shifted(&NO_OWNERS, window);
        // SAFETY: There is such a window.
        let slots = unsafe { entry(window) }.load(Relaxed);
        if slots != none {
            let first = slots.wrapping_add(window.wrapping_mul(FRAMES));
            if let Some(first) = NonNull::new(first) {
                // SAFETY: Allocated by `ensure`; nobody uses it any more.
                unsafe { metadata::free(About::Slab, first.cast(), Layout::new::<Owners>()) };
            }
        }
    }
    // SAFETY: Set by `init`.
    let Table(table) = unsafe { TABLE.get() };
    let length = nr_windows();
    // SAFETY: Made by `init` with this length; the capacity only tells the type what it owns.
    drop(unsafe { KVVec::from_raw_parts(table.as_ptr(), length, length) });
    // SAFETY: Set by `init`; nobody uses it any more.
    unsafe { CHANGE.end() };
}

/// Returns the bytes of the table.
pub(crate) fn table_bytes() -> usize {
    nr_windows() * core::mem::size_of::<AtomicPtr<Slot>>()
}
