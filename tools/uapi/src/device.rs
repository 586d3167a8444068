// SPDX-License-Identifier: GPL-2.0

//! An open file of `/dev/quarry`: one method for each command.

use crate::{
    call::{call, call_own, Argument},
    error::{Cause, Error, Result},
    kind::{Arm, CacheId, Context, Handle, Kind},
    mapping::Mapping,
    op::{BatchDone, Op},
    preset::Preset,
    reply::{Allocation, CacheStats, Explanation, PoolStats, Validation},
    sys, Query, Stats,
};
use rustix::{
    fd::{AsFd, OwnedFd},
    fs::{Mode, OFlags},
    io::Errno,
    mm::{self, MapFlags, ProtFlags},
};
use std::{
    ffi::c_char,
    mem,
    path::{Path, PathBuf},
    ptr,
};
use thiserror::Error;

/// Where the module puts its device.
pub const DEFAULT_PATH: &str = "/dev/quarry";

/// Why the device could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// There is no such device.
    #[error("{}: no such device: the module is not loaded", .0.display())]
    NotLoaded(PathBuf),
    /// The file is not accessible to this user.
    #[error("{}: permission denied: the device is for root", .0.display())]
    Denied(PathBuf),
    /// Anything else.
    #[error("{path}: {source}", path = .0.display(), source = .1)]
    Other(PathBuf, std::io::Error),
}

/// What a named pool is made of, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolTerms {
    /// The most that it may have; 0 for no limit of its own.
    pub limit: u64,
    /// What of that is set aside for atomic callers.
    pub reserve: u64,
    /// Bit N allows NUMA node N; 0 allows all.
    pub nodes: u64,
    /// Whether callers wait for memory who may.
    pub waits: bool,
    /// What is done against misuse.
    pub preset: Preset,
}

/// An open file of the device. What it allocates lives until it is dropped.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
}

impl Device {
    /// Opens [`DEFAULT_PATH`].
    pub fn open() -> std::result::Result<Self, OpenError> {
        Self::open_path(Path::new(DEFAULT_PATH))
    }

