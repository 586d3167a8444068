// SPDX-License-Identifier: GPL-2.0

//! What `stress` and `replay` need of a device, so that their tests need no kernel.

use crate::kernel::{self, FreeBlocks};
use quarry_uapi::{
    Allocation, Arm, BatchDone, CacheId, Cause, Context, Device, Error, Handle, Kind, Op, Query,
    Result, Stats, Validation,
};

use std::io;

#[cfg(test)]
pub mod fake;

/// Something that allocates: the module, or a model of it.
///
/// The methods are those of [`Device`].
pub trait Backend: Sync {
    /// Returns features and limits.
    fn query(&self) -> Result<Query>;
    /// Allocates bytes.
    fn alloc(&self, kind: Kind, bytes: u64, context: Context) -> Result<Allocation>;
    /// Changes the size of an allocation, and returns the bytes that are then usable.
    fn realloc(&self, handle: Handle, bytes: u64) -> Result<u64>;
    /// Frees an allocation.
    fn free(&self, handle: Handle) -> Result<()>;
    /// Reads from an allocation.
    fn read(&self, handle: Handle, offset: u64, buffer: &mut [u8]) -> Result<()>;
    /// Writes to an allocation.
    fn write(&self, handle: Handle, offset: u64, buffer: &[u8]) -> Result<()>;
    /// Writes a pattern.
    fn fill(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<()>;
    /// Compares with a pattern.
    fn verify(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<Option<u64>>;
    /// Makes a cache.
    fn cache_create(&self, arm: Arm, name: &str, object_size: u32) -> Result<CacheId>;
    /// Ends a cache.
    fn cache_destroy(&self, cache: CacheId) -> Result<()>;
    /// Runs operations.
    fn batch(&self, ops: &mut [Op]) -> Result<BatchDone>;
    /// Gives free memory back to the kernel, and returns the pages given back.
    fn shrink(&self) -> Result<u64>;
    /// Returns the counters of the whole module.
    fn stats(&self) -> Result<Stats>;
    /// Checks the invariants of every structure.
    fn validate(&self) -> Result<Validation>;
    /// Returns the place of the first page of an allocation, if it has one: chunk and frame.
    fn frame(&self, handle: Handle) -> Result<Option<(u32, u32)>>;
    /// Has the kernel's own slabs give back what they hold in vain.
    fn kernel_shrink(&self);
    /// Returns the pages that the kernel's own slabs hold.
    fn kernel_slab_pages(&self) -> Result<u64>;
    /// Returns the free blocks of the kernel's page allocator.
    fn kernel_free_blocks(&self) -> Result<FreeBlocks>;
}

/// Returns why a file of the kernel's tells nothing. What is wrong with its contents, which no errno
/// says, goes to stderr.
fn unreadable(path: &'static str, error: &io::Error) -> Error {
    if error.raw_os_error().is_none() {
        eprintln!("quarry: {path}: {error}");
    }
    Error {
        command: path,
        cause: Cause::from_errno(error.raw_os_error().unwrap_or(0)),
    }
}

impl Backend for Device {
    fn query(&self) -> Result<Query> {
        self.query()
    }

    fn alloc(&self, kind: Kind, bytes: u64, context: Context) -> Result<Allocation> {
        self.alloc(kind, bytes, context)
    }

    fn realloc(&self, handle: Handle, bytes: u64) -> Result<u64> {
        self.realloc(handle, bytes)
    }

    fn free(&self, handle: Handle) -> Result<()> {
        self.free(handle)
    }

    fn read(&self, handle: Handle, offset: u64, buffer: &mut [u8]) -> Result<()> {
        self.read(handle, offset, buffer)
    }

    fn write(&self, handle: Handle, offset: u64, buffer: &[u8]) -> Result<()> {
        self.write(handle, offset, buffer)
    }

    fn fill(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<()> {
        self.fill(handle, offset, length, seed)
    }

    fn verify(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<Option<u64>> {
        self.verify(handle, offset, length, seed)
    }

    fn cache_create(&self, arm: Arm, name: &str, object_size: u32) -> Result<CacheId> {
        self.cache_create(arm, name, object_size)
    }

    fn cache_destroy(&self, cache: CacheId) -> Result<()> {
        self.cache_destroy(cache)
    }

    fn batch(&self, ops: &mut [Op]) -> Result<BatchDone> {
        self.batch(ops)
    }

    fn stats(&self) -> Result<Stats> {
        self.stats()
    }

    fn shrink(&self) -> Result<u64> {
        self.shrink()
    }

    fn validate(&self) -> Result<Validation> {
        self.validate()
    }

    fn frame(&self, handle: Handle) -> Result<Option<(u32, u32)>> {
        let frames = self.explain(handle, 1)?.frames;
        Ok(frames.first().map(|frame| (frame.chunk, frame.frame)))
    }

    fn kernel_shrink(&self) {
        kernel::shrink_slabs();
    }

    fn kernel_slab_pages(&self) -> Result<u64> {
        kernel::slab_pages().map_err(|error| unreadable("/proc/vmstat", &error))
    }

    fn kernel_free_blocks(&self) -> Result<FreeBlocks> {
        FreeBlocks::read().map_err(|error| unreadable("/proc/buddyinfo", &error))
    }
}
