// SPDX-License-Identifier: GPL-2.0

//! The arguments.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Measures quarry's policy code on the host, beside crates for the same job.
#[derive(Debug, Parser)]
#[command(name = "quarry-bench-host", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure, and print a table for each work
    Run {
        /// Works, or beginnings of their names; without, all
        works: Vec<String>,
        /// Print JSON in place of the tables
        #[arg(long)]
        json: bool,
        /// File to write the JSON to
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// Samples of time for each arm; 0: take no time
        #[arg(long, default_value_t = 101, value_parser = samples)]
        samples: usize,
        /// Count no instructions
        #[arg(long)]
        no_count: bool,
    },
    /// Print what `run --output` wrote as tables
    Table {
        /// The file
        run: PathBuf,
    },
    /// Print what `run --output` wrote as tables in reStructuredText
    Rst {
        /// The file
        run: PathBuf,
        /// Put them into this page, behind its mark, instead
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Do each work with each arm, and see that blocks are aligned and do not overlap
    Check {
        /// Works, or beginnings of their names; without, all
        works: Vec<String>,
    },
    /// List the works
    Works,
    /// Do a work with each arm, to be counted
    #[command(hide = true)]
    Count {
        /// The work
        work: String,
    },
}

fn samples(text: &str) -> Result<usize, String> {
    let least = crate::estimate::LEAST;
    match text.parse() {
        Ok(nr) if nr == 0 || nr >= least => Ok(nr),
        _ => Err(format!("0, or at least {least} for an interval of 95 %")),
    }
}
