// SPDX-License-Identifier: GPL-2.0

//! Changes of a state byte that only its owner makes.
//!
//! Not atomic: a byte is changed by whoever owns what it stands for. Of two who both believe that they
//! own it, a second one that comes later is told.

use core::sync::atomic::{
    AtomicU8,
    Ordering::Relaxed, //
};

/// Sets a state byte to `to` if it is `from`. Returns whether it was.
#[inline(always)]
pub(crate) fn change(state: &AtomicU8, from: u8, to: u8) -> bool {
    if !imp::is(state, from) {
        return false;
    }
    // ORDERING: An owner's own byte. For who does not own it, any value leads to a refusal, or to the
    // same double free a moment earlier.
    state.store(to, Relaxed);
    true
}

#[cfg(CONFIG_X86_64)]
mod imp {
    use super::AtomicU8;

    /// Returns whether a state byte has a value: one comparison with memory, which the compiler does
    /// not make of an atomic load.
    #[inline(always)]
    pub(super) fn is(state: &AtomicU8, value: u8) -> bool {
        // SAFETY: Reads the byte behind a reference to an atomic.
        unsafe {
            core::arch::asm!(
                "cmp byte ptr [{state}], {value}",
                "jne {other}",
                state = in(reg) state.as_ptr(),
                value = in(reg_byte) value,
                other = label { return false },
                options(nostack, readonly),
            );
        }
        true
    }
}

#[cfg(not(CONFIG_X86_64))]
mod imp {
    use super::{
        AtomicU8,
        Relaxed, //
    };

    /// Returns whether a state byte has a value.
    #[inline(always)]
    pub(super) fn is(state: &AtomicU8, value: u8) -> bool {
        // ORDERING: As in `change`.
        state.load(Relaxed) == value
    }
}
