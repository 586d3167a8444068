// SPDX-License-Identifier: GPL-2.0

//! The experiment of LLFree (Wrenger et al., USENIX ATC 2023): how much of the free memory is still in
//! huge blocks after single pages were taken and given back at random for a long time.
//!
//! Most of the memory is filled with single pages, by all threads at once. Half of them are freed at
//! random. Then, in each round, every thread frees some of its pages at random and takes as many. At
//! the end the allocator says how many free blocks of 2 MiB it has; as many as the free pages would
//! make are possible.

use crate::{backend::Backend, pin};
use fastrand::Rng;
use quarry_uapi::{Arm, Context, Error, Handle, Kind, Op, Query, Stats, Target};
use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicU64, Ordering},
        Barrier,
    },
    thread,
    time::{Duration, Instant},
};

/// Bytes of a huge block.
const HUGE: u64 = 2 << 20;

/// Operations in one batch, if the quota allows that many.
const BATCH: u32 = 2048;

/// How often progress is looked at.
const POLL: Duration = Duration::from_millis(20);

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Threads, each on a CPU of its own.
    pub threads: usize,
    /// Percent of the memory to fill.
    pub fill: u8,
    /// Rounds.
    pub rounds: u32,
    /// Percent of its pages that a thread frees and takes again in a round.
    pub churn: u8,
    /// Start of all random choices.
    pub seed: u64,
}

/// How large that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pages of the memory.
    pub pages: u64,
    /// Open files that are needed: a multiple of the threads.
    pub files: usize,
    /// Pages that each of them takes.
    pub each: u64,
    /// Operations in all.
    pub operations: u64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Whose allocators were used.
    pub arm: Arm,
    /// Bytes of a page.
    pub page_size: u64,
    /// Pages of the memory.
    pub pages: u64,
    /// Pages taken at first.
    pub filled: u64,
    /// Pages held at the end.
    pub live: u64,
    /// Allocations that failed.
    pub failed: u64,
    /// Pages free at the end.
    pub free: u64,
    /// Free huge blocks.
    pub whole: u64,
    /// Huge blocks that the free pages would make.
    pub possible: u64,
    /// Operations.
    pub operations: u64,
    /// Time in calls of the module, of all threads together.
    pub time: Duration,
    /// Pages held in each huge block of the memory, by its number.
    pub blocks: BTreeMap<u64, u64>,
}

impl Outcome {
    /// Returns how many of the possible huge blocks there are, in percent.
    pub fn percent(&self) -> f64 {
        crate::output::percent(self.whole, self.possible)
    }

    /// Returns the mean time of an operation.
    pub fn nanos_per_op(&self) -> f64 {
        // CAST: For reading.
        self.time.as_nanos() as f64 / self.operations.max(1) as f64
    }

    /// Returns the pages of a huge block.
    pub fn pages_per_block(&self) -> u64 {
        HUGE / self.page_size
    }
}

/// Free memory of an arm.
struct Free {
    pages: u64,
    /// Huge blocks.
    whole: u64,
}

/// Returns what an arm has free, of the memory that it may take.
fn free<B: Backend>(file: &B, arm: Arm, memory: u64, page_size: u64) -> Result<Free, Error> {
    let huge = HUGE / page_size;
    // CAST: At most 63.
    let order = huge.trailing_zeros() as usize;
    match arm {
        Arm::Quarry => {
            let stats = file.stats()?;
            // What the pool has not taken, or has given back, is as good as free.
            let outside = memory.saturating_sub(stats.pool_pages);
            let blocks = stats.free_blocks.iter().enumerate().skip(order);
            Ok(Free {
                pages: outside + in_pool(&stats),
                whole: outside / huge + blocks.map(|(o, n)| n << (o - order)).sum::<u64>(),
            })
        }
        Arm::Kernel => {
            let blocks = file.kernel_free_blocks()?;
            Ok(Free {
                pages: blocks.pages_from(0),
                whole: blocks.pages_from(order) / huge,
            })
        }
    }
}

/// Returns the pages of the pool that are free, in magazines or not.
fn in_pool(stats: &Stats) -> u64 {
    stats.free_pages + stats.cached_pages
}

/// Returns how large the experiment is.
pub fn size<B: Backend>(file: &B, plan: &Plan, arm: Arm) -> Result<Size, Error> {
    // What earlier users left in magazines and empty slabs is to be had.
    file.shrink()?;
    let query = file.query()?;
    let stats = file.stats()?;
    let kernel = file.kernel_free_blocks()?.pages_from(0);
    let pages = match arm {
        Arm::Kernel => kernel,
        Arm::Quarry => stats.limit_pages.min(kernel + stats.pool_pages),
    };
    Ok(Size::new(plan, &query, pages))
}

impl Size {
    fn new(plan: &Plan, query: &Query, pages: u64) -> Self {
        let wanted = pages * u64::from(plan.fill) / 100;
        let quota_pages = query.quota_bytes / u64::from(query.page_size.max(1));
        let quota = u64::from(query.quota_handles).min(quota_pages).max(1);
        let threads = plan.threads as u64;
        let files = wanted
            .div_ceil(quota)
            .next_multiple_of(threads)
            .max(threads);
        let each = wanted / files;
        let churned = each / 2 * u64::from(plan.churn) / 100 * 2 * u64::from(plan.rounds);
        Self {
            pages,
            // CAST: Far fewer than pages.
            files: files as usize,
            each,
            operations: files * (each + each / 2 + churned),
        }
    }
}

