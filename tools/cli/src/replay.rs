// SPDX-License-Identifier: GPL-2.0

//! `quarry replay`: recorded traces of a kernel, allocation by allocation.
//!
//! A trace is read to its end first and turned into a [`plan::Plan`] of small steps, with an account
//! of every line; then the plan runs, without any parsing in between.

mod account;
mod caches;
pub mod line;
pub mod plan;
mod report;
mod run;
pub mod source;
mod worker;

use crate::{
    args::{Arms, Global, Level, ReplayArgs},
    exit::{Status, UsageError},
    output,
    progress::Progress,
    CommandResult,
};
use anyhow::{ensure, Context};
use plan::{Limits, Plan, Planner};
use quarry_uapi::{Arm, Device, Kind, Query};
use report::Report;
use serde_json::json;
use source::Source;
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// What a dry run assumes of the module.
pub const ASSUMED: Limits = Limits {
    page_size: 4096,
    max_order: 10,
    max_kmalloc: 4 << 20,
    caches: 1024,
};

impl From<&Query> for Limits {
    fn from(query: &Query) -> Self {
        Self {
            page_size: query.page_size.into(),
            max_order: query.max_order.min(20),
            max_kmalloc: query.max_kmalloc,
            caches: query.quota_caches as usize,
        }
    }
}

/// Replays each trace.
pub fn run(global: &Global, args: &ReplayArgs) -> CommandResult {
    let standard_input = args.traces.iter().filter(|t| t.as_os_str() == "-");
    if standard_input.count() > 1 {
        return Err(UsageError("standard input can be read only once".to_owned()).into());
    }
    if args.verify && args.arm != Arms::Quarry {
        let reason = "--verify is for quarry's memory: the kernel's is only held, not written";
        return Err(UsageError(reason.to_owned()).into());
    }
    let mut reports = Vec::new();
    let mut good = true;
    // Without a module, say so before minutes of reading.
    if !args.dry_run {
        Device::open_path(&global.device)?;
    }
    for trace in &args.traces {
        let report = one(global, args, trace)?;
        good &= report.is_good();
        if global.json {
            reports.push(report);
        } else {
            output::print(&report.text())?;
        }
    }
    if global.json {
        output::print_json("replay", 2, &json!({ "replays": reports }))?;
    }
    Ok(Status::from(good))
}

/// Replays one trace on each arm, with an open file of its own.
fn one(global: &Global, args: &ReplayArgs, trace: &Path) -> anyhow::Result<Report> {
    let device = if args.dry_run {
        None
    } else {
        Some(Device::open_path(&global.device)?)
    };
    let query = device.as_ref().map(Device::query).transpose()?;
    let limits = query.as_ref().map_or(ASSUMED, Limits::from);
    let (plan, parse_time) = read(global, args.level, limits, trace)?;
    ensure!(
        plan.lines.used > 0,
        "{}: nothing to replay: {} lines, but no {}",
        trace.display(),
        plan.lines.total,
        match args.level {
            Level::Objects => "kmalloc, kmem_cache_alloc, kfree or kmem_cache_free event",
            Level::Pages => "mm_page_alloc or mm_page_free event",
        }
    );
    if let Some(query) = &query {
        warn_of_quotas(&plan, query);
    }
    let mut outcomes = Vec::new();
    for &arm in args.arm.list() {
        let Some(device) = &device else { break };
        outcomes.push(replay(device, global, args, arm, &plan, trace)?);
    }
    let page_size = limits.page_size;
    Ok(Report::new(
        trace, args.level, page_size, plan, outcomes, parse_time,
    ))
}

/// Replays a plan on one arm.
fn replay(
    device: &Device,
    global: &Global,
    args: &ReplayArgs,
    arm: Arm,
    plan: &Plan,
    trace: &Path,
) -> anyhow::Result<run::Outcome> {
    let options = run::Options {
        arm,
        kind: match args.level {
            Level::Objects => Kind::Kmalloc,
            Level::Pages => Kind::Pages,
        },
        threads: args.threads.map(|threads| threads as usize),
        verify: args.verify,
        window: args.window as usize,
    };
    let factor = if args.verify { 2 } else { 1 };
    let steps = plan.steps.len() as u64 * factor;
    let what = format!("replaying {} on {}", trace.display(), arm.name());
    let mut progress = Progress::new(&what, steps, global.progress);
    Ok(run::run(device, plan, &options, |done| progress.set(done))?)
}

/// Reads a whole trace.
fn read(
    global: &Global,
    level: Level,
    limits: Limits,
    trace: &Path,
) -> anyhow::Result<(Plan, Duration)> {
    let start = Instant::now();
    let source = Source::open(trace)?;
    let what = format!("reading {}", trace.display());
    let mut progress = Progress::new(&what, source.length(), global.progress);
    let mut planner = Planner::new(level, limits);
    source
        .for_each_line(
            |line| planner.line(line::parse(line)),
            |taken| progress.set(taken),
        )
        .with_context(|| trace.display().to_string())?;
    Ok((planner.finish(), start.elapsed()))
}

/// Says beforehand that a trace will not fit.
fn warn_of_quotas(plan: &Plan, query: &Query) {
    let handles = u64::from(query.quota_handles);
    if plan.peak.allocations > handles {
        eprintln!(
            "quarry: up to {} allocations are live at once, but an open file may hold {}: some will fail",
            output::grouped(plan.peak.allocations),
            output::grouped(handles)
        );
    }
    if plan.peak.bytes > query.quota_bytes {
        eprintln!(
            "quarry: up to {} are live at once, but an open file may hold {}: some will fail",
            output::bytes(plan.peak.bytes),
            output::bytes(query.quota_bytes)
        );
    }
}
