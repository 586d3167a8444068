// SPDX-License-Identifier: GPL-2.0

//! Replays through a model of the module.

use super::{
    super::{
        line,
        plan::{Limits, Planner},
    },
    *,
};
use crate::{
    args::Level,
    backend::fake::{Fake, Faults},
};

/// Returns a plan of `count` allocations on `cpus` CPUs, most of which another CPU frees soon.
fn busy_plan(count: u64, cpus: u64) -> Plan {
    let limits = Limits {
        page_size: 4096,
        max_order: 10,
        max_kmalloc: 4 << 20,
        caches: 64,
    };
    let mut planner = Planner::new(Level::Objects, limits);
    let mut add = |text: String| planner.line(line::parse(text.as_bytes()));
    for i in 0..count {
        let pointer = 0x1000 + (i % 97) * 64;
        let cpu = i % cpus;
        let name = ["a", "b", "c"][i as usize % 3];
        add(match i % 5 {
            0 => {
                format!("x [{cpu}] 1.5: kmem_cache_alloc: ptr={pointer:x} bytes_req=96 name={name}")
            }
            _ => format!(
                "x [{cpu}] 1.5: kmalloc: ptr={pointer:x} bytes_req={}",
                i % 300 + 1
            ),
        });
        if i % 3 != 0 {
            let cpu = (i + 1) % cpus;
            add(format!("x [{cpu}] 1.5: kfree: ptr={pointer:x}"));
        }
    }
    let plan = planner.finish();
    assert!(plan.adds_up());
    plan
}

/// Replays a plan, and checks what holds for every replay.
fn replay(fake: &Fake, plan: &Plan, window: usize) -> Outcome {
    let options = Options {
        arm: Arm::Quarry,
        kind: Kind::Kmalloc,
        threads: None,
        verify: true,
        window,
    };
    let outcome = run(fake, plan, &options, |_| {}).unwrap();
    assert!(outcome.adds_up(plan), "{outcome:?}");
    outcome
}

#[test]
fn everything_is_replayed_and_freed_whatever_the_window() {
    for (cpus, window) in [(1, 100), (2, 1), (3, 7), (4, 1000), (4, 100_000)] {
        let plan = busy_plan(3000, cpus);
        let fake = Fake::default();
        let outcome = replay(&fake, &plan, window);
        assert!(outcome.is_clean(), "{outcome:?}");
        assert_eq!(outcome.replay.allocs, plan.allocs.replayed());
        assert_eq!(outcome.cleanup.frees, plan.allocs.live_at_end);
        assert_eq!(fake.held(), (0, 0));
        assert_eq!(outcome.caches, 3);
        assert_eq!(outcome.replay.frees_void, 0);
        if window == 1 {
            // With one step in a window, no free can meet its allocation.
            assert_eq!(outcome.replay.frees_delayed, 0);
            assert_eq!(outcome.peak.requested_bytes, plan.peak.bytes);
        }
    }
}

#[test]
fn failed_allocations_are_counted_and_their_frees_left_out() {
    let plan = busy_plan(3000, 4);
    let fake = Fake::with(Faults {
        fail_every: Some(7),
        ..Faults::default()
    });
    let outcome = replay(&fake, &plan, 500);
    assert!(outcome.is_clean());
    let failed = outcome.replay.alloc_failures.values().sum::<u64>();
    assert_eq!(failed, plan.allocs.replayed() / 7);
    assert!(outcome.replay.frees_void > 0);
    assert_eq!(fake.held(), (0, 0));
}

#[test]
fn corruption_is_found() {
    let fake = Fake::with(Faults {
        corrupt_every: Some(100),
        ..Faults::default()
    });
    let outcome = replay(&fake, &busy_plan(1000, 2), 500);
    assert_eq!(outcome.replay.corruptions + outcome.cleanup.corruptions, 10);
    assert!(!outcome.is_clean());
}

#[test]
fn a_free_that_fails_is_no_success() {
    let fake = Fake::with(Faults {
        busy_every: Some(50),
        ..Faults::default()
    });
    let outcome = replay(&fake, &busy_plan(1000, 2), 500);
    assert!(!outcome.is_clean());
    assert!(outcome.handles_left > 0);
}

#[test]
fn what_the_kernel_takes_is_what_its_slabs_have_more_than_before() {
    let plan = busy_plan(3000, 2);
    let options = Options {
        arm: Arm::Kernel,
        kind: Kind::Kmalloc,
        threads: None,
        verify: false,
        window: 100,
    };
    let fake = Fake::default();
    let outcome = run(&fake, &plan, &options, |_| {}).unwrap();
    assert!(outcome.is_clean() && outcome.adds_up(&plan));
    assert_eq!(fake.held(), (0, 0));
    let held = outcome.peak.usable_bytes.div_ceil(4096);
    assert!(held > 0);
    assert_eq!(outcome.peak.held_pages, held);
    assert_eq!(outcome.held_pages_peak, held);
    assert_eq!(outcome.series.len(), plan.steps.len().div_ceil(100) + 1);
}
