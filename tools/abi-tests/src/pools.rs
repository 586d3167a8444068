// SPDX-License-Identifier: GPL-2.0

//! Named pools: what they give, what they refuse, and whom that concerns.

use crate::{
    alloc::KINDS,
    ktap::{tests, Outcome},
    memory::{Mapping, PAGE},
    raw::{alloc, eventually, new, user_preset, Allocation, Device, Errno},
};
use libc::{EBUSY, EEXIST, EINVAL, ENOENT, ENOMEM, EPERM};
use quarry_uapi::{sys, Preset};
use std::{
    fs,
    sync::{
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

tests! {
    impossible_pools_are_refused,
    a_name_is_taken_once,
    all_of_user_space_has_a_pool,
    a_pool_that_is_not_there_is_not_found,
    a_client_gets_what_its_pool_may_have,
    a_full_pool_gives_what_is_free_on_other_nodes,
    every_kind_is_charged_and_given_back,
    memory_stays_in_its_pool,
    caches_draw_on_pools,
    the_reserve_is_for_atomic_callers,
    a_pool_in_use_stays,
    limits_can_be_changed,
    who_finds_a_pool_full_may_wait,
    who_waits_can_be_killed,
    pools_have_nodes,
    a_pool_can_be_purged,
    pools_come_and_go_on_all_cpus,
    a_pool_is_tracked,
    tracking_is_switched_under_load,
}

const MIB: u64 = 1 << 20;

/// Makes a pool as `terms` say.
pub fn try_create(
    device: &Device,
    name: &str,
    terms: sys::quarry_pool_create,
) -> Result<u32, Errno> {
    let mut argument = terms;
    for (to, from) in argument.name.iter_mut().zip(name.bytes()) {
        *to = from as _;
    }
    match device.call(sys::QUARRY_CMD_POOL_CREATE, &mut argument) {
        0 => Ok(argument.pool),
        errno => Err(errno),
    }
}

/// A pool, destroyed when dropped.
struct Pool<'a> {
    device: &'a Device,
    id: u32,
}

impl<'a> Pool<'a> {
    fn new(device: &'a Device, name: &str, limit: u64, reserve: u64, flags: u32) -> Self {
        let terms = sys::quarry_pool_create {
            limit,
            reserve,
            flags,
            ..new()
        };
        let id = try_create(device, name, terms).expect("a pool");
        assert_ne!(id, 0);
        Self { device, id }
    }

    fn destroy(&self) -> Errno {
        destroy(self.device, self.id)
    }

    fn alloc(
        &self,
        device: &Device,
        kind: u32,
        bytes: u64,
        flags: u32,
    ) -> Result<Allocation, Errno> {
        device.try_alloc_like(sys::quarry_alloc {
            kind,
            bytes,
            flags,
            pool: self.id,
            ..alloc()
        })
    }

    fn stats(&self) -> sys::quarry_pool_stats {
        let stats = stats(self.device, self.id).expect("the pool");
        assert_eq!(stats.pool, self.id);
        stats
    }

    fn limit(&self, limit: u64) -> Errno {
        let mut argument = sys::quarry_pool_limit {
            pool: self.id,
            limit,
            ..new()
        };
        self.device.call(sys::QUARRY_CMD_POOL_LIMIT, &mut argument)
    }
}

impl Drop for Pool<'_> {
    fn drop(&mut self) {
        if !thread::panicking() {
            assert_eq!(self.destroy(), 0, "used: {}", self.stats().used);
        }
    }
}

/// POOL_DESTROY.
pub fn destroy(device: &Device, pool: u32) -> Errno {
    let mut argument = sys::quarry_pool_destroy { pool, ..new() };
    device.call(sys::QUARRY_CMD_POOL_DESTROY, &mut argument)
}

fn stats(device: &Device, from: u32) -> Result<sys::quarry_pool_stats, Errno> {
    let mut argument = sys::quarry_pool_stats {
        pool: from,
        ..new()
    };
    match device.call(sys::QUARRY_CMD_POOL_STATS, &mut argument) {
        0 => Ok(argument),
        errno => Err(errno),
    }
}