/// The pages of one open file.
struct Holder<'a, B> {
    file: &'a B,
    arm: Arm,
    page_size: u64,
    batch: usize,
    rng: Rng,
    pages: Vec<Handle>,
    ops: Vec<Op>,
    failed: u64,
    operations: u64,
    time: Duration,
    done: &'a AtomicU64,
}

impl<B: Backend> Holder<'_, B> {
    /// Takes `count` pages, or as many as there are.
    fn take(&mut self, count: usize) -> Result<(), Error> {
        // The kernel must not end processes for want of memory.
        let context = match self.arm {
            Arm::Quarry => Context::Kernel,
            Arm::Kernel => Context::NoWait,
        };
        let op = Op::alloc(Kind::Pages, self.page_size, context).opaque(self.arm);
        let mut left = count;
        while left > 0 {
            let some = left.min(self.batch);
            left -= some;
            self.ops.clear();
            self.ops.resize(some, op);
            self.run()?;
            let before = self.pages.len();
            let good = self.ops.iter().filter(|op| op.result().is_ok());
            self.pages.extend(good.map(Op::handle));
            let failed = some - (self.pages.len() - before);
            self.failed += failed as u64;
            if failed > 0 {
                break;
            }
        }
        Ok(())
    }

    /// Gives `count` pages back, chosen at random.
    fn give(&mut self, count: usize) -> Result<(), Error> {
        let mut left = count.min(self.pages.len());
        while left > 0 {
            let some = left.min(self.batch);
            left -= some;
            self.ops.clear();
            for _ in 0..some {
                let page = self.pages.swap_remove(self.rng.usize(..self.pages.len()));
                self.ops.push(Op::free(Target::Handle(page)));
            }
            self.run()?;
        }
        Ok(())
    }

    fn run(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        self.file.batch(&mut self.ops)?;
        self.time += start.elapsed();
        self.operations += self.ops.len() as u64;
        // ORDERING: Relaxed: for a progress bar.
        self.done
            .fetch_add(self.ops.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// Runs the experiment. `files` are as many as `size` says; `progress` is called now and then with
/// the operations that are done.
pub fn run<B: Backend>(
    files: &[B],
    plan: &Plan,
    arm: Arm,
    size: &Size,
    mut progress: impl FnMut(u64),
) -> anyhow::Result<Outcome> {
    let first = files.first().expect("a file for each thread");
    let query = first.query()?;
    let page_size = u64::from(query.page_size);
    let done = AtomicU64::new(0);
    let mut holders: Vec<_> = (0u64..)
        .zip(files)
        .map(|(index, file)| Holder {
            file,
            arm,
            page_size,
            batch: query.quota_batch.clamp(1, BATCH) as usize,
            rng: Rng::with_seed(plan.seed.wrapping_add(index)),
            pages: Vec::new(),
            ops: Vec::new(),
            failed: 0,
            operations: 0,
            time: Duration::ZERO,
            done: &done,
        })
        .collect();
    let per_thread = files.len() / plan.threads;
    let barrier = Barrier::new(plan.threads);
    let allowed = pin::allowed();
    // CAST: Fits memory, so it fits an address.
    let each = size.each as usize;
    let one = |me: usize, mine: &mut [Holder<'_, B>]| -> Result<u64, Error> {
        pin::pin(&allowed, me);
        // Also a thread that cannot go on goes to each meeting.
        let mut result = mine.iter_mut().try_for_each(|holder| holder.take(each));
        let filled = mine.iter().map(|holder| holder.pages.len() as u64).sum();
        barrier.wait();
        if result.is_ok() {
            result = mine
                .iter_mut()
                .try_for_each(|holder| holder.give(holder.pages.len() / 2));
        }
        for _ in 0..plan.rounds {
            barrier.wait();
            if result.is_ok() {
                result = mine.iter_mut().try_for_each(|holder| {
                    let some = holder.pages.len() * usize::from(plan.churn) / 100;
                    holder.give(some)?;
                    holder.take(some)
                });
            }
        }
        result.map(|()| filled)
    };
    let filled = thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = holders
            .chunks_mut(per_thread)
            .enumerate()
            .map(|(me, mine)| scope.spawn(move || one(me, mine)))
            .collect();
        while !threads.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::sleep(POLL);
            // ORDERING: Relaxed: for a progress bar.
            progress(done.load(Ordering::Relaxed));
        }
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .sum::<Result<u64, Error>>()
    })?;
    let free = free(first, arm, size.pages, page_size)?;
    let huge = HUGE / page_size;
    let chunk_pages = 1 << query.chunk_order.min(32);
    let mut blocks = BTreeMap::new();
    for holder in &holders {
        for &page in &holder.pages {
            if let Some((chunk, frame)) = holder.file.frame(page)? {
                let pfn = u64::from(chunk) * chunk_pages + u64::from(frame);
                *blocks.entry(pfn / huge).or_default() += 1;
            }
        }
    }
    Ok(Outcome {
        arm,
        page_size,
        pages: size.pages,
        filled,
        live: holders.iter().map(|h| h.pages.len() as u64).sum(),
        failed: holders.iter().map(|h| h.failed).sum(),
        free: free.pages,
        whole: free.whole,
        possible: free.pages / huge,
        operations: holders.iter().map(|h| h.operations).sum(),
        time: holders.iter().map(|h| h.time).sum(),
        blocks,
    })
}

#[cfg(test)]
mod tests;
