// SPDX-License-Identifier: GPL-2.0

//! This CPU's magazines on any architecture: plain loads and stores, in order for this CPU.

use super::Cpu;
use crate::{
    magazine::Place,
    percpu::Handle,
    sync::Ordering::{
        Relaxed,
        SeqCst, //
    }, //
};
use core::sync::atomic::compiler_fence;

/// The bit of `word` that says that a section is on.
const BUSY: u64 = 1;

/// This CPU's magazines of one node, as long as preemption is off.
#[derive(Clone, Copy)]
pub(super) struct Here(*const Cpu);

impl Here {
    /// # Safety
    ///
    /// The value behind the handle is alive, and preemption is off as long as the result is used.
    #[inline(always)]
    pub(super) unsafe fn new(handle: Handle<Cpu>) -> Self {
        // SAFETY: By the contract of this function.
        Self(unsafe { handle.here() })
    }

    #[inline(always)]
    fn cpu(&self) -> &Cpu {
        // SAFETY: By the contract of `new`.
        unsafe { &*self.0 }
    }

    /// Begins a section, unless one is on. Returns whether it did.
    #[inline(always)]
    pub(super) fn enter(self) -> bool {
        let word = &self.cpu().word;
        // ORDERING: Only this CPU writes; an interrupt between load and store leaves the bit as it
        // was, and at worst is not counted.
        let now = word.load(Relaxed);
        if now & BUSY != 0 {
            return false;
        }
        word.store(now | BUSY, Relaxed);
        // ORDERING: Between this CPU and interrupts on it: the bit is set before the magazines are
        // touched, and they are whole again before it is cleared.
        compiler_fence(SeqCst);
        true
    }

    /// Ends a section.
    #[inline(always)]
    pub(super) fn leave(self) {
        // ORDERING: As in `enter`. No interrupt writes the word during the section.
        compiler_fence(SeqCst);
        let word = &self.cpu().word;
        word.store(word.load(Relaxed) & !BUSY, Relaxed);
    }

    /// Ends a section in which one entry was popped.
    #[inline(always)]
    pub(super) fn leave_popped(self) {
        // ORDERING: As in `leave`. The carry clears the bit and counts one above.
        compiler_fence(SeqCst);
        let word = &self.cpu().word;
        word.store(word.load(Relaxed).wrapping_add(BUSY), Relaxed);
    }

    /// Returns the place behind the last entry.
    #[inline(always)]
    pub(super) fn top(self) -> Place {
        // ORDERING: Only this CPU writes.
        self.cpu().top.load(Relaxed)
    }

    /// Returns whether a place is where the loaded magazine begins.
    #[inline(always)]
    pub(super) fn is_base(self, top: Place) -> bool {
        // ORDERING: Only this CPU writes.
        core::ptr::eq(top, self.cpu().base.load(Relaxed))
    }

    /// Returns whether a place is not before the end for `push`.
    #[inline(always)]
    pub(super) fn is_end(self, top: Place) -> bool {
        // ORDERING: Only this CPU writes.
        top >= self.cpu().end.load(Relaxed)
    }

    /// Returns whether a place is not before the end of the loaded magazine.
    #[inline(always)]
    pub(super) fn is_limit(self, top: Place) -> bool {
        // ORDERING: Only this CPU writes.
        top >= self.cpu().limit.load(Relaxed)
    }

    /// Moves the top by one entry, up or down.
    #[inline(always)]
    pub(super) fn move_top(self, by: i32) {
        // CAST: One up or down.
        let top = self.top().wrapping_offset(by as isize);
        // ORDERING: Only this CPU writes, in a section.
        self.cpu().top.store(top, Relaxed);
    }
}
