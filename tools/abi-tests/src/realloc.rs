// SPDX-License-Identifier: GPL-2.0

//! REALLOC.

use crate::{
    alloc::LARGEST,
    ktap::tests,
    raw::{new, pattern, Device},
};
use libc::{EDQUOT, EINVAL, EOPNOTSUPP};
use quarry_uapi::sys;

tests! {
    contents_stay_and_new_bytes_are_zero,
    what_was_cut_off_does_not_come_back,
    pages_and_objects_keep_their_size,
    impossible_sizes_are_refused,
    contents_stay_when_it_fails,
}

const KINDS: [u32; 3] = [
    sys::QUARRY_KIND_KMALLOC,
    sys::QUARRY_KIND_VMALLOC,
    sys::QUARRY_KIND_KVMALLOC,
];

fn contents_stay_and_new_bytes_are_zero() {
    let sizes = [
        1, 8, 9, 100, 200, 5000, 8193, 70_000, 300_000, 2_000_000, 60_000, 5000, 4097, 100, 1,
    ];
    let device = Device::open();
    for kind in KINDS {
        let mut got = device.alloc(kind, 1);
        let mut old = 1;
        for (seed, bytes) in sizes.into_iter().enumerate() {
            let seed = seed as u64;
            assert_eq!(device.fill(got.handle, 0, got.usable, seed), 0);
            let usable = device.realloc(got.handle, bytes).expect("memory");
            assert!(usable >= bytes);
            let held = device.bytes(got.handle, 0, usable);
            let kept = old.min(bytes) as usize;
            let as_before = held[..kept].iter().enumerate();
            for (i, &byte) in as_before {
                assert_eq!(
                    byte,
                    pattern(seed, i as u64),
                    "{kind}: byte {i} of {old} to {bytes}"
                );
            }
            let beyond = held.iter().skip(got.usable as usize);
            assert!(
                beyond.into_iter().all(|&byte| byte == 0),
                "{kind}: {old} to {bytes}"
            );
            (old, got.usable) = (bytes, usable);
            assert_eq!(device.query().used_handles, 1);
        }
        assert_eq!(device.free(got.handle), 0);
        assert_eq!(device.query().used_bytes, 0);
    }
}

fn what_was_cut_off_does_not_come_back() {
    let device = Device::open();
    for kind in KINDS {
        for (large, small) in [
            (8000, 100),
            (100_000, 10),
            (1 << 20, 5000),
            (3_000_000, 4096),
        ] {
            let got = device.alloc(kind, large);
            assert_eq!(device.fill(got.handle, 0, got.usable, 3), 0);
            let cut = device.realloc(got.handle, small).expect("memory");
            let usable = device.realloc(got.handle, large).expect("memory");
            let held = device.bytes(got.handle, cut, usable - cut);
            assert!(
                held.iter().all(|&byte| byte == 0),
                "{kind}: {large}, {small}, {large}"
            );
            assert_eq!(device.free(got.handle), 0);
        }
    }
}

fn pages_and_objects_keep_their_size() {
    let device = Device::open();
    let block = device.alloc(sys::QUARRY_KIND_PAGES, 10_000);
    assert_eq!(device.realloc(block.handle, 5000), Err(EOPNOTSUPP));
    let cache = device.cache_create("fixed", 100, 0).unwrap();
    let object = device.alloc_object(cache);
    assert_eq!(device.realloc(object.handle, 50), Err(EOPNOTSUPP));
}

fn impossible_sizes_are_refused() {
    let device = Device::open();
    let quota = device.query().quota_bytes;
    for kind in KINDS {
        let got = device.alloc(kind, 100);
        assert_eq!(device.realloc(got.handle, 0), Err(EINVAL));
        let both = sys::QUARRY_ALLOC_NOWAIT | sys::QUARRY_ALLOC_ATOMIC;
        let argument = sys::quarry_realloc {
            handle: got.handle,
            bytes: 10,
            ..new()
        };
        let mut argument = sys::quarry_realloc {
            flags: both,
            ..argument
        };
        assert_eq!(device.call(sys::QUARRY_CMD_REALLOC, &mut argument), EINVAL);
        if kind == sys::QUARRY_KIND_KMALLOC {
            assert_eq!(device.realloc(got.handle, LARGEST + 1), Err(EINVAL));
        } else {
            assert_eq!(device.realloc(got.handle, quota + 1), Err(EDQUOT));
            assert_eq!(device.realloc(got.handle, u64::MAX), Err(EDQUOT));
        }
        if kind == sys::QUARRY_KIND_VMALLOC {
            argument.flags = sys::QUARRY_ALLOC_NOWAIT;
            assert_eq!(device.call(sys::QUARRY_CMD_REALLOC, &mut argument), EINVAL);
        }
    }
}

fn contents_stay_when_it_fails() {
    let device = Device::open();
    let quota = device.query().quota_bytes;
    for kind in KINDS {
        let got = device.alloc(kind, 5000);
        let before = device.query().used_bytes;
        assert_eq!(device.fill(got.handle, 0, got.usable, 9), 0);
        assert!(device.realloc(got.handle, quota.max(LARGEST) + 1).is_err());
        assert_eq!(device.verify(got.handle, 0, got.usable, 9).0, 0);
        assert_eq!(device.query().used_bytes, before);
        assert_eq!(device.free(got.handle), 0);
    }
}
