// SPDX-License-Identifier: GPL-2.0

//! Runs each program in many orders, see `programs.rs`: the same in each run of the tests, others with
//! `PROPTEST_RNG_SEED`. What fails says how to repeat it.

use shuttle::{
    scheduler::{
        PctScheduler,
        RandomScheduler, //
    },
    Config,
    Runner, //
};

/// Orders of each kind.
const ORDERS: usize = 2000;
/// How often a thread is put off at the worst moment, in orders of the second kind.
const DEPTH: usize = 3;

/// Runs a program in orders in which any thread may go on at each step; and in some in which those that are
/// put off are few, and chosen so that each defect that takes `DEPTH` of them has its chance: Burckhardt and
/// others, A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, 2010.
fn run(program: fn()) {
    let seed = std::env::var("PROPTEST_RNG_SEED").map_or(1, |seed| {
        seed.parse().expect("PROPTEST_RNG_SEED is a number")
    });
    let random = RandomScheduler::new_from_seed(seed, ORDERS);
    Runner::new(random, Config::new()).run(program);
    let few = PctScheduler::new_from_seed(seed, DEPTH, ORDERS);
    Runner::new(few, Config::new()).run(program);
}

macro_rules! programs {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            run(quarry_schedules::programs::$name);
        }
    )*};
}

programs![
    many_add_keys,
    many_put_what_two_do,
    what_was_put_is_done_when_nobody_is_busy,
    many_take_and_give,
    a_limit_that_changes,
    users_of_a_pool_that_goes,
    many_reports,
    one_gets_what_is_withdrawn,
];
