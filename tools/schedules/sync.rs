// SPDX-License-Identifier: GPL-2.0

//! Atomics of shuttle's, in place of those of `rust/sync.rs`: at each access another thread may go on.

pub(crate) use shuttle::sync::atomic::{
    AtomicPtr,
    AtomicU64,
    AtomicUsize,
    Ordering, //
};