fn impossible_pools_are_refused() {
    let device = Device::open();
    let good = sys::quarry_pool_create {
        limit: MIB,
        ..new()
    };
    for name in ["", "a b", "a/b", "sixteen-byte-nam", "ä"] {
        assert_eq!(try_create(&device, name, good), Err(EINVAL), "{name}");
    }
    let beyond = sys::quarry_pool_create {
        reserve: MIB + PAGE as u64,
        ..good
    };
    assert_eq!(try_create(&device, "x", beyond), Err(EINVAL));
    let both = sys::QUARRY_POOL_HARDENED | sys::QUARRY_POOL_DEBUG;
    for flags in [8, both] {
        let terms = sys::quarry_pool_create { flags, ..good };
        assert_eq!(try_create(&device, "x", terms), Err(EINVAL));
    }
    let reserved = sys::quarry_pool_create {
        reserved: 1,
        ..good
    };
    assert_eq!(try_create(&device, "x", reserved), Err(EINVAL));
    let nodes = sys::quarry_pool_create {
        nodes: 1 << 63,
        ..good
    };
    assert_eq!(try_create(&device, "x", nodes), Err(EINVAL));
    let mut behind = good;
    behind.name[20] = b'x' as _;
    assert_eq!(try_create(&device, "x", behind), Err(EINVAL));
    let huge = sys::quarry_pool_create {
        limit: 1 << 50,
        reserve: 1 << 49,
        ..good
    };
    assert_eq!(try_create(&device, "x", huge), Err(ENOMEM));
    assert_eq!(destroy(&device, 0), ENOENT);
    device.assert_valid();
}

fn a_name_is_taken_once() {
    let device = Device::open();
    let pool = Pool::new(&device, "once", MIB, 0, 0);
    let terms = new::<sys::quarry_pool_create>();
    assert_eq!(try_create(&device, "once", terms), Err(EEXIST));
    assert_eq!(try_create(&device, "user", terms), Err(EEXIST));
    let id = pool.id;
    drop(pool);
    let again = Pool::new(&device, "once", MIB, 0, 0);
    assert_ne!(again.id, id);
}

fn all_of_user_space_has_a_pool() {
    let device = Device::open();
    let before = stats(&device, 0).unwrap();
    assert_ne!(before.traits & sys::QUARRY_POOL_KERNELS, 0);
    let preset = before.traits & (sys::QUARRY_POOL_IS_HARDENED | sys::QUARRY_POOL_IS_DEBUG);
    assert_eq!(preset != 0, user_preset() != Preset::Fast);
    assert_eq!(
        &before.name[..5],
        &[b'u', b's', b'e', b'r', 0].map(|byte| byte as _)
    );
    assert_eq!(destroy(&device, before.pool), EPERM);
    // It is not to be named: what belongs to the kernel is not for programs.
    let named = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_KMALLOC,
        bytes: 10,
        pool: before.pool,
        ..alloc()
    };
    assert_eq!(device.try_alloc_like(named), Err(EPERM));
    let got = device.alloc(sys::QUARRY_KIND_PAGES, 4 * MIB);
    let after = stats(&device, 0).unwrap();
    assert!(after.used >= 4 * MIB && after.peak >= after.used);
    assert!(after.limit < device.stats().limit_pages * PAGE as u64);
    assert_eq!(device.free(got.handle), 0);
}

fn a_pool_that_is_not_there_is_not_found() {
    let device = Device::open();
    let gone = {
        let pool = Pool::new(&device, "gone", MIB, 0, 0);
        pool.id
    };
    let argument = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_KMALLOC,
        bytes: 10,
        pool: gone,
        ..alloc()
    };
    assert_eq!(device.try_alloc_like(argument), Err(ENOENT));
    let kernels = sys::quarry_alloc {
        flags: sys::QUARRY_ALLOC_KERNEL,
        ..argument
    };
    assert_eq!(device.try_alloc_like(kernels), Err(EINVAL));
    assert_eq!(destroy(&device, gone), ENOENT);
    let mut limit = sys::quarry_pool_limit {
        pool: gone,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_POOL_LIMIT, &mut limit), ENOENT);
    assert_eq!(stats(&device, u32::MAX).err(), Some(ENOENT));
}

