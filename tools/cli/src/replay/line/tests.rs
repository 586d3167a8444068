// SPDX-License-Identifier: GPL-2.0

//! Lines of each source, whole and broken.

use super::*;

/// Returns the event, CPU and fields of a line that holds one.
fn event(line: &str) -> (EventType, u32, Fields<'_>) {
    match parse(line.as_bytes()) {
        Line::Event { event, cpu, fields } => (event, cpu, fields),
        other => panic!("{other:?}: {line}"),
    }
}

#[test]
fn ftrace_lines_are_understood() {
    let line =
        "           <idle>-0       [003] d..1.     1.600891: kmalloc: call_site=f+0x118/0x4c0 \
                ptr=ff3e2bba1995be00 bytes_req=60 bytes_alloc=64 gfp_flags=GFP_KERNEL|__GFP_ZERO \
                node=-1 accounted=false";
    assert_eq!(
        event(line),
        (
            EventType::Kmalloc,
            3,
            Fields::ObjectAlloc {
                pointer: 0xff3e_2bba_1995_be00,
                cache: None,
                requested: 60
            }
        )
    );
    let line = "init-1 [000] .Bs.. 2.028397: kmem_cache_free: call_site=g+0x1/0x5 [ext4] \
                ptr=ff3e2bba19b72e68 name=perf_event";
    assert_eq!(
        event(line),
        (
            EventType::CacheFree,
            0,
            Fields::ObjectFree {
                pointer: 0xff3e_2bba_19b7_2e68
            }
        )
    );
}

#[test]
fn page_events_have_a_frame_and_an_order() {
    let line = "x-1 [001] d..1. 1.6: mm_page_alloc: page=ffbf1f2f84667700 pfn=0x1199dc order=2 \
                migratetype=0 gfp_flags=__GFP_COMP";
    let fields = Fields::PageAlloc {
        frame: Some(0x11_99dc),
        order: 2,
    };
    assert_eq!(event(line), (EventType::PageAlloc, 1, fields));
    // Before 5.14, frames were decimal; a failed allocation has no page.
    let line = "x-1 [001] d..1. 1.6: mm_page_free: page=00000000abc pfn=1234 order=0";
    let fields = Fields::PageFree {
        frame: 1234,
        order: 0,
    };
    assert_eq!(event(line), (EventType::PageFree, 1, fields));
    for page in ["0000000000000000", "(null)", "(nil)", "NULL"] {
        let line = format!("x-1 [0] 1.6: mm_page_alloc: page={page} pfn=0x0 order=9 migratetype=1");
        let fields = Fields::PageAlloc {
            frame: None,
            order: 9,
        };
        assert_eq!(event(&line), (EventType::PageAlloc, 0, fields));
    }
    let line = "x-1 [0] 1.6: mm_page_free_batched: page=ffbf pfn=0x134e3d order=0";
    assert_eq!(event(line).2, Fields::PageFreeBatched);
}

#[test]
fn perf_lines_are_understood() {
    for line in [
        "swapper     0 [002]   284.993652: kmem:kmem_cache_alloc: call_site=ffffffff81234567 \
         ptr=0xffff888100001000 bytes_req=192 bytes_alloc=192 gfp_flags=GFP_KERNEL node=-1 \
         accounted=false name=dentry",
        "swapper  0/0   [002]   284.993652:          1 kmem:kmem_cache_alloc: name=dentry \
         bytes_req=192 ptr=0xffff888100001000",
    ] {
        let fields = Fields::ObjectAlloc {
            pointer: 0xffff_8881_0000_1000,
            cache: Some(b"dentry"),
            requested: 192,
        };
        assert_eq!(event(line), (EventType::CacheAlloc, 2, fields));
    }
}

#[test]
fn trace_cmd_lines_are_understood() {
    assert_eq!(parse(b"cpus=4"), Line::Comment);
    let line = "   kworker/1:2-77   [001]  12.345678: kfree:                (f+0x10) \
                call_site=ffffffff81 ptr=(nil)";
    let fields = Fields::ObjectFree { pointer: 0 };
    assert_eq!(event(line), (EventType::Kfree, 1, fields));
    let line = "  sh-9 (   8) [000] d... 12.345678: kmalloc_node: (f+0x10) call_site=ff ptr=0x10 \
                bytes_req=8 bytes_alloc=8 gfp_flags=GFP_KERNEL node=0";
    assert_eq!(event(line).0, EventType::KmallocNode);
}

