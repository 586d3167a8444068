// SPDX-License-Identifier: GPL-2.0

//! One thread of a replay.
//!
//! All threads go through the trace in windows, and meet at the end of each. Within a window a
//! thread runs the steps of its CPUs in their order. A free whose allocation another thread makes in
//! the same window waits for the next one: then that allocation is complete, whatever came of it.

use super::{
    plan::{Action, Step},
    run::Options,
};
use crate::backend::Backend;
use quarry_uapi::{Arm, CacheId, Cause, Context, Error, Handle, Kind, Op, Target};
use rustc_hash::FxHashMap;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Not allocated yet.
const NOT_YET: u64 = 0;
/// Its allocation failed. No handle: indices are far smaller.
const FAILED: u64 = u64::MAX;
/// It was freed.
const GONE: u64 = u64::MAX - 1;

/// Failures, by what they were.
pub type Failures = BTreeMap<Cause, u64>;

/// What all threads of a replay share.
pub struct Shared<'a, B> {
    /// Who serves the operations.
    pub backend: &'a B,
    /// What the allocations are, unless they have a cache.
    pub kind: Kind,
    /// The caches that were made, by their index in the plan.
    pub caches: Vec<Option<CacheId>>,
    /// Operations in one batch.
    pub batch: usize,
    /// Whose allocators are used.
    pub arm: Arm,
    /// Whether contents are written and verified. If not, memory is only held.
    pub verify: bool,
    /// Handle of each allocation.
    handles: Vec<AtomicU64>,
    /// Usable bytes of each allocation.
    usable: Vec<AtomicU32>,
    /// Bytes asked for of what is live.
    pub live_requested: AtomicU64,
    /// Usable bytes of what is live.
    pub live_usable: AtomicU64,
    /// Steps done.
    pub done: AtomicU64,
}

impl<'a, B> Shared<'a, B> {
    /// Returns the state before a replay of `allocations` allocations.
    pub fn new(
        backend: &'a B,
        options: &Options,
        caches: Vec<Option<CacheId>>,
        batch: usize,
        allocations: usize,
    ) -> Self {
        Self {
            backend,
            kind: options.kind,
            caches,
            batch,
            arm: options.arm,
            verify: options.verify,
            handles: (0..allocations).map(|_| AtomicU64::new(NOT_YET)).collect(),
            usable: (0..allocations).map(|_| AtomicU32::new(0)).collect(),
            live_requested: AtomicU64::new(0),
            live_usable: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }
}

/// What a thread has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Allocations made.
    pub allocs: u64,
    /// Allocations that failed.
    pub alloc_failures: Failures,
    /// Frees made.
    pub frees: u64,
    /// Frees that failed.
    pub free_failures: Failures,
    /// Frees not tried, their allocation having failed.
    pub frees_void: u64,
    /// Frees that waited for an allocation of another thread.
    pub frees_delayed: u64,
    /// Patterns that could not be written or verified, for another reason than their contents.
    pub other_failures: Failures,
    /// Allocations whose contents were not what had been written.
    pub corruptions: u64,
    /// Operations of all kinds.
    pub ops: u64,
    /// Calls of the module.
    pub batches: u64,
    /// Time in them, of all threads together.
    pub time: Duration,
}

/// Adds the counts of `from` to `to`.
fn merge(to: &mut Failures, from: &Failures) {
    for (cause, count) in from {
        *to.entry(*cause).or_default() += count;
    }
}

impl Tally {
    /// Returns the mean time of an operation.
    pub fn nanos_per_op(&self) -> f64 {
        // CAST: For reading.
        self.time.as_nanos() as f64 / self.ops.max(1) as f64
    }

    /// Adds what another thread has done.
    pub fn add(&mut self, other: &Self) {
        self.allocs += other.allocs;
        self.frees += other.frees;
        self.frees_void += other.frees_void;
        self.frees_delayed += other.frees_delayed;
        self.corruptions += other.corruptions;
        self.ops += other.ops;
        self.batches += other.batches;
        self.time += other.time;
        merge(&mut self.alloc_failures, &other.alloc_failures);
        merge(&mut self.free_failures, &other.free_failures);
        merge(&mut self.other_failures, &other.other_failures);
    }
}