/// Asks for 1 GiB in parts that are `bytes` large, and returns what it got.
fn ask_for_a_gibibyte(device: &Device, pool: &Pool<'_>, kind: u32, bytes: u64) -> Vec<Allocation> {
    let mut got = Vec::new();
    let mut refused = 0;
    for _ in 0..(1 << 30) / bytes {
        match pool.alloc(device, kind, bytes, sys::QUARRY_ALLOC_OPAQUE) {
            Ok(one) => got.push(one),
            Err(errno) => {
                assert_eq!(errno, ENOMEM);
                refused += 1;
                // What is refused once is refused again: a hundred times will do.
                if refused == 100 {
                    break;
                }
            }
        }
    }
    assert!(refused > 0);
    got
}

fn a_client_gets_what_its_pool_may_have() {
    let (device, other) = (Device::open(), Device::open());
    let pool = Pool::new(&device, "small", 8 * MIB, 0, 0);
    for (kind, bytes) in [
        (sys::QUARRY_KIND_PAGES, PAGE as u64),
        (sys::QUARRY_KIND_PAGES, MIB),
        (sys::QUARRY_KIND_KMALLOC, 1024),
        (sys::QUARRY_KIND_KMALLOC, 64 << 10),
        (sys::QUARRY_KIND_VMALLOC, 100 << 10),
        (sys::QUARRY_KIND_KVMALLOC, 50 << 10),
    ] {
        let before = pool.stats().failures;
        let got = ask_for_a_gibibyte(&device, &pool, kind, bytes);
        let usable: u64 = got.iter().map(|one| one.usable).sum();
        let stats = pool.stats();
        assert!(stats.used <= 8 * MIB && stats.peak <= 8 * MIB);
        // All of it but for what is less than one more.
        assert!(
            usable + bytes.next_power_of_two() > 8 * MIB,
            "{kind} {usable}"
        );
        assert!(stats.failures > before);
        // Others are not concerned.
        let theirs = other.alloc(kind, 4 * MIB);
        assert_eq!(other.free(theirs.handle), 0);
        assert!(got.iter().all(|one| device.free(one.handle) == 0));
    }
    device.assert_valid();
}

/// Has this thread run on one CPU, or on all. Returns whether there is such a CPU.
pub(crate) fn run_on(cpu: Option<usize>) -> bool {
    // SAFETY: A set of CPUs is plain data.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let cpus = cpu.map_or(0..libc::CPU_SETSIZE as usize, |cpu| cpu..cpu + 1);
    for cpu in cpus {
        // SAFETY: The CPU is less than the set has.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: The set outlives the call.
    unsafe { libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set) == 0 }
}

/// Returns the node that this thread takes memory from.
fn node_here(device: &Device) -> i32 {
    let got = device.alloc(sys::QUARRY_KIND_PAGES, PAGE as u64);
    let node = device.explain(got.handle, &mut []).unwrap().node;
    assert_eq!(device.free(got.handle), 0);
    node
}

