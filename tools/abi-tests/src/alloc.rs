// SPDX-License-Identifier: GPL-2.0

//! ALLOC and FREE.

use crate::{
    ktap::tests,
    memory::PAGE,
    raw::{alloc, Device},
};
use libc::{EDQUOT, EINVAL, ENOENT};
use quarry_uapi::sys;
use std::collections::HashSet;

tests! {
    every_kind_can_be_allocated,
    impossible_arguments_are_refused,
    more_than_the_quota_is_refused,
    nodes_must_exist,
    other_handles_name_nothing,
    handles_are_not_used_again_soon,
    memory_is_zero_when_handed_out,
    allocations_that_do_not_sleep,
}

/// Kinds that take any number of bytes.
pub const KINDS: [u32; 4] = [
    sys::QUARRY_KIND_PAGES,
    sys::QUARRY_KIND_KMALLOC,
    sys::QUARRY_KIND_VMALLOC,
    sys::QUARRY_KIND_KVMALLOC,
];

/// Most bytes that are contiguous.
pub const LARGEST: u64 = (PAGE << 10) as u64;

fn every_kind_can_be_allocated() {
    let device = Device::open();
    for kind in KINDS {
        for bytes in [1, 8, 100, 4096, 4097, 8192, 8193, 100_000, 1 << 20, LARGEST] {
            let got = device.alloc(kind, bytes);
            assert_ne!(got.handle, 0);
            let whole_pages = bytes.next_multiple_of(PAGE as u64);
            match kind {
                sys::QUARRY_KIND_PAGES => assert_eq!(got.usable, whole_pages.next_power_of_two()),
                sys::QUARRY_KIND_VMALLOC => assert_eq!(got.usable, whole_pages),
                _ => assert!(got.usable >= bytes && got.usable <= 2 * bytes.max(8)),
            }
            assert_eq!(device.query().used_handles, 1);
            assert!(device.query().used_bytes >= bytes);
            assert_eq!(device.free(got.handle), 0);
            assert_eq!(device.query().used_bytes, 0);
        }
    }
    for kind in [sys::QUARRY_KIND_VMALLOC, sys::QUARRY_KIND_KVMALLOC] {
        let got = device.alloc(kind, LARGEST + 1);
        assert_eq!(device.free(got.handle), 0);
    }
}

fn impossible_arguments_are_refused() {
    let device = Device::open();
    for kind in KINDS {
        assert_eq!(device.try_alloc(kind, 0, 0), Err(EINVAL));
        let both = sys::QUARRY_ALLOC_NOWAIT | sys::QUARRY_ALLOC_ATOMIC;
        assert_eq!(device.try_alloc(kind, 8, both), Err(EINVAL));
        let argument = sys::quarry_alloc {
            kind,
            bytes: 8,
            cache: 1,
            ..alloc()
        };
        assert_eq!(
            device.try_alloc_like(argument),
            Err(EINVAL),
            "a cache for kind {kind}"
        );
    }
    for kind in [0, 6, u32::MAX] {
        assert_eq!(device.try_alloc(kind, 8, 0), Err(EINVAL));
    }
    for kind in [sys::QUARRY_KIND_PAGES, sys::QUARRY_KIND_KMALLOC] {
        for bytes in [LARGEST + 1, 1 << 40, u64::MAX] {
            assert_eq!(device.try_alloc(kind, bytes, 0), Err(EINVAL));
        }
    }
    for flags in [sys::QUARRY_ALLOC_NOWAIT, sys::QUARRY_ALLOC_ATOMIC] {
        assert_eq!(
            device.try_alloc(sys::QUARRY_KIND_VMALLOC, 8, flags),
            Err(EINVAL)
        );
    }
    let object = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_CACHE,
        ..alloc()
    };
    assert_eq!(
        device.try_alloc_like(sys::quarry_alloc { bytes: 8, ..object }),
        Err(EINVAL)
    );
    for cache in [0, 1, 77, u32::MAX] {
        assert_eq!(
            device.try_alloc_like(sys::quarry_alloc { cache, ..object }),
            Err(ENOENT)
        );
    }
    assert_eq!(device.query().used_handles, 0);
}

fn more_than_the_quota_is_refused() {
    let device = Device::open();
    let quota = device.query().quota_bytes;
    for bytes in [quota + 1, 1 << 50, u64::MAX / 2, u64::MAX] {
        for kind in [sys::QUARRY_KIND_VMALLOC, sys::QUARRY_KIND_KVMALLOC] {
            assert_eq!(
                device.try_alloc(kind, bytes, 0),
                Err(EDQUOT),
                "{bytes} of {kind}"
            );
        }
    }
    assert_eq!(device.query().used_bytes, 0);
}