/// What an operation of a batch is about.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Alloc { id: u32, bytes: u32 },
    Free { id: u32, bytes: u32 },
    Pattern { id: u32 },
}

/// One thread of a replay.
pub struct Worker<'a, B> {
    shared: &'a Shared<'a, B>,
    ops: Vec<Op>,
    marks: Vec<Mark>,
    /// Allocations of this batch, and where they stand in it.
    pending: FxHashMap<u32, usize>,
    /// Frees for the next window: allocation and its bytes.
    delayed: Vec<(u32, u32)>,
    tally: Tally,
    error: Option<Error>,
}

impl<'a, B: Backend> Worker<'a, B> {
    /// Returns a worker that has done nothing.
    pub fn new(shared: &'a Shared<'a, B>) -> Self {
        Self {
            shared,
            ops: Vec::with_capacity(shared.batch),
            marks: Vec::with_capacity(shared.batch),
            pending: FxHashMap::default(),
            delayed: Vec::new(),
            tally: Tally::default(),
            error: None,
        }
    }

    /// Returns what it has done, and starts again from nothing; or why it could not go on.
    pub fn take(&mut self) -> Result<Tally, Error> {
        match self.error.take() {
            Some(error) => Err(error),
            None => Ok(std::mem::take(&mut self.tally)),
        }
    }

    /// Runs those steps of a window that `mine` accepts, after what the last window left.
    pub fn window(&mut self, steps: &[Step], mine: impl Fn(&Step) -> bool) {
        for (id, bytes) in std::mem::take(&mut self.delayed) {
            self.free(id, bytes);
        }
        for step in steps.iter().filter(|step| mine(step)) {
            match step.action {
                Action::Alloc => self.alloc(step),
                Action::Free => self.free(step.id, step.bytes),
            }
        }
        self.flush();
    }

    /// Frees what is live of the allocations `ids`, of which `bytes` tells the size.
    pub fn free_live(&mut self, ids: impl Iterator<Item = (u32, u32)>) {
        for (id, bytes) in ids {
            // ORDERING: Relaxed: the threads have met since the handle was stored.
            match self.handle(id).load(Ordering::Relaxed) {
                NOT_YET | FAILED | GONE => {}
                _ => self.free(id, bytes),
            }
        }
        self.flush();
    }

