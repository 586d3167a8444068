// SPDX-License-Identifier: GPL-2.0

//! A model of the module: the interface as its header describes it, over a map.

use super::Backend;
use crate::kernel::FreeBlocks;
use quarry_uapi::{
    pattern, sys, Allocation, Arm, BatchDone, CacheId, Cause, Context, Error, Handle, Kind, Op,
    Query, Result, Stats, Validation,
};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const PAGE: u64 = 4096;
/// Pages that the model has.
const MEMORY: u64 = 20_000;

/// What goes wrong on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Every so many allocations fail with ENOMEM.
    pub fail_every: Option<u64>,
    /// Every so many fills flip a bit.
    pub corrupt_every: Option<u64>,
    /// Every so many frees fail with EBUSY.
    pub busy_every: Option<u64>,
    /// Every so many batches fail with ENOMEM before anything is run.
    pub refuse_every: Option<u64>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    live: HashMap<u64, (Kind, u64, Vec<u8>)>,
    caches: HashMap<u32, u32>,
    counts: [u64; 4],
    held: u64,
    peak: u64,
    /// Whether anything came from the kernel.
    kernel: bool,
}

/// The model.
#[derive(Debug, Default)]
pub struct Fake {
    faults: Faults,
    state: Mutex<State>,
}

/// Returns a failure.
fn failed<T>(cause: Cause) -> Result<T> {
    Err(Error {
        command: "fake",
        cause,
    })
}

/// Counts one more, and returns whether it is one that a fault happens to.
fn due(count: &mut u64, every: Option<u64>) -> bool {
    *count += 1;
    every.is_some_and(|every| *count % every == 0)
}

impl State {
    fn alloc(&mut self, faults: &Faults, kind: Kind, bytes: u64, cache: u32) -> Result<Allocation> {
        let bytes = match kind {
            Kind::Cache => match self.caches.get(&cache) {
                Some(&size) if bytes == 0 => u64::from(size),
                Some(_) => return failed(Cause::Invalid),
                None => return failed(Cause::NotFound),
            },
            _ if bytes == 0 => return failed(Cause::Invalid),
            Kind::Pages => bytes.next_multiple_of(PAGE).next_power_of_two(),
            Kind::Kmalloc if bytes > PAGE << 10 => return failed(Cause::Invalid),
            _ => bytes,
        };
        if due(&mut self.counts[0], faults.fail_every) {
            return failed(Cause::NoMemory);
        }
        let usable = bytes.next_multiple_of(8);
        self.next += 1;
        let handle = (self.next << 20) | self.next;
        let contents = vec![0; usable as usize];
        self.live.insert(handle, (kind, bytes, contents));
        self.held += usable;
        self.peak = self.peak.max(self.held);
        Ok(Allocation {
            handle: Handle::from_raw(handle),
            usable,
        })
    }

    fn contents(&mut self, handle: u64) -> Result<&mut Vec<u8>> {
        match self.live.get_mut(&handle) {
            Some((_, _, contents)) => Ok(contents),
            None => failed(Cause::NotFound),
        }
    }

    fn realloc(&mut self, handle: u64, bytes: u64) -> Result<u64> {
        match self.live.get_mut(&handle) {
            None => failed(Cause::NotFound),
            Some((kind, ..)) if !kind.can_realloc() => failed(Cause::NotSupported),
            Some((_, held, contents)) => {
                *held = bytes;
                let usable = bytes.next_multiple_of(8);
                self.held = self.held + usable - contents.len() as u64;
                contents.resize(usable as usize, 0);
                Ok(usable)
            }
        }
    }

    fn free(&mut self, faults: &Faults, handle: u64) -> Result<()> {
        if due(&mut self.counts[2], faults.busy_every) {
            return failed(Cause::Busy);
        }
        match self.live.remove(&handle) {
            Some((_, _, contents)) => {
                self.held -= contents.len() as u64;
                Ok(())
            }
            None => failed(Cause::NotFound),
        }
    }