fn a_full_pool_gives_what_is_free_on_other_nodes() -> Outcome {
    let device = Device::open();
    let pool = Pool::new(&device, "nodes", 2 * MIB, 0, 0);
    let ask = || {
        pool.alloc(
            &device,
            sys::QUARRY_KIND_KMALLOC,
            1024,
            sys::QUARRY_ALLOC_OPAQUE,
        )
    };
    assert!(run_on(Some(0)));
    let near = node_here(&device);
    let mut got: Vec<_> = std::iter::from_fn(|| ask().ok()).collect();
    let far = (1..64).find(|&cpu| run_on(Some(cpu)) && node_here(&device) != near);
    if far.is_some() {
        // Slabs with objects that are free, and none that is empty.
        let (free, held): (Vec<_>, Vec<_>) = got
            .drain(..)
            .enumerate()
            .partition(|(index, _)| index % 3 == 0);
        assert!(free.iter().all(|(_, one)| device.free(one.handle) == 0));
        let again = (0..free.len()).map_while(|_| ask().ok());
        got.extend(held.into_iter().map(|(_, one)| one));
        let held = got.len();
        got.extend(again);
        assert_eq!(got.len() - held, free.len());
        assert_eq!(ask().err(), Some(ENOMEM));
    }
    assert!(run_on(None));
    assert!(got.iter().all(|one| device.free(one.handle) == 0));
    device.assert_valid();
    match far {
        Some(_) => Outcome::Passed,
        None => Outcome::Skipped("all CPUs take memory from one node"),
    }
}

fn every_kind_is_charged_and_given_back() {
    let device = Device::open();
    let pool = Pool::new(&device, "kinds", 64 * MIB, 0, 0);
    for kind in KINDS {
        for bytes in [1, 5000, 100_000, 3 * MIB] {
            let before = pool.stats().used;
            let got = pool.alloc(&device, kind, bytes, 0).unwrap();
            assert!(pool.stats().used >= bytes.max(before));
            assert_eq!(device.fill(got.handle, 0, bytes, 1), 0);
            assert_eq!(device.verify(got.handle, 0, bytes, 1).0, 0);
            assert_eq!(device.free(got.handle), 0);
        }
    }
    // What is free in slabs goes back on request, as does what lies in magazines.
    device.must(sys::QUARRY_CMD_SHRINK, new::<sys::quarry_shrink>());
    assert_eq!(pool.stats().used, 0);
}

fn memory_stays_in_its_pool() {
    let device = Device::open();
    let pool = Pool::new(&device, "grows", 2 * MIB, 0, 0);
    for kind in [
        sys::QUARRY_KIND_KMALLOC,
        sys::QUARRY_KIND_VMALLOC,
        sys::QUARRY_KIND_KVMALLOC,
    ] {
        let got = pool.alloc(&device, kind, 100, 0).unwrap();
        for bytes in [5000, 60_000, MIB] {
            assert!(device.realloc(got.handle, bytes).is_ok());
            assert!(pool.stats().used >= bytes);
        }
        // Beyond the limit it stays as it is.
        assert_eq!(device.realloc(got.handle, 3 * MIB), Err(ENOMEM));
        let used = pool.stats().used;
        assert!(device.realloc(got.handle, 100).is_ok());
        // What is contiguous shrinks where it is.
        assert!(kind != sys::QUARRY_KIND_VMALLOC || pool.stats().used < used);
        assert_eq!(device.free(got.handle), 0);
    }
}

fn caches_draw_on_pools() {
    let device = Device::open();
    let pool = Pool::new(&device, "cache", MIB, 0, 0);
    let mut argument = sys::quarry_cache_create {
        object_size: 1000,
        pool: pool.id,
        ..new()
    };
    argument.name[0] = b'c' as _;
    assert_eq!(device.call(sys::QUARRY_CMD_CACHE_CREATE, &mut argument), 0);
    let cache = argument.cache;
    assert_eq!(pool.destroy(), EBUSY);
    let object = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_CACHE,
        cache,
        ..alloc()
    };
    let mut got = Vec::new();
    let refused = loop {
        match device.try_alloc_like(object) {
            Ok(one) => got.push(one),
            Err(errno) => break errno,
        }
    };
    assert_eq!(refused, ENOMEM);
    let most = MIB as usize / 1000;
    assert!(
        got.len() <= most && got.len() > most * 7 / 8,
        "{}",
        got.len()
    );
    assert_eq!(device.free(got.pop().unwrap().handle), 0);
    got.push(device.try_alloc_like(object).expect("what was freed"));
    assert!(got.iter().all(|one| device.free(one.handle) == 0));
    assert_eq!(device.cache_destroy(cache), 0);
}

