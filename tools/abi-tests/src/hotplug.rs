// SPDX-License-Identifier: GPL-2.0

//! What must not be lost when CPUs go and come.

use crate::{
    ktap::{tests, Outcome},
    raw::{new, Device},
};
use quarry_uapi::sys;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

tests! {
    caches_end_while_cpus_go,
}

/// Has CPUs other than the first go and come for a while. Returns how often.
fn toggle(cpus: &[String], how_long: Duration) -> u32 {
    let begun = Instant::now();
    let mut times = 0;
    while begun.elapsed() < how_long {
        for cpu in cpus {
            for online in ["0", "1"] {
                fs::write(cpu, online).expect("a CPU that goes and comes");
            }
            times += 1;
        }
    }
    times
}

/// Makes caches, uses them, and ends them, until told to stop.
fn churn(thread: u32, done: &AtomicBool) {
    let device = Device::open();
    for round in 0.. {
        if done.load(Relaxed) {
            break;
        }
        let name = format!("hotplug-{thread}-{round}");
        let cache = device.cache_create(&name, 200, 0).expect("a cache");
        let objects: Vec<u64> = (0..100)
            .map(|_| device.alloc_object(cache).handle)
            .collect();
        for object in objects {
            assert_eq!(device.free(object), 0);
        }
        assert_eq!(device.cache_destroy(cache), 0);
    }
}

fn caches_end_while_cpus_go() -> Outcome {
    let cpus: Vec<String> = (1..8)
        .map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}/online"))
        .filter(|path| fs::write(path, "1").is_ok())
        .collect();
    if cpus.is_empty() {
        return Outcome::Skipped("no CPU can be taken offline");
    }
    let done = AtomicBool::new(false);
    let times = thread::scope(|scope| {
        for thread in 0..3 {
            let done = &done;
            scope.spawn(move || churn(thread, done));
        }
        let times = toggle(&cpus, Duration::from_secs(15));
        done.store(true, Relaxed);
        times
    });
    assert!(times > 10, "{times} times");
    // The slabs of a cache that ended are nobody's but still charged, if one was lost.
    let device = Device::open();
    let _: sys::quarry_shrink = device.must(sys::QUARRY_CMD_SHRINK, new());
    let pool: sys::quarry_pool_stats = device.must(sys::QUARRY_CMD_POOL_STATS, new());
    assert_eq!(pool.used, 0, "after {times} times");
    device.assert_valid();
    Outcome::Passed
}
