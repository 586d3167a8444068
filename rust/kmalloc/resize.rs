// SPDX-License-Identifier: GPL-2.0

//! Changes of an allocation's size: in place where it has room, else by moving it.

use super::{
    kfree,
    kmalloc,
    kmalloc_charged,
    kmalloc_node,
    live,
    live_uncharged,
    look_closer,
    ZERO_SIZE, //
};
use crate::{
    gfp::Gfp,
    page_alloc::{
        self,
        NO_NODE, //
    },
    report,
    window,
    words, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};

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
    let anew = || match nid {
        NO_NODE => kmalloc_anew(size, gfp),
        nid => kmalloc_node(size, gfp, nid),
    };
    if pointer.addr() <= ZERO_SIZE {
        return anew();
    }
    match live_uncharged(pointer.addr()) {
        // SAFETY: By the contract of this function; it has so much room.
        Some(room) => unsafe { resize::<true>(pointer, room, size, align, gfp, nid, anew) },
        // SAFETY: By the contract of this function.
        None => unsafe { krealloc_charged(pointer, size, align, gfp, nid) },
    }
}

/// Allocates by the fast path, out of line: calls of [`krealloc`] that stay in place need not save the
/// registers that it takes.
#[inline(never)]
fn kmalloc_anew(size: usize, gfp: Gfp) -> *mut c_void {
    kmalloc(size, gfp)
}

/// [`krealloc`] of what is charged to an account, guarded, or wrong.
///
/// # Safety
///
/// As for [`krealloc`].
#[cold]
#[inline(never)]
unsafe fn krealloc_charged(
    pointer: *const c_void,
    size: usize,
    align: usize,
    gfp: Gfp,
    nid: i32,
) -> *mut c_void {
    let (room, account) = match live(pointer.addr()) {
        Ok(live) => live,
        Err(why) => {
            report::bad_free("quarry_krealloc", pointer, look_closer(pointer.addr(), why));
            return null_mut();
        }
    };
    let anew = || match account {
        Some(account) => kmalloc_charged(account, size, gfp, nid),
        None => kmalloc_node(size, gfp, nid),
    };
    // SAFETY: By the contract of this function; it has so much room.
    unsafe { resize::<false>(pointer, room, size, align, gfp, nid, anew) }
}

/// Keeps in place what may stay, and moves the rest to what `anew` allocates. What is in the last word with it
/// may move along if `WORDS`.
///
/// # Safety
///
/// As for [`krealloc`], for live memory of `room` bytes.
#[inline(always)]
unsafe fn resize<const WORDS: bool>(
    pointer: *const c_void,
    room: usize,
    size: usize,
    align: usize,
    gfp: Gfp,
    nid: i32,
    anew: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let address = pointer.addr();
    let elsewhere = || gfp.this_node_only() && nid != NO_NODE && !lies_on(address, nid);
    if size <= room && address & align.wrapping_sub(1) == 0 && !elsewhere() {
        if page_alloc::must_clear(gfp) {
            let rest = pointer.cast_mut().cast::<u8>().wrapping_add(size);
            // What is not asked for now is clear when it is asked for later.
            // SAFETY: The caller has `room` bytes there.
            unsafe { rest.write_bytes(0, room - size) };
        }
        return pointer.cast_mut();
    }
    let other = anew();
    if !other.is_null() {
        let count = room.min(size);
        if WORDS {
            // SAFETY: Both have that many bytes, are of whole words, and do not overlap.
            unsafe { words::copy(pointer.cast(), other.cast(), count.div_ceil(8)) };
        } else {
            // SAFETY: Both have that many bytes, and do not overlap.
            unsafe { core::ptr::copy_nonoverlapping(pointer.cast::<u8>(), other.cast(), count) };
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