fn the_reserve_is_for_atomic_callers() {
    let device = Device::open();
    let pool = Pool::new(&device, "reserve", 2 * MIB, MIB, 0);
    assert_eq!((pool.stats().reserve, pool.stats().stashed), (MIB, MIB));
    let page = PAGE as u64;
    let take = |flags| {
        let mut got = Vec::new();
        while let Ok(one) = pool.alloc(&device, sys::QUARRY_KIND_PAGES, page, flags) {
            got.push(one);
        }
        got
    };
    let ordinary = take(0);
    assert_eq!(ordinary.len() as u64, MIB / page);
    assert_eq!(pool.stats().stashed, MIB);
    let more = take(sys::QUARRY_ALLOC_NOWAIT);
    assert!(more.is_empty());
    let atomic = take(sys::QUARRY_ALLOC_ATOMIC);
    assert_eq!(atomic.len() as u64, MIB / page);
    // The upkeep, once a second, sets nothing aside beyond the limit.
    thread::sleep(Duration::from_millis(2500));
    assert_eq!((pool.stats().stashed, pool.stats().used), (0, 2 * MIB));
    for one in ordinary.iter().chain(&atomic) {
        assert_eq!(device.free(one.handle), 0);
    }
    assert_eq!((pool.stats().stashed, pool.stats().used), (MIB, 0));
    // Objects, too, whose slabs take larger blocks; the upkeep makes such again of single pages.
    let since = Instant::now();
    let mut got = Vec::new();
    while got.is_empty() && since.elapsed() < Duration::from_secs(20) {
        let held = take(0);
        while let Ok(one) = pool.alloc(
            &device,
            sys::QUARRY_KIND_KMALLOC,
            8192,
            sys::QUARRY_ALLOC_ATOMIC,
        ) {
            got.push(one);
        }
        assert!(held.iter().all(|one| device.free(one.handle) == 0));
        thread::sleep(Duration::from_millis(500));
    }
    assert!(!got.is_empty());
    assert!(got.iter().all(|one| device.free(one.handle) == 0));
    device.assert_valid();
}

fn a_pool_in_use_stays() {
    let device = Device::open();
    let pool = Pool::new(&device, "stays", 4 * MIB, 0, 0);
    for kind in KINDS {
        for bytes in [100, 100_000] {
            let got = pool.alloc(&device, kind, bytes, 0).unwrap();
            assert_eq!(pool.destroy(), EBUSY);
            assert_eq!(device.fill(got.handle, 0, bytes, 1), 0);
            assert_eq!(device.free(got.handle), 0);
        }
    }
    // What a file leaves behind is freed when it is closed.
    let other = Device::open();
    assert!(pool.alloc(&other, sys::QUARRY_KIND_KMALLOC, 100, 0).is_ok());
    assert_eq!(pool.destroy(), EBUSY);
    drop(other);
}

fn limits_can_be_changed() {
    let device = Device::open();
    let pool = Pool::new(&device, "limits", MIB, 64 << 10, 0);
    let kind = sys::QUARRY_KIND_PAGES;
    let got = pool.alloc(&device, kind, MIB / 2, 0).unwrap();
    assert_eq!(pool.alloc(&device, kind, MIB / 2, 0), Err(ENOMEM));
    assert_eq!(pool.limit(2 * MIB), 0);
    let more = pool.alloc(&device, kind, MIB / 2, 0).unwrap();
    assert_eq!(pool.limit(1), 0);
    assert_eq!(pool.stats().limit, 64 << 10);
    assert_eq!(pool.stats().used, MIB);
    assert_eq!(pool.alloc(&device, kind, PAGE as u64, 0), Err(ENOMEM));
    assert_eq!(pool.limit(0), 0);
    assert_eq!(pool.stats().limit, 0);
    assert_eq!(device.free(got.handle), 0);
    assert_eq!(device.free(more.handle), 0);
}

/// Returns whether a thread of ours sleeps in the kernel, as who waits for memory does.
fn is_asleep(task: libc::pid_t) -> bool {
    let stat = fs::read_to_string(format!("/proc/self/task/{task}/stat")).expect("a thread");
    // The state follows the name, which is in parentheses.
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with('D'))
}

