// SPDX-License-Identifier: GPL-2.0

//! Property tests of the policy code: [machines](crate::machines) that run random programs.
//!
//! The programs are the same in each run; `PROPTEST_RNG_SEED` gives others.

mod bytes;
mod churn;
mod objects;
mod pages;
mod sizes;
mod vmalloc;

use proptest::test_runner::{
    Config,
    RngSeed, //
};

/// Returns how `cases` cases are run: from a fixed seed, unless the environment gives one.
fn cases(cases: u32) -> Config {
    let seed = std::env::var("PROPTEST_RNG_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(0x51ab);
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..Config::default()
    }
}
