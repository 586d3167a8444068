// SPDX-License-Identifier: GPL-2.0

//! Allocators for the kernel's `Box` and `Vec`.

use crate::sys;
use core::{
    alloc::Layout,
    ptr::{
        null,
        NonNull, //
    },
};
use kernel::{
    alloc::{
        flags::*,
        AllocError,
        Allocator,
        Flags,
        NumaNode, //
    },
    bindings,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    page::PAGE_SIZE,
};

/// Contiguous memory: `quarry_kmalloc()`.
///
/// At most 4 MiB. Alignment of any power of two, if that much fits.
pub struct Kmalloc;

/// Mapped memory: `quarry_vmalloc()`. Process context only.
///
/// Alignment of at most a page.
pub struct Vmalloc;

/// Memory that is contiguous if it can be, and mapped otherwise: `quarry_kvmalloc()`.
///
/// Alignment of at most a page.
pub struct KVmalloc;

/// Returns the flags as C has them.
///
/// `Flags` tells what it contains, but not its value: bits for which the kernel crate has no constant are
/// lost. So `__GFP_HIGHMEM` is left out, which means nothing here, and `__GFP_ACCOUNT`, which quarry does
/// not know.
#[inline]
pub(crate) fn raw(flags: Flags) -> bindings::gfp_t {
    // Those that say how an allocation may wait: the largest that is contained.
    const WAYS: [(Flags, bindings::gfp_t); 3] = [
        (GFP_KERNEL, bindings::GFP_KERNEL),
        (GFP_ATOMIC, bindings::GFP_ATOMIC),
        (GFP_NOWAIT, bindings::GFP_NOWAIT),
    ];
    const MORE: [(Flags, bindings::gfp_t); 2] = [
        (__GFP_ZERO, bindings::__GFP_ZERO),
        (__GFP_NOWARN, bindings::__GFP_NOWARN),
    ];
    let contained = |&&(flag, _): &&(Flags, bindings::gfp_t)| flags.contains(flag);
    let union = |bits: bindings::gfp_t, &(_, bit): &(Flags, bindings::gfp_t)| bits | bit;
    let ways = WAYS.iter().filter(contained).fold(0, union);
    MORE.iter().filter(contained).fold(ways, union)
}

/// Returns the node as C has it.
#[inline]
fn node(nid: NumaNode) -> c_int {
    if nid == NumaNode::NO_NODE {
        return bindings::NUMA_NO_NODE;
    }
    // `NumaNode` can be compared, but not read.
    // CAST: Nodes are few.
    (0..bindings::MAX_NUMNODES as c_int)
        .find(|&id| NumaNode::new(id).is_ok_and(|other| other == nid))
        .unwrap_or(bindings::NUMA_NO_NODE)
}

/// Returns the size that is asked for: multiples of a power of two are aligned to it.
#[inline]
fn bytes(layout: Layout) -> usize {
    layout.pad_to_align().size()
}

/// A function that allocates, changes the size, and frees.
type Realloc =
    unsafe extern "C" fn(*const c_void, usize, c_ulong, bindings::gfp_t, c_int) -> *mut c_void;

/// Does what [`Allocator::realloc`] says.
///
/// # Safety
///
/// As for that, with memory of `function`.
#[inline]
unsafe fn realloc(
    function: Realloc,
    ptr: Option<NonNull<u8>>,
    layout: Layout,
    old_layout: Layout,
    flags: Flags,
    nid: NumaNode,
) -> Result<NonNull<[u8]>, AllocError> {
    let old = match ptr {
        // What has no size was never allocated.
        Some(ptr) if old_layout.size() != 0 => ptr.as_ptr().cast_const(),
        _ => null(),
    };
    if layout.size() == 0 {
        if !old.is_null() {
            // SAFETY: By the contract of this function. A size of 0 frees.
            unsafe { function(old.cast(), 0, 1, raw(flags), bindings::NUMA_NO_NODE) };
        }
        let dangling = core::ptr::without_provenance_mut::<u8>(layout.align());
        let dangling = NonNull::new(dangling).ok_or(AllocError)?;
        return Ok(NonNull::slice_from_raw_parts(dangling, 0));
    }
    let size = bytes(layout);
    // CAST: `c_ulong` is as wide as `usize`.
    let align = layout.align() as c_ulong;
    // SAFETY: By the contract of this function.
    let new = unsafe { function(old.cast(), size, align, raw(flags), node(nid)) };
    let new = NonNull::new(new.cast::<u8>()).ok_or(AllocError)?;
    Ok(NonNull::slice_from_raw_parts(new, layout.size()))
}

/// Makes a type an allocator over one of the functions.
macro_rules! allocator {
    ($name:ident, $min_align:expr, $function:path, $free:path) => {
        // SAFETY: Memory lives until it is freed, and `realloc` takes what `realloc` gave. It keeps the
        // guarantees: sizes are rounded up to the alignment, and what is so large is aligned, or refused;
        // contents are kept. `free` gives the size that `realloc` asked for last.
        unsafe impl Allocator for $name {
            const MIN_ALIGN: usize = $min_align;

            #[inline]
            unsafe fn realloc(
                ptr: Option<NonNull<u8>>,
                layout: Layout,
                old_layout: Layout,
                flags: Flags,
                nid: NumaNode,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: By the contract of this function.
                unsafe { realloc($function, ptr, layout, old_layout, flags, nid) }
            }

            #[inline]
            unsafe fn free(ptr: NonNull<u8>, layout: Layout) {
                // What has no size was never allocated.
                if layout.size() != 0 {
                    // SAFETY: By the contract of this function.
                    unsafe { $free(ptr.as_ptr().cast_const().cast(), bytes(layout)) };
                }
            }
        }
    };
}

allocator!(
    Kmalloc,
    8,
    sys::quarry_krealloc_node_align,
    sys::quarry_kfree_sized
);
// The second frees areas too.
allocator!(
    Vmalloc,
    PAGE_SIZE,
    sys::quarry_vrealloc_node_align,
    sys::quarry_kvfree_sized
);
allocator!(
    KVmalloc,
    8,
    sys::quarry_kvrealloc_node_align,
    sys::quarry_kvfree_sized
);
