// SPDX-License-Identifier: GPL-2.0

//! The calling task: rescheduling, signals, name.

use crate::bindings;
use kernel::{
    prelude::*,
    task::Pid, //
};

/// Lets other tasks run, and fails with `EINTR` if this one is being killed.
pub(super) fn checkpoint() -> Result {
    yield_now();
    if killed() {
        return Err(EINTR);
    }
    Ok(())
}

/// Lets other tasks run.
pub(super) fn yield_now() {
    // SAFETY: No lock is held and interrupts are on: the device's code runs in process context, and
    // calls this between steps.
    unsafe { bindings::quarry_helper_cond_resched() };
}

/// Sleeps for a short time, and fails with `EINTR` if this task is being killed.
pub(super) fn pause() -> Result {
    // SAFETY: No lock is held and interrupts are on, see above.
    unsafe { bindings::schedule_timeout_killable(1) };
    if killed() {
        return Err(EINTR);
    }
    Ok(())
}

/// Returns `EINTR` for an allocation that failed because this task is being killed, and waits no more.
pub(super) fn unless_killed(err: Error) -> Error {
    if err == ENOMEM && killed() {
        EINTR
    } else {
        err
    }
}

/// Whether a fatal signal has arrived.
fn killed() -> bool {
    // SAFETY: Reads the state of the current task.
    unsafe { bindings::quarry_helper_fatal_signal_pending() }
}

/// Who opened a file.
pub(super) struct Opener {
    pub(super) pid: Pid,
    pub(super) comm: [u8; 16],
}

impl Opener {
    /// Describes the current process.
    pub(super) fn current() -> Self {
        let task = kernel::current!();
        // SAFETY: The current task lives. Its name may be changed at the same time, by another
        // thread; what is read then may be a mixture of both.
        let mut comm = unsafe {
            (&raw const (*task.as_ptr()).comm)
                .cast::<[u8; 16]>()
                .read_volatile()
        };
        if let Some(last) = comm.last_mut() {
            *last = 0;
        }
        Self {
            pid: task.group_leader().pid(),
            comm,
        }
    }
}