fn who_finds_a_pool_full_may_wait() {
    let device = Device::open();
    let pool = Pool::new(&device, "waits", MIB, 0, sys::QUARRY_POOL_WAIT);
    let begun = Instant::now();
    for (kind, bytes) in [
        (sys::QUARRY_KIND_PAGES, MIB),
        (sys::QUARRY_KIND_VMALLOC, MIB),
        (sys::QUARRY_KIND_KMALLOC, 2000),
    ] {
        let mut got = vec![pool.alloc(&device, kind, bytes, 0).unwrap()];
        if kind == sys::QUARRY_KIND_KMALLOC {
            while let Ok(one) = pool.alloc(&device, kind, bytes, sys::QUARRY_ALLOC_NOWAIT) {
                got.push(one);
            }
        }
        let waits = pool.stats().waits;
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            let waiting = scope.spawn({
                let (pool, device) = (&pool, &device);
                move || {
                    // SAFETY: Always succeeds.
                    tell.send(unsafe { libc::gettid() }).expect("who listens");
                    pool.alloc(device, kind, bytes, 0)
                }
            });
            let task = told.recv().expect("a thread");
            assert!(eventually(|| is_asleep(task)));
            assert!(!waiting.is_finished());
            assert!(got.iter().all(|one| device.free(one.handle) == 0));
            let late = waiting.join().unwrap().expect("what was freed");
            assert_eq!(device.free(late.handle), 0);
        });
        let stats = pool.stats();
        assert_eq!(stats.waits, waits + 1);
        // How much of it is waiting depends on when the thread began.
        let longest = Duration::from_nanos(stats.longest_wait);
        assert!(
            !longest.is_zero() && longest < begun.elapsed(),
            "{longest:?}"
        );
    }
}

fn who_waits_can_be_killed() {
    let device = Device::open();
    let pool = Pool::new(&device, "killed", MIB, 0, sys::QUARRY_POOL_WAIT);
    let got = pool.alloc(&device, sys::QUARRY_KIND_PAGES, MIB, 0).unwrap();
    // SAFETY: The child makes system calls only.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _ = pool.alloc(&device, sys::QUARRY_KIND_PAGES, MIB, 0);
        // SAFETY: Ends the child without running anything of the parent's.
        unsafe { libc::_exit(1) };
    }
    thread::sleep(Duration::from_millis(300));
    let mut status = 0;
    // SAFETY: The child is ours.
    unsafe {
        assert_eq!(libc::kill(child, libc::SIGKILL), 0);
        assert_eq!(libc::waitpid(child, &mut status, 0), child);
    }
    assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL);
    assert_eq!(device.free(got.handle), 0);
}

fn pools_have_nodes() {
    let device = Device::open();
    let nodes = device.query().nr_nodes;
    for node in 0..nodes {
        let terms = sys::quarry_pool_create {
            limit: 4 * MIB,
            nodes: 1 << node,
            ..new()
        };
        let Ok(id) = try_create(&device, "nodes", terms) else {
            continue;
        };
        let pool = Pool {
            device: &device,
            id,
        };
        for kind in KINDS {
            for bytes in [100, 50_000] {
                let got = pool.alloc(&device, kind, bytes, 0).unwrap();
                let found = device.explain(got.handle, &mut []).unwrap();
                assert_eq!(found.node, node as i32);
                assert_eq!(device.free(got.handle), 0);
            }
        }
    }
}

