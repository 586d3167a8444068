// SPDX-License-Identifier: GPL-2.0

//! A stress run: its threads and its end.

use super::{
    latency::{Clock, Latencies},
    mix::Mix,
    sizes::{Limits, Sizes},
    tally::Tally,
    worker::{Setup, Worker, LONGEST_ACTION},
};
use crate::{backend::Backend, pin};
use quarry_uapi::{Arm, CacheId, Cause, Error, Kind, Validation};
use std::{
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// How often progress is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Time that a round may take before the next one is made shorter, if time is what counts.
const LONGEST_ROUND: Duration = Duration::from_millis(100);

/// Operations in the first round, if time is what counts.
const FIRST_ROUND: usize = 32;

/// Bytes of the objects of the caches that a run makes: some odd, some that fill slabs badly.
const OBJECTS: [u32; 6] = [24, 100, 192, 720, 1500, 4000];

/// When a run ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// After that many operations, within one batch for each thread.
    Operations(u64),
    /// After that time.
    Time(Duration),
}

/// How to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads.
    pub threads: usize,
    /// When to end.
    pub end: End,
    /// Start of all random choices.
    pub seed: u64,
    /// Share of each kind.
    pub mix: Mix,
    /// Distribution of sizes.
    pub sizes: Sizes,
    /// Live allocations that each thread tends towards.
    pub live: usize,
    /// Frees, in percent, that the neighbour does.
    pub remote: u8,
    /// Actions, in per mille, that are read back.
    pub readback: u16,
    /// Operations in one batch.
    pub batch: u32,
    /// What calls are timed with.
    pub clock: Clock,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub tally: Tally,
    /// How long calls took.
    pub latencies: Latencies,
    /// Time that it took, with freeing.
    pub elapsed: Duration,
    /// Allocations that the open file still held afterwards.
    pub handles_left: u32,
    /// Caches that could not be destroyed afterwards.
    pub caches_kept: usize,
    /// What the module says of itself afterwards.
    pub validation: Validation,
}

impl Outcome {
    /// Returns whether nothing happened that must not happen.
    pub fn is_clean(&self) -> bool {
        let total = self.tally.total();
        total.corruptions == 0
            && total.unexpected.is_empty()
            && total.allocs == total.frees
            && self.handles_left == 0
            && self.caches_kept == 0
            && self.validation.violations == 0
    }
}

