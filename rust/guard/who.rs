// SPDX-License-Identifier: GPL-2.0

//! Who allocated an object last, and who freed it: `U` of [`crate::preset::Checks`].
//!
//! C header: [`include/linux/stackdepot.h`](srctree/include/linux/stackdepot.h)

use crate::{
    bindings,
    gfp::Gfp,
    requests, //
};
use core::sync::atomic::{
    AtomicI32,
    AtomicI64,
    AtomicU32,
    Ordering::Relaxed, //
};
use kernel::prelude::*;

/// Frames of a stack.
const DEPTH: usize = 16;

/// Who did something last, where and when. Zeroes are nobody.
///
/// Written by the owner of an object only; a report about an object that somebody uses at the same time may
/// mix two.
#[derive(Default)]
pub(crate) struct Who {
    stack: AtomicU32,
    cpu: AtomicU32,
    pid: AtomicI32,
    /// Nanoseconds of the monotonic clock.
    at: AtomicI64,
}

impl Who {
    /// Notes the caller.
    ///
    /// Context: Any but NMI.
    pub(crate) fn note(&self) {
        let mut frames = [0usize; DEPTH];
        // CAST: A small number.
        // SAFETY: The array has room for so many.
        let count = unsafe { bindings::stack_trace_save(frames.as_mut_ptr(), DEPTH as u32, 2) };
        let gfp = Gfp::NOWAIT.with(Gfp::NOWARN).as_raw();
        let stack = if requests::must_fail(size_of_val(&frames)) {
            0
        } else {
            // SAFETY: So many frames are there; without permission to sleep, this may be called anywhere.
            unsafe { bindings::stack_depot_save(frames.as_mut_ptr(), count, gfp) }
        };
        // ORDERING: For people.
        self.stack.store(stack, Relaxed);
        // SAFETY: A hint, for people.
        let cpu = unsafe { bindings::quarry_helper_raw_smp_processor_id() };
        self.cpu.store(cpu, Relaxed);
        // SAFETY: The current task is alive.
        let pid = unsafe { bindings::quarry_helper_current_pid() };
        self.pid.store(pid, Relaxed);
        self.at.store(now(), Relaxed);
    }

    /// Says in the log what is noted.
    pub(super) fn tell(&self, what: &str) {
        // ORDERING: For people.
        let at = self.at.load(Relaxed);
        if at == 0 {
            return;
        }
        let (age, cpu, pid) = (
            now().saturating_sub(at) / 1_000_000,
            self.cpu.load(Relaxed),
            self.pid.load(Relaxed),
        );
        pr_err!("{what} age={age} ms cpu={cpu} pid={pid}\n");
        let stack = self.stack.load(Relaxed);
        if stack != 0 {
            // SAFETY: Stacks stay in the depot.
            unsafe { bindings::stack_depot_print(stack) };
        }
    }
}

/// Returns the time, in nanoseconds; never 0.
fn now() -> i64 {
    // SAFETY: Plain question.
    unsafe { bindings::ktime_get() }.max(1)
}
