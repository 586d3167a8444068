// SPDX-License-Identifier: GPL-2.0

//! Runs tests and prints KTAP. A test fails by a panic.

use crate::raw;
use std::panic;

/// What comes of a test that does not fail.
pub enum Outcome {
    /// All that it checks holds.
    Passed,
    /// It cannot be run here.
    Skipped(&'static str),
}

/// A test.
pub struct Test {
    /// What it checks.
    pub name: &'static str,
    /// The code.
    pub run: fn() -> Outcome,
}

/// Lists functions as tests under their own names.
macro_rules! tests {
    ($($name:ident,)*) => {
        /// The tests of this file.
        pub const TESTS: &[$crate::ktap::Test] = &[$(
            $crate::ktap::Test {
                name: stringify!($name),
                run: {
                    #[allow(clippy::unit_arg)]
                    fn run() -> $crate::ktap::Outcome {
                        $crate::ktap::Finished::outcome($name())
                    }
                    run
                },
            },
        )*];
    };
}
pub(crate) use tests;

/// What a test may return.
pub trait Finished {
    /// Turns it into an outcome.
    fn outcome(self) -> Outcome;
}

impl Finished for () {
    fn outcome(self) -> Outcome {
        Outcome::Passed
    }
}

impl Finished for Outcome {
    fn outcome(self) -> Outcome {
        self
    }
}

/// Runs tests. Returns whether none failed.
pub fn run(tests: Vec<&Test>) -> bool {
    panic::set_hook(Box::new(|info| {
        for line in info.to_string().lines() {
            println!("# {line}");
        }
    }));
    println!("KTAP version 1\n1..{}", tests.len());
    let mut good = true;
    for (index, test) in tests.iter().enumerate() {
        let outcome = panic::catch_unwind(test.run);
        let leaks = raw::leaks();
        for leak in &leaks {
            println!("# {leak} holds a kernel address");
        }
        let number = index + 1;
        match outcome {
            Ok(Outcome::Skipped(why)) => println!("ok {number} - {} # SKIP {why}", test.name),
            Ok(Outcome::Passed) if leaks.is_empty() => println!("ok {number} - {}", test.name),
            _ => {
                good = false;
                println!("not ok {number} - {}", test.name);
            }
        }
    }
    good
}
