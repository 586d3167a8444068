// SPDX-License-Identifier: GPL-2.0

//! `quarry check`: the invariants of every structure.

use crate::{args::Global, exit::Status, output, CommandResult};
use quarry_uapi::{Device, Validation};

/// Has the module check itself, and says what it found.
pub fn run(global: &Global) -> CommandResult {
    let validation = Device::open_path(&global.device)?.validate()?;
    if global.json {
        output::print_json("check", 1, &validation)?;
    } else {
        output::print(&format!("{}\n", sentence(&validation)))?;
    }
    Ok(Status::from(validation.violations == 0))
}

/// Returns the result of a validation in words.
pub fn sentence(validation: &Validation) -> String {
    let checks = output::grouped(validation.checks);
    match validation.violations {
        0 => format!("{checks} invariants checked, all hold"),
        1 => format!(
            "{checks} invariants checked, 1 VIOLATED: {}",
            validation.message
        ),
        n => format!(
            "{checks} invariants checked, {} VIOLATED, first: {}",
            output::grouped(n),
            validation.message
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_told_with_its_message() {
        let validation = Validation {
            checks: 1234,
            violations: 2,
            message: "free list of order 3".to_owned(),
        };
        assert_eq!(
            sentence(&validation),
            "1 234 invariants checked, 2 VIOLATED, first: free list of order 3"
        );
    }
}
