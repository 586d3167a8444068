// SPDX-License-Identifier: GPL-2.0

//! Arguments of ioctls: structures that start with their own size.
//!
//! A caller's structure may be shorter than ours, and is then extended with zeroes, or longer, and
//! must then hold zeroes in what we do not know. See `copy_struct_from_user()` in
//! `include/linux/uaccess.h`.

use crate::bindings;
use core::mem::offset_of;
use kernel::{
    bindings::check_zeroed_user,
    ioctl::_IO,
    page::PAGE_SIZE,
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A structure of `include/uapi/linux/quarry.h` that an ioctl takes.
pub(super) trait Argument: AsBytes + FromBytes + Zeroable {
    /// Number of the command that takes it, or 0 if several do.
    const COMMAND: u32;

    /// Bytes up to the end of the last member without which the command means nothing.
    const SHORTEST: usize;

    /// Returns the flags as the caller gave them.
    fn flags(&self) -> u32;

    /// Sets the size that is written back.
    fn set_size(&mut self, size: u32);
}

/// Offset of the end of a member.
macro_rules! end_of {
    ($t:ty, $member:ident) => {
        offset_of!($t, $member) + {
            // The type of the member, without naming it.
            const fn size_of_member<T, M>(_: fn(&T) -> &M) -> usize {
                size_of::<M>()
            }
            size_of_member::<$t, _>(|s| &s.$member)
        }
    };
}

// Only ever evaluated at compile time.
#[inline(always)]
const fn ioc(nr: u32) -> u32 {
    _IO(bindings::QUARRY_IOC_TYPE, nr)
}

pub(super) const IOC_READ: u32 = ioc(bindings::quarry_cmd_QUARRY_CMD_READ);
pub(super) const IOC_WRITE: u32 = ioc(bindings::quarry_cmd_QUARRY_CMD_WRITE);
pub(super) const IOC_FILL: u32 = ioc(bindings::quarry_cmd_QUARRY_CMD_FILL);
pub(super) const IOC_VERIFY: u32 = ioc(bindings::quarry_cmd_QUARRY_CMD_VERIFY);

macro_rules! arguments {
    ($($t:ident, $bytes:literal, $last:ident, $command:expr;)*) => {$(
        static_assert!(size_of::<bindings::$t>() == $bytes);
        static_assert!(offset_of!(bindings::$t, size) == 0);

        // SAFETY: All members are integers or arrays of them, and the header leaves no padding
        // between them: the 32-bit and the 64-bit layout are the same, which the tests check.
        unsafe impl AsBytes for bindings::$t {}

        // SAFETY: All members are integers or arrays of them.
        unsafe impl FromBytes for bindings::$t {}

        impl Argument for bindings::$t {
            const COMMAND: u32 = $command;
            const SHORTEST: usize = end_of!(bindings::$t, $last);

            fn flags(&self) -> u32 {
                self.flags
            }

            fn set_size(&mut self, size: u32) {
                self.size = size;
            }
        }
    )*};
}

arguments! {
    quarry_query, 80, abi, ioc(bindings::quarry_cmd_QUARRY_CMD_QUERY);
    quarry_alloc, 48, handle, ioc(bindings::quarry_cmd_QUARRY_CMD_ALLOC);
    quarry_realloc, 32, bytes, ioc(bindings::quarry_cmd_QUARRY_CMD_REALLOC);
    quarry_free, 16, handle, ioc(bindings::quarry_cmd_QUARRY_CMD_FREE);
    quarry_io, 40, buffer, 0;
    quarry_pattern, 48, seed, 0;
    quarry_explain, 120, layer, ioc(bindings::quarry_cmd_QUARRY_CMD_EXPLAIN);
    quarry_map, 32, length, ioc(bindings::quarry_cmd_QUARRY_CMD_MAP);
    quarry_cache_create, 56, cache, ioc(bindings::quarry_cmd_QUARRY_CMD_CACHE_CREATE);
    quarry_cache_destroy, 16, cache, ioc(bindings::quarry_cmd_QUARRY_CMD_CACHE_DESTROY);
    quarry_batch, 32, op_size, ioc(bindings::quarry_cmd_QUARRY_CMD_BATCH);
    quarry_stats, 400, pool_pages, ioc(bindings::quarry_cmd_QUARRY_CMD_STATS);
    quarry_cache_stats, 128, cache, ioc(bindings::quarry_cmd_QUARRY_CMD_CACHE_STATS);
    quarry_shrink, 16, flags, ioc(bindings::quarry_cmd_QUARRY_CMD_SHRINK);
    quarry_validate, 216, violations, ioc(bindings::quarry_cmd_QUARRY_CMD_VALIDATE);
    quarry_pool_create, 72, pool, ioc(bindings::quarry_cmd_QUARRY_CMD_POOL_CREATE);
    quarry_pool_destroy, 16, pool, ioc(bindings::quarry_cmd_QUARRY_CMD_POOL_DESTROY);
    quarry_pool_limit, 24, limit, ioc(bindings::quarry_cmd_QUARRY_CMD_POOL_LIMIT);
    quarry_pool_stats, 112, pool, ioc(bindings::quarry_cmd_QUARRY_CMD_POOL_STATS);
    quarry_pool_track, 16, on, ioc(bindings::quarry_cmd_QUARRY_CMD_POOL_TRACK);
    quarry_fail_nth, 16, nth, ioc(bindings::quarry_cmd_QUARRY_CMD_FAIL_NTH);
}

/// A caller's argument, copied once.
pub(super) struct Arg<T> {
    pub(super) value: T,
    user: UserPtr,
    /// As the caller gave it.
    size: u32,
}

impl<T: Argument> Arg<T> {
    /// Names an argument, and copies nothing yet.
    fn new(user: UserPtr) -> Self {
        Self {
            value: pin_init::zeroed(),
            user,
            size: 0,
        }
    }

    /// Copies an argument from user space. Its flags must lie within `known_flags`.
    pub(super) fn read(user: UserPtr, known_flags: u32) -> Result<Self> {
        let mut arg = Self::new(user);
        arg.fetch(known_flags)?;
        Ok(arg)
    }

    fn fetch(&mut self, known_flags: u32) -> Result {
        self.size = UserSlice::new(self.user, size_of::<u32>())
            .reader()
            .read()?;
        // CAST: `usize` has at least 32 bits.
        let size = self.size as usize;
        if size < T::SHORTEST {
            return Err(EINVAL);
        }
        if size > PAGE_SIZE {
            return Err(E2BIG);
        }
        let known = size.min(size_of::<T>());
        if let Some(known_part) = self.value.as_bytes_mut().get_mut(..known) {
            UserSlice::new(self.user, known)
                .reader()
                .read_slice(known_part)?;
        }
        check_zeroed(self.user.wrapping_byte_add(known), size - known)?;
        if self.value.flags() & !known_flags != 0 {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// Copies the argument back, as much of it as the caller knows.
    pub(super) fn write_back(&mut self) -> Result {
        self.value.set_size(self.size);
        let bytes = self.value.as_bytes();
        // CAST: `usize` has at least 32 bits.
        let known = bytes.get(..self.size as usize).unwrap_or(bytes);
        UserSlice::new(self.user, known.len())
            .writer()
            .write_slice(known)
    }
}

/// Fails with `E2BIG` unless user memory holds only zeroes.
fn check_zeroed(user: UserPtr, len: usize) -> Result {
    // SAFETY: Takes any address.
    match unsafe { check_zeroed_user(user.as_const_ptr(), len) } {
        1 => Ok(()),
        0 => Err(E2BIG),
        _ => Err(EFAULT),
    }
}

/// Runs a command that knows no flags and leaves nothing to undo if its results cannot be
/// delivered.
#[inline(never)]
pub(super) fn call<T: Argument>(user: UserPtr, command: impl FnOnce(&mut T) -> Result) -> Result {
    // Filled in place: moving it out of `read` would take the stack of a second one.
    let mut arg = Arg::<T>::new(user);
    arg.fetch(0)?;
    command(&mut arg.value)?;
    arg.write_back()
}