#[test]
fn caches_without_a_name_are_told_from_kmalloc() {
    let line = "x-1 [0] 1.6: kmem_cache_alloc: call_site=f ptr=00000000abcdef12 bytes_req=8 \
                bytes_alloc=8 gfp_flags=GFP_KERNEL";
    let Fields::ObjectAlloc { cache, .. } = event(line).2 else {
        panic!("not an allocation");
    };
    assert_eq!(cache, Some(&b""[..]));
}

#[test]
fn tasks_may_have_any_name() {
    for task in ["a b-1", "[7]-1", "[7] x: kfree: -1", "kfree:-1", "1.5: -3"] {
        let line = format!("{task} [001] ..... 5.5: kmalloc: ptr=abc bytes_req=1 x=y");
        let (event, cpu, _) = event(&line);
        assert_eq!((event, cpu), (EventType::Kmalloc, 1), "{line}");
    }
}

#[test]
fn a_line_without_a_cpu_is_taken_for_cpu_0() {
    let line = "comm 1234 284.993652: kmem:kfree: call_site=ff ptr=0xabc";
    assert_eq!(
        event(line),
        (EventType::Kfree, 0, Fields::ObjectFree { pointer: 0xabc })
    );
}

#[test]
fn remarks_and_foreign_events_are_no_events_of_ours() {
    assert_eq!(parse(b""), Line::Comment);
    assert_eq!(parse(b"   \r"), Line::Comment);
    assert_eq!(parse(b"# tracer: nop"), Line::Comment);
    assert_eq!(parse(b"CPU:1 [LOST 123 EVENTS]"), Line::Lost(123));
    assert_eq!(parse(b"CPU:0 [LOST EVENTS]"), Line::Lost(0));
    assert_eq!(parse(b"CPU:2 [17 EVENTS DROPPED]"), Line::Lost(17));
    assert_eq!(
        parse(b"sh-1 [000] d..2. 1.5: sched_switch: prev_comm=sh ==> next_comm=x"),
        Line::Other
    );
}

#[test]
fn broken_lines_are_told_from_unknown_ones() {
    for line in [
        "x-1 [000] d..1. 1.6: kmalloc: call_site=f+0x1/0x2 ptr=ff3e2b",
        "x-1 [000] d..1. 1.6: kmalloc: call_site=f ptr= bytes_req=8",
        "x-1 [000] d..1. 1.6: kmalloc: call_site=f ptr=____ptrval____ bytes_req=8",
        "x-1 [000] d..1. 1.6: kmalloc: call_site=f ptr=abc bytes_req=99999999999999999999999",
        "x-1 [000] d..1. 1.6: kmalloc: call_site=f ptr=0123456789abcdef0 bytes_req=9",
        "x-1 [000] d..1. 1.6: mm_page_free: page=abc order=-1 pfn=0x1",
        "x-1 [000] d..1. 1.6: mm_page_alloc: page=abc order=1",
        "x-1 [000] d..1. 1.6: kfree:",
    ] {
        assert_eq!(parse(line.as_bytes()), Line::Damaged, "{line}");
    }
    for line in [
        "x-1 [000] d..1. 1.6",
        "hello",
        "x-1 [000",
        "[",
        "[0]",
        "[0] :",
        "\u{fffd}: ",
    ] {
        assert_eq!(parse(line.as_bytes()), Line::Unknown, "{line}");
    }
}

#[test]
fn no_prefix_of_a_line_makes_the_parser_fall_over() {
    let line: &[u8] =
        b"CPU:0 c [7] <idle>-0 [003] d..1. 1.6: kmem:kmalloc: ptr=ff \xff bytes_req=60 name=";
    for end in 0..line.len() {
        for start in 0..end {
            let _ = parse(&line[start..end]);
        }
    }
}

#[test]
fn an_order_that_no_memory_has_is_damage() {
    for order in ["64", "4294967295", "18446744073709551616"] {
        for event in ["mm_page_alloc", "mm_page_free"] {
            let line = format!("x-1 [001] d..1. 1.6: {event}: page=abc pfn=1234 order={order}");
            assert_eq!(parse(line.as_bytes()), Line::Damaged, "{line}");
        }
    }
}
