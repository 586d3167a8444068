// SPDX-License-Identifier: GPL-2.0

//! Memory that is contiguous if it can be, and mapped otherwise.

use crate::{
    account::Account,
    gfp::Gfp,
    guard,
    kmalloc,
    page_alloc::NO_NODE,
    preset::Preset,
    report::{
        self,
        BadFree, //
    },
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
pub(crate) fn kvmalloc(size: usize, gfp: Gfp, nid: i32, caller: usize) -> *mut c_void {
    either(
        guard::default(),
        size,
        gfp,
        |gfp| match nid {
            NO_NODE => kmalloc::kmalloc(size, gfp),
            nid => kmalloc::kmalloc_node(size, gfp, nid),
        },
        || vmap_alloc::vmalloc(size, gfp, nid, caller),
    )
}

/// Allocates `size` bytes that are charged to an account. Null if there is no memory.
///
/// Context: As [`kvmalloc`].
pub(crate) fn kvmalloc_charged(
    account: &Account,
    size: usize,
    gfp: Gfp,
    nid: i32,
    caller: usize,
) -> *mut c_void {
    either(
        account.preset(),
        size,
        gfp,
        // Who would wait for contiguous memory can have mapped memory at once.
        |gfp| kmalloc::kmalloc_charged(account, size, gfp, nid),
        || vmap_alloc::vmalloc_charged(account, size, gfp, nid, caller),
    )
}

/// Tries contiguous memory where that is possible, and mapped memory where it is not to be had.
///
/// Hardened, mapped memory comes first: a page that is not mapped lies behind it, which contiguous memory
/// cannot have, since no module may take a page out of the kernel's linear mapping.
fn either(
    preset: Preset,
    size: usize,
    gfp: Gfp,
    contiguous: impl FnOnce(Gfp) -> *mut c_void,
    mapped: impl FnOnce() -> *mut c_void,
) -> *mut c_void {
    let guarded = preset.is_hardened() && size > PAGE_SIZE && gfp.may_sleep();
    if size <= kmalloc::MAX && !guarded {
        let quiet = if size > PAGE_SIZE {
            gfp.with(Gfp::NOWARN).with(Gfp::NORETRY)
        } else {
            gfp
        };
        let memory = contiguous(quiet);
        if !memory.is_null() || size <= PAGE_SIZE {
            return memory;
        }
    }
    if gfp.may_sleep() {
        mapped()
    } else {
        null_mut()
    }
}

/// Returns what a live allocation is charged to.
pub(crate) fn account_of(pointer: *const c_void) -> Option<&'static Account> {
    if vmap_alloc::is_area(pointer) {
        vmap_alloc::account_of(pointer)
    } else {
        kmalloc::account_of(pointer)
    }
}

/// Changes the size of an allocation, keeping its contents. Null if there is no memory.
///
/// Memory that is mapped and shrinks to a page or less becomes contiguous if it can. Alignment and
/// node as for [`kmalloc::krealloc`]; what is mapped is aligned to a page.
///
/// Context: As [`kvmalloc`].
///
/// # Safety
///
/// `pointer` is null, or came from [`kvmalloc`] or [`kvrealloc`] and is given up on success.
pub(crate) unsafe fn kvrealloc(
    pointer: *const c_void,
    size: usize,
    align: usize,
    gfp: Gfp,
    nid: i32,
    caller: usize,
) -> *mut c_void {
    let had = if vmap_alloc::is_area(pointer) {
        match vmap_alloc::requested(pointer) {
            Some(had) if (1..=PAGE_SIZE).contains(&size) => had,
            // SAFETY: By the contract of this function.
            _ => return unsafe { vmap_alloc::vrealloc(pointer, size, gfp, nid, caller) },
        }
    } else {
        if size <= kmalloc::MAX {
            let quiet = gfp.with(Gfp::NOWARN);
            // SAFETY: By the contract of this function.
            let memory = unsafe { kmalloc::krealloc(pointer, size, align, quiet, nid) };
            if !memory.is_null() {
                return memory;
            }
        }
        kmalloc::ksize(pointer)
    };
    let other = match account_of(pointer) {
        None => kvmalloc(size, gfp, nid, caller),
        Some(account) => kvmalloc_charged(account, size, gfp, nid, caller),
    };
    if !other.is_null() && had != 0 {
        // SAFETY: Both have that many bytes and do not overlap.
        unsafe {
            core::ptr::copy_nonoverlapping(pointer.cast::<u8>(), other.cast::<u8>(), had.min(size))
        };
        // SAFETY: By the contract of this function.
        unsafe { kvfree(pointer) };
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

/// Frees memory of [`kvmalloc`] or [`kvrealloc`] that was last given `size` bytes.
///
/// An area knows its size to the byte, and contiguous memory as [`kmalloc::kfree_sized`] says.
///
/// Context: As [`kvfree`].
///
/// # Safety
///
/// As for [`kvfree`].
pub(crate) unsafe fn kvfree_sized(pointer: *const c_void, size: usize) {
    if !vmap_alloc::is_area(pointer) {
        // SAFETY: By the contract of this function.
        return unsafe { kmalloc::kfree_sized(pointer, size) };
    }
    match vmap_alloc::requested(pointer) {
        Some(had) if had != size => {
            report::bad_free("quarry_kvfree_sized", pointer, BadFree::Size);
        }
        // What is no live area is reported there.
        // SAFETY: By the contract of this function.
        _ => unsafe { vmap_alloc::vfree(pointer) },
    }
}