fn a_pool_can_be_purged() {
    let (device, other) = (Device::open(), Device::open());
    let pool = Pool::new(&device, "purged", 64 * MIB, 0, 0);
    let neighbour = Pool::new(&device, "neighbour", 64 * MIB, 0, 0);
    let purge = |pool: u32, flags: u32| {
        let mut argument = sys::quarry_pool_destroy {
            pool,
            flags,
            ..new()
        };
        device.call(sys::QUARRY_CMD_POOL_DESTROY, &mut argument)
    };
    assert_eq!(purge(pool.id, 2), EINVAL);
    assert_eq!(purge(1, sys::QUARRY_POOL_PURGE), EPERM);
    assert_eq!(purge(u32::MAX, sys::QUARRY_POOL_PURGE), ENOENT);

    let mut held = Vec::new();
    for _ in 0..30 {
        for kind in KINDS {
            for client in [&device, &other] {
                held.push((client, pool.alloc(client, kind, 5000, 0).unwrap().handle));
            }
        }
    }
    let mut cache = sys::quarry_cache_create {
        pool: pool.id,
        object_size: 300,
        ..new()
    };
    cache.name[0] = b'p' as _;
    let cache = other.must(sys::QUARRY_CMD_CACHE_CREATE, cache);
    held.extend((0..100).map(|_| (&other, other.alloc_object(cache.cache).handle)));
    let kept = neighbour.alloc(&other, KINDS[0], 5000, 0).unwrap();
    let mapped = pool
        .alloc(&other, sys::QUARRY_KIND_PAGES, PAGE as u64, 0)
        .unwrap();
    let (offset, length) = other.map(mapped.handle).unwrap();
    let mapping = Mapping::new(&other, offset, length as usize, libc::MAP_SHARED).unwrap();

    // What is mapped keeps the pool; all else is gone.
    assert_eq!(purge(pool.id, 0), EBUSY);
    assert_eq!(purge(pool.id, sys::QUARRY_POOL_PURGE), EBUSY);
    for (client, handle) in held {
        assert_eq!(client.free(handle), ENOENT);
    }
    assert_eq!(other.cache_destroy(cache.cache), ENOENT);
    assert_eq!(pool.stats().used, PAGE as u64);
    drop(mapping);
    assert_eq!(purge(pool.id, sys::QUARRY_POOL_PURGE), 0);
    assert_eq!(other.free(mapped.handle), ENOENT);
    assert_eq!(other.free(kept.handle), 0);
    assert_eq!(other.query().used_bytes, 0);
    device.assert_valid();
    std::mem::forget(pool);
}

fn pools_come_and_go_on_all_cpus() {
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let device = Device::open();
                for round in 0..40 {
                    let name = format!("t{thread}-{round}");
                    let pool = Pool::new(&device, &name, MIB, 0, 0);
                    let small = pool.alloc(&device, sys::QUARRY_KIND_KMALLOC, 100, 0);
                    let area = pool.alloc(&device, sys::QUARRY_KIND_VMALLOC, 9000, 0);
                    assert!(pool.stats().used >= 4 * PAGE as u64, "{name}");
                    assert_eq!(pool.destroy(), EBUSY, "{name}");
                    for allocation in [small, area] {
                        device.free(allocation.expect("memory").handle);
                    }
                }
            });
        }
    });
    Device::open().assert_valid();
}

/// POOL_TRACK.
pub fn track(device: &Device, pool: u32, on: u32) -> Errno {
    let mut argument = sys::quarry_pool_track { pool, on, ..new() };
    device.call(sys::QUARRY_CMD_POOL_TRACK, &mut argument)
}

/// Returns how many allocations have a record.
fn tracked() -> u64 {
    let owners = fs::read_to_string("/sys/kernel/debug/quarry/owners").expect("owners");
    owners
        .lines()
        .filter_map(|line| line.strip_prefix("site "))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}

