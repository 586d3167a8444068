// SPDX-License-Identifier: GPL-2.0

//! Small traces whose account is known.

use super::{super::line, *};

const LIMITS: Limits = Limits {
    page_size: 4096,
    max_order: 10,
    max_kmalloc: 4 << 20,
    caches: 2,
};

/// Returns the plan of a trace.
fn plan(level: Level, trace: &[&str]) -> Plan {
    let mut planner = Planner::new(level, LIMITS);
    for line in trace {
        planner.line(line::parse(line.as_bytes()));
    }
    let plan = planner.finish();
    assert!(plan.adds_up(), "{plan:?}");
    plan
}

fn kmalloc(cpu: u32, pointer: u64, bytes: u64) -> String {
    format!("x-1 [{cpu:03}] ..... 1.5: kmalloc: call_site=f ptr={pointer:016x} bytes_req={bytes}")
}

fn object(cpu: u32, pointer: u64, bytes: u64, name: &str) -> String {
    format!(
        "x-1 [{cpu:03}] ..... 1.5: kmem_cache_alloc: call_site=f ptr={pointer:016x} name={name} \
         bytes_req={bytes} bytes_alloc={bytes}"
    )
}

fn kfree(cpu: u32, pointer: u64) -> String {
    format!("x-1 [{cpu:03}] ..... 1.5: kfree: call_site=f ptr={pointer:016x}")
}

fn page_alloc(frame: u64, order: u32) -> String {
    format!("x-1 [000] ..... 1.5: mm_page_alloc: page=ff01 pfn={frame:#x} order={order}")
}

fn page_free(frame: u64, order: u32) -> String {
    format!("x-1 [000] ..... 1.5: mm_page_free: page=ff01 pfn={frame:#x} order={order}")
}

/// Returns the plan of lines that were made by the functions above.
fn plan_of(level: Level, trace: &[String]) -> Plan {
    let lines: Vec<&str> = trace.iter().map(String::as_str).collect();
    plan(level, &lines)
}

#[test]
fn what_is_freed_and_what_stays_is_counted() {
    let plan = plan_of(
        Level::Objects,
        &[
            kmalloc(0, 0x1000, 64),
            object(1, 0x2000, 192, "dentry"),
            kfree(1, 0x1000),
            object(0, 0x3000, 192, "dentry"),
        ],
    );
    assert_eq!(plan.allocs.in_trace, 3);
    assert_eq!((plan.allocs.freed, plan.allocs.live_at_end), (1, 2));
    assert_eq!(plan.remote_frees, 1);
    assert_eq!(plan.cpus, [0, 1]);
    assert_eq!(
        plan.peak,
        Peak {
            bytes: 384,
            allocations: 2
        }
    );
    assert_eq!(plan.steps[2].id, 0);
    assert_eq!(plan.steps[2].action, Action::Free);
    assert_eq!(plan.caches.len(), 1);
}

#[test]
fn each_reason_to_skip_has_its_own_count() {
    let plan = plan_of(
        Level::Objects,
        &[
            kmalloc(0, 0, 64),
            kmalloc(0, 16, 0),
            kmalloc(0, 0x1000, 5 << 20),
            kfree(0, 0x1000),
            kfree(0, 0x1000),
            kfree(0, 0),
            kfree(0, 16),
        ],
    );
    let allocs = &plan.allocs;
    assert_eq!(
        (
            allocs.skipped_failed,
            allocs.skipped_zero_size,
            allocs.skipped_too_large
        ),
        (1, 1, 1)
    );
    let frees = &plan.frees;
    assert_eq!(
        (
            frees.skipped_null,
            frees.skipped_with_allocation,
            frees.skipped_without_allocation
        ),
        (2, 1, 1)
    );
    assert!(plan.steps.is_empty());
}

#[test]
fn a_pointer_that_comes_back_without_a_free_was_freed() {
    let plan = plan_of(
        Level::Objects,
        &[
            kmalloc(0, 0x1000, 64),
            kmalloc(1, 0x1000, 32),
            kfree(1, 0x1000),
        ],
    );
    assert_eq!((plan.allocs.freed_by_reuse, plan.allocs.freed), (1, 1));
    assert_eq!(plan.steps.len(), 4);
    assert_eq!(
        (plan.steps[1].id, plan.steps[1].action, plan.steps[1].cpu),
        (0, Action::Free, 1)
    );
}

#[test]
fn objects_that_no_cache_can_hold_come_from_kmalloc() {
    let plan = plan_of(
        Level::Objects,
        &[
            object(0, 0x1000, 8968, "task_struct"),
            object(0, 0x10000, 8, "a"),
            object(0, 0x20000, 8, "b"),
            object(0, 0x30000, 8, "c"),
        ],
    );
    assert_eq!(
        plan.substituted,
        Substituted {
            too_large_for_a_cache: 1,
            too_many_caches: 1
        }
    );
    assert_eq!(plan.allocs.live_at_end, 4);
}

#[test]
fn one_level_is_replayed_and_the_other_counted() {
    let trace = [
        kmalloc(0, 0x1000, 64),
        page_alloc(8, 1),
        page_free(8, 1),
        "x-1 [000] ..... 1.5: mm_page_free_batched: page=ff01 pfn=0x8 order=0".to_owned(),
        "# comment".to_owned(),
        "CPU:0 [LOST 7 EVENTS]".to_owned(),
        "x-1 [000] ..... 1.5: sched_switch: a=b".to_owned(),
        "x-1 [000] ..... 1.5: kmalloc: ptr=12".to_owned(),
        "garbage".to_owned(),
    ];
    let objects = plan_of(Level::Objects, &trace);
    assert_eq!((objects.lines.used, objects.lines.other_level), (1, 2));
    let pages = plan_of(Level::Pages, &trace);
    assert_eq!((pages.lines.used, pages.lines.other_level), (2, 1));
    assert_eq!(pages.peak.bytes, 8192);
    for plan in [objects, pages] {
        let lines = plan.lines;
        assert_eq!((lines.total, lines.duplicates, lines.comments), (9, 1, 1));
        assert_eq!((lines.damaged, lines.unknown), (1, 1));
        assert_eq!((lines.other_events, lines.lost_remarks), (1, 1));
        assert_eq!(plan.lost_events, 7);
    }
}

#[test]
fn a_block_freed_in_parts_is_freed_with_its_last_part() {
    let plan = plan_of(
        Level::Pages,
        &[
            page_alloc(8, 2),
            page_free(8, 0),
            page_free(10, 1),
            page_free(9, 0),
            page_free(9, 0),
        ],
    );
    assert_eq!(plan.frees.skipped_part_of_block, 2);
    assert_eq!(plan.frees.skipped_without_allocation, 1);
    assert_eq!((plan.allocs.freed, plan.steps.len()), (1, 2));
}

#[test]
fn a_failed_or_too_large_block_is_skipped() {
    let plan = plan_of(
        Level::Pages,
        &[
            "x-1 [000] ..... 1.5: mm_page_alloc: page=0000000000000000 pfn=0x0 order=9".to_owned(),
            page_alloc(0x4000, 11),
            page_free(0x4000, 11),
        ],
    );
    assert_eq!(
        (plan.allocs.skipped_failed, plan.allocs.skipped_too_large),
        (1, 1)
    );
    assert_eq!(plan.frees.skipped_with_allocation, 1);
}
