// SPDX-License-Identifier: GPL-2.0

//! A module in Rust that takes its memory from quarry: boxes, vectors, a cache of pinned objects, and a
//! pool with a limit.
//!
//! It looks at what the kernel's allocator contract promises, and says in the log, as KTAP, whether it
//! holds.

use core::sync::atomic::{
    AtomicUsize,
    Ordering::Relaxed, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use quarry::{
    Cache,
    KBox,
    KVBox,
    KVVec,
    KVec,
    Pool,
    PoolTerms,
    VBox,
    VVec, //
};

module! {
    type: Sample,
    name: "quarry_sample_rust",
    authors: ["quarry developers"],
    description: "Sample user of quarry: Box, Vec, caches and pools",
    license: "GPL",
}

/// Values of [`Counted`] that live.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// A value that counts how many of it there are.
struct Counted(u64);

impl Counted {
    fn new(value: u64) -> Self {
        // ORDERING: One thread looks.
        LIVE.fetch_add(1, Relaxed);
        Self(value)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Relaxed);
    }
}

fn live() -> usize {
    LIVE.load(Relaxed)
}

/// Fails with `EINVAL` unless something holds.
fn expect(holds: bool) -> Result {
    if holds {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

#[repr(align(64))]
struct Line([u8; 100]);

#[repr(align(4096))]
struct Page([u8; 4096]);

fn is_aligned<T>(value: &T) -> bool {
    core::ptr::from_ref(value).addr() % align_of::<T>() == 0
}

/// Boxes hold what was put in, and free it.
fn boxes_own_their_values() -> Result {
    let before = live();
    let one = KBox::new(Counted::new(1), GFP_KERNEL)?;
    let two = VBox::new(Counted::new(2), GFP_KERNEL)?;
    let three = KVBox::new(Counted::new(3), GFP_KERNEL)?;
    expect(one.0 + two.0 + three.0 == 6 && live() == before + 3)?;
    drop((one, two, three));
    expect(live() == before)
}

/// What has no size needs no memory.
fn values_without_a_size_are_boxed() -> Result {
    let nothing = KBox::new((), GFP_KERNEL)?;
    let array = VBox::new([0u64; 0], GFP_KERNEL)?;
    expect(*nothing == () && array.is_empty())
}

/// Alignment holds beyond that of the class.
fn values_are_aligned() -> Result {
    for _ in 0..20 {
        let line = KBox::new(Line([7; 100]), GFP_KERNEL)?;
        let page = KBox::new(Page([8; 4096]), GFP_KERNEL)?;
        let area = VBox::new(Page([9; 4096]), GFP_KERNEL)?;
        let either = KVBox::new(Page([1; 4096]), GFP_KERNEL)?;
        expect(is_aligned(&*line) && is_aligned(&*page) && is_aligned(&*area))?;
        expect(is_aligned(&*either) && line.0[99] == 7 && page.0[4095] == 8 && area.0[0] == 9)?;
    }
    Ok(())
}

/// Vectors keep their contents as they grow, and give room back.
fn vectors_grow_and_shrink() -> Result {
    let mut contiguous = KVec::new();
    let mut mapped = VVec::new();
    let mut either = KVVec::new();
    for number in 0..50_000u32 {
        contiguous.push(number, GFP_KERNEL)?;
        mapped.push(number, GFP_KERNEL)?;
        either.push(number, GFP_KERNEL)?;
    }
    let in_order = |numbers: &[u32]| {
        numbers
            .iter()
            .zip(0..)
            .all(|(&number, place)| number == place)
    };
    expect(in_order(&contiguous) && in_order(&mapped) && in_order(&either))?;
    either.truncate(100);
    contiguous.truncate(100);
    expect(either.len() == 100 && in_order(&either) && in_order(&contiguous))
}

/// Memory that is not there is an error, and what was there stays.
fn failure_leaves_the_old_memory() -> Result {
    let mut numbers = KVec::with_capacity(10, GFP_KERNEL)?;
    numbers.push(42u64, GFP_KERNEL)?;
    expect(numbers.reserve(1 << 40, GFP_KERNEL).is_err())?;
    expect(numbers.reserve(4 << 20, GFP_KERNEL | __GFP_NOWARN).is_err())?;
    expect(numbers.len() == 1 && numbers[0] == 42)
}

/// `__GFP_ZERO` reaches quarry.
fn zeroed_memory_is_zero() -> Result {
    for _ in 0..10 {
        let mut dirty = KVec::<u8>::with_capacity(3000, GFP_KERNEL)?;
        for _ in 0..3000 {
            dirty.push(0xff, GFP_KERNEL)?;
        }
        drop(dirty);
        let clear = KBox::<[u8; 3000]>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: All bytes are zero, if `__GFP_ZERO` has come through; any are a `u8`.
        let clear = unsafe { clear.assume_init() };
        expect(clear.iter().all(|&byte| byte == 0))?;
    }
    Ok(())
}

/// A job, which must not move once it is made: its lock is known by its address.
#[pin_data(PinnedDrop)]
struct Job {
    number: u64,
    #[pin]
    log: Mutex<KVec<u64>>,
}

#[pinned_drop]
impl PinnedDrop for Job {
    fn drop(self: Pin<&mut Self>) {
        LIVE.fetch_sub(1, Relaxed);
    }
}

impl Job {
    fn new(number: u64) -> impl PinInit<Self> {
        LIVE.fetch_add(1, Relaxed);
        pin_init!(Self {
            number,
            log <- new_mutex!(KVec::new()),
        })
    }
}

/// Objects of a cache are initialised where they stay, and end when their boxes do.
fn objects_are_pinned() -> Result {
    let before = live();
    let jobs = Cache::<Job>::new(c"sample-jobs")?;
    let mut boxes = KVec::new();
    for number in 0..1000 {
        boxes.push(jobs.pin_init(Job::new(number), GFP_KERNEL)?, GFP_KERNEL)?;
    }
    for job in &boxes {
        job.log.lock().push(job.number * 2, GFP_KERNEL)?;
    }
    let logged =
        |job: &Pin<quarry::CacheBox<'_, Job>>| job.log.lock().first() == Some(&(job.number * 2));
    expect(boxes.iter().all(logged) && live() == before + 1000)?;
    drop(boxes);
    expect(live() == before)
}

/// An initialiser that fails gives the object back.
fn failed_initialisers_leave_nothing() -> Result {
    let cache = Cache::<[u64; 20]>::new(c"sample-failing")?;
    for _ in 0..100 {
        // SAFETY: Fails without having initialised anything.
        let init = unsafe { pin_init::pin_init_from_closure(|_: *mut [u64; 20]| Err(EIO)) };
        expect(cache.pin_init::<Error>(init, GFP_KERNEL).err() == Some(EIO))?;
    }
    expect(Cache::<()>::new(c"sample-nothing").is_err())?;
    expect(Cache::<[u8; 8193]>::new(c"sample-large").is_err())
}

/// A pool gives what its limit allows, from its own cache, and takes it back.
fn pools_have_limits() -> Result {
    let terms = PoolTerms {
        limit: 256 << 10,
        reserve: 64 << 10,
        waits: false,
    };
    let pool = Pool::new(c"sample", terms)?;
    expect(Pool::new(c"sample", terms).err() == Some(EEXIST))?;
    let cache = Cache::<[u64; 100]>::in_pool(&pool, c"sample-pooled")?;
    let mut boxes = KVec::new();
    let mut refused = false;
    while !refused {
        match cache.boxed([7; 100], GFP_KERNEL) {
            Ok(one) => boxes.push(one, GFP_KERNEL)?,
            Err(_) => refused = true,
        }
    }
    let atomic = cache.boxed([8; 100], GFP_ATOMIC)?;
    expect(pool.used() <= 256 << 10 && boxes.len() >= 192 * 1024 / 800 * 7 / 8)?;
    expect(atomic[99] == 8 && boxes.iter().all(|numbers| numbers[50] == 7))
}

type Test = (&'static str, fn() -> Result);

static TESTS: [Test; 9] = [
    ("boxes_own_their_values", boxes_own_their_values),
    (
        "values_without_a_size_are_boxed",
        values_without_a_size_are_boxed,
    ),
    ("values_are_aligned", values_are_aligned),
    ("vectors_grow_and_shrink", vectors_grow_and_shrink),
    (
        "failure_leaves_the_old_memory",
        failure_leaves_the_old_memory,
    ),
    ("zeroed_memory_is_zero", zeroed_memory_is_zero),
    ("objects_are_pinned", objects_are_pinned),
    (
        "failed_initialisers_leave_nothing",
        failed_initialisers_leave_nothing,
    ),
    ("pools_have_limits", pools_have_limits),
];

struct Sample;

impl kernel::Module for Sample {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        pr_info!("KTAP version 1\n");
        pr_info!("1..{}\n", TESTS.len());
        for (number, (name, test)) in TESTS.iter().enumerate() {
            let number = number + 1;
            match test() {
                Ok(()) => pr_info!("ok {number} - {name}\n"),
                Err(err) => pr_info!("not ok {number} - {name} # {err:?}\n"),
            }
        }
        Ok(Self)
    }
}
