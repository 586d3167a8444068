// SPDX-License-Identifier: GPL-2.0

//! Requests of the kernel that fail: each request of each operation, one after the other.
//!
//! An operation of which a request fails must fail with `ENOMEM` or find another way, leave nothing
//! behind, and break nothing. The faults are quarry's own: one (`FAIL_NTH`), or all (`fail_requests`). Where
//! the kernel has some (`/proc/thread-self/fail-nth`), they are its own as well, which reach what is behind
//! a request too. Where those reach copies from and to user space, `EFAULT` is as good as `ENOMEM`.
//!
//! Of an operation with many requests, not each fails: after the n-th the one that is 1 + n / 6 later, or
//! `FAULT_STRIDE` instead of 6.

use crate::{
    ktap::tests,
    memory::{Mapping, PAGE},
    pools,
    raw::{alloc, eventually, new, Device, Errno},
};
use libc::{EBUSY, EFAULT, EINVAL, ENOMEM};
use quarry_uapi::sys;
use std::{
    cell::Cell,
    env,
    fs::{self, File},
    io::Error,
    os::unix::fs::FileExt,
    path::Path,
    thread,
};

tests! {
    a_fault_is_of_one_thread,
    one_file_has_a_fault_at_a_time,
    mappings_are_counted,
    areas_where_none_was,
    opening,
    blocks,
    contiguous_memory,
    areas,
    either_kind_of_memory,
    memory_without_waiting,
    the_kernels_own_memory,
    growing,
    shrinking,
    caches,
    objects,
    batches,
    named_pools,
    memory_in_pools,
    tracking,
    mapping,
    what_needs_nothing,
    debugfs,
}

const MIB: u64 = 1 << 20;

/// Whose fault it is.
enum Source<'a> {
    Quarry(&'a Device),
    /// Not one request fails, but all.
    Chance,
    Kernel(File),
}

impl Source<'_> {
    /// Opens that of the kernel, if it has one.
    fn kernel() -> Option<Self> {
        let settings = [
            ("failslab", "ignore-gfp-wait", "N"),
            ("failslab", "verbose", "0"),
            ("fail_page_alloc", "ignore-gfp-wait", "N"),
            ("fail_page_alloc", "ignore-gfp-highmem", "N"),
            ("fail_page_alloc", "min-order", "0"),
            ("fail_page_alloc", "verbose", "0"),
            ("fail_usercopy", "verbose", "0"),
        ];
        for (whose, knob, value) in settings {
            fs::write(Path::new("/sys/kernel/debug").join(whose).join(knob), value).ok()?;
        }
        let mut options = File::options();
        let file = options
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth");
        file.ok().map(Self::Kernel)
    }

    fn arm(&self, nth: u32) {
        match self {
            Self::Quarry(device) => {
                device.must(sys::QUARRY_CMD_FAIL_NTH, wish(nth));
            }
            Self::Chance => chance("100"),
            Self::Kernel(file) => file
                .write_all_at(nth.to_string().as_bytes(), 0)
                .expect("a fault"),
        }
    }

    /// Returns whether the request has failed.
    fn disarm(&self) -> bool {
        match self {
            Self::Quarry(device) => device.must(sys::QUARRY_CMD_FAIL_NTH, wish(0)).left == 0,
            Self::Chance => {
                chance("0");
                true
            }
            Self::Kernel(file) => {
                // Either is a copy that may be the one to fail; then there is no fault any more.
                let mut left = [0; 16];
                let length = unless_its_fault(file.read_at(&mut left, 0)).unwrap_or(1);
                let failed = length > 0 && left[0] == b'0';
                unless_its_fault(file.write_at(b"0", 0));
                failed
            }
        }
    }

    /// Returns whether an operation may fail so if one of its requests does.
    fn explains(&self, errno: Errno) -> bool {
        errno == ENOMEM || (errno == EFAULT && matches!(self, Self::Kernel(_)))
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Quarry(_) => "quarry's faults",
            Self::Chance => "nothing to be had",
            Self::Kernel(_) => "the kernel's faults",
        }
    }
}

