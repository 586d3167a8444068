// SPDX-License-Identifier: GPL-2.0

//! Memory that is contiguous if it can be, and mapped otherwise.

use crate::{
    gfp::Gfp,
    kmalloc,
    page_alloc::NO_NODE,
    vmap_alloc, //
};
use core::{
    ffi::c_void,
    ptr::null_mut, //
};
use kernel::page::PAGE_SIZE;

/// Allocates `size` bytes. Null if there is no memory.
///
/// Context: As `gfp` allows; what may not sleep is contiguous.
pub(crate) fn kvmalloc(size: usize, gfp: Gfp, caller: usize) -> *mut c_void {
    if size <= kmalloc::MAX {
        let quiet = if size > PAGE_SIZE {
            gfp.with(Gfp::NOWARN)
        } else {
            gfp
        };
        let memory = kmalloc::kmalloc(size, quiet);
        if !memory.is_null() || size <= PAGE_SIZE {
            return memory;
        }
    }
    if gfp.may_sleep() {
        vmap_alloc::vmalloc(size, gfp, NO_NODE, caller)
    } else {
        null_mut()
    }
}

/// Changes the size of an allocation, keeping its contents. Null if there is no memory.
///
/// Context: As [`kvmalloc`].
///
/// # Safety
///
/// `pointer` is null, or came from [`kvmalloc`] or [`kvrealloc`] and is given up on success.
pub(crate) unsafe fn kvrealloc(
    pointer: *const c_void,
    size: usize,
    gfp: Gfp,
    caller: usize,
) -> *mut c_void {
    if vmap_alloc::is_area(pointer) {
        // SAFETY: By the contract of this function.
        return unsafe { vmap_alloc::vrealloc(pointer, size, gfp, caller) };
    }
    if size <= kmalloc::MAX {
        // SAFETY: By the contract of this function.
        let memory = unsafe { kmalloc::krealloc(pointer, size, gfp.with(Gfp::NOWARN)) };
        if !memory.is_null() {
            return memory;
        }
    }
    let other = kvmalloc(size, gfp, caller);
    let old = kmalloc::ksize(pointer);
    if !other.is_null() && old != 0 {
        // SAFETY: Both have that many bytes and do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(pointer.cast::<u8>(), other.cast::<u8>(), old.min(size))
        };
        // SAFETY: By the contract of this function.
        unsafe { kmalloc::kfree(pointer) };
    }
    other
}

/// Frees memory of [`kvmalloc`] or [`kvrealloc`].
///
/// Context: Process context for an area, any but NMI otherwise.
///
/// # Safety
///
/// The caller gives up the memory, if it is such.
pub(crate) unsafe fn kvfree(pointer: *const c_void) {
    if vmap_alloc::is_area(pointer) {
        // SAFETY: By the contract of this function.
        unsafe { vmap_alloc::vfree(pointer) };
    } else {
        // SAFETY: By the contract of this function.
        unsafe { kmalloc::kfree(pointer) };
    }
}
