// SPDX-License-Identifier: GPL-2.0

//! The contents of allocations.
//!
//! The kernel's own check of what is copied to and from user space does not know where our
//! allocations end, so the bounds are checked here, once, when a [`Range`] is made.

use super::{
    memory::View,
    task, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    uaccess::UserPtr, //
};

/// Bytes after which a long operation looks whether it should end.
const PIECE: usize = 64 << 10;

/// Fails unless user space may read and write an allocation.
fn readable(allocation: &View) -> Result {
    if allocation.is_opaque() {
        Err(EOPNOTSUPP)
    } else {
        Ok(())
    }
}

/// Some bytes of an allocation.
///
/// # Invariants
///
/// They lie within the allocation, which is not opaque and stays as it is for `'a`.
pub(super) struct Range<'a> {
    start: NonNull<u8>,
    offset: usize,
    len: usize,
    _allocation: PhantomData<&'a View>,
}

impl<'a> Range<'a> {
    /// Checks what user space asks for.
    pub(super) fn new(allocation: &'a View, offset: u64, len: u64) -> Result<Self> {
        readable(allocation)?;
        let offset = usize::try_from(offset).map_err(|_| ERANGE)?;
        let len = usize::try_from(len).map_err(|_| ERANGE)?;
        if offset
            .checked_add(len)
            .is_none_or(|end| end > allocation.usable())
        {
            return Err(ERANGE);
        }
        // INVARIANT: Just checked.
        Ok(Self {
            start: allocation.start(),
            offset,
            len,
            _allocation: PhantomData,
        })
    }

    /// Returns all of an allocation.
    pub(super) fn all(allocation: &'a View) -> Result<Self> {
        readable(allocation)?;
        // INVARIANT: All of it lies within it.
        Ok(Self {
            start: allocation.start(),
            offset: 0,
            len: allocation.usable(),
            _allocation: PhantomData,
        })
    }

    /// Calls `f` with one piece after the other; in between, other tasks run, and a fatal signal
    /// ends it.
    pub(super) fn for_each(self, mut f: impl FnMut(Piece<'a>) -> Result) -> Result {
        let (mut offset, end) = (self.offset, self.offset + self.len);
        loop {
            let len = (PIECE - offset % PIECE).min(end - offset);
            // INVARIANT: By the type invariants, as `offset + len <= end`.
            f(Piece {
                // SAFETY: By the type invariants, it lies within the allocation or just behind it.
                at: unsafe { self.start.add(offset) },
                offset,
                len,
                _allocation: PhantomData,
            })?;
            offset += len;
            if offset == end {
                return Ok(());
            }
            task::checkpoint()?;
        }
    }

    /// Copies to user space.
    pub(super) fn read_to(self, user: UserPtr) -> Result {
        let first = self.offset;
        self.for_each(|piece| {
            let to = user.wrapping_byte_add(piece.offset - first).as_mut_ptr();
            // SAFETY: By its invariants, the piece can be read; the kernel checks the other side.
            match unsafe { bindings::copy_to_user(to, piece.at.as_ptr().cast(), piece.len) } {
                0 => Ok(()),
                _ => Err(EFAULT),
            }
        })
    }

    /// Copies from user space.
    pub(super) fn write_from(self, user: UserPtr) -> Result {
        let first = self.offset;
        self.for_each(|piece| {
            let from = user.wrapping_byte_add(piece.offset - first).as_const_ptr();
            // SAFETY: By its invariants, the piece can be written; the kernel checks the other
            // side.
            match unsafe { bindings::copy_from_user(piece.at.as_ptr().cast(), from, piece.len) } {
                0 => Ok(()),
                _ => Err(EFAULT),
            }
        })
    }
}

/// Some of a [`Range`], small enough to be worked on in one go.
///
/// # Invariants
///
/// `at` points to `len` bytes, from `offset` on, of an allocation that stays as it is for `'a`.
/// User space may change them at any time.
pub(super) struct Piece<'a> {
    at: NonNull<u8>,
    pub(super) offset: usize,
    pub(super) len: usize,
    _allocation: PhantomData<&'a View>,
}

impl Piece<'_> {
    /// Writes a byte; not where there is none.
    pub(super) fn set_byte(&self, index: usize, value: u8) {
        if index < self.len {
            // SAFETY: By the type invariants. Volatile, as user space may do the same.
            unsafe { self.at.add(index).write_volatile(value) };
        }
    }

    /// Returns a byte, or 0 where there is none.
    pub(super) fn byte(&self, index: usize) -> u8 {
        if index >= self.len {
            return 0;
        }
        // SAFETY: By the type invariants. Volatile, as user space may write at the same time.
        unsafe { self.at.add(index).read_volatile() }
    }

    /// Returns the whole words in the piece: how many bytes come before them, and how many words
    /// there are.
    ///
    /// Words start at multiples of 8 in the allocation. There are none if those are not aligned in
    /// memory.
    pub(super) fn words(&self) -> (usize, usize) {
        let before = self.offset.wrapping_neg() % 8;
        if before > self.len || (self.at.as_ptr() as usize).wrapping_add(before) % 8 != 0 {
            return (self.len, 0);
        }
        (before, (self.len - before) / 8)
    }

    /// Writes all whole words with what `next` returns.
    pub(super) fn set_words(&self, mut next: impl FnMut() -> u64) {
        let (before, nr) = self.words();
        // SAFETY: `before <= len`.
        let first = unsafe { self.at.add(before) }.cast::<u64>();
        for index in 0..nr {
            // SAFETY: By the type invariants and `words`: it lies in the piece and is aligned.
            unsafe { first.add(index).write_volatile(next().to_le()) };
        }
    }

    /// Returns the index of the first whole word for which `good` does not hold.
    pub(super) fn find_bad_word(&self, mut good: impl FnMut(u64) -> bool) -> Option<usize> {
        let (before, nr) = self.words();
        // SAFETY: `before <= len`.
        let first = unsafe { self.at.add(before) }.cast::<u64>();
        // SAFETY: By the type invariants and `words`: it lies in the piece and is aligned.
        (0..nr).find(|&index| !good(u64::from_le(unsafe { first.add(index).read_volatile() })))
    }
}
