// SPDX-License-Identifier: GPL-2.0

//! The C functions.
//!
//! quarry itself checks, when it is built, that these are the types of `include/linux/quarry.h`.

use kernel::{
    bindings::{
        gfp_t,
        nodemask_t, //
    },
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    }, //
};

/// `struct quarry_cache`.
#[repr(C)]
pub(crate) struct quarry_cache {
    _unused: [u8; 0],
}

/// `struct quarry_pool`.
#[repr(C)]
pub(crate) struct quarry_pool {
    _unused: [u8; 0],
}

/// `struct quarry_pool_args`.
#[repr(C)]
pub(crate) struct quarry_pool_args {
    pub(crate) limit: c_ulong,
    pub(crate) reserve: c_ulong,
    pub(crate) nodes: *const nodemask_t,
    pub(crate) flags: c_ulong,
}

/// `QUARRY_POOL_WAITS`.
pub(crate) const QUARRY_POOL_WAITS: c_ulong = 1;

/// A constructor of objects.
pub(crate) type Constructor = unsafe extern "C" fn(*mut c_void);

extern "C" {
    pub(crate) fn quarry_cache_alloc(c: *mut quarry_cache, gfp: gfp_t) -> *mut c_void;
    pub(crate) fn quarry_cache_create(
        name: *const c_char,
        size: c_uint,
        align: c_uint,
        flags: c_ulong,
        ctor: Option<Constructor>,
    ) -> *mut quarry_cache;
    pub(crate) fn quarry_cache_free(c: *mut quarry_cache, obj: *mut c_void);
    pub(crate) fn quarry_cache_release(c: *mut quarry_cache);
    pub(crate) fn quarry_kfree_sized(p: *const c_void, size: usize);
    pub(crate) fn quarry_krealloc_node_align(
        p: *const c_void,
        size: usize,
        align: c_ulong,
        gfp: gfp_t,
        nid: c_int,
    ) -> *mut c_void;
    pub(crate) fn quarry_kvfree_sized(p: *const c_void, size: usize);
    pub(crate) fn quarry_kvrealloc_node_align(
        p: *const c_void,
        size: usize,
        align: c_ulong,
        gfp: gfp_t,
        nid: c_int,
    ) -> *mut c_void;
    pub(crate) fn quarry_pool_cache_create(
        pool: *mut quarry_pool,
        name: *const c_char,
        size: c_uint,
        align: c_uint,
        flags: c_ulong,
        ctor: Option<Constructor>,
    ) -> *mut quarry_cache;
    pub(crate) fn quarry_pool_create(
        name: *const c_char,
        args: *const quarry_pool_args,
    ) -> *mut quarry_pool;
    pub(crate) fn quarry_pool_destroy(pool: *mut quarry_pool) -> c_int;
    pub(crate) fn quarry_pool_set_limit(pool: *mut quarry_pool, limit: c_ulong);
    pub(crate) fn quarry_pool_track(pool: *mut quarry_pool, on: bool) -> c_int;
    pub(crate) fn quarry_pool_used(pool: *mut quarry_pool) -> c_ulong;
    pub(crate) fn quarry_vrealloc_node_align(
        p: *const c_void,
        size: usize,
        align: c_ulong,
        gfp: gfp_t,
        nid: c_int,
    ) -> *mut c_void;
}