/// Returns what came of a system call, or none if it was the one that was to fail.
fn unless_its_fault<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Err(error) if error.raw_os_error() == Some(EFAULT) => None,
        result => Some(result.expect("the fault's file")),
    }
}

fn chance(percent: &str) {
    for (knob, value) in [("times", "-1"), ("probability", percent)] {
        let path = Path::new("/sys/kernel/debug/quarry/fail_requests").join(knob);
        fs::write(path, value).expect("a knob");
    }
}

fn wish(nth: u32) -> sys::quarry_fail_nth {
    sys::quarry_fail_nth { nth, ..new() }
}

/// A request that is to fail.
struct Fault<'a> {
    source: &'a Source<'a>,
    nth: u32,
    failed: Cell<bool>,
}

impl Fault<'_> {
    /// Does an operation of which a request fails.
    fn during<T>(&self, operation: impl FnOnce() -> T) -> T {
        self.source.arm(self.nth);
        let result = operation();
        self.failed.set(self.source.disarm());
        result
    }
}

/// Returns how many mappings of quarry's the kernel knows of.
fn mappings() -> usize {
    let areas = fs::read_to_string("/proc/vmallocinfo").expect("vmallocinfo");
    // Who called `vmap()` has one name or another, as the compiler makes a jump of the call or not.
    areas
        .lines()
        .filter(|line| line.contains(" [quarry] ") && line.contains(" vmap"))
        .count()
}

