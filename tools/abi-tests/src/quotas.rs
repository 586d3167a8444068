// SPDX-License-Identifier: GPL-2.0

//! Quotas, of a module that was loaded with small ones.

use crate::{
    ktap::tests,
    raw::{new, Device},
};
use libc::{EDQUOT, EINVAL};
use quarry_uapi::sys::{self, quarry_op as Op};
use std::thread;

tests! {
    the_quotas_are_small,
    bytes_have_a_quota,
    growing_has_a_quota,
    handles_have_a_quota,
    caches_have_a_quota,
    a_batch_has_a_quota,
    quotas_are_of_one_file,
    quotas_hold_when_threads_race,
}

/// Has threads take what they can get, of all kinds, at once.
fn quotas_hold_when_threads_race() {
    let device = Device::open();
    let query = device.query();
    let got: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let device = &device;
                scope.spawn(move || {
                    let mut held = Vec::new();
                    let mut refused = 0;
                    for round in 0.. {
                        let kind = crate::alloc::KINDS[(thread + round) as usize % 4];
                        let bytes = 1 + round * 7919 % 30_000;
                        match device.try_alloc(kind, bytes, 0) {
                            Ok(got) => held.push(got.handle),
                            Err(errno) => {
                                assert_eq!(errno, EDQUOT);
                                refused += 1;
                            }
                        }
                        let now = device.query();
                        assert!(now.used_bytes <= query.quota_bytes);
                        assert!(now.used_handles <= query.quota_handles);
                        if round % 3 == 2 && !held.is_empty() {
                            assert_eq!(device.free(held.swap_remove(0)), 0);
                        }
                        if refused > 500 {
                            break;
                        }
                    }
                    held
                })
            })
            .collect();
        let held = threads.into_iter().map(|thread| thread.join());
        held.flat_map(|held| held.expect("a thread")).collect()
    });
    assert_eq!(device.query().used_handles as usize, got.len());
    for handle in got {
        assert_eq!(device.free(handle), 0);
    }
    assert_eq!(device.query().used_bytes, 0);
}

fn the_quotas_are_small() {
    let query = Device::open().query();
    assert!(query.quota_bytes <= 64 << 20 && query.quota_handles <= 10_000);
    assert!(query.quota_caches <= 100 && query.quota_batch <= 10_000);
}

fn bytes_have_a_quota() {
    let device = Device::open();
    let quota = device.query().quota_bytes;
    for kind in crate::alloc::KINDS {
        let mut held = Vec::new();
        let errno = loop {
            match device.try_alloc(kind, 100_000, 0) {
                Ok(got) => held.push(got.handle),
                Err(errno) => break errno,
            }
        };
        assert_eq!(errno, EDQUOT, "kind {kind}");
        let used = device.query().used_bytes;
        assert!(
            used <= quota && used + (1 << 18) > quota,
            "{used} of {quota}"
        );
        assert_eq!(device.free(held[0]), 0);
        held[0] = device.alloc(kind, 100_000).handle;
        for handle in held {
            assert_eq!(device.free(handle), 0);
        }
        assert_eq!(device.query().used_bytes, 0);
    }
}

fn growing_has_a_quota() {
    let device = Device::open();
    let quota = device.query().quota_bytes;
    let got = device.alloc(sys::QUARRY_KIND_VMALLOC, quota / 2);
    assert_eq!(device.fill(got.handle, 0, got.usable, 2), 0);
    assert_eq!(device.realloc(got.handle, quota + 1), Err(EDQUOT));
    assert_eq!(device.verify(got.handle, 0, got.usable, 2).0, 0);
    assert!(device.query().used_bytes <= quota);
    assert!(device.realloc(got.handle, quota).is_ok());
    assert_eq!(
        device.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, 0),
        Err(EDQUOT)
    );
    assert!(device.realloc(got.handle, quota / 4).is_ok());
    assert!(device.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, 0).is_ok());
}

fn handles_have_a_quota() {
    let device = Device::open();
    let quota = device.query().quota_handles;
    let held: Vec<_> = (0..quota)
        .map(|_| device.alloc(sys::QUARRY_KIND_KMALLOC, 8).handle)
        .collect();
    assert_eq!(
        device.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, 0),
        Err(EDQUOT)
    );
    assert_eq!(device.query().used_handles, quota);
    let node = sys::QUARRY_NODE_ANY;
    let op = Op {
        op: sys::QUARRY_OP_ALLOC,
        kind: 2,
        bytes: 8,
        node,
        ..Op::default()
    };
    let mut ops = [op];
    assert_eq!(device.batch(&mut ops, 0), (0, 1, 1));
    assert_eq!(ops[0].result, -EDQUOT);
    assert_eq!(device.free(held[0]), 0);
    assert!(device.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, 0).is_ok());
}

fn caches_have_a_quota() {
    let device = Device::open();
    let quota = device.query().quota_caches;
    let ids: Vec<_> = (0..quota)
        .map(|i| {
            device
                .cache_create(&format!("c{i}"), 8, 0)
                .expect("a cache")
        })
        .collect();
    assert_eq!(device.cache_create("more", 8, 0), Err(EDQUOT));
    assert_eq!(device.cache_destroy(ids[0]), 0);
    assert!(device.cache_create("more", 8, 0).is_ok());
}

fn a_batch_has_a_quota() {
    let device = Device::open();
    let most = device.query().quota_batch as usize;
    let mut ops = vec![
        Op {
            op: sys::QUARRY_OP_FREE,
            ..Op::default()
        };
        most + 1
    ];
    assert_eq!(
        device.batch(&mut ops[..most], 0),
        (0, most as u32, most as u32)
    );
    assert_eq!(device.batch(&mut ops, 0), (EINVAL, 0, 0));
    let _: sys::quarry_stats = device.must(sys::QUARRY_CMD_STATS, new());
}

fn quotas_are_of_one_file() {
    let (one, two) = (Device::open(), Device::open());
    let quota = one.query().quota_bytes;
    one.alloc(sys::QUARRY_KIND_VMALLOC, quota);
    assert_eq!(one.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, 0), Err(EDQUOT));
    two.alloc(sys::QUARRY_KIND_VMALLOC, quota);
    drop(one);
    assert_eq!(two.query().used_bytes, quota);
}