    fn fill(
        &mut self,
        faults: &Faults,
        handle: u64,
        at: u64,
        length: u64,
        seed: u64,
    ) -> Result<()> {
        let corrupt = due(&mut self.counts[1], faults.corrupt_every);
        let contents = self.contents(handle)?;
        let Some(range) = contents.get_mut(at as usize..(at + length) as usize) else {
            return failed(Cause::OutOfRange);
        };
        pattern::fill(seed, at, range);
        if let (true, Some(byte)) = (corrupt, range.first_mut()) {
            *byte ^= 1;
        }
        Ok(())
    }

    fn verify(&mut self, handle: u64, at: u64, length: u64, seed: u64) -> Result<Option<u64>> {
        let contents = self.contents(handle)?;
        match contents.get(at as usize..(at + length) as usize) {
            Some(range) => Ok(pattern::first_difference(seed, at, range).map(|i| at + i as u64)),
            None => failed(Cause::OutOfRange),
        }
    }

    fn op(&mut self, faults: &Faults, op: &mut Op, earlier: &[Op]) -> Result<()> {
        let raw = *op.as_raw();
        let mut handle = raw.handle;
        if raw.flags & sys::QUARRY_OP_BY_INDEX != 0 {
            let meant = earlier.get(handle as usize).map(Op::as_raw);
            match meant {
                Some(meant) if meant.op == sys::QUARRY_OP_ALLOC && meant.result == 0 => {
                    handle = meant.handle;
                }
                Some(meant) if meant.op == sys::QUARRY_OP_ALLOC => return failed(Cause::NotFound),
                _ => return failed(Cause::Invalid),
            }
        }
        match raw.op {
            sys::QUARRY_OP_ALLOC => {
                let Some(kind) = Kind::from_raw(raw.kind) else {
                    return failed(Cause::Invalid);
                };
                self.kernel |= raw.flags & sys::QUARRY_ALLOC_KERNEL != 0;
                let made = self.alloc(faults, kind, raw.bytes, raw.arg as u32)?;
                op.as_raw_mut().handle = made.handle.as_raw();
                op.as_raw_mut().bytes = made.usable;
            }
            sys::QUARRY_OP_REALLOC => {
                op.as_raw_mut().bytes = self.realloc(handle, raw.bytes)?;
            }
            sys::QUARRY_OP_FREE => self.free(faults, handle)?,
            sys::QUARRY_OP_FILL => {
                let length = self.contents(handle)?.len() as u64;
                self.fill(faults, handle, 0, length, raw.arg)?;
            }
            sys::QUARRY_OP_VERIFY => {
                let length = match raw.bytes {
                    0 => self.contents(handle)?.len() as u64,
                    bytes => bytes,
                };
                if let Some(bad) = self.verify(handle, 0, length, raw.arg)? {
                    op.as_raw_mut().arg = bad;
                    return failed(Cause::BadContents);
                }
            }
            _ => return failed(Cause::Invalid),
        }
        Ok(())
    }
}

impl Fake {
    /// Returns a model with faults.
    pub fn with(faults: Faults) -> Self {
        Self {
            faults,
            ..Self::default()
        }
    }

