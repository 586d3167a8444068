// SPDX-License-Identifier: GPL-2.0

//! Measures allocators of blocks of one size: quarry's policy code, which the program adds, and crates
//! for the same job.
//!
//! # Laws
//!
//! - Data goes to stdout, progress and what is wrong to stderr.
//! - Every arm does the same operations, with the same order of frees.
//! - What an arm cannot do has a reason, and no figure.

mod args;
mod arm;
mod bench;
mod check;
mod count;
mod estimate;
mod machine;
mod region;
mod rivals;
mod rst;
mod run;
mod shape;
mod summary;
mod table;
mod time;
mod work;

pub use arm::{runner, Arm, Entry};
pub use bench::Runner;
pub use shape::{Shape, PAGE};

use anyhow::Context;
use args::{Cli, Command};
use clap::Parser;
use quarry_bench::files::{print, read, write};
use run::{Plan, Run};
use std::{path::Path, process::ExitCode};
use work::Work;

/// Runs the command that the arguments name, with quarry's arms, the first of which is one by one. The
/// exit status is 0, 1 where something is wrong, 2 for wrong usage.
pub fn main(quarry: &[Entry]) -> ExitCode {
    let entries = [quarry, &rivals::ALL].concat();
    match command(Cli::parse().command, &entries) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quarry-bench-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(command: Command, entries: &[Entry]) -> anyhow::Result<()> {
    match command {
        Command::Run {
            works,
            json,
            output,
            samples,
            no_count,
        } => {
            let plan = Plan {
                samples,
                count: !no_count,
            };
            let run = Run::measure(&work::select(&works)?, entries, &plan)?;
            if let Some(path) = output {
                write(&path, &run.to_json()?)?;
            }
            match json {
                true => print(&run.to_json()?)?,
                false => print(&table::render(&run))?,
            }
        }
        Command::Table { run } => print(&table::render(&load(&run)?))?,
        Command::Rst { run, page: None } => print(&rst::render(&load(&run)?))?,
        Command::Rst {
            run,
            page: Some(page),
        } => {
            let text = rst::rewrite(&read(&page)?, &load(&run)?);
            write(&page, &text.with_context(|| page.display().to_string())?)?;
        }
        Command::Check { works } => check(&work::select(&works)?, entries)?,
        Command::Works => {
            for work in work::WORKS {
                print(&format!("{:20} {}\n", work.name, work.title))?;
            }
        }
        Command::Count { work } => {
            let work =
                work::by_name(&work).with_context(|| format!("there is no work '{work}'"))?;
            count::worker(entries, work)?;
        }
    }
    Ok(())
}

fn check(works: &[&Work], entries: &[Entry]) -> anyhow::Result<()> {
    for work in works {
        for entry in entries {
            let verdict = match check::check(entry, work)? {
                None => "ok".to_owned(),
                Some(reason) => format!("- {reason}"),
            };
            print(&format!("{:20} {:20} {verdict}\n", work.name, entry.name))?;
        }
    }
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<Run> {
    Run::from_json(&read(path)?).with_context(|| path.display().to_string())
}
