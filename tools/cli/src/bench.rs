// SPDX-License-Identifier: GPL-2.0

//! `quarry bench`: what fragmentation is left after a long time of use.

mod frag;
mod report;

use crate::{
    args::{Arms, BenchCommand, FragArgs, Global},
    exit::{Status, UsageError},
    output, pin,
    progress::Progress,
    CommandResult,
};
use anyhow::Context;
use frag::{Outcome, Plan};
use quarry_uapi::{Arm, Device};

/// Runs a benchmark.
pub fn run(global: &Global, command: &BenchCommand) -> CommandResult {
    match command {
        BenchCommand::Frag(args) => fragmentation(global, args),
    }
}

/// Runs the experiment on each arm.
fn fragmentation(global: &Global, args: &FragArgs) -> CommandResult {
    if args.at_least.is_some() && args.arm == Arms::Kernel {
        let reason = "--at-least is about quarry, which --arm kernel leaves out";
        return Err(UsageError(reason.to_owned()).into());
    }
    let threads = args.threads.map(|threads| threads as usize);
    let plan = Plan {
        threads: threads.unwrap_or_else(|| pin::allowed().len().max(1)),
        fill: args.fill,
        rounds: args.rounds,
        churn: args.churn,
        // Short, as people are to type it again.
        seed: args.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
    };
    let mut outcomes = Vec::new();
    for &arm in args.arm.list() {
        outcomes.push(one(global, &plan, arm)?);
    }
    if global.json {
        output::print_json("bench-frag", 1, &report::json(&plan, &outcomes))?;
    } else {
        output::print(&report::text(&plan, &outcomes))?;
    }
    let is_enough = |outcome: &Outcome| {
        outcome.arm == Arm::Kernel || args.at_least.is_none_or(|least| outcome.percent() >= least)
    };
    Ok(Status::from(outcomes.iter().all(is_enough)))
}

/// Runs the experiment on one arm, with as many open files as its pages need.
fn one(global: &Global, plan: &Plan, arm: Arm) -> anyhow::Result<Outcome> {
    let open = || Device::open_path(&global.device);
    let first = open()?;
    let size = frag::size(&first, plan, arm)?;
    let files = std::iter::once(Ok(first)).chain((1..size.files).map(|_| open()));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let what = format!("fragmenting the memory of {}", arm.name());
    let mut progress = Progress::new(&what, size.operations, global.progress);
    frag::run(&files, plan, arm, &size, |done| progress.set(done))
        .with_context(|| format!("fragmentation of {}", arm.name()))
}
