// SPDX-License-Identifier: GPL-2.0

//! The experiment on a model of the module.

use super::*;
use crate::backend::fake::{Fake, Faults};

fn plan(threads: usize) -> Plan {
    Plan {
        threads,
        fill: 90,
        rounds: 10,
        churn: 10,
        seed: 7,
    }
}

#[test]
fn half_of_what_was_filled_is_left() {
    for arm in [Arm::Kernel, Arm::Quarry] {
        let files = [Fake::default(), Fake::default()];
        let size = size(&files[0], &plan(2), arm).unwrap();
        let outcome = run(&files, &plan(2), arm, &size, |_| {}).unwrap();
        assert_eq!(outcome.failed, 0);
        assert_eq!(outcome.filled, size.each * 2);
        assert_eq!(outcome.live, size.each.div_ceil(2) * 2);
        let held: usize = files.iter().map(|file| file.held().0).sum();
        assert_eq!(held as u64, outcome.live);
        assert_eq!(outcome.blocks.values().sum::<u64>(), outcome.live);
        let count = outcome.operations.abs_diff(size.operations);
        assert!(count < size.operations / 20, "{count}");
    }
}

#[test]
fn the_same_seed_leaves_the_same_pages() {
    let once = || {
        let files = [Fake::default()];
        let size = size(&files[0], &plan(1), Arm::Quarry).unwrap();
        run(&files, &plan(1), Arm::Quarry, &size, |_| {})
            .unwrap()
            .blocks
    };
    assert_eq!(once(), once());
}

#[test]
fn allocations_that_fail_are_counted() {
    let files = [Fake::with(Faults {
        fail_every: Some(5000),
        ..Faults::default()
    })];
    let size = size(&files[0], &plan(1), Arm::Quarry).unwrap();
    let outcome = run(&files, &plan(1), Arm::Quarry, &size, |_| {}).unwrap();
    assert!(outcome.failed > 0);
    assert!(outcome.filled < size.each);
}

#[test]
fn as_many_files_as_quotas_ask_for() {
    let query = Query {
        page_size: 4096,
        quota_bytes: 100 << 12,
        quota_handles: 1000,
        ..Query::default()
    };
    let size = Size::new(&plan(4), &query, 1000);
    assert_eq!((size.files, size.each), (12, 75));
    let size = Size::new(&plan(4), &query, 10);
    assert_eq!((size.files, size.each), (4, 2));
}
