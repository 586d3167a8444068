// SPDX-License-Identifier: GPL-2.0

//! Reads the lines that `quarry_bench.ko` prints, and says what they mean: tables with goals, and
//! comparisons with an earlier run.
//!
//! # Laws
//!
//! - Data goes to stdout, what is wrong to stderr.
//! - A row that was not measured is skipped or missing, never met.

mod args;
mod compare;
mod expected;
pub mod files;
mod goals;
pub mod number;
#[doc(hidden)]
pub mod parsers;
mod presets;
mod raw;
mod rst;
mod run;
mod section;
mod table;
pub mod text;

use anyhow::{bail, Context};
use args::{Cli, Command};
use clap::Parser;
use files::{print, read, write};
use run::Run;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Runs the command that the arguments name. The exit status is 0, 1 where something is worse,
/// different or cannot be read, 2 for wrong usage.
pub fn main() -> ExitCode {
    match command(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("quarry-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether all is well.
fn command(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Collect { lines, output } => {
            let mut text = String::new();
            for path in &lines {
                text.push_str(&read(path)?);
                text.push('\n');
            }
            let run = Run::of_lines(raw::parse(&text)?, &goals::load())?;
            write(&output, &run.to_json()?)?;
        }
        Command::Table { run } => print(&table::render(&load(&run)?))?,
        Command::Rst { run } => print(&rst::render(&load(&run)?))?,
        Command::Same { first, second } => {
            let report = compare::same(&load(&first)?, &load(&second)?);
            print(&report.text)?;
            return Ok(report.good);
        }
        Command::Accept { runs, expected } => {
            let runs: anyhow::Result<Vec<Run>> = runs.iter().map(|run| load(run)).collect();
            write(&expected, &expected::of_runs(&runs?).to_json()?)?;
        }
        Command::Gate { run, expected } => {
            let expected = expected::Expected::from_json(&read(&expected)?)
                .with_context(|| expected.display().to_string())?;
            let report = compare::gate(&load(&run)?, &expected);
            print(&report.text)?;
            return Ok(report.good);
        }
        Command::Presets { lines, page } => presets(&lines, page.as_deref())?,
        Command::Hardened { fast, hardened } => {
            let (text, good) = presets::gate(&lines_of(&fast)?, &lines_of(&hardened)?)?;
            print(&text)?;
            return Ok(good);
        }
    }
    Ok(true)
}

/// Returns the lines in a file.
fn lines_of(path: &Path) -> anyhow::Result<Vec<raw::Line>> {
    raw::parse(&read(path)?).with_context(|| path.display().to_string())
}

/// Prints what the presets cost, and puts it into a page.
fn presets(lines: &[PathBuf], page: Option<&Path>) -> anyhow::Result<()> {
    let runs: anyhow::Result<Vec<_>> = lines.iter().map(|path| lines_of(path)).collect();
    let Ok(runs) = <[_; 5]>::try_from(runs?) else {
        bail!("five files are needed");
    };
    let costs = presets::Costs::join(&runs)?;
    if let Some(page) = page {
        let text = costs.put_into(&read(page)?);
        write(page, &text.with_context(|| page.display().to_string())?)?;
    }
    print(&costs.table())?;
    Ok(())
}

fn load(path: &Path) -> anyhow::Result<Run> {
    Run::from_json(&read(path)?).with_context(|| path.display().to_string())
}
