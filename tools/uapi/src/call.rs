// SPDX-License-Identifier: GPL-2.0

//! One ioctl: its number, its argument, and the call itself.

use crate::{
    error::{Cause, Error, Result},
    sys,
};
use rustix::{
    fd::BorrowedFd,
    io,
    ioctl::{self, Ioctl, IoctlOutput, Opcode},
};
use std::{ffi::c_void, mem};

/// A structure that is the argument of one command.
///
/// # Safety
///
/// `COMMAND` is the command that takes this structure, which is plain data whose addresses, if it
/// holds any, are declared to [`call`] by its caller.
pub(crate) unsafe trait Argument: Default {
    /// The number of the command.
    const COMMAND: u32;

    /// Returns the structure with its size filled in and all else zero.
    fn new() -> Self;
}

/// Declares which structure belongs to which command.
macro_rules! arguments {
    ($($type:ident: $command:ident,)*) => {
        $(
            // SAFETY: The header names this structure as the argument of this command.
            unsafe impl Argument for sys::$type {
                const COMMAND: u32 = sys::$command;

                fn new() -> Self {
                    Self {
                        // CAST: The structures are far smaller than 4 GiB.
                        size: mem::size_of::<Self>() as u32,
                        ..Default::default()
                    }
                }
            }
        )*
    };
}

arguments! {
    quarry_query: QUARRY_CMD_QUERY,
    quarry_alloc: QUARRY_CMD_ALLOC,
    quarry_realloc: QUARRY_CMD_REALLOC,
    quarry_free: QUARRY_CMD_FREE,
    quarry_explain: QUARRY_CMD_EXPLAIN,
    quarry_map: QUARRY_CMD_MAP,
    quarry_cache_create: QUARRY_CMD_CACHE_CREATE,
    quarry_cache_destroy: QUARRY_CMD_CACHE_DESTROY,
    quarry_batch: QUARRY_CMD_BATCH,
    quarry_stats: QUARRY_CMD_STATS,
    quarry_cache_stats: QUARRY_CMD_CACHE_STATS,
    quarry_shrink: QUARRY_CMD_SHRINK,
    quarry_validate: QUARRY_CMD_VALIDATE,
    quarry_pool_create: QUARRY_CMD_POOL_CREATE,
    quarry_pool_destroy: QUARRY_CMD_POOL_DESTROY,
    quarry_pool_limit: QUARRY_CMD_POOL_LIMIT,
    quarry_pool_stats: QUARRY_CMD_POOL_STATS,
    quarry_pool_track: QUARRY_CMD_POOL_TRACK,
    quarry_fail_nth: QUARRY_CMD_FAIL_NTH,
}

/// Returns the ioctl number of a command, as `_IO(QUARRY_IOC_TYPE, command)` makes it.
pub const fn opcode(command: u32) -> Opcode {
    // CAST: The type is one byte, and so are the numbers of the commands.
    ioctl::opcode::none(sys::QUARRY_IOC_TYPE as u8, command as u8)
}

/// Returns the name of a command.
pub fn command_name(command: u32) -> &'static str {
    match command {
        sys::QUARRY_CMD_QUERY => "QUERY",
        sys::QUARRY_CMD_ALLOC => "ALLOC",
        sys::QUARRY_CMD_REALLOC => "REALLOC",
        sys::QUARRY_CMD_FREE => "FREE",
        sys::QUARRY_CMD_READ => "READ",
        sys::QUARRY_CMD_WRITE => "WRITE",
        sys::QUARRY_CMD_FILL => "FILL",
        sys::QUARRY_CMD_VERIFY => "VERIFY",
        sys::QUARRY_CMD_EXPLAIN => "EXPLAIN",
        sys::QUARRY_CMD_MAP => "MAP",
        sys::QUARRY_CMD_CACHE_CREATE => "CACHE_CREATE",
        sys::QUARRY_CMD_CACHE_DESTROY => "CACHE_DESTROY",
        sys::QUARRY_CMD_BATCH => "BATCH",
        sys::QUARRY_CMD_STATS => "STATS",
        sys::QUARRY_CMD_CACHE_STATS => "CACHE_STATS",
        sys::QUARRY_CMD_SHRINK => "SHRINK",
        sys::QUARRY_CMD_VALIDATE => "VALIDATE",
        sys::QUARRY_CMD_POOL_CREATE => "POOL_CREATE",
        sys::QUARRY_CMD_POOL_DESTROY => "POOL_DESTROY",
        sys::QUARRY_CMD_POOL_LIMIT => "POOL_LIMIT",
        sys::QUARRY_CMD_POOL_STATS => "POOL_STATS",
        sys::QUARRY_CMD_POOL_TRACK => "POOL_TRACK",
        sys::QUARRY_CMD_FAIL_NTH => "FAIL_NTH",
        _ => "unknown command",
    }
}

/// An ioctl about to be made.
struct Call<'a, A> {
    command: u32,
    argument: &'a mut A,
}

// SAFETY: `opcode` belongs to the structure behind `as_ptr`, which the kernel may read and write for
// the length that its first member states: its own size.
unsafe impl<A> Ioctl for Call<'_, A> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        opcode(self.command)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self.argument).cast()
    }

    unsafe fn output_from_ptr(_out: IoctlOutput, _argument: *mut c_void) -> io::Result<()> {
        Ok(())
    }
}

/// Makes the call for `command`, which writes its answer back into `argument`.
///
/// # Safety
///
/// `argument` is the structure of `command`. Every address in it is 0, or points to memory that the
/// kernel may use as the command does, with the length that stands beside it.
pub(crate) unsafe fn call<A>(fd: BorrowedFd<'_>, command: u32, argument: &mut A) -> Result<()> {
    // SAFETY: The caller promises that the structure fits the command and its addresses are good.
    unsafe { ioctl::ioctl(fd, Call { command, argument }) }.map_err(|errno| Error {
        command: command_name(command),
        cause: Cause::from_errno(errno.raw_os_error()),
    })
}

/// Makes the call that belongs to `A`.
///
/// # Safety
///
/// As for [`call`], addresses only.
pub(crate) unsafe fn call_own<A: Argument>(fd: BorrowedFd<'_>, argument: &mut A) -> Result<()> {
    // SAFETY: By the trait, `A` is the structure of this command; the caller vouches for addresses.
    unsafe { call(fd, A::COMMAND, argument) }
}
