// SPDX-License-Identifier: GPL-2.0

//! Where an allocation lies.

use crate::{
    bindings,
    cache,
    kmalloc,
    page_alloc::{
        Kind,
        NO_NODE, //
    },
    pool::FRAMES,
    vmap_alloc,
    window::{
        self,
        Pfn,
        ABSENT, //
    }, //
};
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::Ordering::Relaxed, //
};
use kernel::page::PAGE_SIZE;

/// Returns a page's place in the pool, or `None` if the pool does not have it.
pub(crate) fn frame(page: *mut bindings::page) -> Option<bindings::quarry_frame> {
    let pfn = Pfn::of_page(page);
    let window = window::window(pfn.window())?;
    // ORDERING: Whoever asks holds the page, so that its state does not become `ABSENT`.
    if window.state(pfn.frame()).load(Relaxed) == ABSENT {
        return None;
    }
    Some(bindings::quarry_frame {
        chunk: u32::try_from(pfn.window()).ok()?,
        frame: u32::try_from(pfn.frame()).ok()?,
    })
}

/// Returns the place of any page, as if all memory were divided into chunks.
pub(crate) fn frame_anywhere(address: usize) -> Option<bindings::quarry_frame> {
    let pfn = Pfn::of_address(address);
    Some(bindings::quarry_frame {
        chunk: u32::try_from(pfn.window()).ok()?,
        frame: u32::try_from(pfn.frame()).ok()?,
    })
}

/// Returns the node of the first page of any live allocation.
pub(crate) fn node_anywhere(address: *const c_void) -> i32 {
    // SAFETY: Takes any address.
    let page = if unsafe { bindings::is_vmalloc_addr(address) } {
        // SAFETY: A live area has a page there.
        unsafe { bindings::vmalloc_to_page(address) }
    } else {
        Pfn::of_address(address.addr()).page()
    };
    // SAFETY: By the contract of this function, the page exists.
    unsafe { bindings::quarry_helper_page_to_nid(page) }
}

/// Returns page number `index` of a live allocation, or null.
pub(crate) fn page_at(address: *const c_void, index: usize) -> *mut bindings::page {
    if vmap_alloc::is_area(address) {
        return vmap_alloc::page_of(address, index);
    }
    let pfn = Pfn::of_address(address.addr());
    match window::window(pfn.window()) {
        Some(_) if pfn.frame() + index < FRAMES => Pfn(pfn.0 + index).page(),
        _ => null_mut(),
    }
}

/// Tells what serves a live allocation: everything in `out` but what only the caller knows.
pub(crate) fn locate(address: *const c_void, out: &mut bindings::quarry_explain) {
    out.node = NO_NODE;
    if vmap_alloc::is_area(address) {
        if let Some(info) = vmap_alloc::area_info(address) {
            out.layer = bindings::quarry_layer_QUARRY_LAYER_VMALLOC;
            out.nr_pages = u32::try_from(info.pages).unwrap_or(u32::MAX);
            out.usable = (info.pages * PAGE_SIZE) as u64;
            let first = Pfn::of_page(vmap_alloc::page_of(address, 0));
            out.node = node(first);
            // Most areas are scattered, so that the search ends soon.
            let pfn = |index| Pfn::of_page(vmap_alloc::page_of(address, index)).0;
            if (1..info.pages).all(|index| pfn(index) == first.0 + index) {
                out.traits |= bindings::QUARRY_TRAIT_CONTIGUOUS;
            }
        }
        return;
    }
    let Some((window, at)) = window::at(address.addr()) else {
        return;
    };
    out.traits |= bindings::QUARRY_TRAIT_CONTIGUOUS;
    out.node = node(Pfn::of_address(address.addr()));
    if let Some(slab) = cache::slab_of(address.addr()) {
        let geometry = slab.geometry();
        out.layer = bindings::quarry_layer_QUARRY_LAYER_SLAB;
        // CAST: `u64` holds every `usize`.
        out.usable = kmalloc::ksize(address) as u64;
        for (to, from) in out.cache_name.iter_mut().zip(slab.cache().name().bytes()) {
            // CAST: The same byte, as C has it.
            *to = *from as kernel::ffi::c_char;
        }
        out.object_size = geometry.stride;
        out.objects = geometry.objects;
        out.objects_used = slab.cache().used(slab);
        out.object_index = geometry.nearest(slab.offset(address.addr()));
        out.order = geometry.order.get();
        // CAST: At most 1024.
        out.nr_pages = geometry.order.pages() as u32;
        return;
    }
    // ORDERING: The allocation is live, so that its state does not change.
    let state = window.state(at).load(Relaxed);
    out.layer = bindings::quarry_layer_QUARRY_LAYER_PAGES;
    out.order = (state & 0x0f).into();
    out.nr_pages = 1 << out.order;
    let kind = state & 0xf0;
    let large = [Kind::Large, Kind::ChargedLarge, Kind::Fenced];
    out.usable = if large.iter().any(|large| kind == *large as u8) {
        kmalloc::ksize(address) as u64
    } else {
        (PAGE_SIZE as u64) << out.order
    };
}

fn node(pfn: Pfn) -> i32 {
    window::window(pfn.window())
        .and_then(|window| i32::try_from(window.node()).ok())
        .unwrap_or(NO_NODE)
}