    /// Returns where the handle of an allocation is kept.
    fn handle(&self, id: u32) -> &'a AtomicU64 {
        &self.shared.handles[id as usize]
    }

    fn alloc(&mut self, step: &Step) {
        self.make_room();
        let index = self.ops.len();
        let cache = self.shared.caches.get(usize::from(step.cache));
        let op = match cache.copied().flatten() {
            Some(cache) => Op::alloc_object(cache, Context::Kernel),
            None => Op::alloc(self.shared.kind, u64::from(step.bytes), Context::Kernel),
        };
        self.ops.push(if self.shared.verify {
            op
        } else {
            op.opaque(self.shared.arm)
        });
        self.marks.push(Mark::Alloc {
            id: step.id,
            bytes: step.bytes,
        });
        self.pending.insert(step.id, index);
        if self.shared.verify {
            self.ops
                .push(Op::fill(Target::Earlier(index), u64::from(step.id)));
            self.marks.push(Mark::Pattern { id: step.id });
        }
    }

    fn free(&mut self, id: u32, bytes: u32) {
        self.make_room();
        // ORDERING: Relaxed: the handle is all that the other thread says, and a value that is
        // older than the last meeting cannot be seen.
        let target = match self.handle(id).load(Ordering::Relaxed) {
            NOT_YET => match self.pending.get(&id) {
                Some(index) => Target::Earlier(*index),
                None => {
                    self.tally.frees_delayed += 1;
                    self.delayed.push((id, bytes));
                    return;
                }
            },
            FAILED => {
                self.tally.frees_void += 1;
                return;
            }
            raw => Target::Handle(Handle::from_raw(raw)),
        };
        if self.shared.verify {
            self.ops.push(Op::verify(target, u64::from(id), 0));
            self.marks.push(Mark::Pattern { id });
        }
        self.ops.push(Op::free(target));
        self.marks.push(Mark::Free { id, bytes });
    }

    /// Makes sure that two operations fit into the batch.
    fn make_room(&mut self) {
        if self.ops.len() + 2 > self.shared.batch {
            self.flush();
        }
    }

    /// Runs the batch.
    fn flush(&mut self) {
        if !self.ops.is_empty() && self.error.is_none() {
            let start = Instant::now();
            let result = self.shared.backend.batch(&mut self.ops);
            self.tally.time += start.elapsed();
            match result {
                Ok(_) => self.settle(),
                Err(error) => self.error = Some(error),
            }
        }
        self.ops.clear();
        self.marks.clear();
        self.pending.clear();
    }

    /// Takes the results of a batch into account.
    fn settle(&mut self) {
        let (mut requested, mut usable) = (0u64, 0u64);
        let (mut requested_less, mut usable_less) = (0u64, 0u64);
        self.tally.batches += 1;
        for (op, mark) in self.ops.iter().zip(&self.marks) {
            self.tally.ops += 1;
            match (*mark, op.result()) {
                (Mark::Alloc { id, bytes }, Ok(())) => {
                    let held = u32::try_from(op.usable()).unwrap_or(u32::MAX);
                    // ORDERING: Relaxed: see `free`; all else is counters.
                    self.shared.usable[id as usize].store(held, Ordering::Relaxed);
                    self.handle(id)
                        .store(op.handle().as_raw(), Ordering::Relaxed);
                    self.tally.allocs += 1;
                    requested += u64::from(bytes);
                    usable += u64::from(held);
                }
                (Mark::Alloc { id, .. }, Err(cause)) => {
                    self.handle(id).store(FAILED, Ordering::Relaxed);
                    *self.tally.alloc_failures.entry(cause).or_default() += 1;
                }
                (Mark::Free { id, bytes }, Ok(())) => {
                    let held = self.shared.usable[id as usize].load(Ordering::Relaxed);
                    self.handle(id).store(GONE, Ordering::Relaxed);
                    self.tally.frees += 1;
                    requested_less += u64::from(bytes);
                    usable_less += u64::from(held);
                }
                (Mark::Free { id, .. }, Err(cause)) => {
                    if cause == Cause::NotFound && self.has_failed(id) {
                        self.tally.frees_void += 1;
                    } else {
                        *self.tally.free_failures.entry(cause).or_default() += 1;
                    }
                }
                (Mark::Pattern { .. }, Ok(())) => {}
                (Mark::Pattern { .. }, Err(Cause::BadContents)) => self.tally.corruptions += 1,
                (Mark::Pattern { id }, Err(cause)) => {
                    if !(cause == Cause::NotFound && self.has_failed(id)) {
                        *self.tally.other_failures.entry(cause).or_default() += 1;
                    }
                }
            }
        }
        // What goes is never more than what came before, so the sums stay above zero if what comes
        // is added first.
        let shared = self.shared;
        shared
            .live_requested
            .fetch_add(requested, Ordering::Relaxed);
        shared.live_usable.fetch_add(usable, Ordering::Relaxed);
        shared
            .live_requested
            .fetch_sub(requested_less, Ordering::Relaxed);
        shared.live_usable.fetch_sub(usable_less, Ordering::Relaxed);
        // CAST: A batch is small.
        shared
            .done
            .fetch_add(self.ops.len() as u64, Ordering::Relaxed);
    }

    /// Returns whether the allocation is known to have failed.
    fn has_failed(&self, id: u32) -> bool {
        self.handle(id).load(Ordering::Relaxed) == FAILED
    }
}
