// SPDX-License-Identifier: GPL-2.0

//! Frees by those who know the size.
//!
//! An allocation of `room` bytes may have been asked for with any size from 1 to `room`: what shrinks stays in
//! place, however small it gets. So these sizes are right, and all others are wrong.

use super::{
    kfree_unusual,
    live,
    look_closer,
    ZERO_SIZE, //
};
use crate::{
    cache,
    report::{
        self,
        BadFree, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};

const NAME: &str = "quarry_kfree_sized";

/// Frees memory of [`kmalloc`](super::kmalloc) or [`krealloc`](super::krealloc) that was last given `size`
/// bytes.
///
/// Context: Any but NMI.
///
/// # Safety
///
/// The caller gives up the memory, if it is such.
pub(crate) unsafe fn kfree_sized(pointer: *const c_void, size: usize) {
    let found = cache::find(pointer.addr());
    let fitting = found.filter(|(slab, index)| fits(size, slab.cache().room(*slab, *index)));
    let Some((slab, index)) = fitting else {
        // SAFETY: By the contract of this function.
        return unsafe { unusual(pointer, size) };
    };
    // SAFETY: What lies in a slab is not null.
    let object = unsafe { NonNull::new_unchecked(pointer.cast_mut().cast::<u8>()) };
    // SAFETY: By the contract of this function.
    if let Err(why) = unsafe { cache::free(slab, index, object) } {
        report::bad_free(NAME, pointer, why);
    }
}

/// Returns whether something with room for `room` bytes can have been asked for with `size`.
#[inline(always)]
fn fits(size: usize, room: usize) -> bool {
    // A size of 0 wraps.
    size.wrapping_sub(1) < room
}

/// Frees what is no object that fits the size.
///
/// # Safety
///
/// As for [`kfree_sized`].
#[cold]
#[inline(never)]
unsafe fn unusual(pointer: *const c_void, size: usize) {
    let address = pointer.addr();
    if address <= ZERO_SIZE {
        // What failed gave null for any size.
        if address == ZERO_SIZE && size != 0 {
            report::bad_free(NAME, pointer, BadFree::Size);
        }
        return;
    }
    match live(address) {
        // SAFETY: By the contract of this function.
        Ok((room, _)) if fits(size, room) => unsafe { kfree_unusual(pointer) },
        Ok(_) => report::bad_free(NAME, pointer, BadFree::Size),
        Err(why) => report::bad_free(NAME, pointer, look_closer(address, why)),
    }
}
