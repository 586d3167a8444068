// SPDX-License-Identifier: GPL-2.0

//! Copying and clearing whole words.
//!
//! What allocators copy and clear has a length of whole words. The kernel's `memcpy()` and `memset()` go
//! by bytes on processors that say that they are good at it.

use core::ptr::NonNull;

/// Copies words.
///
/// # Safety
///
/// `from` is valid for reads and `to` for writes of so many words, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn copy(from: *const u64, to: *mut u64, words: usize) {
    // SAFETY: By the contract of this function.
    unsafe { imp::copy(from, to, words) };
}

/// Clears words.
///
/// # Safety
///
/// `to` is valid for writes of so many words.
#[inline(always)]
pub(crate) unsafe fn clear(to: NonNull<u64>, words: usize) {
    // SAFETY: By the contract of this function.
    unsafe { imp::clear(to, words) };
}

// KASAN sees what the compiler and the kernel's functions access, and no assembly.
#[cfg(all(CONFIG_X86_64, not(CONFIG_KASAN)))]
mod imp {
    use core::{
        arch::asm,
        ptr::NonNull, //
    };

    /// # Safety
    ///
    /// As for [`super::copy`].
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u64, to: *mut u64, words: usize) {
        // SAFETY: By the contract of the caller. The direction flag is clear in all of the kernel.
        unsafe {
            asm!(
                "rep movsq",
                inout("rcx") words => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// # Safety
    ///
    /// As for [`super::clear`].
    #[inline(always)]
    pub(super) unsafe fn clear(to: NonNull<u64>, words: usize) {
        // SAFETY: As above.
        unsafe {
            asm!(
                "rep stosq",
                inout("rcx") words => _,
                inout("rdi") to.as_ptr() => _,
                in("rax") 0u64,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[cfg(not(all(CONFIG_X86_64, not(CONFIG_KASAN))))]
mod imp {
    use core::ptr::NonNull;

    /// # Safety
    ///
    /// As for [`super::copy`].
    #[inline(always)]
    pub(super) unsafe fn copy(from: *const u64, to: *mut u64, words: usize) {
        // SAFETY: By the contract of the caller.
        unsafe { core::ptr::copy_nonoverlapping(from, to, words) };
    }

    /// # Safety
    ///
    /// As for [`super::clear`].
    #[inline(always)]
    pub(super) unsafe fn clear(to: NonNull<u64>, words: usize) {
        // SAFETY: By the contract of the caller.
        unsafe { to.as_ptr().write_bytes(0, words) };
    }
}
