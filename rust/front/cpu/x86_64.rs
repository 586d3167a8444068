// SPDX-License-Identifier: GPL-2.0

//! This CPU's magazines on x86-64: single instructions on per-CPU memory.
//!
//! An interrupt comes before or after an instruction, so that a read-modify-write needs no lock prefix
//! to be whole for this CPU. `gs` leads to this CPU's memory, as in the kernel's `this_cpu_*()`. Every
//! block of assembly clobbers memory, so that the compiler keeps accesses to magazines between
//! `enter` and `leave`.

use super::Cpu;
use crate::{
    magazine::Place,
    percpu::Handle, //
};
use core::{
    arch::asm,
    mem::offset_of, //
};

const _: () = assert!(offset_of!(Cpu, word) == 0);

/// This CPU's magazines of one node, as long as preemption is off.
#[derive(Clone, Copy)]
pub(super) struct Here(*mut Cpu);

impl Here {
    /// # Safety
    ///
    /// The value behind the handle is alive, and preemption is off as long as the result is used.
    #[inline(always)]
    pub(super) unsafe fn new(handle: Handle<Cpu>) -> Self {
        Self(handle.as_ptr())
    }

    /// Begins a section, unless one is on. Returns whether it did.
    #[inline(always)]
    pub(super) fn enter(self) -> bool {
        // SAFETY: Sets a bit of this CPU's `word`, which says already what it says if that is set.
        unsafe {
            asm!(
                "bts qword ptr gs:[{cpu}], 0",
                "jc {busy}",
                cpu = in(reg) self.0,
                busy = label { return false },
                options(nostack),
            );
        }
        true
    }

    /// Ends a section.
    #[inline(always)]
    pub(super) fn leave(self) {
        // SAFETY: Clears the lowest bit of `word`, which is set.
        unsafe { asm!("dec qword ptr gs:[{cpu}]", cpu = in(reg) self.0, options(nostack)) };
    }

    /// Ends a section in which one entry was popped.
    #[inline(always)]
    pub(super) fn leave_popped(self) {
        // SAFETY: The lowest bit of `word` is set, so that adding one clears it and counts one above.
        unsafe { asm!("inc qword ptr gs:[{cpu}]", cpu = in(reg) self.0, options(nostack)) };
    }

    /// Returns the place behind the last entry.
    #[inline(always)]
    pub(super) fn top(self) -> Place {
        let top;
        // SAFETY: Reads a field.
        unsafe {
            asm!(
                "mov {top}, qword ptr gs:[{cpu} + {offset}]",
                cpu = in(reg) self.0,
                top = out(reg) top,
                offset = const offset_of!(Cpu, top),
                options(nostack, preserves_flags),
            );
        }
        top
    }

    /// Returns whether a place is where the loaded magazine begins.
    #[inline(always)]
    pub(super) fn is_base(self, top: Place) -> bool {
        // SAFETY: Reads a field.
        unsafe {
            asm!(
                "cmp {top}, qword ptr gs:[{cpu} + {offset}]",
                "je {base}",
                cpu = in(reg) self.0,
                top = in(reg) top,
                offset = const offset_of!(Cpu, base),
                base = label { return true },
                options(nostack),
            );
        }
        false
    }

    /// Returns whether a place is not before the end for `push`.
    #[inline(always)]
    pub(super) fn is_end(self, top: Place) -> bool {
        // SAFETY: Reads a field.
        unsafe {
            asm!(
                "cmp {top}, qword ptr gs:[{cpu} + {offset}]",
                "jae {end}",
                cpu = in(reg) self.0,
                top = in(reg) top,
                offset = const offset_of!(Cpu, end),
                end = label { return true },
                options(nostack),
            );
        }
        false
    }

    /// Returns whether a place is not before the end of the loaded magazine.
    #[inline(always)]
    pub(super) fn is_limit(self, top: Place) -> bool {
        // SAFETY: Reads a field.
        unsafe {
            asm!(
                "cmp {top}, qword ptr gs:[{cpu} + {offset}]",
                "jae {limit}",
                cpu = in(reg) self.0,
                top = in(reg) top,
                offset = const offset_of!(Cpu, limit),
                limit = label { return true },
                options(nostack),
            );
        }
        false
    }

    /// Moves the top by one entry, up or down.
    #[inline(always)]
    pub(super) fn move_top(self, by: i32) {
        // SAFETY: Changes a field in a section; the caller keeps it between base and end.
        unsafe {
            if by < 0 {
                asm!(
                    "sub qword ptr gs:[{cpu} + {offset}], 8",
                    cpu = in(reg) self.0,
                    offset = const offset_of!(Cpu, top),
                    options(nostack),
                );
            } else {
                asm!(
                    "add qword ptr gs:[{cpu} + {offset}], 8",
                    cpu = in(reg) self.0,
                    offset = const offset_of!(Cpu, top),
                    options(nostack),
                );
            }
        }
    }
}