fn a_pool_is_tracked() {
    let device = Device::open();
    let pool = Pool::new(&device, "tracked", 16 * MIB, 0, 0);
    let other = Pool::new(&device, "not-tracked", 16 * MIB, 0, 0);
    assert_eq!(track(&device, pool.id, 2), EINVAL);
    assert_eq!(track(&device, u32::MAX, 1), ENOENT);
    let before = pool
        .alloc(&device, sys::QUARRY_KIND_KMALLOC, 100, 0)
        .unwrap();
    assert_eq!(track(&device, pool.id, 1), 0);
    assert_eq!(track(&device, pool.id, 1), 0);
    assert_ne!(pool.stats().traits & sys::QUARRY_POOL_TRACKED, 0);
    assert_eq!(other.stats().traits & sys::QUARRY_POOL_TRACKED, 0);
    assert_eq!(tracked(), 0);

    let kinds = [
        (sys::QUARRY_KIND_KMALLOC, 100),
        (sys::QUARRY_KIND_KMALLOC, 20_000),
        (sys::QUARRY_KIND_PAGES, 8192),
        (sys::QUARRY_KIND_VMALLOC, 30_000),
        (sys::QUARRY_KIND_KVMALLOC, 100_000),
    ];
    let alloc_all =
        |pool: &Pool| kinds.map(|(kind, bytes)| pool.alloc(&device, kind, bytes, 0).unwrap());
    let ours = alloc_all(&pool);
    let others = alloc_all(&other);
    assert_eq!(tracked(), 5);
    // Everybody's.
    assert_eq!(track(&device, 0, 1), 0);
    let more = alloc_all(&other);
    assert_eq!(tracked(), 10);
    assert_ne!(other.stats().traits & sys::QUARRY_POOL_TRACKED, 0);
    assert_eq!(track(&device, 0, 0), 0);
    assert_eq!(tracked(), 5);
    for allocation in others.iter().chain(&more) {
        device.free(allocation.handle);
    }
    assert_eq!(tracked(), 5);
    let (first, rest) = ours.split_first().unwrap();
    device.free(first.handle);
    device.free(before.handle);
    assert_eq!(tracked(), 4);
    // What becomes of the rest is nobody's business.
    assert_eq!(track(&device, pool.id, 0), 0);
    assert_eq!(tracked(), 0);
    rest.iter()
        .for_each(|allocation| assert_eq!(device.free(allocation.handle), 0));
    assert_eq!(track(&device, pool.id, 1), 0);
    assert_eq!(tracked(), 0);
    // Its end ends it: the next one with its number is not tracked.
    drop(pool);
    let next = Pool::new(&device, "next", MIB, 0, 0);
    assert_eq!(next.stats().traits & sys::QUARRY_POOL_TRACKED, 0);
}

fn tracking_is_switched_under_load() {
    let done = AtomicBool::new(false);
    let device = Device::open();
    let pool = Pool::new(&device, "load", 64 * MIB, 0, 0);
    thread::scope(|scope| {
        for thread in 0..3 {
            let (done, pool) = (&done, &pool);
            scope.spawn(move || {
                let device = Device::open();
                let mut live = Vec::new();
                let mut turn = thread;
                while !done.load(Relaxed) {
                    turn += 1;
                    let kind = [
                        sys::QUARRY_KIND_KMALLOC,
                        sys::QUARRY_KIND_PAGES,
                        sys::QUARRY_KIND_VMALLOC,
                    ][turn % 3];
                    let bytes = 1 << (turn % 15);
                    let new = match turn % 2 {
                        0 => pool.alloc(&device, kind, bytes, 0),
                        _ => device.try_alloc_like(sys::quarry_alloc {
                            kind,
                            bytes,
                            ..alloc()
                        }),
                    };
                    live.push(new.expect("memory").handle);
                    if live.len() > 40 {
                        device.free(live.swap_remove(turn * 7 % 40));
                    }
                }
                live.into_iter()
                    .for_each(|handle| assert_eq!(device.free(handle), 0));
            });
        }
        for round in 0..30 {
            for (scope, on) in [(0, 1), (pool.id, 1), (0, 0), (pool.id, 0)] {
                thread::sleep(Duration::from_millis(round % 4));
                assert_eq!(track(&device, scope, on), 0);
            }
            assert_eq!(tracked(), 0);
        }
        assert_eq!(track(&device, 0, 1), 0);
        thread::sleep(Duration::from_millis(50));
        done.store(true, Relaxed);
    });
    // All is freed: a record that is left would be one whose free did not look for it.
    assert_eq!(tracked(), 0);
    assert_eq!(track(&device, 0, 0), 0);
    device.assert_valid();
}