    /// Returns how many allocations and caches there are.
    pub fn held(&self) -> (usize, usize) {
        let state = self.state();
        (state.live.len(), state.caches.len())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for Fake {
    fn query(&self) -> Result<Query> {
        let state = self.state();
        Ok(Query {
            abi: sys::QUARRY_ABI_VERSION,
            page_size: PAGE as u32,
            max_order: 10,
            nr_cpus: 4,
            nr_nodes: 1,
            chunk_order: 10,
            max_kmalloc: PAGE << 10,
            quota_bytes: 1 << 30,
            quota_handles: 1 << 20,
            quota_batch: 4096,
            quota_caches: 64,
            used_handles: state.live.len() as u32,
            used_bytes: state.held,
            ..Query::default()
        })
    }

    fn alloc(&self, kind: Kind, bytes: u64, _context: Context) -> Result<Allocation> {
        self.state().alloc(&self.faults, kind, bytes, 0)
    }

    fn realloc(&self, handle: Handle, bytes: u64) -> Result<u64> {
        self.state().realloc(handle.as_raw(), bytes)
    }

    fn free(&self, handle: Handle) -> Result<()> {
        self.state().free(&self.faults, handle.as_raw())
    }

    fn read(&self, handle: Handle, offset: u64, buffer: &mut [u8]) -> Result<()> {
        let mut state = self.state();
        let contents = state.contents(handle.as_raw())?;
        let at = offset as usize;
        match contents.get(at..at + buffer.len()) {
            Some(range) => {
                buffer.copy_from_slice(range);
                Ok(())
            }
            None => failed(Cause::OutOfRange),
        }
    }

    fn write(&self, handle: Handle, offset: u64, buffer: &[u8]) -> Result<()> {
        let mut state = self.state();
        let contents = state.contents(handle.as_raw())?;
        let at = offset as usize;
        match contents.get_mut(at..at + buffer.len()) {
            Some(range) => {
                range.copy_from_slice(buffer);
                Ok(())
            }
            None => failed(Cause::OutOfRange),
        }
    }

    fn fill(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<()> {
        let faults = self.faults;
        self.state()
            .fill(&faults, handle.as_raw(), offset, length, seed)
    }

    fn verify(&self, handle: Handle, offset: u64, length: u64, seed: u64) -> Result<Option<u64>> {
        self.state().verify(handle.as_raw(), offset, length, seed)
    }

    fn cache_create(&self, arm: Arm, _name: &str, object_size: u32) -> Result<CacheId> {
        let mut state = self.state();
        if arm == Arm::Kernel {
            state.kernel = true;
        }
        let id = state.caches.len() as u32 + 1;
        state.caches.insert(id, object_size);
        Ok(CacheId::from_raw(id))
    }

    fn cache_destroy(&self, cache: CacheId) -> Result<()> {
        match self.state().caches.remove(&cache.as_raw()) {
            Some(_) => Ok(()),
            None => failed(Cause::NotFound),
        }
    }

    fn batch(&self, ops: &mut [Op]) -> Result<BatchDone> {
        let mut state = self.state();
        if due(&mut state.counts[3], self.faults.refuse_every) {
            return failed(Cause::NoMemory);
        }
        let mut done = BatchDone { done: 0, failed: 0 };
        for index in 0..ops.len() {
            let (earlier, rest) = ops.split_at_mut(index);
            let Some(op) = rest.first_mut() else { break };
            let result = state.op(&self.faults, op, earlier);
            op.as_raw_mut().result = match result {
                Ok(()) => 0,
                Err(error) => -error.cause.errno(),
            };
            done.done += 1;
            done.failed += usize::from(result.is_err());
        }
        Ok(done)
    }

    fn stats(&self) -> Result<Stats> {
        let state = self.state();
        if state.kernel {
            return Ok(Stats::default());
        }
        Ok(Stats {
            pool_pages: state.held.div_ceil(PAGE),
            pool_pages_peak: state.peak.div_ceil(PAGE),
            limit_pages: MEMORY,
            ..Stats::default()
        })
    }

    fn shrink(&self) -> Result<u64> {
        Ok(0)
    }

    fn frame(&self, handle: Handle) -> Result<Option<(u32, u32)>> {
        // Pages lie in the order in which they were taken.
        let number = handle.as_raw() & 0xf_ffff;
        Ok(Some(((number / 1024) as u32, (number % 1024) as u32)))
    }

    fn kernel_free_blocks(&self) -> Result<FreeBlocks> {
        let free = MEMORY - self.state().held.div_ceil(PAGE).min(MEMORY);
        Ok(FreeBlocks::parse(&format!("Node 0, zone Normal {free}")).expect("one number of pages"))
    }

    fn kernel_shrink(&self) {}

    fn kernel_slab_pages(&self) -> Result<u64> {
        let state = self.state();
        Ok(1000
            + if state.kernel {
                state.held.div_ceil(PAGE)
            } else {
                0
            })
    }

    fn validate(&self) -> Result<Validation> {
        Ok(Validation {
            checks: 1,
            violations: 0,
            message: String::new(),
        })
    }
}
