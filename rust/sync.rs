// SPDX-License-Identifier: GPL-2.0

//! The atomics of code that is model checked: those of `core` here. `tools/model` has others in their
//! place, at each access of which an interrupt may come.

pub(crate) use core::sync::atomic::{
    AtomicBool,
    AtomicPtr,
    AtomicU64,
    Ordering, //
};
