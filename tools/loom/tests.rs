// SPDX-License-Identifier: GPL-2.0

//! Runs each model, see `models.rs`.

macro_rules! models {
    ($($name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            quarry_loom::models::$name();
        }
    )*};
}

models![
    what_is_published_is_complete,
    one_withdraws_what_is_complete,
    each_thing_is_done_once,
    nobody_busy_means_done,
    a_report_is_said_once,
    who_held_a_pool_is_done,
    takers_never_pass_the_limit,
    a_key_is_added_once,
];