/// Lets each request of an operation fail. `operation` does it within [`Fault::during`], frees what
/// comes of it, and returns its errno.
fn sweep(operation: impl Fn(&Fault<'_>) -> Errno) {
    let device = Device::open();
    let stride = env::var("FAULT_STRIDE").map_or(6, |stride| stride.parse().expect("a number"));
    let sources = [
        Some(Source::Quarry(&device)),
        Some(Source::Chance),
        Source::kernel(),
    ];
    for source in sources.iter().flatten() {
        device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
        let before = (device.held(), mappings());
        let (mut faults, mut failures) = (0, 0);
        let mut nth = 1;
        loop {
            // What is free would be used up before anything is requested.
            device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
            let fault = Fault {
                source,
                nth,
                failed: Cell::new(false),
            };
            let errno = operation(&fault);
            let failed = fault.failed.get();
            assert!(
                errno == 0 || (failed && source.explains(errno)),
                "errno {errno}"
            );
            device.assert_valid();
            if !failed {
                break;
            }
            faults += 1;
            failures += u32::from(errno != 0);
            if matches!(source, Source::Chance) {
                break;
            }
            // Behind the first there are many of a kind.
            nth += 1 + nth / stride;
        }
        // What nobody needs goes first.
        let after = || {
            device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
            (device.held(), mappings())
        };
        assert!(
            eventually(|| after() == before),
            "{before:?} before, {:?} after",
            after()
        );
        println!(
            "# {}: {faults}, of which {failures} were failures",
            source.name()
        );
    }
}

/// Returns the errno of a result, and what is in it.
fn errno<T>(result: Result<T, Errno>) -> (Errno, Option<T>) {
    match result {
        Ok(value) => (0, Some(value)),
        Err(errno) => (errno, None),
    }
}

/// Allocates, looks at what is there, and frees it.
fn allocates(device: &Device, fault: &Fault<'_>, argument: sys::quarry_alloc) -> Errno {
    let (errno, memory) = errno(fault.during(|| device.try_alloc_like(argument)));
    if let Some(memory) = memory {
        if argument.flags & sys::QUARRY_ALLOC_KERNEL == 0 {
            assert_eq!(device.fill(memory.handle, 0, memory.usable, 5), 0);
            assert_eq!(device.verify(memory.handle, 0, memory.usable, 5).0, 0);
        }
        assert_eq!(device.free(memory.handle), 0);
    }
    errno
}

fn sweep_sizes(kind: u32, sizes: &[u64], flags: u32) {
    for &bytes in sizes {
        let device = Device::open();
        let argument = sys::quarry_alloc {
            kind,
            bytes,
            flags,
            ..alloc()
        };
        sweep(|fault| allocates(&device, fault, argument));
    }
}

fn a_fault_is_of_one_thread() {
    let device = Device::open();
    let none = Source::Quarry(&device);
    none.arm(1);
    let other = thread::spawn(|| {
        let device = Device::open();
        device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
        device.alloc(sys::QUARRY_KIND_VMALLOC, MIB).handle
    });
    assert!(other.join().is_ok());
    assert!(!none.disarm());
}

fn one_file_has_a_fault_at_a_time() {
    let (device, other) = (Device::open(), Device::open());
    let call = |device: &Device, nth| {
        let mut argument = wish(nth);
        let errno = device.call(sys::QUARRY_CMD_FAIL_NTH, &mut argument);
        (errno, argument.left)
    };
    assert_eq!(call(&device, 1000), (0, 0));
    assert_eq!(call(&other, 1), (EBUSY, 0));
    assert_eq!(call(&other, 0), (0, 0));
    assert_eq!(call(&device, 2000), (0, 1000));
    drop(device);
    assert_eq!(call(&other, 3000), (0, 0));
    assert_eq!(call(&other, 0), (0, 3000));
    let mut wrong = sys::quarry_fail_nth {
        flags: 1,
        ..wish(1)
    };
    assert_eq!(other.call(sys::QUARRY_CMD_FAIL_NTH, &mut wrong), EINVAL);
}

/// A sweep that counts none finds no mapping that is left behind.
fn mappings_are_counted() {
    let device = Device::open();
    let before = mappings();
    device.alloc(sys::QUARRY_KIND_VMALLOC, 3 * MIB);
    assert!(mappings() > before);
}

fn opening() {
    sweep(|fault| errno(fault.during(Device::try_open)).0);
}

fn blocks() {
    sweep_sizes(sys::QUARRY_KIND_PAGES, &[1, 64 << 10, 4 * MIB], 0);
}

fn contiguous_memory() {
    sweep_sizes(sys::QUARRY_KIND_KMALLOC, &[100, 8192, 100_000], 0);
}

/// Areas that lie where none has been, so that the registry needs room for them when they are mapped already.
fn areas_where_none_was() {
    let device = Device::open();
    let source = Source::Quarry(&device);
    device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
    let before = (device.held(), mappings());
    // All of them stay to the end. A failure may be hidden by a second attempt.
    let mut held = Vec::new();
    let (mut nth, mut failures) = (1, 0);
    loop {
        let count = mappings();
        source.arm(nth);
        let result = device.try_alloc(sys::QUARRY_KIND_VMALLOC, 3 * MIB, 0);
        let failed = source.disarm();
        let mapped = usize::from(result.is_ok());
        match result {
            Ok(area) => held.push(area.handle),
            Err(errno) => {
                assert!(failed && errno == ENOMEM, "errno {errno}");
                failures += 1;
            }
        }
        assert!(
            eventually(|| mappings() <= count + mapped),
            "request {nth}: a mapping is left behind"
        );
        device.assert_valid();
        if !failed {
            break;
        }
        nth += 1;
    }
    assert!(nth > 5, "{nth} requests");
    println!("# {} requests failed, {failures} areas did", nth - 1);
    assert!(held.into_iter().all(|area| device.free(area) == 0));
    let after = || {
        device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
        (device.held(), mappings())
    };
    assert!(eventually(|| after() == before));
}

fn areas() {
    sweep_sizes(sys::QUARRY_KIND_VMALLOC, &[1, 300_000, 9 * MIB], 0);
}

fn either_kind_of_memory() {
    sweep_sizes(sys::QUARRY_KIND_KVMALLOC, &[100, 300_000, 9 * MIB], 0);
}

fn memory_without_waiting() {
    for flags in [sys::QUARRY_ALLOC_NOWAIT, sys::QUARRY_ALLOC_ATOMIC] {
        sweep_sizes(sys::QUARRY_KIND_PAGES, &[64 << 10], flags);
        sweep_sizes(sys::QUARRY_KIND_KMALLOC, &[100], flags);
    }
}

fn the_kernels_own_memory() {
    for kind in [
        sys::QUARRY_KIND_PAGES,
        sys::QUARRY_KIND_KMALLOC,
        sys::QUARRY_KIND_VMALLOC,
        sys::QUARRY_KIND_KVMALLOC,
    ] {
        sweep_sizes(kind, &[100_000], sys::QUARRY_ALLOC_KERNEL);
    }
}

/// Resizes from the first size to the second.
fn resizes(kind: u32, from: u64, to: u64) {
    let device = Device::open();
    sweep(|fault| {
        let memory = device.alloc(kind, from);
        assert_eq!(device.fill(memory.handle, 0, from, 6), 0);
        let (errno, _) = errno(fault.during(|| device.realloc(memory.handle, to)));
        // Whether or not it could be resized, the contents are there.
        assert_eq!(device.verify(memory.handle, 0, from.min(to), 6).0, 0);
        assert_eq!(device.free(memory.handle), 0);
        errno
    });
}

fn growing() {
    resizes(sys::QUARRY_KIND_KMALLOC, 100, 5000);
    resizes(sys::QUARRY_KIND_KMALLOC, 5000, 200_000);
    resizes(sys::QUARRY_KIND_VMALLOC, 5000, MIB);
    resizes(sys::QUARRY_KIND_KVMALLOC, 5000, 9 * MIB);
}

fn shrinking() {
    resizes(sys::QUARRY_KIND_KMALLOC, 200_000, 100);
    resizes(sys::QUARRY_KIND_VMALLOC, MIB, 5000);
    resizes(sys::QUARRY_KIND_KVMALLOC, 9 * MIB, 100);
}

fn caches() {
    let device = Device::open();
    for flags in [0, sys::QUARRY_CACHE_KERNEL] {
        sweep(|fault| {
            let mut argument = sys::quarry_cache_create {
                object_size: 200,
                flags,
                ..new()
            };
            argument.name[0] = b'f' as _;
            let errno = fault.during(|| device.call(sys::QUARRY_CMD_CACHE_CREATE, &mut argument));
            if errno == 0 {
                assert_eq!(device.cache_destroy(argument.cache), 0);
            }
            errno
        });
    }
}

fn objects() {
    let device = Device::open();
    sweep(|fault| {
        let cache = device.cache_create("fault", 200, 0).expect("a cache");
        let argument = sys::quarry_alloc {
            kind: sys::QUARRY_KIND_CACHE,
            cache,
            ..alloc()
        };
        let errno = allocates(&device, fault, argument);
        assert_eq!(device.cache_destroy(cache), 0);
        errno
    });
}

fn batches() {
    let device = Device::open();
    sweep(|fault| {
        let mut ops: Vec<_> = (0..400)
            .map(|i| sys::quarry_op {
                op: sys::QUARRY_OP_ALLOC,
                kind: [sys::QUARRY_KIND_KMALLOC, sys::QUARRY_KIND_VMALLOC][i % 2],
                bytes: 100 + 40 * i as u64,
                node: sys::QUARRY_NODE_ANY,
                ..Default::default()
            })
            .collect();
        let (errno, done, failed) = fault.during(|| device.batch(&mut ops, 0));
        let results = &ops[..done as usize];
        assert!(results.iter().all(|op| [0, -ENOMEM].contains(&op.result)));
        let good = results.iter().filter(|op| op.result == 0);
        assert_eq!(good.clone().count(), (done - failed) as usize);
        good.for_each(|op| assert_eq!(device.free(op.handle), 0));
        errno
    });
}

fn create_pool(device: &Device) -> Result<u32, Errno> {
    let terms = sys::quarry_pool_create {
        limit: 32 * MIB,
        reserve: MIB,
        ..new()
    };
    pools::try_create(device, "f", terms)
}

fn named_pools() {
    let device = Device::open();
    sweep(|fault| {
        let (errno, pool) = errno(fault.during(|| create_pool(&device)));
        if let Some(pool) = pool {
            assert_eq!(pools::destroy(&device, pool), 0);
        }
        errno
    });
}

fn memory_in_pools() {
    let device = Device::open();
    for (kind, bytes) in [
        (sys::QUARRY_KIND_PAGES, 100_000),
        (sys::QUARRY_KIND_KMALLOC, 100),
        (sys::QUARRY_KIND_KMALLOC, 100_000),
        (sys::QUARRY_KIND_VMALLOC, 300_000),
        (sys::QUARRY_KIND_KVMALLOC, 9 * MIB),
    ] {
        sweep(|fault| {
            let pool = create_pool(&device).expect("a pool");
            let argument = sys::quarry_alloc {
                kind,
                bytes,
                pool,
                ..alloc()
            };
            let errno = allocates(&device, fault, argument);
            assert_eq!(pools::destroy(&device, pool), 0);
            errno
        });
    }
}

fn tracking() {
    let device = Device::open();
    let track = |on| pools::track(&device, 0, on);
    sweep(|fault| {
        let errno = fault.during(|| track(1));
        assert_eq!(track(0), 0);
        errno
    });
    assert_eq!(track(1), 0);
    let argument = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_KMALLOC,
        bytes: 100,
        ..alloc()
    };
    sweep(|fault| allocates(&device, fault, argument));
    assert_eq!(track(0), 0);
}

