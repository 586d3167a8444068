// SPDX-License-Identifier: GPL-2.0

//! `quarry stress`: all allocators at once, from all CPUs, with all contents verified.

pub mod latency;
pub mod mix;
mod probe;
mod run;
pub mod sizes;
mod tally;
mod worker;

use crate::{
    args::{Global, StressArgs},
    check,
    exit::Status,
    output::{self, bytes, grouped},
    progress::Progress,
    CommandResult,
};
use quarry_uapi::Device;
use run::{End, Options, Outcome};
use serde_json::{json, Map, Value};
use std::{collections::BTreeMap, time::Duration};
use tally::KindTally;

/// Runs, and prints what came of it.
pub fn run(global: &Global, args: &StressArgs) -> CommandResult {
    let device = Device::open_path(&global.device)?;
    let options = options(args);
    eprintln!(
        "quarry: {} threads, seed {}, mix {}, sizes {}",
        options.threads, options.seed, options.mix, options.sizes
    );
    let total = match options.end {
        End::Operations(ops) => ops,
        // CAST: A duration in milliseconds.
        End::Time(time) => time.as_millis() as u64,
    };
    let mut progress = Progress::new("stress", total, global.progress);
    let outcome = run::run(&device, &options, |ops, time| {
        progress.set(match options.end {
            End::Operations(_) => ops,
            End::Time(_) => time.as_millis() as u64,
        });
    })?;
    drop(progress);
    if global.json {
        output::print_json("stress", 1, &as_json(&options, &outcome))?;
    } else {
        output::print(&as_text(&options, &outcome))?;
    }
    Ok(Status::from(outcome.is_clean()))
}

/// Returns what the arguments ask for.
fn options(args: &StressArgs) -> Options {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Options {
        threads: args.threads.map_or(cpus, |threads| threads as usize),
        end: match args.duration {
            Some(seconds) => End::Time(Duration::from_secs_f64(seconds)),
            None => End::Operations(args.ops),
        },
        // Short, as people are to type it again.
        seed: args.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
        mix: args.mix.clone(),
        sizes: args.sizes,
        live: args.live as usize,
        remote: args.remote,
        readback: args.readback,
        batch: args.batch,
        clock: args.latency,
    }
}

/// Returns operations in a second.
fn rate(outcome: &Outcome) -> u64 {
    // CAST: For reading.
    (outcome.tally.ops as f64 / outcome.elapsed.as_secs_f64().max(1e-9)) as u64
}

/// Returns `3 ENOMEM, 1 EDQUOT`, or `0`.
fn by_errno(failures: &BTreeMap<String, u64>) -> String {
    if failures.is_empty() {
        return "0".to_owned();
    }
    let parts = failures
        .iter()
        .map(|(name, count)| format!("{} {name}", grouped(*count)));
    parts.collect::<Vec<_>>().join(", ")
}

fn as_text(options: &Options, outcome: &Outcome) -> String {
    let mut table = output::table(&[
        "kind",
        "allocs",
        "bytes",
        "frees",
        "remote",
        "reallocs",
        "fills",
        "verifies",
        "read back",
        "exhausted",
        "unexpected",
        "corruptions",
    ]);
    let total = outcome.tally.total();
    let mut row = |name: &str, counts: &KindTally| {
        table.add_row([
            name.to_owned(),
            grouped(counts.allocs),
            bytes(counts.bytes),
            grouped(counts.frees),
            grouped(counts.remote_frees),
            grouped(counts.reallocs),
            grouped(counts.fills),
            grouped(counts.verifies),
            grouped(counts.readbacks),
            by_errno(&counts.exhausted),
            by_errno(&counts.unexpected),
            grouped(counts.corruptions),
        ]);
    };
    for (kind, counts) in &outcome.tally.kinds {
        row(kind.name(), counts);
    }
    row("all", &total);
    let mut text = format!(
        "stress: {} operations, {} threads, seed {}\n",
        grouped(outcome.tally.ops),
        options.threads,
        options.seed
    );
    text += &output::render(&table);
    text += &latency_table(options, outcome);
    for incident in &outcome.tally.incidents {
        text += &format!("  ! {incident}\n");
    }
    text += &output::pairs(&[
        (
            "time",
            format!(
                "{:.2} s, {} operations/s, {} batches",
                outcome.elapsed.as_secs_f64(),
                grouped(rate(outcome)),
                grouped(outcome.tally.batches)
            ),
        ),
        (
            "left",
            format!(
                "{} allocations, {} caches",
                outcome.handles_left, outcome.caches_kept
            ),
        ),
        ("validation", check::sentence(&outcome.validation)),
        (
            "result",
            format!(
                "{}: {} corruptions, {} violations, unexpected errors: {}",
                if outcome.is_clean() { "ok" } else { "FAILED" },
                grouped(total.corruptions),
                grouped(outcome.validation.violations),
                by_errno(&total.unexpected)
            ),
        ),
    ]);
    text
}

/// Returns how long calls took, below a line of what it is in.
fn latency_table(options: &Options, outcome: &Outcome) -> String {
    let mut table = output::table(&["call", "count", "p50", "p99", "p99.9", "max"]);
    for row in outcome.latencies.rows(options.clock) {
        table.add_row(row);
    }
    format!("{}\n{}", options.clock.heading(), output::render(&table))
}

fn as_json(options: &Options, outcome: &Outcome) -> Value {
    let kinds = outcome
        .tally
        .kinds
        .iter()
        .map(|(kind, counts)| (kind.name().to_owned(), json!(counts)));
    json!({
        "ok": outcome.is_clean(),
        "seed": options.seed,
        "threads": options.threads,
        "mix": options.mix.to_string(),
        "sizes": options.sizes.to_string(),
        "operations": outcome.tally.ops,
        "batches": outcome.tally.batches,
        "seconds": outcome.elapsed.as_secs_f64(),
        "operations_per_second": rate(outcome),
        "kinds": kinds.collect::<Map<_, _>>(),
        "all": outcome.tally.total(),
        "latency": outcome.latencies.as_json(options.clock),
        "incidents": outcome.tally.incidents,
        "handles_left": outcome.handles_left,
        "caches_kept": outcome.caches_kept,
        "validation": outcome.validation,
    })
}
