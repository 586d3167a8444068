// SPDX-License-Identifier: GPL-2.0

//! The part of the C API that is about named pools.

use super::UNKNOWN_CALLER;
use crate::{
    account::{
        Account,
        Nodes, //
    },
    bindings,
    cache::{
        self,
        Name, //
    },
    gfp::Gfp,
    kmalloc,
    kvmalloc,
    page_alloc::{
        Kind,
        NO_NODE, //
    },
    pool::Order,
    pools::{
        self,
        Pool,
        Rest,
        Terms, //
    },
    tracking,
    vmap_alloc,
    window::Pfn, //
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

same_as_header!(
    quarry_pool_alloc_pages,
    quarry_pool_alloc_pages_bulk,
    quarry_pool_alloc_pages_node,
    quarry_pool_cache_create,
    quarry_pool_create,
    quarry_pool_destroy,
    quarry_pool_kmalloc,
    quarry_pool_kmalloc_node,
    quarry_pool_krealloc,
    quarry_pool_kvmalloc,
    quarry_pool_purge,
    quarry_pool_set_limit,
    quarry_pool_track,
    quarry_pool_used,
    quarry_pool_vmalloc,
    quarry_pool_vmalloc_node,
    quarry_pool_vzalloc,
);

/// Returns the account of the pool behind the pointer that C code has.
unsafe fn account(pool: *mut bindings::quarry_pool) -> &'static Account {
    // SAFETY: C code has the pointer from `quarry_pool_create`.
    unsafe { &*pool.cast::<Pool>() }.account()
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_create(
    name: *const c_char,
    args: *const bindings::quarry_pool_args,
) -> *mut bindings::quarry_pool {
    // SAFETY: By the contract of this function.
    match unsafe { pool_create(name, args) } {
        Ok(pool) => pool.as_ptr().cast(),
        Err(err) => err.to_ptr(),
    }
}

/// # Safety
///
/// Both are null or valid.
unsafe fn pool_create(
    name: *const c_char,
    args: *const bindings::quarry_pool_args,
) -> Result<NonNull<Pool>> {
    // SAFETY: By the contract of this function.
    let args = unsafe { args.as_ref() }.ok_or(EINVAL)?;
    // CAST: Lossless.
    let [hardened, debug] =
        [bindings::QUARRY_POOL_HARDENED, bindings::QUARRY_POOL_DEBUG].map(|flag| flag as c_ulong);
    let all = bindings::QUARRY_CONST_POOL_WAITS | hardened | debug;
    if name.is_null() || args.flags & !all != 0 {
        return Err(EINVAL);
    }
    let preset = pools::preset(args.flags & hardened != 0, args.flags & debug != 0)?;
    // SAFETY: By the contract of this function.
    let name = unsafe { CStr::from_char_ptr(name) };
    if name.to_bytes().len() >= bindings::QUARRY_NAME_LEN as usize {
        return Err(EINVAL);
    }
    // SAFETY: By the contract of this function.
    let nodes = match unsafe { args.nodes.as_ref() } {
        None => Nodes::all(),
        Some(mask) => Nodes::of_mask(mask)?,
    };
    let terms = Terms {
        // CAST: `u64` holds every `usize`.
        limit: pools::limit_of(args.limit as u64)?,
        reserve: pools::pages_of(args.reserve as u64)?,
        nodes,
        waits: args.flags & bindings::QUARRY_CONST_POOL_WAITS != 0,
        preset,
    };
    Ok(pools::create(Name::new(name), terms, true)?.0)
}

/// Destroys a pool of C code's.
///
/// # Safety
///
/// As for [`pools::destroy`].
unsafe fn pool_destroy(pool: *mut bindings::quarry_pool, rest: Rest) -> c_int {
    if pool.is_null() {
        return 0;
    }
    // SAFETY: By the contract of this function.
    let result = unsafe { pools::destroy(|other| core::ptr::eq(other, pool.cast()), rest) };
    result.map_or_else(|err| err.to_errno(), |()| 0)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_destroy(pool: *mut bindings::quarry_pool) -> c_int {
    // SAFETY: The caller gives up the pool.
    unsafe { pool_destroy(pool, Rest::Stays) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_purge(pool: *mut bindings::quarry_pool) -> c_int {
    // SAFETY: The caller gives up the pool and all that came from it.
    unsafe { pool_destroy(pool, Rest::Goes) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_set_limit(
    pool: *mut bindings::quarry_pool,
    limit: c_ulong,
) {
    // CAST: `u64` holds every `usize`.
    if let Ok(pages) = pools::limit_of(limit as u64) {
        // SAFETY: By the contract of this function.
        unsafe { account(pool) }.set_limit(pages);
    }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_track(
    pool: *mut bindings::quarry_pool,
    on: bool,
) -> c_int {
    // SAFETY: By the contract of this function.
    let scope = unsafe { account(pool) }.scope();
    tracking::set(scope, on).map_or_else(|err| err.to_errno(), |()| 0)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_used(pool: *mut bindings::quarry_pool) -> c_ulong {
    // SAFETY: By the contract of this function.
    unsafe { account(pool) }.state().usage.used * PAGE_SIZE
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_alloc_pages(
    pool: *mut bindings::quarry_pool,
    gfp: bindings::gfp_t,
    order: c_uint,
) -> *mut bindings::page {
    // SAFETY: By the contract of this function.
    unsafe { quarry_pool_alloc_pages_node(pool, NO_NODE, gfp, order) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_alloc_pages_node(
    pool: *mut bindings::quarry_pool,
    nid: c_int,
    gfp: bindings::gfp_t,
    order: c_uint,
) -> *mut bindings::page {
    // SAFETY: By the contract of this function.
    pages_charged(unsafe { account(pool) }, Gfp::from_raw(gfp), order, nid)
}

/// Allocates a block that is charged to an account. Null if there is no memory.
pub(crate) fn pages_charged(
    account: &Account,
    gfp: Gfp,
    order: c_uint,
    nid: c_int,
) -> *mut bindings::page {
    let block = Order::new(order).and_then(|order| {
        let relieve = || cache::shrink_account(account);
        account.alloc(Kind::Charged, gfp, order, nid, relieve)
    });
    match block {
        Some(address) => Pfn::of_address(address.addr().get()).page(),
        None => null_mut(),
    }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_alloc_pages_bulk(
    pool: *mut bindings::quarry_pool,
    gfp: bindings::gfp_t,
    nr: c_ulong,
    pages: *mut *mut bindings::page,
) -> c_ulong {
    if nr == 0 || pages.is_null() {
        return 0;
    }
    // SAFETY: By the contract of this function.
    let account = unsafe { account(pool) };
    // SAFETY: The caller has an array of this length.
    let pages = unsafe { core::slice::from_raw_parts_mut(pages, nr) };
    let mut got = 0;
    for slot in pages {
        let page = pages_charged(account, Gfp::from_raw(gfp), 0, NO_NODE);
        if page.is_null() {
            break;
        }
        *slot = page;
        got += 1;
    }
    got
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_cache_create(
    pool: *mut bindings::quarry_pool,
    name: *const c_char,
    size: c_uint,
    align: c_uint,
    flags: c_ulong,
    ctor: Option<cache::Constructor>,
) -> *mut bindings::quarry_cache {
    // SAFETY: By the contract of this function. A pool with caches is not destroyed.
    unsafe { super::cache_create(Some(account(pool)), name, size, align, flags, ctor) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_kmalloc(
    pool: *mut bindings::quarry_pool,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    kmalloc::kmalloc_charged(unsafe { account(pool) }, size, Gfp::from_raw(gfp), NO_NODE)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_kmalloc_node(
    pool: *mut bindings::quarry_pool,
    size: usize,
    gfp: bindings::gfp_t,
    node: c_int,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    kmalloc::kmalloc_charged(unsafe { account(pool) }, size, Gfp::from_raw(gfp), node)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_krealloc(
    pool: *mut bindings::quarry_pool,
    p: *const c_void,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    if size != 0 && kmalloc::is_nothing(p) {
        // SAFETY: By the contract of this function.
        return unsafe { quarry_pool_kmalloc(pool, size, gfp) };
    }
    // SAFETY: As above. What moves stays in its pool.
    unsafe { super::quarry_krealloc(p, size, gfp) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_vmalloc(
    pool: *mut bindings::quarry_pool,
    size: c_ulong,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    unsafe { quarry_pool_vmalloc_node(pool, size, NO_NODE) }
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_vmalloc_node(
    pool: *mut bindings::quarry_pool,
    size: c_ulong,
    node: c_int,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    let account = unsafe { account(pool) };
    vmap_alloc::vmalloc_charged(account, size, Gfp::KERNEL, node, UNKNOWN_CALLER)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_vzalloc(
    pool: *mut bindings::quarry_pool,
    size: c_ulong,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    let account = unsafe { account(pool) };
    let gfp = Gfp::KERNEL.with(Gfp::ZERO);
    vmap_alloc::vmalloc_charged(account, size, gfp, NO_NODE, UNKNOWN_CALLER)
}

#[no_mangle]
pub(super) unsafe extern "C" fn quarry_pool_kvmalloc(
    pool: *mut bindings::quarry_pool,
    size: usize,
    gfp: bindings::gfp_t,
) -> *mut c_void {
    // SAFETY: By the contract of this function.
    let account = unsafe { account(pool) };
    kvmalloc::kvmalloc_charged(account, size, Gfp::from_raw(gfp), NO_NODE, UNKNOWN_CALLER)
}
