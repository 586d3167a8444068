// SPDX-License-Identifier: GPL-2.0

//! The replay of a plan: its threads, its samples, its end.

use super::{
    plan::{Action, Plan},
    worker::{Shared, Tally, Worker},
};
use crate::{backend::Backend, pin};
use quarry_uapi::{Arm, CacheId, Error, Kind, Stats, Validation};
use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        Barrier, Mutex, PoisonError,
    },
    thread,
    time::{Duration, Instant},
};

/// Operations in one batch, if the quota allows that many.
const BATCH: u32 = 2048;

/// How often progress is looked at.
const POLL: Duration = Duration::from_millis(20);

/// How to replay.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whose allocators are used.
    pub arm: Arm,
    /// What allocations without a cache are.
    pub kind: Kind,
    /// Threads, if not one for each CPU of the trace.
    pub threads: Option<usize>,
    /// Whether contents are written and verified; not with the kernel's allocators.
    pub verify: bool,
    /// Steps between two meetings of all threads.
    pub window: usize,
}

/// The state of the allocators at one point of the replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// Bytes asked for of what is live.
    pub requested_bytes: u64,
    /// Usable bytes of what is live.
    pub usable_bytes: u64,
    /// Pages that the allocators have taken: all of quarry's pool, in use or not; what the kernel's
    /// slabs have more than before, and blocks.
    pub held_pages: u64,
    /// Pages in use, beyond those in use before: slabs, blocks and areas.
    pub used_pages: u64,
    /// Pages of slabs, beyond those from before.
    pub slab_pages: u64,
    /// Pages of quarry's pool that lie in magazines.
    pub cached_pages: u64,
}

/// What came of a replay.
#[derive(Debug)]
pub struct Outcome {
    /// Whose allocators were used.
    pub arm: Arm,
    /// Threads that replayed.
    pub threads: usize,
    /// Caches made.
    pub caches: usize,
    /// Caches that could not be made; kmalloc served their objects.
    pub caches_failed: u64,
    /// Caches that could not be destroyed at the end.
    pub caches_kept: u64,
    /// What was done while the trace ran.
    pub replay: Tally,
    /// What was done to free the rest.
    pub cleanup: Tally,
    /// The sample with most bytes asked for.
    pub peak: Sample,
    /// Most pages that the allocators held in any sample.
    pub held_pages_peak: u64,
    /// Most pages that the pool has held since the module was loaded.
    pub pool_pages_peak: u64,
    /// All samples, one for each window.
    pub series: Vec<Sample>,
    /// Time that the steps of the trace took.
    pub elapsed: Duration,
    /// Time that freeing the rest took.
    pub cleanup_elapsed: Duration,
    /// Allocations that the open file still held afterwards.
    pub handles_left: u32,
    /// What the module says of itself afterwards.
    pub validation: Validation,
}

/// What the allocators held before the replay.
struct Before {
    stats: Stats,
    kernel_slab_pages: u64,
}

impl Before {
    fn new<B: Backend>(backend: &B) -> Result<Self, Error> {
        Ok(Self {
            stats: backend.stats()?,
            kernel_slab_pages: backend.kernel_slab_pages()?,
        })
    }
}

/// Returns pages in use.
fn used(stats: &Stats) -> u64 {
    stats
        .pool_pages
        .saturating_sub(stats.free_pages)
        .saturating_sub(stats.cached_pages)
}

/// Returns what the allocators hold now. No thread is working.
fn sample<B: Backend>(
    shared: &Shared<'_, B>,
    before: &Before,
    page_size: u64,
) -> Result<Sample, Error> {
    // ORDERING: Relaxed: the threads have just met.
    let requested_bytes = shared.live_requested.load(Ordering::Relaxed);
    let usable_bytes = shared.live_usable.load(Ordering::Relaxed);
    let (held_pages, used_pages, slab_pages, cached_pages) = match shared.arm {
        Arm::Quarry => {
            let stats = shared.backend.stats()?;
            (
                stats.pool_pages,
                used(&stats).saturating_sub(used(&before.stats)),
                stats.slab_pages.saturating_sub(before.stats.slab_pages),
                stats.cached_pages,
            )
        }
        Arm::Kernel => {
            let now = shared.backend.kernel_slab_pages()?;
            let slab_pages = now.saturating_sub(before.kernel_slab_pages);
            let held_pages = match shared.kind {
                // The kernel does not tell whose blocks are whose, but this replay's are known.
                Kind::Pages => usable_bytes / page_size,
                _ => slab_pages,
            };
            (held_pages, held_pages, slab_pages, 0)
        }
    };
    Ok(Sample {
        requested_bytes,
        usable_bytes,
        held_pages,
        used_pages,
        slab_pages,
        cached_pages,
    })
}

/// Makes the caches of a plan.
fn make_caches<B: Backend>(
    backend: &B,
    arm: Arm,
    plan: &Plan,
) -> Result<Vec<Option<CacheId>>, Error> {
    plan.caches
        .iter()
        .map(
            |cache| match backend.cache_create(arm, &cache.name, cache.object_size) {
                Ok(id) => Ok(Some(id)),
                Err(error) if error.cause.is_exhaustion() => Ok(None),
                Err(error) => Err(error),
            },
        )
        .collect()
}

/// What one thread has done: while the trace ran, and afterwards.
type Done = Result<(Tally, Tally), Error>;

