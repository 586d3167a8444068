// SPDX-License-Identifier: GPL-2.0

//! The arguments.

use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Reads what the benchmark in the kernel prints.
#[derive(Debug, Parser)]
#[command(name = "quarry-bench", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Join both arms of each row with its goal, and write the run as JSON
    Collect {
        /// Files with lines of quarry_bench.ko
        #[arg(required = true)]
        lines: Vec<PathBuf>,
        /// File to write
        #[arg(long, short)]
        output: PathBuf,
    },
    /// Print a run as a table
    Table {
        /// What `collect` wrote
        run: PathBuf,
    },
    /// Print a run as tables in reStructuredText
    Rst {
        /// What `collect` wrote
        run: PathBuf,
    },
    /// Say whether two runs have the same medians
    Same {
        /// What `collect` wrote
        first: PathBuf,
        /// What `collect` wrote
        second: PathBuf,
    },
    /// Write the counts of instructions of runs as those to expect: of each row the most
    Accept {
        /// What `collect` wrote
        #[arg(required = true)]
        runs: Vec<PathBuf>,
        /// File to write
        #[arg(long)]
        expected: PathBuf,
    },
    /// Say whether counts of instructions are worse than expected, by more than 2 %
    Gate {
        /// What `collect` wrote
        run: PathBuf,
        /// What `accept` wrote
        #[arg(long)]
        expected: PathBuf,
    },
    /// Print what the presets cost
    Presets {
        /// Lines of quarry_bench.ko with fast, hardened and debug; and with fast and hardened where both clear what is freed
        #[arg(required = true, num_args = 5)]
        lines: Vec<PathBuf>,
        /// Page to put the table into
        #[arg(long)]
        page: Option<PathBuf>,
    },
    /// Say whether the preset hardened takes at most 1.5 times the instructions of fast
    Hardened {
        /// Lines of quarry_bench.ko with fast, where what is freed is cleared
        fast: PathBuf,
        /// Lines of quarry_bench.ko with hardened
        hardened: PathBuf,
    },
}
