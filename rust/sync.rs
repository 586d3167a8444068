// SPDX-License-Identifier: GPL-2.0

//! The atomics of code that is model checked: those of `core` here. `tools/model` has others in their
//! place, at each access of which an interrupt may come; `tools/loom` has some of which a load may give
//! what any CPU could see, `tools/schedules` some at each access of which another thread may go on.

pub(crate) use core::sync::atomic::{
    AtomicBool,
    AtomicPtr,
    AtomicU32,
    AtomicU64,
    AtomicUsize,
    Ordering, //
};
