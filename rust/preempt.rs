// SPDX-License-Identifier: GPL-2.0

//! Staying on one CPU.
//!
//! C header: [`include/linux/preempt.h`](srctree/include/linux/preempt.h)
//!
//! On x86-64 without preemption debugging, one inlined instruction each way; elsewhere the kernel's
//! macros through a call. The width of the counter comes from the kernel's configuration.

use crate::bindings;
use core::marker::PhantomData;

/// Proof that the task stays on its CPU as long as this exists.
///
/// # Invariants
///
/// Preemption is off.
pub(crate) struct PinnedCpu(PhantomData<*mut ()>);

/// Turns preemption off.
#[inline(always)]
pub(crate) fn pin() -> PinnedCpu {
    imp::disable();
    // INVARIANT: Preemption was turned off above; only `drop` turns it on.
    PinnedCpu(PhantomData)
}

impl Drop for PinnedCpu {
    #[inline(always)]
    fn drop(&mut self) {
        imp::enable();
    }
}

#[cfg(all(
    CONFIG_X86_64,
    CONFIG_PREEMPTION,
    not(CONFIG_DEBUG_PREEMPT),
    not(CONFIG_TRACE_PREEMPT_TOGGLE)
))]
mod imp {
    use super::bindings;
    use core::arch::asm;

    #[cfg(CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS)]
    macro_rules! wide {
        ($op:literal) => {
            concat!($op, " qword ptr gs:[rip + {count}]")
        };
    }
    #[cfg(not(CONFIG_HAS_SEPARATE_PREEMPT_RESCHED_BITS))]
    macro_rules! wide {
        ($op:literal) => {
            concat!($op, " dword ptr gs:[rip + {count}]")
        };
    }

    #[inline(always)]
    pub(super) fn disable() {
        // SAFETY: Increments this CPU's preemption counter, as `preempt_disable()` does. Not marked
        // `nomem`: what follows must not move before it.
        unsafe {
            asm!(wide!("inc"), count = sym bindings::__preempt_count, options(nostack));
        }
    }

    #[inline(always)]
    pub(super) fn enable() {
        // SAFETY: Undoes `disable()`. The counter reaches zero only if a reschedule is due and
        // allowed, and then the scheduler is called, as `preempt_enable()` does: through a thunk
        // that preserves all registers. `nostack` in spite of the call: kernel code has no red zone
        // and keeps its stack aligned to 8 bytes, so that a call needs nothing prepared, and every
        // function that pins is spared a frame.
        unsafe {
            asm!(
                wide!("dec"),
                "jnz 2f",
                "call {schedule}",
                "2:",
                count = sym bindings::__preempt_count,
                schedule = sym schedule,
                options(nostack),
            );
        }
    }

    // What the kernel's `__preempt_schedule()` calls.
    #[cfg(CONFIG_PREEMPT_DYNAMIC)]
    use bindings::__SCT__preempt_schedule as schedule;
    #[cfg(not(CONFIG_PREEMPT_DYNAMIC))]
    use bindings::preempt_schedule_thunk as schedule;
}

#[cfg(not(all(
    CONFIG_X86_64,
    CONFIG_PREEMPTION,
    not(CONFIG_DEBUG_PREEMPT),
    not(CONFIG_TRACE_PREEMPT_TOGGLE)
)))]
mod imp {
    use super::bindings;

    #[inline(always)]
    pub(super) fn disable() {
        // SAFETY: May be called in any context.
        unsafe { bindings::quarry_helper_preempt_disable() };
    }

    #[inline(always)]
    pub(super) fn enable() {
        // SAFETY: Undoes `disable()`.
        unsafe { bindings::quarry_helper_preempt_enable() };
    }
}
