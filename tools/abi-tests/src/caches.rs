// SPDX-License-Identifier: GPL-2.0

//! CACHE_CREATE, CACHE_DESTROY, CACHE_STATS, and objects.

use crate::{
    ktap::tests,
    raw::{new, user_preset, Device},
};
use libc::{EBUSY, EEXIST, EINVAL, ENOENT};
use quarry_uapi::{sys, Preset};

tests! {
    objects_of_any_size,
    impossible_caches_are_refused,
    names_must_be_plain,
    a_name_can_be_taken_once,
    a_cache_with_objects_stays,
    caches_belong_to_their_file,
    objects_are_zero_when_handed_out,
    cache_stats_go_through_all_caches,
    cache_stats_count,
}

fn objects_of_any_size() {
    let device = Device::open();
    for (size, align) in [(1, 0), (8, 8), (100, 64), (200, 0), (3000, 4096), (8192, 0)] {
        let cache = device.cache_create("any", size, align).expect("a cache");
        assert_ne!(cache, 0);
        let objects: Vec<_> = (0..50).map(|_| device.alloc_object(cache)).collect();
        for (seed, object) in (0..).zip(&objects) {
            assert!(object.usable >= u64::from(size));
            assert_eq!(device.fill(object.handle, 0, object.usable, seed), 0);
        }
        for (seed, object) in (0..).zip(&objects) {
            assert_eq!(device.verify(object.handle, 0, object.usable, seed).0, 0);
            assert_eq!(device.free(object.handle), 0);
        }
        assert_eq!(device.cache_destroy(cache), 0);
    }
}

fn impossible_caches_are_refused() {
    let device = Device::open();
    for (size, align) in [
        (0, 0),
        (8193, 0),
        (u32::MAX, 0),
        (8, 3),
        (8, 8192),
        (8, 1 << 31),
    ] {
        assert_eq!(
            device.cache_create("no", size, align),
            Err(EINVAL),
            "{size} {align}"
        );
    }
}

fn names_must_be_plain() {
    let device = Device::open();
    for name in ["", "a b", "a/b", "a\n", "ä", "user:x", "%s", "(x)"] {
        assert_eq!(device.cache_create(name, 8, 0), Err(EINVAL), "'{name}'");
    }
    let name = "abcdefghijklmnopqrstuvwxyz01234";
    assert_eq!(name.len(), 31);
    assert!(device.cache_create(name, 8, 0).is_ok());
    // Without a NUL.
    let name = "abcdefghijklmnopqrstuvwxyz012345";
    assert_eq!(device.cache_create(name, 8, 0), Err(EINVAL));
    // With something behind it.
    let mut argument = sys::quarry_cache_create {
        object_size: 8,
        ..new()
    };
    argument.name[0] = b'a' as _;
    argument.name[2] = b'b' as _;
    assert_eq!(
        device.call(sys::QUARRY_CMD_CACHE_CREATE, &mut argument),
        EINVAL
    );
    for name in ["A-Z_a.z-09", "."] {
        assert!(device.cache_create(name, 8, 0).is_ok(), "'{name}'");
    }
}

fn a_name_can_be_taken_once() {
    let (device, other) = (Device::open(), Device::open());
    let cache = device.cache_create("twin", 8, 0).unwrap();
    assert_eq!(device.cache_create("twin", 8, 0), Err(EEXIST));
    assert_eq!(device.cache_create("twin", 100, 0), Err(EEXIST));
    assert!(other.cache_create("twin", 8, 0).is_ok());
    assert_eq!(device.cache_destroy(cache), 0);
    assert!(device.cache_create("twin", 8, 0).is_ok());
}

fn a_cache_with_objects_stays() {
    let device = Device::open();
    let cache = device.cache_create("busy", 128, 0).unwrap();
    let object = device.alloc_object(cache);
    assert_eq!(device.fill(object.handle, 0, object.usable, 1), 0);
    assert_eq!(device.cache_destroy(cache), EBUSY);
    assert_eq!(device.verify(object.handle, 0, object.usable, 1).0, 0);
    let another = device.alloc_object(cache);
    assert_eq!(device.free(another.handle), 0);
    assert_eq!(device.cache_destroy(cache), EBUSY);
    assert_eq!(device.free(object.handle), 0);
    assert_eq!(device.cache_destroy(cache), 0);
    assert_eq!(device.cache_destroy(cache), ENOENT);
    device.assert_valid();
}

