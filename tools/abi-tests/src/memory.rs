// SPDX-License-Identifier: GPL-2.0

//! Memory of this process with which the device can be tried: mappings of the device, and pages
//! that cannot be read or written.

use crate::raw::{last_errno, Device, Errno};
use std::{io, ptr};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// A mapping.
pub struct Mapping {
    start: *mut u8,
    length: usize,
}

// SAFETY: A mapping is of the whole process.
unsafe impl Send for Mapping {}

// SAFETY: What can be done with `&Mapping` gives no access but by raw pointers.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps a file of the device.
    pub fn new(device: &Device, offset: u64, length: usize, flags: i32) -> Result<Self, Errno> {
        Self::with(
            device.fd(),
            offset,
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
        )
    }

    /// Maps zeroes.
    pub fn anonymous(length: usize) -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let mapping = Self::with(-1, 0, length, libc::PROT_READ | libc::PROT_WRITE, flags);
        mapping.expect("memory")
    }

    /// Maps with any arguments.
    pub fn with(fd: i32, offset: u64, length: usize, prot: i32, flags: i32) -> Result<Self, Errno> {
        // SAFETY: A new mapping at an address that the kernel chooses.
        let start = unsafe { libc::mmap(ptr::null_mut(), length, prot, flags, fd, offset as i64) };
        if start == libc::MAP_FAILED {
            return Err(last_errno());
        }
        Ok(Self {
            start: start.cast(),
            length,
        })
    }

    /// Returns the address of byte `offset`.
    pub fn at(&self, offset: usize) -> *mut u8 {
        assert!(offset <= self.length);
        self.start.wrapping_add(offset)
    }

    /// Returns its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: Mapped until it is dropped. Whoever takes away access does not ask for these.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// Changes the access to a part.
    pub fn protect(&self, offset: usize, length: usize, prot: i32) -> Errno {
        // SAFETY: Within the mapping.
        if unsafe { libc::mprotect(self.at(offset).cast(), length, prot) } == 0 {
            0
        } else {
            last_errno()
        }
    }

    /// Tries to make it larger.
    pub fn grow(&self, length: usize) -> Errno {
        // SAFETY: Without the flag that lets it move, an old address stays valid.
        let new = unsafe { libc::mremap(self.start.cast(), self.length, length, 0) };
        if new == libc::MAP_FAILED {
            return last_errno();
        }
        0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: Nobody has a reference to it any more.
        unsafe { libc::munmap(self.start.cast(), self.length) };
    }
}

/// Runs `child` in a child process. Returns its process id.
pub fn fork(child: impl FnOnce() -> bool) -> i32 {
    // SAFETY: This process has one thread.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", io::Error::last_os_error()),
        0 => {
            let good = child();
            // SAFETY: Ends the child without running what the parent has registered.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => pid,
    }
}

/// Waits for a child. Returns its status as `waitpid` gives it.
pub fn wait(pid: i32) -> i32 {
    let mut status = 0;
    // SAFETY: The status is an integer of ours.
    assert_eq!(unsafe { libc::waitpid(pid, &mut status, 0) }, pid);
    status
}

/// Kills a child.
pub fn kill(pid: i32) {
    // SAFETY: Sends a signal.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}