fn mapping() {
    let device = Device::open();
    sweep(|fault| {
        let memory = device.alloc(sys::QUARRY_KIND_VMALLOC, 20 * PAGE as u64);
        let (errno, mapping) = errno(fault.during(|| {
            let (offset, length) = device.map(memory.handle)?;
            Mapping::new(&device, offset, length as usize, libc::MAP_SHARED)
        }));
        if let Some(mut mapping) = mapping {
            mapping.bytes()[5] = 7;
            assert_eq!(device.bytes(memory.handle, 5, 1), [7]);
        }
        assert_eq!(device.free(memory.handle), 0);
        errno
    });
}

fn what_needs_nothing() {
    let device = Device::open();
    let memory = device.alloc(sys::QUARRY_KIND_KMALLOC, 100);
    let source = Source::Quarry(&device);
    source.arm(1);
    device.query();
    device.stats();
    device.assert_valid();
    device.fill(memory.handle, 0, 100, 1);
    device.verify(memory.handle, 0, 100, 1);
    device.bytes(memory.handle, 0, 100);
    device.write(memory.handle, 0, &[1; 100]);
    device.explain(memory.handle, &mut []).expect("where it is");
    device.must::<sys::quarry_shrink>(sys::QUARRY_CMD_SHRINK, new());
    device.must::<sys::quarry_cache_stats>(sys::QUARRY_CMD_CACHE_STATS, new());
    device.must::<sys::quarry_pool_stats>(sys::QUARRY_CMD_POOL_STATS, new());
    assert_eq!(device.free(memory.handle), 0);
    assert!(!source.disarm());
}

fn debugfs() {
    let files = fs::read_dir("/sys/kernel/debug/quarry").expect("debugfs");
    let files: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter(|path| path.is_file())
        .collect();
    assert!(files.len() >= 11);
    for path in files {
        sweep(|fault| match fault.during(|| fs::read(&path)) {
            Ok(_) => 0,
            Err(error) => error.raw_os_error().unwrap_or(0),
        });
    }
}
