// SPDX-License-Identifier: GPL-2.0

//! What must not be lost when CPUs go and come.

use crate::{
    ktap::{tests, Outcome},
    pools::run_on,
    raw::{new, Device},
};
use quarry_uapi::sys;
use std::{
    fs,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        Barrier,
    },
    thread,
    time::{Duration, Instant},
};

tests! {
    caches_end_while_cpus_go,
    caches_end_while_their_cpu_goes,
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

/// Returns the numbers of the CPUs that can be taken away.
fn removable() -> Vec<usize> {
    (1..8)
        .filter(|&cpu| fs::write(switch(cpu), "1").is_ok())
        .collect()
}

/// Returns the file that takes a CPU away.
fn switch(cpu: usize) -> String {
    format!("/sys/devices/system/cpu/cpu{cpu}/online")
}

/// Checks that nothing is left of the caches of a test.
fn assert_nothing_is_left(times: u32) {
    let caches = fs::read_to_string("/sys/kernel/debug/quarry/slabinfo").expect("debugfs");
    let left: Vec<&str> = caches
        .lines()
        .filter(|line| line.starts_with("user:hotplug-"))
        .collect();
    assert!(left.is_empty(), "after {times} times: {left:?}");
    // The slabs of a cache that ended are nobody's but still charged, if one was lost.
    let device = Device::open();
    let _: sys::quarry_shrink = device.must(sys::QUARRY_CMD_SHRINK, new());
    let pool: sys::quarry_pool_stats = device.must(sys::QUARRY_CMD_POOL_STATS, new());
    assert_eq!(pool.used, 0, "after {times} times");
    device.assert_valid();
}

fn caches_end_while_cpus_go() -> Outcome {
    let cpus: Vec<String> = removable().into_iter().map(switch).collect();
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
    assert!(times > 2, "{times} times");
    assert_nothing_is_left(times);
    Outcome::Passed
}

/// The objects of caches that many end at once lie in the magazines of a CPU that goes meanwhile. Those who find
/// them there still wait for whoever empties the magazines, even if that begins while they look.
fn caches_end_while_their_cpu_goes() -> Outcome {
    const THREADS: usize = 8;
    const CACHES: usize = 16;
    let cpus = removable();
    if cpus.is_empty() {
        return Outcome::Skipped("no CPU can be taken offline");
    }
    let begun = Instant::now();
    let mut times = 0;
    while begun.elapsed() < Duration::from_secs(15) {
        let cpu = cpus[times as usize % cpus.len()];
        let ready = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let ready = &ready;
                scope.spawn(move || {
                    let device = Device::open();
                    assert!(run_on(Some(cpu)), "CPU {cpu} is there");
                    let caches = std::array::from_fn::<u32, CACHES, _>(|number| {
                        let name = format!("hotplug-{times}-{thread}-{number}");
                        let cache = device.cache_create(&name, 200, 0).expect("a cache");
                        let objects = [(); 40].map(|()| device.alloc_object(cache).handle);
                        assert!(objects.iter().all(|&object| device.free(object) == 0));
                        cache
                    });
                    run_on(None);
                    ready.wait();
                    assert!(caches.iter().all(|&cache| device.cache_destroy(cache) == 0));
                });
            }
            ready.wait();
            fs::write(switch(cpu), "0").expect("a CPU that goes");
        });
        fs::write(switch(cpu), "1").expect("a CPU that comes");
        times += 1;
    }
    assert_nothing_is_left(times);
    Outcome::Passed
}
