// SPDX-License-Identifier: GPL-2.0

//! Callers who wait until something is freed.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)
//!
//! A charge that is taken back wakes them. An object that is freed goes to a magazine and wakes nobody,
//! so that they look again by themselves, after [`PATIENCE`] at the latest.

use crate::bindings;
use core::{
    pin::pin,
    ptr::null_mut,
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    time::{
        Instant,
        Monotonic, //
    },
    types::Opaque, //
};

/// Longest time between two looks, in parts of a second.
const PATIENCE: u32 = 50;

/// A queue of waiting callers. It must not move once it is initialised.
pub(super) struct Queue {
    head: Opaque<bindings::wait_queue_head>,
    waits: AtomicU64,
    longest: AtomicU64,
}

// SAFETY: The head has a lock of its own.
unsafe impl Send for Queue {}
// SAFETY: As above.
unsafe impl Sync for Queue {}

impl Queue {
    /// Returns a queue that is not initialised.
    pub(super) const fn new() -> Self {
        Self {
            head: Opaque::uninit(),
            waits: AtomicU64::new(0),
            longest: AtomicU64::new(0),
        }
    }

    /// Initialises it, where it stays.
    pub(super) fn init(&self) {
        // SAFETY: Not used yet.
        unsafe { bindings::quarry_helper_init_waitqueue_head(self.head.get()) };
    }

    /// Returns how many have waited, and how long at most, in nanoseconds.
    pub(super) fn counts(&self) -> (u64, u64) {
        // ORDERING: For people.
        (self.waits.load(Relaxed), self.longest.load(Relaxed))
    }

    /// Wakes those who wait.
    ///
    /// Context: Any but NMI.
    pub(super) fn wake(&self) {
        // SAFETY: Initialised by `init`.
        if unsafe { bindings::quarry_helper_wq_has_sleeper(self.head.get()) } {
            let normal = bindings::TASK_INTERRUPTIBLE | bindings::TASK_UNINTERRUPTIBLE;
            // SAFETY: As above. 0 wakes all.
            unsafe { bindings::__wake_up(self.head.get(), normal, 0, null_mut()) };
        }
    }

    /// Waits until `attempt` gives something, with a call of `relieve` before each; `None` if the task is
    /// killed.
    ///
    /// Context: Process context. Sleeps.
    pub(super) fn wait_for<R>(
        &self,
        attempt: &mut impl FnMut() -> Option<R>,
        relieve: &mut impl FnMut(),
    ) -> Option<R> {
        let since = Instant::<Monotonic>::now();
        // CAST: `TASK_KILLABLE` is a small number.
        let killable = (bindings::TASK_WAKEKILL | bindings::TASK_UNINTERRUPTIBLE) as i32;
        let entry = pin!(Opaque::<bindings::wait_queue_entry>::uninit());
        // SAFETY: The entry stays where it is until `finish_wait` has taken it off the queue.
        unsafe { bindings::init_wait_entry(entry.get().cast(), 0) };
        let got = loop {
            relieve();
            // An attempt may sleep, and so comes before the task says that it is about to; what is freed
            // between the two wakes nobody, and is found after `PATIENCE`.
            let got = attempt();
            if got.is_some() {
                break got;
            }
            // SAFETY: Both are initialised.
            let killed = unsafe {
                bindings::prepare_to_wait_event(self.head.get(), entry.get().cast(), killable)
            };
            if killed != 0 {
                break None;
            }
            // SAFETY: Process context, by the contract of this function.
            unsafe { bindings::schedule_timeout((bindings::HZ / PATIENCE).max(1) as isize) };
        };
        // SAFETY: Both are initialised.
        unsafe { bindings::finish_wait(self.head.get(), entry.get().cast()) };
        let nanoseconds = since.elapsed().as_nanos();
        // ORDERING: For people.
        self.waits.fetch_add(1, Relaxed);
        self.longest
            .fetch_max(u64::try_from(nanoseconds).unwrap_or(0), Relaxed);
        got
    }
}
