// SPDX-License-Identifier: GPL-2.0

//! Checks, when this module is built, that `rust/api` declares for modules in Rust what
//! `include/linux/quarry.h` declares for C.

use crate::{
    bindings,
    cache, //
};
use core::ffi::c_void;
use kernel::ffi::{
    c_char,
    c_int,
    c_uint,
    c_ulong, //
};

/// What modules in Rust declare for themselves.
#[path = "../api/sys.rs"]
#[expect(dead_code)]
mod api;

/// Checks that modules in Rust call functions of the types that the header declares, but that structures
/// which nobody looks into are types of their own there.
macro_rules! same_in_api {
    ($($name:ident($($argument:ty),*) $(-> $result:ty)?;)*) => {$(
        const _: () = {
            use bindings as sys;
            #[allow(unused_imports)]
            use bindings::{quarry_cache, quarry_pool, quarry_pool_args};
            let _: unsafe extern "C" fn($($argument),*) $(-> $result)? = sys::$name;
        };
        const _: () = {
            use api as sys;
            #[allow(unused_imports)]
            use api::{quarry_cache, quarry_pool, quarry_pool_args};
            let _: unsafe extern "C" fn($($argument),*) $(-> $result)? = sys::$name;
        };
    )*};
}

same_in_api! {
    quarry_kfree_sized(*const c_void, usize);
    quarry_kvfree_sized(*const c_void, usize);
    quarry_krealloc_node_align(
        *const c_void, usize, c_ulong, bindings::gfp_t, c_int
    ) -> *mut c_void;
    quarry_kvrealloc_node_align(
        *const c_void, usize, c_ulong, bindings::gfp_t, c_int
    ) -> *mut c_void;
    quarry_vrealloc_node_align(
        *const c_void, usize, c_ulong, bindings::gfp_t, c_int
    ) -> *mut c_void;
    quarry_cache_alloc(*mut quarry_cache, bindings::gfp_t) -> *mut c_void;
    quarry_cache_create(
        *const c_char, c_uint, c_uint, c_ulong, Option<cache::Constructor>
    ) -> *mut quarry_cache;
    quarry_cache_free(*mut quarry_cache, *mut c_void);
    quarry_cache_release(*mut quarry_cache);
    quarry_pool_cache_create(
        *mut quarry_pool, *const c_char, c_uint, c_uint, c_ulong, Option<cache::Constructor>
    ) -> *mut quarry_cache;
    quarry_pool_create(*const c_char, *const quarry_pool_args) -> *mut quarry_pool;
    quarry_pool_destroy(*mut quarry_pool) -> c_int;
    quarry_pool_set_limit(*mut quarry_pool, c_ulong);
    quarry_pool_track(*mut quarry_pool, bool) -> c_int;
    quarry_pool_used(*mut quarry_pool) -> c_ulong;
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<api::quarry_pool_args>() == size_of::<bindings::quarry_pool_args>());
    assert!(
        offset_of!(api::quarry_pool_args, limit) == offset_of!(bindings::quarry_pool_args, limit)
    );
    assert!(
        offset_of!(api::quarry_pool_args, reserve)
            == offset_of!(bindings::quarry_pool_args, reserve)
    );
    assert!(
        offset_of!(api::quarry_pool_args, nodes) == offset_of!(bindings::quarry_pool_args, nodes)
    );
    assert!(
        offset_of!(api::quarry_pool_args, flags) == offset_of!(bindings::quarry_pool_args, flags)
    );
    assert!(api::QUARRY_POOL_WAITS == bindings::QUARRY_CONST_POOL_WAITS);
};