/// Makes the caches of a run, as many as the quota allows.
fn make_caches<B: Backend>(backend: &B, mix: &Mix) -> Result<Vec<(CacheId, u32)>, Error> {
    let mut caches = Vec::new();
    if !mix.kinds().any(|kind| kind == Kind::Cache) {
        return Ok(caches);
    }
    for bytes in OBJECTS {
        match backend.cache_create(Arm::Quarry, &format!("stress-{bytes}"), bytes) {
            Ok(cache) => caches.push((cache, bytes)),
            Err(error) if error.cause == Cause::QuotaUsedUp && !caches.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(caches)
}

/// Runs until the end, frees everything and validates. `progress` is called now and then with the
/// operations that are done and the time that has passed.
pub fn run<B: Backend>(
    backend: &B,
    options: &Options,
    mut progress: impl FnMut(u64, Duration),
) -> Result<Outcome, Error> {
    let query = backend.query()?;
    let caches = make_caches(backend, &options.mix)?;
    let threads = options.threads;
    let batch = options.batch.min(query.quota_batch) as usize;
    let setup = Setup {
        backend,
        mix: &options.mix,
        sizes: options.sizes,
        limits: Limits::new(&query, threads),
        caches: &caches,
        live: options.live,
        remote: options.remote,
        readback: options.readback,
        batch: batch.max(LONGEST_ACTION),
        clock: options.clock,
    };

    let start = Instant::now();
    let done = AtomicU64::new(0);
    let failed = AtomicBool::new(false);
    let allowed = pin::allowed();
    // Thread i hands allocations to thread i + 1, the last one to the first.
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..threads).map(|_| mpsc::channel()).unzip();
    senders.rotate_left(1);
    let one = |index: usize, mut worker: Worker<'_, B>| -> Result<(Tally, Latencies), Error> {
        pin::pin(&allowed, index);
        // CAST: Numbers of threads are small.
        let share =
            |ops: u64| ops / threads as u64 + u64::from((index as u64) < ops % threads as u64);
        let mut mine = 0;
        if matches!(options.end, End::Time(_)) {
            worker.start_short(FIRST_ROUND);
        }
        loop {
            let more = match options.end {
                End::Operations(ops) => mine < share(ops),
                End::Time(time) => start.elapsed() < time,
            };
            // ORDERING: Relaxed: it does not matter which round is the last.
            if !more || failed.load(Ordering::Relaxed) {
                return worker.finish();
            }
            let round = Instant::now();
            let ops = worker.round().inspect_err(|_| {
                failed.store(true, Ordering::Relaxed);
            })?;
            if matches!(options.end, End::Time(_)) {
                // Or a run of a second could end after a minute: large memory takes its time.
                worker.adapt(round.elapsed() > LONGEST_ROUND);
            }
            mine += ops;
            done.fetch_add(ops, Ordering::Relaxed);
        }
    };
    let results: Vec<Result<(Tally, Latencies), Error>> = thread::scope(|scope| {
        let one = &one;
        let handles: Vec<_> = senders
            .into_iter()
            .zip(receivers)
            .enumerate()
            .map(|(index, (sender, receiver))| {
                let neighbour = (threads > 1).then_some(sender);
                // CAST: An index. Seeds of neighbours must not be neighbours.
                let seed = options
                    .seed
                    .wrapping_add((index as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let worker = Worker::new(&setup, seed, neighbour, receiver);
                scope.spawn(move || one(index, worker))
            })
            .collect();
        while !handles.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(POLL);
            progress(done.load(Ordering::Relaxed), start.elapsed());
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

    let mut tally = Tally::default();
    let mut latencies = Latencies::default();
    for result in results {
        let (one, its_latencies) = result?;
        tally.add(one);
        latencies.add(&its_latencies);
    }
    let elapsed = start.elapsed();
    let kept = caches
        .iter()
        .filter(|(cache, _)| backend.cache_destroy(*cache).is_err());
    Ok(Outcome {
        caches_kept: kept.count(),
        tally,
        latencies,
        elapsed,
        handles_left: backend
            .query()?
            .used_handles
            .saturating_sub(query.used_handles),
        validation: backend.validate()?,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::latency::Call, *};
    use crate::backend::fake::{Fake, Faults};
    use clap::ValueEnum;

    fn options(threads: usize, ops: u64) -> Options {
        Options {
            threads,
            end: End::Operations(ops),
            seed: 1,
            mix: Mix::default(),
            sizes: Sizes::Small,
            live: 100,
            remote: 25,
            readback: 50,
            batch: 256,
            clock: Clock::default(),
        }
    }

    fn stress(faults: Faults, options: &Options) -> Outcome {
        let fake = Fake::with(faults);
        let outcome = run(&fake, options, |_, _| {}).unwrap();
        assert_eq!(fake.held().1, 0);
        outcome
    }

    #[test]
    fn all_is_freed_and_nothing_is_wrong() {
        for threads in [1, 2, 4] {
            let outcome = stress(Faults::default(), &options(threads, 20_000));
            assert!(outcome.is_clean(), "{outcome:?}");
            let total = outcome.tally.total();
            assert!(outcome.tally.ops >= 20_000);
            assert!(total.reallocs > 100 && total.readbacks > 100);
            assert_eq!(total.remote_frees > 0, threads > 1);
            assert_eq!(outcome.tally.kinds.len(), 5);
        }
    }

    #[test]
    fn one_thread_repeats_itself_with_the_same_seed() {
        let tally = || stress(Faults::default(), &options(1, 5000)).tally;
        assert_eq!(tally(), tally());
        let mut other = options(1, 5000);
        other.seed = 2;
        assert_ne!(tally(), stress(Faults::default(), &other).tally);
    }

    #[test]
    fn failed_allocations_are_counted_and_are_no_error() {
        let faults = Faults {
            fail_every: Some(5),
            ..Faults::default()
        };
        let outcome = stress(faults, &options(4, 20_000));
        assert!(outcome.is_clean(), "{outcome:?}");
        assert!(outcome.tally.total().exhausted["ENOMEM"] > 100);
    }

    #[test]
    fn batches_that_are_refused_are_made_again() {
        let faults = |refuse_every| Faults {
            refuse_every: Some(refuse_every),
            ..Faults::default()
        };
        let outcome = stress(faults(3), &options(2, 20_000));
        assert!(outcome.is_clean(), "{outcome:?}");
        let refused = run(&Fake::with(faults(1)), &options(1, 1000), |_, _| {});
        assert!(refused.is_err());
    }

    #[test]
    fn corruption_is_found_and_told() {
        let faults = Faults {
            corrupt_every: Some(500),
            ..Faults::default()
        };
        let outcome = stress(faults, &options(2, 20_000));
        assert!(!outcome.is_clean());
        assert!(outcome.tally.total().corruptions > 0);
        assert!(outcome.tally.incidents[0].contains("offset 0"));
    }

    #[test]
    fn an_unexpected_errno_is_an_error() {
        let faults = Faults {
            busy_every: Some(1000),
            ..Faults::default()
        };
        let outcome = stress(faults, &options(2, 20_000));
        assert!(!outcome.is_clean());
        assert!(outcome.tally.total().unexpected["EBUSY"] > 0);
        assert!(outcome.handles_left > 0);
    }

    #[test]
    fn every_call_is_timed() {
        for clock in Clock::value_variants() {
            let options = Options {
                clock: *clock,
                ..options(2, 20_000)
            };
            let outcome = stress(Faults::default(), &options);
            let count = |call| outcome.latencies.count(call);
            let total = outcome.tally.total();
            assert_eq!(count(Call::Batch), outcome.tally.batches);
            // New memory is read and verified once more when its size has changed.
            let [allocs, writes] = [count(Call::Alloc), count(Call::Write)];
            assert_eq!(allocs + writes, total.readbacks);
            assert_eq!(count(Call::Verify), count(Call::Realloc));
            assert_eq!(count(Call::Fill), allocs + count(Call::Realloc));
            assert_eq!(count(Call::Read), total.readbacks + count(Call::Realloc));
            let frees = count(Call::Free);
            assert!(frees > allocs / 3 && frees < allocs, "{frees} of {allocs}");
        }
    }

    #[test]
    fn a_run_can_end_by_time() {
        let mut options = options(2, 0);
        options.end = End::Time(Duration::from_millis(50));
        let outcome = stress(Faults::default(), &options);
        assert!(outcome.elapsed >= Duration::from_millis(50));
        assert!(outcome.is_clean());
    }
}
