// SPDX-License-Identifier: GPL-2.0

//! Numbers that are hard to guess, cheaply: for the order in which memory is given out.
//!
//! Each CPU has a generator of its own, seeded by the kernel: xorshift64*, Vigna, "An experimental exploration
//! of Marsaglia's xorshift generators, scrambled" (2016). Who sees many of its numbers can tell the next; who
//! sees where memory lies sees a few bits of them.

use crate::{
    bindings,
    global::Global,
    percpu::PerCpu,
    preempt, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::prelude::*;

static STATES: Global<PerCpu<AtomicU64>> = Global::new();

/// Seeds the generators.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    // SAFETY: May be called anywhere. Zero is no state.
    let seed = |_| AtomicU64::new(unsafe { bindings::get_random_u64() } | 1);
    // SAFETY: By the contract of this function.
    unsafe { STATES.set(PerCpu::new(seed)?) };
    Ok(())
}

/// Frees the generators.
///
/// # Safety
///
/// Nobody uses this module any more.
pub(crate) unsafe fn exit() {
    // SAFETY: Set by `init`; by the contract of this function.
    unsafe { STATES.end() };
}

/// Returns a number.
///
/// Context: Any.
#[inline(always)]
pub(crate) fn number() -> u64 {
    let pinned = preempt::pin();
    // SAFETY: Set by `init`.
    let state = unsafe { STATES.get() }.this(&pinned);
    // ORDERING: This CPU's own; an interrupt in between makes two callers get the same number.
    let next = step(state.load(Relaxed));
    state.store(next, Relaxed);
    scramble(next)
}

/// Returns numbers that follow from one of this CPU's.
///
/// Context: Any.
#[inline(always)]
pub(crate) fn numbers() -> impl FnMut() -> u64 {
    let mut state = number() | 1;
    move || {
        state = step(state);
        scramble(state)
    }
}

/// Returns the state after a state, neither of which is 0.
#[inline(always)]
fn step(mut state: u64) -> u64 {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    state
}

#[inline(always)]
fn scramble(state: u64) -> u64 {
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
