// SPDX-License-Identifier: GPL-2.0

//! What an open file holds ends with it, however it ends.

use crate::{
    alloc::KINDS,
    ktap::tests,
    memory::{fork, kill, wait, Mapping, PAGE},
    raw::{eventually, Device},
};
use quarry_uapi::sys::{self, quarry_op as Op};
use std::{
    thread::sleep,
    time::{Duration, Instant},
};

tests! {
    close_frees_everything,
    a_file_shared_with_a_child_stays_open,
    a_client_killed_in_a_batch_leaves_nothing,
    a_client_killed_in_a_long_fill_ends_at_once,
    a_client_killed_with_mappings_leaves_nothing,
}

/// What is handed out while nobody but `watch` has the device open: what I/O refers to is freed a little
/// later than its client.
fn held_alone(watch: &Device) -> [u64; 7] {
    eventually(|| held(watch)[..5] == [1, 0, 0, 0, 0]);
    held(watch)
}

/// What is handed out, module-wide: the same twice, because numbers that are taken while the module
/// moves free objects about may be off.
fn held(watch: &Device) -> [u64; 7] {
    let mut last = watch.held();
    loop {
        sleep(Duration::from_millis(1));
        let now = watch.held();
        if now == last {
            return now;
        }
        last = now;
    }
}

fn assert_held(watch: &Device, before: [u64; 7]) {
    eventually(|| held(watch) == before);
    assert_eq!(held(watch), before);
    watch.assert_valid();
}

fn close_frees_everything() {
    let watch = Device::open();
    let before = held_alone(&watch);
    let device = Device::open();
    let cache = device.cache_create("left", 333, 0).unwrap();
    for i in 0..500 {
        device.alloc(KINDS[i % KINDS.len()], 1 + i as u64 * 61 % 70_000);
        device.alloc_object(cache);
    }
    let now = held(&watch);
    assert_eq!(now[0], before[0] + 1);
    assert_eq!(now[1], before[1] + 1000);
    drop(device);
    assert_held(&watch, before);
}

fn a_file_shared_with_a_child_stays_open() {
    let watch = Device::open();
    let before = held_alone(&watch);
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_KMALLOC, 100);
    assert_eq!(device.fill(got.handle, 0, got.usable, 1), 0);
    let child = fork(|| {
        sleep(Duration::from_millis(100));
        device.verify(got.handle, 0, got.usable, 1).0 == 0 && device.free(got.handle) == 0
    });
    drop(device);
    assert_eq!(wait(child), 0);
    assert_held(&watch, before);
}

/// Allocates, fills, verifies and frees until it is killed.
fn work(seed: u64) -> bool {
    let device = Device::open();
    let Ok(cache) = device.cache_create("victim", 100, 0) else {
        return false;
    };
    let mut ops = Vec::new();
    for i in 0..4000u64 {
        let kind = [1, 2, 3, 4, 5][((i + seed) % 5) as usize];
        let object = kind == sys::QUARRY_KIND_CACHE;
        ops.push(Op {
            op: sys::QUARRY_OP_ALLOC,
            kind,
            node: sys::QUARRY_NODE_ANY,
            bytes: if object { 0 } else { 1 + i * 97 % 20_000 },
            arg: if object { cache.into() } else { 0 },
            ..Op::default()
        });
        let index = ops.len() as u64 - 1;
        let flags = sys::QUARRY_OP_BY_INDEX;
        ops.push(Op {
            op: sys::QUARRY_OP_FILL,
            flags,
            handle: index,
            ..Op::default()
        });
        if i % 3 == 0 {
            ops.push(Op {
                op: sys::QUARRY_OP_FREE,
                flags,
                handle: index,
                ..Op::default()
            });
        }
    }
    let most = device.query().quota_batch as usize;
    ops.truncate(most);
    loop {
        let mut these = ops.clone();
        device.batch(&mut these, 0);
        let frees = these.iter().filter(|op| op.op == sys::QUARRY_OP_ALLOC);
        let free = |op: &Op| Op {
            op: sys::QUARRY_OP_FREE,
            handle: op.handle,
            ..Op::default()
        };
        let mut frees: Vec<_> = frees.map(free).collect();
        device.batch(&mut frees, 0);
    }
}

fn a_client_killed_in_a_batch_leaves_nothing() {
    let watch = Device::open();
    let before = held_alone(&watch);
    for round in 0..20 {
        let children: Vec<_> = (0..2).map(|i| fork(|| work(round + i))).collect();
        sleep(Duration::from_millis(20 + round * 13 % 70));
        for &child in &children {
            kill(child);
        }
        for child in children {
            assert_eq!(wait(child), libc::SIGKILL);
        }
    }
    assert_held(&watch, before);
}

fn a_client_killed_in_a_long_fill_ends_at_once() {
    let watch = Device::open();
    let before = held_alone(&watch);
    let bytes = (watch.stats().limit_pages * PAGE as u64 / 4).min(watch.query().quota_bytes / 2);
    let child = fork(|| {
        let device = Device::open();
        let got = device.alloc(sys::QUARRY_KIND_VMALLOC, bytes.min(64 << 20));
        loop {
            device.fill(got.handle, 0, got.usable, 1);
            device.verify(got.handle, 0, got.usable, 1);
        }
    });
    sleep(Duration::from_millis(500));
    let start = Instant::now();
    kill(child);
    assert_eq!(wait(child), libc::SIGKILL);
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_held(&watch, before);
}

fn a_client_killed_with_mappings_leaves_nothing() {
    let watch = Device::open();
    let before = held_alone(&watch);
    for _ in 0..5 {
        let child = fork(|| {
            let device = Device::open();
            let mut mappings = Vec::new();
            for kind in [sys::QUARRY_KIND_PAGES, sys::QUARRY_KIND_VMALLOC] {
                let got = device.alloc(kind, 1 << 18);
                let Ok((offset, length)) = device.map(got.handle) else {
                    return false;
                };
                let mapping = Mapping::new(&device, offset, length as usize, libc::MAP_SHARED);
                let Ok(mapping) = mapping else {
                    return false;
                };
                mappings.push(mapping);
            }
            loop {
                for mapping in &mut mappings {
                    mapping.bytes().fill(1);
                }
            }
        });
        sleep(Duration::from_millis(60));
        kill(child);
        assert_eq!(wait(child), libc::SIGKILL);
    }
    assert_held(&watch, before);
}
