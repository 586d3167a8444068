// SPDX-License-Identifier: GPL-2.0

//! quarry for modules in Rust.
//!
//! The allocators [`Kmalloc`], [`Vmalloc`] and [`KVmalloc`] for the kernel's `Box` and `Vec`, typed
//! caches with [`Cache`] and [`CacheBox`], and [`Pool`]s with a limit of their own.
//!
//! C header: `include/linux/quarry.h`
//!
//! All of it is compiled into the module that uses it, and calls the C functions that quarry exports,
//! so that both need not be built together. For that, whatever is not generic is `#[inline]`. See
//! `Documentation/rust-api.rst`.

mod allocator;
mod cache;
mod pool;
mod sys;

pub use allocator::{
    KVmalloc,
    Kmalloc,
    Vmalloc, //
};
pub use cache::{
    Cache,
    CacheBox, //
};
pub use pool::{
    Pool,
    PoolTerms, //
};

/// A value in contiguous memory of quarry's.
pub type KBox<T> = kernel::alloc::Box<T, Kmalloc>;
/// A value in mapped memory of quarry's.
pub type VBox<T> = kernel::alloc::Box<T, Vmalloc>;
/// A value in memory of quarry's that is contiguous if it can be.
pub type KVBox<T> = kernel::alloc::Box<T, KVmalloc>;
/// A vector in contiguous memory of quarry's.
pub type KVec<T> = kernel::alloc::Vec<T, Kmalloc>;
/// A vector in mapped memory of quarry's.
pub type VVec<T> = kernel::alloc::Vec<T, Vmalloc>;
/// A vector in memory of quarry's that is contiguous if it can be.
pub type KVVec<T> = kernel::alloc::Vec<T, KVmalloc>;
