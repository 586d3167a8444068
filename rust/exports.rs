// SPDX-License-Identifier: GPL-2.0

//! The C API: `include/linux/quarry.h` over the layers.
//!
//! What each function does is said in that header. The compiler checks here that each has the type
//! that the header gives it.

#![allow(clippy::missing_safety_doc)]

use crate::{
    account::{
        self,
        Account, //
    },
    bindings,
    cache::{
        self,
        Cache,
        Refusal, //
    },
    gfp::Gfp,
    kmalloc,
    kvmalloc,
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
    track,
    upkeep,
    validate,
    vmap_alloc,
    window::{
        self,
        Pfn, //
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
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

/// Checks that a function has the type that the header declares.
macro_rules! same_as_header {
    ($($name:ident),* $(,)?) => {
        $(const _: () = { if true { bindings::$name } else { $name }; };)*
    };
}

mod api_check;
mod pools;

pub(crate) use pools::pages_charged;

same_as_header!(
    quarry_alloc_pages,
    quarry_alloc_pages_node,
    quarry_free_pages,
    quarry_alloc_pages_bulk,
    quarry_free_pages_bulk,
    quarry_cache_create,
    quarry_cache_destroy,
    quarry_cache_alloc,
    quarry_cache_free,
    quarry_cache_alloc_bulk,
    quarry_cache_free_bulk,
    quarry_cache_release,
    quarry_cache_shrink,
    quarry_kmalloc,
    quarry_kmalloc_node,
    quarry_kmalloc_nolock,
    quarry_krealloc,
    quarry_krealloc_node_align,
    quarry_kfree,
    quarry_kfree_nolock,
    quarry_kfree_sensitive,
    quarry_kfree_sized,
    quarry_ksize,
    quarry_vmalloc,
    quarry_vmalloc_node,
    quarry_vzalloc,
    quarry_vrealloc,
    quarry_vrealloc_node_align,
    quarry_vfree,
    quarry_vmalloc_to_page,
    quarry_kvmalloc,
    quarry_kvrealloc,
    quarry_kvrealloc_node_align,
    quarry_kvfree,
    quarry_kvfree_sized,
    quarry_shrink,
    quarry_validate,
);

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_alloc_pages(
    gfp: bindings::gfp_t,
    order: c_uint,
) -> *mut bindings::page {
    match page_alloc::alloc_fast(Kind::Block, Gfp::from_raw(gfp), order) {
        Some(address) => Pfn::of_address(address.addr().get()).page(),
        None => alloc_pages_slow(NO_NODE, gfp, order),
    }
}

#[cold]
#[inline(never)]
extern "C" fn alloc_pages_slow(
    nid: c_int,
    gfp: bindings::gfp_t,
    order: c_uint,
) -> *mut bindings::page {
    let address = Order::new(order)
        .and_then(|order| page_alloc::alloc(Kind::Block, Gfp::from_raw(gfp), order, nid));
    match address {
        Some(address) => Pfn::of_address(address.addr().get()).page(),
        None => null_mut(),
    }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_alloc_pages_node(
    nid: c_int,
    gfp: bindings::gfp_t,
    order: c_uint,
) -> *mut bindings::page {
    alloc_pages_slow(nid, gfp, order)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_free_pages(page: *mut bindings::page, order: c_uint) {
    let pfn = Pfn::of_page(page);
    let (Some(order), Some(window)) = (Order::new(order), window::window(pfn.window())) else {
        return bad_free_pages(page, BadFree::Foreign);
    };
    // SAFETY: A frame of a window has an address.
    let address = unsafe { NonNull::new_unchecked(pfn.address()) };
    // SAFETY: The caller gives up the block.
    let result = unsafe { page_alloc::free_in(window, pfn.frame(), Kind::Block, address, order) };
    if let Err(why) = result {
        free_pages_slow(page, order, why);
    }
}

/// Frees a block that is charged to a pool, or reports what is none of either kind.
#[cold]
#[inline(never)]
fn free_pages_slow(page: *mut bindings::page, order: Order, why: BadFree) {
    let block = NonNull::new(Pfn::of_page(page).address());
    let result = match (why, block) {
        // SAFETY: The caller gives up the block.
        (BadFree::Mismatch, Some(block)) => unsafe { account::free(Kind::Charged, block, order) },
        _ => Err(why),
    };
    if let Err(why) = result {
        bad_free_pages(page, why);
    }
}

#[cold]
#[inline(never)]
fn bad_free_pages(page: *mut bindings::page, why: BadFree) {
    if !page.is_null() {
        let why = page_alloc::look_closer(Pfn::of_page(page), why);
        report::bad_free("quarry_free_pages", page.cast(), why);
    }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_alloc_pages_bulk(
    gfp: bindings::gfp_t,
    nr: c_ulong,
    pages: *mut *mut bindings::page,
) -> c_ulong {
    if nr == 0 || pages.is_null() {
        return 0;
    }
    // SAFETY: The caller has an array of this length.
    let pages = unsafe { core::slice::from_raw_parts_mut(pages, nr) };
    page_alloc::alloc_bulk(Kind::Block, Gfp::from_raw(gfp), NO_NODE, pages)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_free_pages_bulk(
    nr: c_ulong,
    pages: *mut *mut bindings::page,
) {
    if nr == 0 || pages.is_null() {
        return;
    }
    // SAFETY: The caller has an array of this length.
    let pages = unsafe { core::slice::from_raw_parts(pages, nr) };
    // SAFETY: The caller gives up the pages.
    unsafe { page_alloc::free_bulk(Kind::Block, pages, free_page_charged) };
}

/// Frees a page that is charged to a pool, if it is one.
fn free_page_charged(page: *mut bindings::page, why: BadFree) {
    free_pages_slow(page, Order::ZERO, why);
}

/// Returns the cache behind the pointer that C code has.
#[inline(always)]
unsafe fn cache<'a>(cache: *mut bindings::quarry_cache) -> &'a Cache {
    // SAFETY: C code has the pointer from `quarry_cache_create`.
    unsafe { &*cache.cast::<Cache>() }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_create(
    name: *const c_char,
    size: c_uint,
    align: c_uint,
    flags: c_ulong,
    ctor: Option<cache::Constructor>,
) -> *mut bindings::quarry_cache {
    // SAFETY: By the contract of this function.
    unsafe { cache_create(None, name, size, align, flags, ctor) }
}

/// Makes a cache whose slabs are charged to an account, if one is named. Null for arguments out of range
/// or no memory.
///
/// # Safety
///
/// `name` is null or a string. The account outlives the cache.
pub(crate) unsafe fn cache_create(
    account: Option<&'static Account>,
    name: *const c_char,
    size: c_uint,
    align: c_uint,
    flags: c_ulong,
    ctor: Option<cache::Constructor>,
) -> *mut bindings::quarry_cache {
    let hwalign = bindings::QUARRY_CONST_CACHE_HWALIGN;
    if name.is_null() || flags & !hwalign != 0 {
        return null_mut();
    }
    // SAFETY: By the contract of this function.
    let name = unsafe { CStr::from_char_ptr(name) };
    let line = bindings::QUARRY_CONST_CACHE_LINE;
    let align = if flags & hwalign != 0 {
        align.max(line)
    } else {
        align
    };
    cache::create(account, name, size as usize, align as usize, ctor)
        .map_or(null_mut(), |cache| cache.as_ptr().cast())
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_destroy(c: *mut bindings::quarry_cache) -> c_int {
    let Some(cache) = NonNull::new(c.cast::<Cache>()) else {
        return 0;
    };
    // SAFETY: The caller gives up the cache.
    match unsafe { cache::destroy(cache) } {
        Ok(()) => 0,
        Err(Refusal::Dead) => {
            // SAFETY: As far as can be told, its shell is there.
            bad_use("quarry_cache_destroy", unsafe { cache.as_ref() });
            0
        }
        Err(Refusal::Live(live)) => {
            // SAFETY: The cache was not destroyed.
            let name = unsafe { cache.as_ref() }.name().as_str();
            pr_warn!(
                "cache {} is not destroyed: {} objects are live\n",
                name,
                live
            );
            track::report(|address, _| {
                let slab = cache::slab_of(address);
                slab.is_some_and(|slab| core::ptr::eq(slab.cache(), cache.as_ptr()))
            });
            EBUSY.to_errno()
        }
    }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_release(c: *mut bindings::quarry_cache) {
    let Some(cache) = NonNull::new(c.cast::<Cache>()) else {
        return;
    };
    // SAFETY: The caller's cache, or as far as can be told its shell.
    let this = unsafe { cache.as_ref() };
    if this.is_dead() {
        return bad_use("quarry_cache_release", this);
    }
    // SAFETY: The caller gives up the cache.
    unsafe { cache::release(cache) };
}

/// Reports the use of a cache that was destroyed.
#[cold]
#[inline(never)]
fn bad_use(function: &str, cache: &Cache) {
    report::bad_use(function, cache.name().as_str());
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_alloc(
    c: *mut bindings::quarry_cache,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    let this = unsafe { cache(c) };
    match this.alloc_fast(Gfp::from_raw(gfp)) {
        Some(object) => object.as_ptr().cast(),
        None => cache_alloc_slow(this, gfp),
    }
}

#[cold]
#[inline(never)]
fn cache_alloc_slow(cache: &Cache, gfp: bindings::gfp_t) -> *mut c_void {
    let object = cache.alloc(Gfp::from_raw(gfp), NO_NODE);
    if object.is_none() && cache.is_dead() {
        bad_use("quarry_cache_alloc", cache);
    }
    object.map_or(null_mut(), |object| object.as_ptr().cast())
}

#[inline(always)]
unsafe fn cache_free(c: *const Cache, obj: *mut c_void) {
    if let Some((slab, index)) = cache::find(obj.addr()) {
        if core::ptr::eq(slab.cache(), c) {
            // SAFETY: What lies in a slab is not null.
            let object = unsafe { NonNull::new_unchecked(obj.cast::<u8>()) };
            // SAFETY: The caller gives up the object.
            match unsafe { cache::free(slab, index, object) } {
                Ok(()) => return,
                Err(why) => return report::bad_free("quarry_cache_free", obj, why),
            }
        }
    }
    // SAFETY: By the contract of this function.
    unsafe { bad_cache_free(c, obj) };
}

/// Reports what is no object of the cache that it was to be freed to.
///
/// # Safety
///
/// `c` is a cache, or the shell of one.
#[cold]
#[inline(never)]
unsafe fn bad_cache_free(c: *const Cache, obj: *mut c_void) {
    if obj.is_null() {
        return;
    }
    let why = match cache::slab_of(obj.addr()) {
        // SAFETY: By the contract of this function.
        _ if unsafe { (*c).is_dead() } => BadFree::DeadCache,
        None => BadFree::Foreign,
        Some(slab) if slab.begins(obj.addr()) => BadFree::OtherCache,
        Some(_) => BadFree::Interior,
    };
    report::bad_free("quarry_cache_free", obj, why);
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_free(
    c: *mut bindings::quarry_cache,
    obj: *mut c_void,
) {
    // SAFETY: The caller gives up the object.
    unsafe { cache_free(c.cast(), obj) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_alloc_bulk(
    c: *mut bindings::quarry_cache,
    gfp: bindings::gfp_t,
    nr: usize,
    objs: *mut *mut c_void,
) -> c_int {
    let (Ok(count), false) = (c_int::try_from(nr), nr == 0 || objs.is_null()) else {
        return 0;
    };
    // SAFETY: The caller has an array of this length.
    let objects = unsafe { core::slice::from_raw_parts_mut(objs, nr) };
    // SAFETY: By the contract of this function.
    let this = unsafe { cache(c) };
    let gfp = Gfp::from_raw(gfp);
    let got = this.alloc_bulk_fast(gfp, objects);
    if got == nr || cache_alloc_bulk_slow(this, gfp, objects, got) {
        count
    } else {
        0
    }
}

/// Allocates the objects behind the first `got`; if that fails, frees all of them. Returns whether it
/// succeeded.
#[cold]
#[inline(never)]
fn cache_alloc_bulk_slow(cache: &Cache, gfp: Gfp, objects: &mut [*mut c_void], got: usize) -> bool {
    let more = objects
        .get_mut(got..)
        .map(|rest| cache.alloc_bulk(gfp, rest));
    let got = got + more.unwrap_or(0);
    if got == objects.len() {
        return true;
    }
    if cache.is_dead() {
        bad_use("quarry_cache_alloc_bulk", cache);
    }
    cache_free_each(cache, objects.get(..got).unwrap_or(&[]));
    false
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_free_bulk(
    c: *mut bindings::quarry_cache,
    nr: usize,
    objs: *mut *mut c_void,
) {
    if nr == 0 || objs.is_null() {
        return;
    }
    // SAFETY: The caller has an array of this length.
    let objects = unsafe { core::slice::from_raw_parts(objs, nr) };
    // SAFETY: By the contract of this function.
    let this = unsafe { cache(c) };
    // SAFETY: The caller gives up the objects.
    let freed = unsafe { this.free_bulk_fast(objects) };
    if freed != nr {
        cache_free_each(this, objects.get(freed..).unwrap_or(&[]));
    }
}

/// Frees objects of which the first cannot be freed in bulk: it needs the slow path, or a report.
#[cold]
#[inline(never)]
fn cache_free_each(cache: &Cache, objects: &[*mut c_void]) {
    for object in objects {
        // SAFETY: The caller gives up the objects.
        unsafe { cache_free(cache, *object) };
    }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_cache_shrink(c: *mut bindings::quarry_cache) -> c_int {
    // SAFETY: By the contract of this function.
    let this = unsafe { cache(c) };
    if this.is_dead() {
        bad_use("quarry_cache_shrink", this);
        return 0;
    }
    cache::shrink(this).into()
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kmalloc(size: usize, gfp: bindings::gfp_t) -> *mut c_void {
    kmalloc::kmalloc(size, Gfp::from_raw(gfp))
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kmalloc_node(
    size: usize,
    gfp: bindings::gfp_t,
    node: c_int,
) -> *mut c_void {
    kmalloc::kmalloc_node(size, Gfp::from_raw(gfp), node)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kmalloc_nolock(
    size: usize,
    gfp: bindings::gfp_t,
    node: c_int,
) -> *mut c_void {
    kmalloc::kmalloc_nolock(size, Gfp::from_raw(gfp), node)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kfree_nolock(p: *const c_void) {
    // SAFETY: The caller gives up the memory.
    unsafe { kmalloc::kfree_nolock(p) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_krealloc(
    p: *const c_void,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: The caller gives up the old memory on success.
    unsafe { kmalloc::krealloc(p, size, 1, Gfp::from_raw(gfp), NO_NODE) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_krealloc_node_align(
    p: *const c_void,
    size: usize,
    align: c_ulong,
    gfp: bindings::gfp_t,
    nid: c_int,
) -> *mut c_void {
    // SAFETY: The caller gives up the old memory on success.
    unsafe { kmalloc::krealloc(p, size, align, Gfp::from_raw(gfp), nid) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kfree(p: *const c_void) {
    // SAFETY: The caller gives up the memory.
    unsafe { kmalloc::kfree(p) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kfree_sensitive(p: *const c_void) {
    let bytes = kmalloc::ksize(p);
    if bytes != 0 {
        // SAFETY: The memory is the caller's and has this many bytes.
        unsafe { bindings::quarry_helper_memzero_explicit(p.cast_mut(), bytes) };
    }
    // SAFETY: The caller gives up the memory.
    unsafe { kmalloc::kfree(p) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kfree_sized(p: *const c_void, size: usize) {
    // SAFETY: The caller gives up the memory.
    unsafe { kmalloc::kfree_sized(p, size) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_ksize(p: *const c_void) -> usize {
    kmalloc::ksize(p)
}

/// What is said of the caller of a C function: nothing, because Rust has no way to ask for its
/// return address.
const UNKNOWN_CALLER: usize = 0;

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vmalloc(size: c_ulong) -> *mut c_void {
    vmap_alloc::vmalloc(size, Gfp::KERNEL, NO_NODE, UNKNOWN_CALLER)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vmalloc_node(size: c_ulong, node: c_int) -> *mut c_void {
    vmap_alloc::vmalloc(size, Gfp::KERNEL, node, UNKNOWN_CALLER)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vzalloc(size: c_ulong) -> *mut c_void {
    vmap_alloc::vmalloc(size, Gfp::KERNEL.with(Gfp::ZERO), NO_NODE, UNKNOWN_CALLER)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vrealloc(
    p: *const c_void,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: The caller gives up the old memory on success.
    unsafe { vmap_alloc::vrealloc(p, size, Gfp::from_raw(gfp), NO_NODE, UNKNOWN_CALLER) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vrealloc_node_align(
    p: *const c_void,
    size: usize,
    align: c_ulong,
    gfp: bindings::gfp_t,
    nid: c_int,
) -> *mut c_void {
    if align > PAGE_SIZE && size != 0 {
        return null_mut();
    }
    // SAFETY: The caller gives up the old memory on success.
    unsafe { vmap_alloc::vrealloc(p, size, Gfp::from_raw(gfp), nid, UNKNOWN_CALLER) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vfree(p: *const c_void) {
    // SAFETY: The caller gives up the memory.
    unsafe { vmap_alloc::vfree(p) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_vmalloc_to_page(p: *const c_void) -> *mut bindings::page {
    vmap_alloc::vmalloc_to_page(p)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kvmalloc(size: usize, gfp: bindings::gfp_t) -> *mut c_void {
    kvmalloc::kvmalloc(size, Gfp::from_raw(gfp), NO_NODE, UNKNOWN_CALLER)
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kvrealloc(
    p: *const c_void,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: The caller gives up the old memory on success.
    unsafe { kvmalloc::kvrealloc(p, size, 1, Gfp::from_raw(gfp), NO_NODE, UNKNOWN_CALLER) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kvrealloc_node_align(
    p: *const c_void,
    size: usize,
    align: c_ulong,
    gfp: bindings::gfp_t,
    nid: c_int,
) -> *mut c_void {
    if align > PAGE_SIZE && size != 0 {
        return null_mut();
    }
    let gfp = Gfp::from_raw(gfp);
    // SAFETY: The caller gives up the old memory on success.
    unsafe { kvmalloc::kvrealloc(p, size, align, gfp, nid, UNKNOWN_CALLER) }
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kvfree(p: *const c_void) {
    // SAFETY: The caller gives up the memory.
    unsafe { kvmalloc::kvfree(p) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_kvfree_sized(p: *const c_void, size: usize) {
    // SAFETY: The caller gives up the memory.
    unsafe { kvmalloc::kvfree_sized(p, size) };
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_shrink() -> c_ulong {
    upkeep::shrink()
}

#[no_mangle]
pub(crate) unsafe extern "C" fn quarry_validate() -> c_ulong {
    // CAST: As wide on the machines that the module is for.
    validate::all(|violation| pr_err!("validate: {}\n", violation)).violations as c_ulong
}