fn caches_belong_to_their_file() {
    let (device, other) = (Device::open(), Device::open());
    let cache = device.cache_create("mine", 64, 0).unwrap();
    let kind = sys::QUARRY_KIND_CACHE;
    let argument = sys::quarry_alloc {
        kind,
        cache,
        ..crate::raw::alloc()
    };
    assert_eq!(other.try_alloc_like(argument), Err(ENOENT));
    for id in [0, cache, cache + 1, u32::MAX] {
        assert_eq!(other.cache_destroy(id), ENOENT, "{id}");
    }
    let object = device.alloc_object(cache);
    assert_eq!(other.free(object.handle), ENOENT);
}

fn objects_are_zero_when_handed_out() {
    for size in [8, 100, 2000] {
        let device = Device::open();
        let cache = device.cache_create("dirty", size, 0).unwrap();
        for _ in 0..3 {
            let objects: Vec<_> = (0..100).map(|_| device.alloc_object(cache)).collect();
            for object in &objects {
                let held = device.bytes(object.handle, 0, object.usable);
                assert!(held.iter().all(|&byte| byte == 0), "{size}");
                assert_eq!(device.fill(object.handle, 0, object.usable, 9), 0);
            }
            for object in &objects {
                assert_eq!(device.free(object.handle), 0);
            }
        }
    }
}

fn name_of(stats: &sys::quarry_cache_stats) -> String {
    let bytes = stats
        .name
        .iter()
        .map(|&c| c as u8)
        .take_while(|&byte| byte != 0);
    String::from_utf8(bytes.collect()).unwrap()
}

fn all_stats(device: &Device) -> Vec<sys::quarry_cache_stats> {
    let (mut all, mut next) = (Vec::new(), 0);
    loop {
        let mut stats = sys::quarry_cache_stats {
            cache: next,
            ..new()
        };
        match device.call(sys::QUARRY_CMD_CACHE_STATS, &mut stats) {
            0 => {
                assert!(stats.cache >= next, "ids go up");
                next = stats.cache + 1;
                all.push(stats);
            }
            errno => {
                assert_eq!(errno, ENOENT);
                return all;
            }
        }
        assert!(all.len() < 10_000);
    }
}

fn cache_stats_go_through_all_caches() {
    let (device, other) = (Device::open(), Device::open());
    let mine = device.cache_create("one-of-mine", 300, 0).unwrap();
    other.cache_create("one-of-others", 300, 0).unwrap();
    let all = all_stats(&device);
    let names: Vec<_> = all.iter().map(name_of).collect();
    for name in [
        "kmalloc-8",
        "kmalloc-64",
        "kmalloc-8k",
        "user:one-of-mine",
        "user:one-of-others",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} of {names:?}"
        );
    }
    let found = all
        .iter()
        .find(|stats| name_of(stats) == "user:one-of-mine")
        .unwrap();
    match user_preset() {
        Preset::Debug => assert!(found.object_size >= 304),
        _ => assert_eq!(found.object_size, 304),
    }
    assert!(found.objects_per_slab >= 8);
    assert_eq!(device.cache_destroy(mine), 0);
    let names: Vec<_> = all_stats(&device).iter().map(name_of).collect();
    assert!(!names.iter().any(|found| found == "user:one-of-mine"));
    let mut stats = sys::quarry_cache_stats {
        cache: u32::MAX,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_CACHE_STATS, &mut stats), ENOENT);
}

fn cache_stats_count() {
    let device = Device::open();
    let cache = device.cache_create("counted", 512, 0).unwrap();
    let stats = || {
        let all = all_stats(&device);
        *all.iter()
            .find(|stats| name_of(stats) == "user:counted")
            .unwrap()
    };
    let objects: Vec<_> = (0..100).map(|_| device.alloc_object(cache)).collect();
    let now = stats();
    assert_eq!((now.live, now.allocs, now.frees), (100, 100, 0));
    assert!(now.objects >= now.live + now.cached);
    assert_eq!(now.objects, now.slabs * u64::from(now.objects_per_slab));
    for object in objects {
        assert_eq!(device.free(object.handle), 0);
    }
    let now = stats();
    assert_eq!((now.live, now.allocs, now.frees), (0, 100, 100));
}