/// Replays a plan, then frees everything and validates.
///
/// `progress` is called now and then with the steps that are done, in a replay without verification;
/// with it, with twice as many.
pub fn run<B: Backend>(
    backend: &B,
    plan: &Plan,
    options: &Options,
    mut progress: impl FnMut(u64),
) -> Result<Outcome, Error> {
    let query = backend.query()?;
    // What earlier users left in magazines and empty slabs would be taken for what was there before,
    // and hide a part of what the trace needs.
    match options.arm {
        Arm::Quarry => drop(backend.shrink()?),
        Arm::Kernel => backend.kernel_shrink(),
    }
    let caches = make_caches(backend, options.arm, plan)?;
    // What caches need without objects is not what the trace needs.
    let before = Before::new(backend)?;
    let allocations = plan.steps.iter().filter(|s| s.action == Action::Alloc);
    let shared = Shared::new(
        backend,
        options,
        caches,
        query.quota_batch.clamp(2, BATCH) as usize,
        allocations.count(),
    );

    let threads = options.threads.unwrap_or(usize::MAX);
    let threads = threads.min(plan.cpus.len()).max(1);
    // Which thread replays a CPU of the trace.
    let highest = plan.cpus.last().map_or(0, |&cpu| usize::from(cpu));
    let mut thread_of = vec![0; highest + 1];
    for (index, &cpu) in plan.cpus.iter().enumerate() {
        thread_of[usize::from(cpu)] = index % threads;
    }

    let barrier = Barrier::new(threads);
    let page_size = u64::from(query.page_size);
    let series = Mutex::new(Vec::new());
    let replay_nanos = AtomicU64::new(0);
    let allowed = pin::allowed();
    let start = Instant::now();
    let one = |me: usize| -> Done {
        pin::pin(&allowed, me);
        let mut worker = Worker::new(&shared);
        let mut sampled = Ok(());
        let mut meet = || {
            if barrier.wait().is_leader() {
                match sample(&shared, &before, page_size) {
                    Ok(sample) => series
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(sample),
                    Err(error) => sampled = Err(error),
                }
            }
            // Nothing moves while the sample is taken.
            barrier.wait();
        };
        // Also a thread that cannot go on goes to each meeting.
        for window in plan.steps.chunks(options.window) {
            worker.window(window, |step| thread_of[usize::from(step.cpu)] == me);
            meet();
        }
        worker.window(&[], |_| false);
        meet();
        let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        replay_nanos.fetch_max(nanos, Ordering::Relaxed);
        let replayed = worker.take();
        let rest = plan
            .steps
            .iter()
            .filter(|step| step.action == Action::Alloc && thread_of[usize::from(step.cpu)] == me);
        worker.free_live(rest.map(|step| (step.id, step.bytes)));
        let cleaned = worker.take();
        sampled?;
        Ok((replayed?, cleaned?))
    };
    let done: Vec<Done> = thread::scope(|scope| {
        let one = &one;
        let handles: Vec<_> = (0..threads)
            .map(|me| scope.spawn(move || one(me)))
            .collect();
        while !handles.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(POLL);
            // ORDERING: Relaxed: for a progress bar.
            progress(shared.done.load(Ordering::Relaxed));
        }
        handles
            .into_iter()
            .map(|handle| {
                handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let total = start.elapsed();

    let (mut replay, mut cleanup) = (Tally::default(), Tally::default());
    for result in done {
        let (replayed, cleaned) = result?;
        replay.add(&replayed);
        cleanup.add(&cleaned);
    }
    let made: Vec<CacheId> = shared.caches.iter().copied().flatten().collect();
    let kept = made
        .iter()
        .filter(|cache| backend.cache_destroy(**cache).is_err());
    let caches_kept = kept.count() as u64;
    let series: Vec<Sample> = series.into_inner().unwrap_or_else(PoisonError::into_inner);
    let peak = series.iter().copied().max_by_key(|s| s.requested_bytes);
    let elapsed = Duration::from_nanos(replay_nanos.load(Ordering::Relaxed));
    Ok(Outcome {
        arm: options.arm,
        threads,
        caches: made.len(),
        caches_failed: (shared.caches.len() - made.len()) as u64,
        caches_kept,
        replay,
        cleanup,
        peak: peak.unwrap_or_default(),
        held_pages_peak: series.iter().map(|s| s.held_pages).max().unwrap_or(0),
        pool_pages_peak: backend.stats()?.pool_pages_peak,
        series,
        elapsed,
        cleanup_elapsed: total.saturating_sub(elapsed),
        handles_left: backend
            .query()?
            .used_handles
            .saturating_sub(query.used_handles),
        validation: backend.validate()?,
    })
}

impl Outcome {
    /// Returns whether what was done is what the plan asked for, each allocation and free counted.
    pub fn adds_up(&self, plan: &Plan) -> bool {
        let failed = |failures: &super::worker::Failures| failures.values().sum::<u64>();
        let replay = &self.replay;
        let allocs = replay.allocs + failed(&replay.alloc_failures);
        let frees = replay.frees + failed(&replay.free_failures) + replay.frees_void;
        let rest = self.cleanup.frees + failed(&self.cleanup.free_failures);
        allocs == plan.allocs.replayed()
            && frees == plan.allocs.freed + plan.allocs.freed_by_reuse
            && rest == replay.allocs - replay.frees
    }

    /// Returns whether nothing happened that must not happen, exhaustion being allowed.
    pub fn is_clean(&self) -> bool {
        let expected =
            |failures: &super::worker::Failures| failures.keys().all(|cause| cause.is_exhaustion());
        let tallies = [&self.replay, &self.cleanup];
        tallies.iter().all(|tally| {
            tally.corruptions == 0
                && expected(&tally.alloc_failures)
                && tally.free_failures.is_empty()
                && tally.other_failures.is_empty()
        }) && self.validation.violations == 0
            && self.handles_left == 0
            && self.caches_kept == 0
    }
}

#[cfg(test)]
mod tests;
