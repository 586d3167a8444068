// SPDX-License-Identifier: GPL-2.0

//! The `quarry` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    quarry_cli::main()
}
