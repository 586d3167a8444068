// SPDX-License-Identifier: GPL-2.0

//! Switching the tracking of call sites on and off, for everything or for one account, while others allocate
//! and free. [`crate::track`] keeps the records.
//!
//! A record whose memory is freed without being looked for would stay, and stand for whoever gets the memory
//! next. So frees look for records before there are any, and until there are none left:
//!
//! - on: frees take the slow path, on all CPUs; then allocations make records;
//! - off: allocations make no more; once nobody is making one, all are dropped; then frees may be fast.
//!
//! A grace period lies between the steps: who makes a record has preemption off.
//!
//! # Lock order
//!
//! `SWITCH`, then the CPUs are held, then `CACHES`.

use crate::{
    cache,
    kmalloc,
    page_alloc,
    percpu::CpusHeld,
    track::{
        self,
        Scope,
        Stage, //
    }, //
};
use core::ops::ControlFlow;
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        rcu::synchronize_rcu, //
    }, //
};

global_lock! {
    // SAFETY: Initialised in `init`, before anything else of this module is used.
    unsafe(uninit) static SWITCH: Mutex<()> = ();
}

/// Sets up the lock.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() {
    // SAFETY: By the contract of this function.
    unsafe { SWITCH.init() };
}

/// Calls `f` while nothing is switched.
///
/// Context: Process context. May sleep.
pub(crate) fn alone(f: impl FnOnce()) {
    let _switch = SWITCH.lock();
    f();
}

/// Tracks a scope from now on, or no longer. Fails with `ENOMEM` where there is no memory for the tables.
///
/// What is live already has no record. Records of what is also in another scope that is tracked stay.
///
/// Context: Process context. May sleep.
pub(crate) fn set(scope: Scope, on: bool) -> Result {
    let _switch = SWITCH.lock();
    if on {
        track::prepare()?;
    }
    if scope.is_at(if on { Stage::On } else { Stage::Off }) {
        return Ok(());
    }
    track::set(scope, Stage::Frees);
    if on {
        follow();
        synchronize_rcu();
        track::set(scope, Stage::On);
    } else {
        synchronize_rcu();
        track::drop_untracked();
        track::set(scope, Stage::Off);
        follow();
    }
    Ok(())
}

/// Has all fast paths follow the stages.
fn follow() {
    let cpus = CpusHeld::new();
    page_alloc::follow_tracking(&cpus);
    cache::for_each(|cache| {
        cache.follow_tracking(&cpus);
        ControlFlow::Continue(())
    });
    kmalloc::publish();
}
