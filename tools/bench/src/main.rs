// SPDX-License-Identifier: GPL-2.0

//! The `quarry-bench` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    quarry_bench::main()
}