fn nodes_must_exist() {
    let device = Device::open();
    for kind in KINDS {
        for node in [-2, 1000, i32::MIN, i32::MAX] {
            let argument = sys::quarry_alloc {
                kind,
                bytes: 8,
                node,
                ..alloc()
            };
            assert_eq!(device.try_alloc_like(argument), Err(EINVAL), "node {node}");
        }
        for node in 0..device.query().nr_nodes as i32 {
            let argument = sys::quarry_alloc {
                kind,
                bytes: 8,
                node,
                ..alloc()
            };
            let got = device.try_alloc_like(argument).expect("memory of a node");
            let found = device.explain(got.handle, &mut []).unwrap();
            assert_eq!(found.node, node, "kind {kind}");
        }
    }
}

fn other_handles_name_nothing() {
    let (device, other) = (Device::open(), Device::open());
    let got = device.alloc(sys::QUARRY_KIND_KMALLOC, 100);
    let stale = device.alloc(sys::QUARRY_KIND_KMALLOC, 100);
    assert_eq!(device.free(stale.handle), 0);
    let wrong = [
        0,
        stale.handle,
        got.handle ^ (1 << 32),
        got.handle ^ (1 << 63),
        got.handle ^ 1,
        1,
        u64::from(u32::MAX),
        u64::MAX,
    ];
    let check = |device: &Device, handle: u64| {
        assert_eq!(device.free(handle), ENOENT, "{handle:#x}");
        assert_eq!(device.realloc(handle, 10), Err(ENOENT));
        assert_eq!(device.read(handle, 0, &mut [0]), ENOENT);
        assert_eq!(device.write(handle, 0, &[0]), ENOENT);
        assert_eq!(device.fill(handle, 0, 1, 1), ENOENT);
        assert_eq!(device.verify(handle, 0, 1, 1).0, ENOENT);
        assert_eq!(device.explain(handle, &mut []).err(), Some(ENOENT));
        assert_eq!(device.map(handle), Err(ENOENT));
    };
    for handle in wrong {
        check(&device, handle);
    }
    check(&other, got.handle);
    assert_eq!(device.free(got.handle), 0);
    check(&device, got.handle);
}

fn handles_are_not_used_again_soon() {
    let device = Device::open();
    let mut seen = HashSet::new();
    for _ in 0..5000 {
        let got = device.alloc(sys::QUARRY_KIND_KMALLOC, 8);
        assert!(seen.insert(got.handle), "{:#x} twice", got.handle);
        assert_eq!(device.free(got.handle), 0);
    }
}

fn memory_is_zero_when_handed_out() {
    for round in 0..3 {
        for kind in KINDS {
            for bytes in [1, 33, 100, 1000, 4096, 6000, 8192, 40_000, 1 << 20] {
                // The last one freed is the first to be handed out again.
                let (one, two) = (Device::open(), Device::open());
                let dirty: Vec<_> = (0..4).map(|_| one.alloc(kind, bytes)).collect();
                for got in &dirty {
                    assert_eq!(one.fill(got.handle, 0, got.usable, 77 + round), 0);
                }
                for got in &dirty {
                    assert_eq!(one.free(got.handle), 0);
                }
                for _ in 0..4 {
                    let got = two.alloc(kind, bytes);
                    let held = two.bytes(got.handle, 0, got.usable);
                    assert!(held.iter().all(|&byte| byte == 0), "{bytes} of kind {kind}");
                }
            }
        }
    }
}

fn allocations_that_do_not_sleep() {
    let device = Device::open();
    // So that there is a chunk.
    let first = device.alloc(sys::QUARRY_KIND_PAGES, LARGEST);
    assert_eq!(device.free(first.handle), 0);
    for flags in [sys::QUARRY_ALLOC_NOWAIT, sys::QUARRY_ALLOC_ATOMIC] {
        for kind in [
            sys::QUARRY_KIND_PAGES,
            sys::QUARRY_KIND_KMALLOC,
            sys::QUARRY_KIND_KVMALLOC,
        ] {
            for bytes in [1, 64, 5000, 100_000] {
                let got = device.try_alloc(kind, bytes, flags).expect("memory");
                let held = device.bytes(got.handle, 0, got.usable);
                assert!(held.iter().all(|&byte| byte == 0));
                assert_eq!(device.free(got.handle), 0);
            }
        }
    }
}
