// SPDX-License-Identifier: GPL-2.0

//! Tests of `/dev/quarry`: each operation and each errno that its header documents.
//!
//! Run in a guest in which the module is loaded; prints KTAP. `--quotas` runs the tests that use
//! quotas up instead, for a module that was loaded with small ones, `--hotplug` those that take CPUs away
//! and bring them back, `--faults` those that make requests of the kernel fail. `--fuzz OPERATIONS [SEED]` makes calls at random. Another argument chooses the tests whose name contains it.

mod alloc;
mod batch;
mod caches;
mod data;
mod explain;
mod faults;
mod fuzz;
mod hotplug;
mod ktap;
mod lifetime;
mod map;
mod memory;
mod opaque;
mod pools;
mod quotas;
mod raw;
mod realloc;
mod security;
mod structures;
mod whole;

use std::process::ExitCode;

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    if argument == "--fuzz" {
        let number = |at| std::env::args().nth(at)?.parse().ok();
        return fuzz::run(number(2).unwrap_or(200_000), number(3).unwrap_or(1));
    }
    let tests = match argument.as_str() {
        "--quotas" => vec![quotas::TESTS],
        "--faults" => vec![faults::TESTS],
        "--hotplug" => vec![hotplug::TESTS],
        _ => vec![
            structures::TESTS,
            alloc::TESTS,
            realloc::TESTS,
            opaque::TESTS,
            data::TESTS,
            map::TESTS,
            caches::TESTS,
            pools::TESTS,
            batch::TESTS,
            explain::TESTS,
            whole::TESTS,
            lifetime::TESTS,
            security::TESTS,
        ],
    };
    let only = if argument.starts_with("--") {
        ""
    } else {
        &argument
    };
    let chosen = tests
        .into_iter()
        .flatten()
        .filter(|test| test.name.contains(only));
    if ktap::run(chosen.collect()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
