// SPDX-License-Identifier: GPL-2.0

//! What a replay tells: what the trace held, what was done with it, what it took.

use super::{
    line::EventType,
    plan::Plan,
    run::{Outcome, Sample},
    worker::{Failures, Tally},
};
use crate::{
    args::Level,
    check,
    output::{self, bytes, grouped, percent},
};
use serde::{Serialize, Serializer};
use serde_json::{json, Map, Value};
use std::{path::Path, time::Duration};

/// A replay of one trace on one or two arms, or a dry run.
pub struct Report {
    trace: String,
    level: Level,
    page_size: u64,
    plan: Plan,
    outcomes: Vec<Outcome>,
    parse_time: Duration,
}

/// Returns how many there were by name of the errno.
fn failures_json(failures: &Failures) -> Value {
    let members = failures
        .iter()
        .map(|(cause, count)| (cause.name(), Value::from(*count)));
    Value::Object(members.collect::<Map<_, _>>())
}

/// Returns failures as `3 ENOMEM, 1 EDQUOT`, or `0`.
fn failures_text(failures: &Failures) -> String {
    if failures.is_empty() {
        return "0".to_owned();
    }
    let parts = failures
        .iter()
        .map(|(cause, count)| format!("{} {}", grouped(*count), cause.name()));
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns those counts that are not 0, with their names.
fn nonzero(counts: &[(u64, &str)]) -> String {
    let parts = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", grouped(*count)));
    let parts: Vec<_> = parts.collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Returns operations in a second.
fn rate(ops: u64, time: Duration) -> u64 {
    // CAST: For reading; a rate of 2^64 is out of reach.
    (ops as f64 / time.as_secs_f64().max(1e-9)) as u64
}

/// Returns what share of `whole` is not `part`, in percent.
fn waste(part: u64, whole: u64) -> f64 {
    percent(whole.saturating_sub(part), whole)
}

fn tally_json(tally: &Tally) -> Value {
    json!({
        "allocations": tally.allocs,
        "allocations_failed": failures_json(&tally.alloc_failures),
        "frees": tally.frees,
        "frees_failed": failures_json(&tally.free_failures),
        "frees_void": tally.frees_void,
        "frees_delayed": tally.frees_delayed,
        "other_failed": failures_json(&tally.other_failures),
        "corruptions": tally.corruptions,
        "operations": tally.ops,
        "batches": tally.batches,
    })
}

impl Report {
    /// Returns the report of a replay, or of a dry run if there are no outcomes.
    pub fn new(
        trace: &Path,
        level: Level,
        page_size: u64,
        plan: Plan,
        outcomes: Vec<Outcome>,
        parse_time: Duration,
    ) -> Self {
        Self {
            trace: trace.display().to_string(),
            level,
            page_size,
            plan,
            outcomes,
            parse_time,
        }
    }

    /// Returns whether all sums are right.
    fn adds_up(&self) -> bool {
        let mut outcomes = self.outcomes.iter();
        self.plan.adds_up() && outcomes.all(|outcome| outcome.adds_up(&self.plan))
    }

    /// Returns whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.adds_up() && self.outcomes.iter().all(Outcome::is_clean)
    }

    fn level_name(&self) -> &'static str {
        match self.level {
            Level::Objects => "objects",
            Level::Pages => "pages",
        }
    }

    /// Returns the report as text.
    pub fn text(&self) -> String {
        let mut rows = self.trace_rows();
        if let [outcome] = self.outcomes.as_slice() {
            rows.extend(self.outcome_rows(outcome));
        }
        rows.push((
            "sums",
            if self.adds_up() {
                "every line, allocation and free is accounted for".to_owned()
            } else {
                "DO NOT ADD UP".to_owned()
            },
        ));
        let what = if self.outcomes.is_empty() {
            "dry run"
        } else {
            "replay"
        };
        let (trace, level) = (&self.trace, self.level_name());
        let mut text = format!("{what} of {trace}: {level}\n{}", output::pairs(&rows));
        if let [kernel, quarry] = self.outcomes.as_slice() {
            for outcome in [kernel, quarry] {
                let rows = self.outcome_rows(outcome);
                text += &format!("\non {}:\n{}", outcome.arm.name(), output::pairs(&rows));
            }
            text += &format!("\n{}", self.comparison(kernel, quarry));
        }
        text
    }

    /// Returns both arms beside each other.
    fn comparison(&self, kernel: &Outcome, quarry: &Outcome) -> String {
        let mut table = output::table(&["", "kernel", "quarry", "ratio"]);
        let mut row = |name: &str, values: [f64; 2], show: fn(f64) -> String| {
            let [theirs, ours] = values;
            let ratio = if theirs > 0.0 {
                format!("{:.3}", ours / theirs)
            } else {
                "-".to_owned()
            };
            table.add_row([name.to_owned(), show(theirs), show(ours), ratio]);
        };
        // CAST: For reading.
        let mib = |pages: u64| (pages * self.page_size) as f64 / f64::from(1 << 20);
        row(
            "peak footprint, MiB",
            [kernel, quarry].map(|outcome| mib(outcome.held_pages_peak)),
            |value| format!("{value:.2}"),
        );
        row(
            "at the peak of what is live, MiB",
            [kernel, quarry].map(|outcome| mib(outcome.peak.held_pages)),
            |value| format!("{value:.2}"),
        );
        row(
            "time per operation, ns",
            [kernel, quarry].map(|outcome| outcome.replay.nanos_per_op()),
            |value| format!("{value:.0}"),
        );
        output::render(&table)
    }

    /// Returns what the trace holds.
    fn trace_rows(&self) -> Vec<(&'static str, String)> {
        let Plan {
            lines,
            allocs,
            frees,
            substituted,
            ..
        } = &self.plan;
        let mut rows = vec![(
            "lines",
            format!(
                "{} = {}",
                grouped(lines.total),
                nonzero(&[
                    (lines.used, "used"),
                    (lines.other_level, "of the other level"),
                    (lines.duplicates, "mm_page_free_batched"),
                    (lines.other_events, "other events"),
                    (lines.comments, "comments"),
                    (lines.lost_remarks, "remarks of lost events"),
                    (lines.damaged, "damaged"),
                    (lines.unknown, "not understood"),
                ])
            ),
        )];
        if self.plan.lost_events > 0 {
            rows.push(("lost", format!("{} events", grouped(self.plan.lost_events))));
        }
        let events: Vec<_> = EventType::ALL.iter().zip(self.plan.events).collect();
        let named: Vec<_> = events.iter().map(|(e, n)| (*n, e.name())).collect();
        rows.push(("events", nonzero(&named)));
        rows.push((
            "allocations",
            format!(
                "{} = {} freed + {} freed by reuse + {} live at end + {} skipped",
                grouped(allocs.in_trace),
                grouped(allocs.freed),
                grouped(allocs.freed_by_reuse),
                grouped(allocs.live_at_end),
                grouped(allocs.skipped())
            ),
        ));
        let skipped = nonzero(&[
            (allocs.skipped_failed, "failed in the trace"),
            (allocs.skipped_zero_size, "of zero bytes"),
            (allocs.skipped_too_large, "too large"),
        ]);
        rows.push(("  skipped", skipped));
        rows.push((
            "frees",
            format!(
                "{} = {} replayed + {} skipped",
                grouped(frees.in_trace),
                grouped(frees.replayed),
                grouped(frees.skipped())
            ),
        ));
        let skipped = nonzero(&[
            (
                frees.skipped_without_allocation,
                "without an allocation in the trace",
            ),
            (frees.skipped_null, "of no memory"),
            (frees.skipped_part_of_block, "of a part of a block"),
            (frees.skipped_with_allocation, "of a skipped allocation"),
        ]);
        rows.push(("  skipped", skipped));
        rows.push((
            "on other CPUs",
            format!("{} frees", grouped(self.plan.remote_frees)),
        ));
        if self.level == Level::Objects {
            let replaced = nonzero(&[
                (substituted.too_large_for_a_cache, "too large for a cache"),
                (substituted.too_many_caches, "of caches beyond the quota"),
            ]);
            rows.push((
                "caches",
                format!(
                    "{}; objects from kmalloc instead: {replaced}",
                    self.plan.caches.len()
                ),
            ));
        }
        rows.push((
            "peak live",
            format!(
                "{} asked for; {} allocations",
                bytes(self.plan.peak.bytes),
                grouped(self.plan.peak.allocations)
            ),
        ));
        rows.push((
            "reading",
            format!(
                "{:.2} s, {} lines/s",
                self.parse_time.as_secs_f64(),
                grouped(rate(lines.total, self.parse_time))
            ),
        ));
        rows
    }

    /// Returns what was done.
    fn outcome_rows(&self, outcome: &Outcome) -> Vec<(&'static str, String)> {
        let Outcome {
            replay,
            cleanup,
            peak,
            ..
        } = outcome;
        let page = self.page_size;
        vec![
            (
                "replayed",
                format!(
                    "{} allocations, {} frees; allocations failed: {}; frees failed: {}, void: {}",
                    grouped(replay.allocs),
                    grouped(replay.frees),
                    failures_text(&replay.alloc_failures),
                    failures_text(&replay.free_failures),
                    grouped(replay.frees_void)
                ),
            ),
            (
                "threads",
                format!(
                    "{}; {} frees waited for another thread's allocation",
                    outcome.threads,
                    grouped(replay.frees_delayed)
                ),
            ),
            (
                "replaying",
                format!(
                    "{:.2} s, {} operations/s in {} batches, {:.0} ns each",
                    outcome.elapsed.as_secs_f64(),
                    grouped(rate(replay.ops, outcome.elapsed)),
                    grouped(replay.batches),
                    replay.nanos_per_op()
                ),
            ),
            (
                "peak sampled",
                format!(
                    "{} asked for, {} usable, {} in pages; footprint {}",
                    bytes(peak.requested_bytes),
                    bytes(peak.usable_bytes),
                    bytes(peak.used_pages * page),
                    bytes(peak.held_pages * page)
                ),
            ),
            (
                "fragmentation",
                format!(
                    "at that peak, {:.1} % of usable bytes (internal), {:.1} % of pages in use, \
                     {:.1} % of the footprint",
                    waste(peak.requested_bytes, peak.usable_bytes),
                    waste(peak.requested_bytes, peak.used_pages * page),
                    waste(peak.requested_bytes, peak.held_pages * page)
                ),
            ),
            (
                "footprint peak",
                format!(
                    "{} in {} samples; of quarry's pool since the module was loaded {}",
                    bytes(outcome.held_pages_peak * page),
                    grouped(outcome.series.len() as u64),
                    bytes(outcome.pool_pages_peak * page)
                ),
            ),
            (
                "contents",
                format!(
                    "{} corruptions; other failures: {}",
                    grouped(replay.corruptions + cleanup.corruptions),
                    failures_text(&replay.other_failures)
                ),
            ),
            (
                "freed at end",
                format!(
                    "{} in {:.2} s; failed: {}; left: {} allocations, {} caches",
                    grouped(cleanup.frees),
                    outcome.cleanup_elapsed.as_secs_f64(),
                    failures_text(&cleanup.free_failures),
                    outcome.handles_left,
                    outcome.caches_kept
                ),
            ),
            ("validation", check::sentence(&outcome.validation)),
        ]
    }

    /// Returns a sample with what share of it is lost inside of allocations and outside of them.
    fn sample_json(&self, sample: &Sample) -> Value {
        json!({
            "requested_bytes": sample.requested_bytes,
            "usable_bytes": sample.usable_bytes,
            "held_bytes": sample.held_pages * self.page_size,
            "used_bytes": sample.used_pages * self.page_size,
            "slab_bytes": sample.slab_pages * self.page_size,
            "cached_bytes": sample.cached_pages * self.page_size,
            "internal_percent": waste(sample.requested_bytes, sample.usable_bytes),
            "external_percent": waste(sample.usable_bytes, sample.held_pages * self.page_size),
        })
    }

    /// Returns what was done, as JSON.
    fn outcome_json(&self, outcome: &Outcome) -> Value {
        let Sample {
            requested_bytes,
            usable_bytes,
            used_pages,
            ..
        } = outcome.peak;
        json!({
            "arm": outcome.arm,
            "threads": outcome.threads,
            "caches": outcome.caches,
            "caches_failed": outcome.caches_failed,
            "caches_kept": outcome.caches_kept,
            "during": tally_json(&outcome.replay),
            "freeing_the_rest": tally_json(&outcome.cleanup),
            "peak_sample": self.sample_json(&outcome.peak),
            "fragmentation_of_usable_percent": waste(requested_bytes, usable_bytes),
            "fragmentation_of_pages_percent": waste(requested_bytes, used_pages * self.page_size),
            "peak_bytes_held": outcome.held_pages_peak * self.page_size,
            "pool_peak_bytes_since_load": outcome.pool_pages_peak * self.page_size,
            "series": outcome.series.iter().map(|sample| self.sample_json(sample)).collect::<Vec<_>>(),
            "nanoseconds_per_operation": outcome.replay.nanos_per_op(),
            "seconds": outcome.elapsed.as_secs_f64(),
            "seconds_freeing": outcome.cleanup_elapsed.as_secs_f64(),
            "operations_per_second": rate(outcome.replay.ops, outcome.elapsed),
            "handles_left": outcome.handles_left,
            "validation": outcome.validation,
        })
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let events = EventType::ALL.iter().zip(self.plan.events);
        let events = events.map(|(event, count)| (event.name().to_owned(), Value::from(count)));
        json!({
            "trace": self.trace,
            "level": self.level_name(),
            "adds_up": self.adds_up(),
            "ok": self.is_good(),
            "lines": self.plan.lines,
            "lost_events": self.plan.lost_events,
            "events": events.collect::<Map<_, _>>(),
            "allocations": self.plan.allocs,
            "frees": self.plan.frees,
            "remote_frees": self.plan.remote_frees,
            "caches": self.plan.caches.len(),
            "from_kmalloc_instead_of_a_cache": self.plan.substituted,
            "peak_live": self.plan.peak,
            "seconds_reading": self.parse_time.as_secs_f64(),
            "replays": self.outcomes.iter().map(|outcome| self.outcome_json(outcome)).collect::<Vec<_>>(),
        })
        .serialize(serializer)
    }
}