    /// Opens the device at `path`.
    pub fn open_path(path: &Path) -> std::result::Result<Self, OpenError> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self { fd }),
            Err(Errno::NOENT | Errno::NXIO | Errno::NODEV) => {
                Err(OpenError::NotLoaded(path.to_owned()))
            }
            Err(Errno::ACCESS | Errno::PERM) => Err(OpenError::Denied(path.to_owned())),
            Err(errno) => Err(OpenError::Other(path.to_owned(), errno.into())),
        }
    }

    /// Makes a call whose structure holds no address.
    fn plain<A: Argument>(&self, argument: &mut A) -> Result<()> {
        // SAFETY: Whoever fills in an address calls `call` and says why it is good.
        unsafe { call_own(self.fd.as_fd(), argument) }
    }

    /// Returns features and limits.
    pub fn query(&self) -> Result<Query> {
        let mut raw = Query::new();
        self.plain(&mut raw)?;
        Ok(raw)
    }

    /// Allocates `bytes` from anything but a cache.
    pub fn alloc(&self, kind: Kind, bytes: u64, context: Context) -> Result<Allocation> {
        self.alloc_raw(kind, bytes, 0, context)
    }

    /// Allocates an object of `cache`.
    pub fn alloc_object(&self, cache: CacheId, context: Context) -> Result<Allocation> {
        self.alloc_raw(Kind::Cache, 0, cache.as_raw(), context)
    }

    fn alloc_raw(
        &self,
        kind: Kind,
        bytes: u64,
        cache: u32,
        context: Context,
    ) -> Result<Allocation> {
        let mut raw = sys::quarry_alloc {
            flags: context.as_raw(),
            kind: kind.as_raw(),
            node: sys::QUARRY_NODE_ANY,
            bytes,
            cache,
            ..Argument::new()
        };
        self.plain(&mut raw)?;
        Ok(Allocation {
            handle: Handle::from_raw(raw.handle),
            usable: raw.usable,
        })
    }

    /// Changes the size of an allocation, and returns the bytes that are then usable.
    pub fn realloc(&self, handle: Handle, bytes: u64) -> Result<u64> {
        let mut raw = sys::quarry_realloc {
            handle: handle.as_raw(),
            bytes,
            ..Argument::new()
        };
        self.plain(&mut raw)?;
        Ok(raw.usable)
    }

    /// Frees an allocation.
    pub fn free(&self, handle: Handle) -> Result<()> {
        let mut raw = sys::quarry_free {
            handle: handle.as_raw(),
            ..Argument::new()
        };
        self.plain(&mut raw)
    }

    /// Reads from `offset` on into all of `buffer`.
    pub fn read(&self, handle: Handle, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut raw = io(handle, offset, buffer.len());
        raw.buffer = address(buffer.as_mut_ptr());
        // SAFETY: `quarry_io` belongs to READ, which writes `length` bytes at `buffer`: a slice that
        // is borrowed for that.
        unsafe { call(self.fd.as_fd(), sys::QUARRY_CMD_READ, &mut raw) }
    }

    /// Writes all of `buffer` from `offset` on.
    pub fn write(&self, handle: Handle, offset: u64, buffer: &[u8]) -> Result<()> {
        let mut raw = io(handle, offset, buffer.len());
        raw.buffer = address(buffer.as_ptr());
        // SAFETY: `quarry_io` belongs to WRITE, which reads `length` bytes at `buffer`: a slice.
        unsafe { call(self.fd.as_fd(), sys::QUARRY_CMD_WRITE, &mut raw) }
    }

    /// Writes the pattern of `seed` to a part of an allocation.
    pub fn fill(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<()> {
        let mut raw = pattern(handle, offset, length, seed);
        // SAFETY: `quarry_pattern` belongs to FILL and holds no address.
        unsafe { call(self.fd.as_fd(), sys::QUARRY_CMD_FILL, &mut raw) }
    }

    /// Compares a part of an allocation with the pattern of `seed`, and returns the offset of the
    /// first byte that differs.
    pub fn verify(
        &self,
        handle: Handle,
        offset: u64,
        length: u64,
        seed: u64,
    ) -> Result<Option<u64>> {
        let mut raw = pattern(handle, offset, length, seed);
        // SAFETY: `quarry_pattern` belongs to VERIFY and holds no address.
        match unsafe { call(self.fd.as_fd(), sys::QUARRY_CMD_VERIFY, &mut raw) } {
            Ok(()) => Ok(None),
            Err(error) if error.cause == Cause::BadContents => Ok(Some(raw.first_bad)),
            Err(error) => Err(error),
        }
    }

    /// Returns where an allocation lies, with at most `max_frames` of its frames.
    pub fn explain(&self, handle: Handle, max_frames: u32) -> Result<Explanation> {
        let mut frames = vec![sys::quarry_frame::default(); max_frames as usize];
        let mut raw = sys::quarry_explain {
            handle: handle.as_raw(),
            frames: address(frames.as_mut_ptr()),
            max_frames,
            ..Argument::new()
        };
        // SAFETY: EXPLAIN writes at most `max_frames` frames at `frames`: a vector of that length.
        unsafe { call_own(self.fd.as_fd(), &mut raw) }?;
        Ok(Explanation::new(&raw, &frames))
    }

    /// Maps the whole of an allocation, readable and writable.
    pub fn map(&self, handle: Handle) -> Result<Mapping> {
        let mut raw = sys::quarry_map {
            handle: handle.as_raw(),
            ..Argument::new()
        };
        self.plain(&mut raw)?;
        let failed = |errno: Errno| Error {
            command: "mmap",
            cause: Cause::from_errno(errno.raw_os_error()),
        };
        let length = usize::try_from(raw.length).map_err(|_| failed(Errno::NOMEM))?;
        // SAFETY: A new mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe {
            mm::mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &self.fd,
                raw.offset,
            )
        }
        .map_err(failed)?;
        // SAFETY: Just mapped, and known to nothing else.
        Ok(unsafe { Mapping::from_raw(start, length) })
    }

    /// Makes a cache of objects of `object_size` bytes.
    pub fn cache_create(&self, arm: Arm, name: &str, object_size: u32) -> Result<CacheId> {
        let mut raw = sys::quarry_cache_create {
            flags: match arm {
                Arm::Quarry => 0,
                Arm::Kernel => sys::QUARRY_CACHE_KERNEL,
            },
            object_size,
            ..Argument::new()
        };
        if name.len() >= raw.name.len() {
            return Err(Error {
                command: "CACHE_CREATE",
                cause: Cause::Invalid,
            });
        }
        for (to, from) in raw.name.iter_mut().zip(name.bytes()) {
            // CAST: A byte is a C char of either sign.
            *to = from as c_char;
        }
        self.plain(&mut raw)?;
        Ok(CacheId::from_raw(raw.cache))
    }

    /// Ends a cache that has no live objects.
    pub fn cache_destroy(&self, cache: CacheId) -> Result<()> {
        let mut raw = sys::quarry_cache_destroy {
            cache: cache.as_raw(),
            ..Argument::new()
        };
        self.plain(&mut raw)
    }

    /// Runs operations in order, all of them whatever their results.
    pub fn batch(&self, ops: &mut [Op]) -> Result<BatchDone> {
        let mut raw = sys::quarry_batch {
            ops: address(ops.as_mut_ptr()),
            nr: u32::try_from(ops.len()).unwrap_or(u32::MAX),
            // CAST: A few dozen bytes.
            op_size: mem::size_of::<Op>() as u32,
            ..Argument::new()
        };
        // SAFETY: BATCH reads and writes `nr` operations at `ops`. `Op` is a transparent
        // `quarry_op`, and this is a slice of at least that many, as more do not exist.
        unsafe { call_own(self.fd.as_fd(), &mut raw) }?;
        Ok(BatchDone {
            done: raw.done as usize,
            failed: raw.failed as usize,
        })
    }

    /// Returns the counters of the whole module.
    pub fn stats(&self) -> Result<Stats> {
        let mut raw = Stats::new();
        self.plain(&mut raw)?;
        Ok(raw)
    }

    /// Returns the counters of the cache with the smallest number from `from` on, if there is one.
    pub fn cache_stats(&self, from: u32) -> Result<Option<CacheStats>> {
        let mut raw = sys::quarry_cache_stats {
            cache: from,
            ..Argument::new()
        };
        match self.plain(&mut raw) {
            Ok(()) => Ok(Some(CacheStats::from(&raw))),
            Err(error) if error.cause == Cause::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the counters of all caches of the module.
    pub fn all_cache_stats(&self) -> Result<Vec<CacheStats>> {
        let mut all = Vec::new();
        let mut from = 0;
        while let Some(cache) = self.cache_stats(from)? {
            let next = cache.id.checked_add(1);
            all.push(cache);
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(all)
    }

    /// Makes a named pool, and returns its number.
    pub fn pool_create(&self, name: &str, terms: &PoolTerms) -> Result<u32> {
        let mut raw = sys::quarry_pool_create {
            flags: terms.preset.flags()
                | if terms.waits {
                    sys::QUARRY_POOL_WAIT
                } else {
                    0
                },
            limit: terms.limit,
            reserve: terms.reserve,
            nodes: terms.nodes,
            ..Argument::new()
        };
        if name.len() >= raw.name.len() {
            return Err(Error {
                command: "POOL_CREATE",
                cause: Cause::Invalid,
            });
        }
        for (to, from) in raw.name.iter_mut().zip(name.bytes()) {
            // CAST: A C char of either sign is a byte.
            *to = from as c_char;
        }
        self.plain(&mut raw)?;
        Ok(raw.pool)
    }

    /// Ends a named pool of which nothing is in use; if `purge`, what open files have of it is freed first.
    pub fn pool_destroy(&self, pool: u32, purge: bool) -> Result<()> {
        let mut raw = sys::quarry_pool_destroy {
            flags: if purge { sys::QUARRY_POOL_PURGE } else { 0 },
            pool,
            ..Argument::new()
        };
        self.plain(&mut raw)
    }

    /// Changes the limit of a named pool, or of all memory if it is 0, in bytes; 0 for none.
    pub fn pool_limit(&self, pool: u32, limit: u64) -> Result<()> {
        let mut raw = sys::quarry_pool_limit {
            pool,
            limit,
            ..Argument::new()
        };
        self.plain(&mut raw)
    }

    /// Records call sites of a named pool, or of everything if it is 0, or no more.
    pub fn pool_track(&self, pool: u32, on: bool) -> Result<()> {
        let mut raw = sys::quarry_pool_track {
            pool,
            on: on.into(),
            ..Argument::new()
        };
        self.plain(&mut raw)
    }

    /// Returns the counters of all named pools.
    pub fn pools(&self) -> Result<Vec<PoolStats>> {
        let mut all = Vec::new();
        let mut from = 0;
        loop {
            let mut raw = sys::quarry_pool_stats {
                pool: from,
                ..Argument::new()
            };
            match self.plain(&mut raw) {
                Ok(()) => all.push(PoolStats::from(&raw)),
                Err(error) if error.cause == Cause::NotFound => return Ok(all),
                Err(error) => return Err(error),
            }
            match raw.pool.checked_add(1) {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }

    /// Gives free memory back to the kernel, and returns the pages given back.
    pub fn shrink(&self) -> Result<u64> {
        let mut raw = sys::quarry_shrink::new();
        self.plain(&mut raw)?;
        Ok(raw.pages)
    }

    /// Checks the invariants of every structure.
    pub fn validate(&self) -> Result<Validation> {
        let mut raw = sys::quarry_validate::new();
        self.plain(&mut raw)?;
        Ok(Validation::from(&raw))
    }
}

/// Returns an address as the structures hold it.
fn address<T>(pointer: *const T) -> u64 {
    // CAST: Addresses have at most 64 bits. Exposed: the kernel accesses memory through it.
    pointer.expose_provenance() as u64
}

/// Returns the argument of READ and WRITE, without the address.
fn io(handle: Handle, offset: u64, length: usize) -> sys::quarry_io {
    sys::quarry_io {
        // CAST: A small structure; a length of at most 64 bits.
        size: mem::size_of::<sys::quarry_io>() as u32,
        handle: handle.as_raw(),
        offset,
        length: length as u64,
        ..Default::default()
    }
}

/// Returns the argument of FILL and VERIFY.
fn pattern(handle: Handle, offset: u64, length: u64, seed: u64) -> sys::quarry_pattern {
    sys::quarry_pattern {
        // CAST: A small structure.
        size: mem::size_of::<sys::quarry_pattern>() as u32,
        handle: handle.as_raw(),
        offset,
        length,
        seed,
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_device_means_that_the_module_is_not_loaded() {
        let error = Device::open_path(Path::new("/nonexistent/quarry")).unwrap_err();
        assert!(matches!(error, OpenError::NotLoaded(_)));
    }

    #[test]
    fn a_file_that_is_no_device_has_no_such_command() {
        let device = Device::open_path(Path::new("/dev/null")).unwrap();
        assert_eq!(device.query().unwrap_err().cause, Cause::NoSuchCommand);
    }
}
