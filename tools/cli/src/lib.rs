// SPDX-License-Identifier: GPL-2.0

//! The command line of quarry, a memory allocator stack for the Linux kernel.
//!
//! # Laws
//!
//! - Data goes to stdout, progress and errors to stderr.
//! - Every command has a text form and, with `--json`, a form whose `schema` member is versioned.
//! - The exit status is one of [`exit::Status`].

mod args;
mod backend;
mod bench;
mod check;
mod doctor;
mod exit;
mod explain;
mod info;
mod kernel;
mod man;
mod output;
#[doc(hidden)]
pub mod parsers;
mod pin;
mod pool;
mod progress;
mod replay;
mod shrink;
mod size;
mod stat;
mod stress;

use args::{Cli, Command};
use clap::Parser;
use exit::Status;
use std::process::ExitCode;

/// Runs the command that the arguments name, and returns its exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Info => info::run(&cli.global),
        Command::Stat(args) => stat::run(&cli.global, args),
        Command::Stress(args) => stress::run(&cli.global, args),
        Command::Replay(args) => replay::run(&cli.global, args),
        Command::Bench { command } => bench::run(&cli.global, command),
        Command::Pool { command } => pool::run(&cli.global, command),
        Command::Shrink => shrink::run(&cli.global),
        Command::Check => check::run(&cli.global),
        Command::Explain(args) => explain::run(&cli.global, args),
        Command::Doctor => doctor::run(&cli.global),
        Command::Man => man::run(),
    };
    let status = result.unwrap_or_else(|error| exit::report(&error));
    status.into()
}

/// What a command returns: how it ended, or why it could not run.
type CommandResult = anyhow::Result<Status>;
