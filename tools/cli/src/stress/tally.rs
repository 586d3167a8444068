// SPDX-License-Identifier: GPL-2.0

//! Counts of a stress run.

use quarry_uapi::{Cause, Kind};
use serde::Serialize;
use std::collections::BTreeMap;

/// Incidents that are told in words; of the rest only the number is.
const TOLD: usize = 10;

/// What was done with one kind of allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KindTally {
    /// Allocations made.
    pub allocs: u64,
    /// Bytes asked for in them.
    pub bytes: u64,
    /// Allocations freed.
    pub frees: u64,
    /// Those of them that another thread had made.
    pub remote_frees: u64,
    /// Reallocations made.
    pub reallocs: u64,
    /// Patterns written.
    pub fills: u64,
    /// Patterns verified by the module.
    pub verifies: u64,
    /// Allocations read and compared in user space.
    pub readbacks: u64,
    /// Allocations and reallocations that failed, memory or a quota being used up, by errno.
    pub exhausted: BTreeMap<String, u64>,
    /// Operations that failed for any other reason, by errno.
    pub unexpected: BTreeMap<String, u64>,
    /// Contents that were not what had been written, or not zero when they had to be.
    pub corruptions: u64,
}

/// What a thread, or all of them, have done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By kind.
    pub kinds: BTreeMap<Kind, KindTally>,
    /// Operations in all.
    pub ops: u64,
    /// Calls of the module with many operations.
    pub batches: u64,
    /// The first things that went wrong, in words.
    pub incidents: Vec<String>,
}

impl Tally {
    /// Returns the counts of a kind.
    pub fn kind(&mut self, kind: Kind) -> &mut KindTally {
        self.kinds.entry(kind).or_default()
    }

    /// Tells of something that went wrong.
    pub fn tell(&mut self, words: impl FnOnce() -> String) {
        if self.incidents.len() < TOLD {
            self.incidents.push(words());
        }
    }

    /// Counts contents that are wrong.
    pub fn corruption(&mut self, kind: Kind, words: impl FnOnce() -> String) {
        self.kind(kind).corruptions += 1;
        self.tell(|| format!("{kind}: {}", words()));
    }

    /// Counts an operation that failed. Exhaustion is part of the game where memory is asked for.
    pub fn failure(&mut self, kind: Kind, operation: &str, asks_for_memory: bool, cause: Cause) {
        let counts = self.kind(kind);
        if asks_for_memory && cause.is_exhaustion() {
            *counts.exhausted.entry(cause.name()).or_default() += 1;
        } else {
            *counts.unexpected.entry(cause.name()).or_default() += 1;
            self.tell(|| format!("{kind}: {operation}: {cause} ({})", cause.name()));
        }
    }

    /// Adds what another thread has done.
    pub fn add(&mut self, other: Self) {
        self.ops += other.ops;
        self.batches += other.batches;
        for (kind, from) in other.kinds {
            let to = self.kind(kind);
            to.allocs += from.allocs;
            to.bytes += from.bytes;
            to.frees += from.frees;
            to.remote_frees += from.remote_frees;
            to.reallocs += from.reallocs;
            to.fills += from.fills;
            to.verifies += from.verifies;
            to.readbacks += from.readbacks;
            to.corruptions += from.corruptions;
            for (name, count) in from.exhausted {
                *to.exhausted.entry(name).or_default() += count;
            }
            for (name, count) in from.unexpected {
                *to.unexpected.entry(name).or_default() += count;
            }
        }
        self.incidents.extend(other.incidents);
        self.incidents.truncate(TOLD);
    }

    /// Returns the counts of all kinds together.
    pub fn total(&self) -> KindTally {
        let mut sum = Self::default();
        for counts in self.kinds.values() {
            sum.add(Self {
                kinds: BTreeMap::from([(Kind::Pages, counts.clone())]),
                ..Self::default()
            });
        }
        sum.kinds.remove(&Kind::Pages).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_expected_only_where_memory_is_asked_for() {
        let mut tally = Tally::default();
        tally.failure(Kind::Pages, "ALLOC", true, Cause::NoMemory);
        tally.failure(Kind::Pages, "FREE", false, Cause::NoMemory);
        tally.failure(Kind::Cache, "ALLOC", true, Cause::Busy);
        let total = tally.total();
        assert_eq!(total.exhausted["ENOMEM"], 1);
        assert_eq!(total.unexpected["ENOMEM"], 1);
        assert_eq!(total.unexpected["EBUSY"], 1);
        assert_eq!(tally.incidents.len(), 2);
    }

    #[test]
    fn sums_keep_the_first_incidents() {
        let mut sum = Tally::default();
        for thread in 0..4 {
            let mut tally = Tally::default();
            for _ in 0..20 {
                tally.corruption(Kind::Kmalloc, || format!("thread {thread}"));
            }
            sum.add(tally);
        }
        assert_eq!(sum.total().corruptions, 80);
        assert_eq!(sum.incidents.len(), TOLD);
        assert_eq!(sum.incidents[0], "kmalloc: thread 0");
    }
}
