// SPDX-License-Identifier: GPL-2.0

//! Calls as they are: nothing is checked on this side, so that wrong ones can be made.

use quarry_uapi::{opcode, sys, Preset, DEFAULT_PATH};
use std::{
    cell::RefCell,
    ffi::CString,
    io,
    mem::{self, size_of},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

/// An errno, or 0.
pub type Errno = i32;

/// Kernel addresses of x86-64 and arm64 start here.
pub const KERNEL: u64 = 0xffff_8000_0000_0000;

thread_local! {
    static LEAKS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Returns the calls that have given a kernel address since this was last asked.
pub fn leaks() -> Vec<String> {
    LEAKS.take()
}

/// Returns the errno of the last call into the kernel.
pub fn last_errno() -> Errno {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// A structure of the header.
pub trait Argument: Copy + Default {
    /// Sets its first member.
    fn set_size(&mut self, size: u32);
}

macro_rules! arguments {
    ($($name:ident,)*) => {$(
        impl Argument for sys::$name {
            fn set_size(&mut self, size: u32) {
                self.size = size;
            }
        }
    )*};
}

arguments! {
    quarry_query, quarry_alloc, quarry_realloc, quarry_free, quarry_io, quarry_pattern,
    quarry_explain, quarry_map, quarry_cache_create, quarry_cache_destroy, quarry_batch,
    quarry_stats, quarry_cache_stats, quarry_shrink, quarry_validate, quarry_pool_create,
    quarry_pool_destroy, quarry_pool_limit, quarry_pool_stats, quarry_pool_track,
    quarry_fail_nth,
}

/// Returns a structure that holds its size and otherwise zeroes.
pub fn new<T: Argument>() -> T {
    let mut argument = T::default();
    argument.set_size(size_of::<T>() as u32);
    argument
}

/// Returns the bytes of a structure.
pub fn bytes<T: Argument>(argument: T) -> Vec<u8> {
    let start = std::ptr::from_ref(&argument).cast::<u8>();
    // SAFETY: All structures of the header are integers without padding.
    unsafe { std::slice::from_raw_parts(start, size_of::<T>()) }.to_vec()
}

/// An open file of the device.
pub struct Device(OwnedFd);

/// An allocation as ALLOC tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its name.
    pub handle: u64,
    /// Its bytes.
    pub usable: u64,
}

impl Device {
    /// Opens the device.
    pub fn open() -> Self {
        Self::try_open().unwrap_or_else(|errno| {
            let error = io::Error::from_raw_os_error(errno);
            panic!("{}: {error}", quarry_uapi::DEFAULT_PATH)
        })
    }

    /// Tries to open the device.
    pub fn try_open() -> Result<Self, Errno> {
        let path = CString::new(quarry_uapi::DEFAULT_PATH).unwrap();
        // SAFETY: A string that ends with a NUL.
        let fd = unsafe { libc::open(path.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        if fd < 0 {
            return Err(last_errno());
        }
        // SAFETY: Just opened.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Returns the file descriptor.
    pub fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Makes a call with any number and any address.
    pub fn ioctl(&self, request: u64, argument: *mut u8) -> Errno {
        // SAFETY: What a call writes is memory that is the caller's to lose: a structure, or a
        // mapping made for the purpose.
        if unsafe { libc::ioctl(self.fd(), request as _, argument) } == 0 {
            0
        } else {
            last_errno()
        }
    }

    /// Makes a call with any bytes.
    pub fn call_bytes(&self, command: u32, bytes: &mut [u8]) -> Errno {
        let before = bytes.to_vec();
        let errno = self.ioctl(u64::from(opcode(command)), bytes.as_mut_ptr());
        for (after, before) in bytes.chunks_exact(8).zip(before.chunks_exact(8)) {
            let after_word = u64::from_le_bytes(after.try_into().unwrap());
            if after != before && after_word >= KERNEL {
                let name = quarry_uapi::command_name(command);
                LEAKS.with_borrow_mut(|leaks| leaks.push(format!("{name}: {after_word:#x}")));
            }
        }
        errno
    }

    /// Makes a call with a structure.
    pub fn call<T: Argument>(&self, command: u32, argument: &mut T) -> Errno {
        let length = size_of::<T>();
        // SAFETY: All structures of the header are integers without padding.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(std::ptr::from_mut(argument).cast::<u8>(), length)
        };
        self.call_bytes(command, bytes)
    }

    /// Makes a call that must succeed.
    pub fn must<T: Argument>(&self, command: u32, mut argument: T) -> T {
        let errno = self.call(command, &mut argument);
        assert_eq!(errno, 0, "{}", quarry_uapi::command_name(command));
        argument
    }

    /// QUERY.
    pub fn query(&self) -> sys::quarry_query {
        self.must(sys::QUARRY_CMD_QUERY, new())
    }

    /// STATS.
    pub fn stats(&self) -> sys::quarry_stats {
        self.must(sys::QUARRY_CMD_STATS, new())
    }

    /// Returns what is open and held in the whole module: clients, their handles and bytes, blocks, areas,
    /// objects' bytes, and objects.
    pub fn held(&self) -> [u64; 7] {
        let stats = self.stats();
        [
            stats.clients,
            stats.client_handles,
            stats.client_bytes,
            stats.block_pages,
            stats.areas_live,
            stats.object_bytes,
            stats.object_allocs - stats.object_frees,
        ]
    }

    /// Tries to allocate.
    pub fn try_alloc(&self, kind: u32, bytes: u64, flags: u32) -> Result<Allocation, Errno> {
        self.try_alloc_like(sys::quarry_alloc {
            kind,
            bytes,
            flags,
            ..alloc()
        })
    }

    /// Tries to allocate as the structure says.
    pub fn try_alloc_like(&self, mut argument: sys::quarry_alloc) -> Result<Allocation, Errno> {
        match self.call(sys::QUARRY_CMD_ALLOC, &mut argument) {
            0 => Ok(Allocation {
                handle: argument.handle,
                usable: argument.usable,
            }),
            errno => Err(errno),
        }
    }

    /// Allocates.
    pub fn alloc(&self, kind: u32, bytes: u64) -> Allocation {
        let allocation = self.try_alloc(kind, bytes, 0);
        allocation.unwrap_or_else(|errno| panic!("{bytes} bytes of kind {kind}: errno {errno}"))
    }

    /// Allocates an object.
    pub fn alloc_object(&self, cache: u32) -> Allocation {
        let kind = sys::QUARRY_KIND_CACHE;
        let argument = sys::quarry_alloc {
            kind,
            cache,
            ..alloc()
        };
        self.try_alloc_like(argument).expect("an object")
    }

    /// FREE.
    pub fn free(&self, handle: u64) -> Errno {
        self.call(
            sys::QUARRY_CMD_FREE,
            &mut sys::quarry_free { handle, ..new() },
        )
    }

    /// REALLOC; returns the usable bytes.
    pub fn realloc(&self, handle: u64, bytes: u64) -> Result<u64, Errno> {
        let mut argument = sys::quarry_realloc {
            handle,
            bytes,
            ..new()
        };
        match self.call(sys::QUARRY_CMD_REALLOC, &mut argument) {
            0 => Ok(argument.usable),
            errno => Err(errno),
        }
    }

    /// READ of all of a buffer.
    pub fn read(&self, handle: u64, offset: u64, buffer: &mut [u8]) -> Errno {
        let (buffer, length) = (buffer.as_mut_ptr() as u64, buffer.len() as u64);
        let mut argument = sys::quarry_io {
            handle,
            offset,
            length,
            buffer,
            ..new()
        };
        self.call(sys::QUARRY_CMD_READ, &mut argument)
    }

    /// Returns bytes of an allocation.
    pub fn bytes(&self, handle: u64, offset: u64, length: u64) -> Vec<u8> {
        let mut buffer = vec![0xa5; length as usize];
        assert_eq!(self.read(handle, offset, &mut buffer), 0);
        buffer
    }

    /// WRITE of all of a buffer.
    pub fn write(&self, handle: u64, offset: u64, buffer: &[u8]) -> Errno {
        let (buffer, length) = (buffer.as_ptr() as u64, buffer.len() as u64);
        let mut argument = sys::quarry_io {
            handle,
            offset,
            length,
            buffer,
            ..new()
        };
        self.call(sys::QUARRY_CMD_WRITE, &mut argument)
    }

    /// FILL.
    pub fn fill(&self, handle: u64, offset: u64, length: u64, seed: u64) -> Errno {
        let mut argument = sys::quarry_pattern {
            handle,
            offset,
            length,
            seed,
            ..new()
        };
        self.call(sys::QUARRY_CMD_FILL, &mut argument)
    }

    /// VERIFY; returns the first bad offset with `EBADMSG`.
    pub fn verify(&self, handle: u64, offset: u64, length: u64, seed: u64) -> (Errno, u64) {
        let mut argument = sys::quarry_pattern {
            handle,
            offset,
            length,
            seed,
            ..new()
        };
        let errno = self.call(sys::QUARRY_CMD_VERIFY, &mut argument);
        (errno, argument.first_bad)
    }

    /// MAP; returns offset and length for mmap.
    pub fn map(&self, handle: u64) -> Result<(u64, u64), Errno> {
        let mut argument = sys::quarry_map { handle, ..new() };
        match self.call(sys::QUARRY_CMD_MAP, &mut argument) {
            0 => Ok((argument.offset, argument.length)),
            errno => Err(errno),
        }
    }

    /// CACHE_CREATE.
    pub fn cache_create(&self, name: &str, object_size: u32, align: u32) -> Result<u32, Errno> {
        let mut argument = sys::quarry_cache_create {
            object_size,
            align,
            ..new()
        };
        for (to, from) in argument.name.iter_mut().zip(name.bytes()) {
            *to = from as _;
        }
        match self.call(sys::QUARRY_CMD_CACHE_CREATE, &mut argument) {
            0 => Ok(argument.cache),
            errno => Err(errno),
        }
    }

    /// CACHE_DESTROY.
    pub fn cache_destroy(&self, cache: u32) -> Errno {
        let mut argument = sys::quarry_cache_destroy { cache, ..new() };
        self.call(sys::QUARRY_CMD_CACHE_DESTROY, &mut argument)
    }

    /// EXPLAIN, with up to `frames.len()` frames.
    pub fn explain(
        &self,
        handle: u64,
        frames: &mut [sys::quarry_frame],
    ) -> Result<sys::quarry_explain, Errno> {
        let mut argument = sys::quarry_explain {
            handle,
            frames: frames.as_mut_ptr() as u64,
            max_frames: frames.len() as u32,
            ..new()
        };
        match self.call(sys::QUARRY_CMD_EXPLAIN, &mut argument) {
            0 => Ok(argument),
            errno => Err(errno),
        }
    }

    /// BATCH; returns the errno, `done` and `failed`.
    pub fn batch(&self, ops: &mut [sys::quarry_op], flags: u32) -> (Errno, u32, u32) {
        let mut argument = sys::quarry_batch {
            flags,
            ops: ops.as_mut_ptr() as u64,
            nr: ops.len() as u32,
            op_size: size_of::<sys::quarry_op>() as u32,
            ..new()
        };
        let errno = self.call(sys::QUARRY_CMD_BATCH, &mut argument);
        (errno, argument.done, argument.failed)
    }

    /// Asserts that no structure is broken.
    pub fn assert_valid(&self) {
        let found: sys::quarry_validate = self.must(sys::QUARRY_CMD_VALIDATE, new());
        let message: Vec<u8> = found.message.iter().map(|&c| c as u8).collect();
        let message = String::from_utf8_lossy(&message);
        assert_eq!(found.violations, 0, "{}", message.trim_end_matches('\0'));
        assert!(found.checks > 0);
    }
}

/// Returns an ALLOC of nothing on any node.
pub fn alloc() -> sys::quarry_alloc {
    sys::quarry_alloc {
        node: sys::QUARRY_NODE_ANY,
        ..new()
    }
}

/// Returns byte `i` of the pattern, by the words of the header.
pub fn pattern(seed: u64, i: u64) -> u8 {
    let x = seed.wrapping_add(i / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ (x >> 29)) >> (8 * (i % 8))) as u8
}

/// Waits until something holds, because what a closed file held may go a little later.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    for _ in 0..300 {
        if holds() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    false
}

const _: () = assert!(mem::size_of::<usize>() == 8);

/// Returns the preset of the pool of user space.
pub fn user_preset() -> Preset {
    let device = quarry_uapi::Device::open_path(DEFAULT_PATH.as_ref()).expect("the device");
    let pools = device.pools().expect("pools");
    pools.first().expect("the pool of user space").preset
}
