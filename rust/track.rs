// SPDX-License-Identifier: GPL-2.0

//! Where what is live was allocated.
//!
//! While a scope is tracked, each public allocation in it leaves a record: where it was made, with its
//! stack, when, and on which CPU. What frees it removes the record before anybody else can get the memory.
//! Every allocation and every free takes the slow path then: the fast ones are switched off by what they
//! read anyway, as `init_on_alloc` does it, and have no instruction for this. [`crate::tracking`] switches.
//!
//! Records lie in a table by address, call sites in another, whose text is made when a site is first
//! seen: a module that leaks may be gone when it is shown.
//!
//! # Laws
//!
//! - There is at most one record of an address: a scope has records only while frees in it look for them.
//!
//! # Lock order
//!
//! The locks of buckets, and that of the sites, are taken alone.

use crate::{
    bindings,
    gfp::Gfp,
    lock::{
        Class,
        RawLock, //
    },
    metadata::{
        self,
        About, //
    },
    preempt,
    published::Published,
    requests::{
        self,
        KBox,
        KVVec, //
    },
    trace, //
};
use core::{
    alloc::Layout,
    ffi::CStr,
    ptr::NonNull,
    sync::atomic::{
        AtomicBool,
        AtomicU64,
        AtomicU8,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    error::to_result,
    prelude::*,
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// Buckets of the table of records; a power of two.
const BUCKETS: usize = 4096;
/// Frames of a stack.
const DEPTH: usize = 24;
/// Bytes of the text of a call site.
const TEXT: usize = 96;
/// Most call sites; what comes from others is counted only.
const MOST_SITES: usize = 4096;
/// Call sites that a report shows.
const SHOWN: usize = 16;

/// Scopes: everything, and each account by its number.
const NR_SCOPES: usize = 1 + NR_ACCOUNTS;
/// Numbers of accounts are below this.
pub(crate) const NR_ACCOUNTS: usize = 64;

static STAGES: [AtomicU8; NR_SCOPES] = [const { AtomicU8::new(Stage::Off as u8) }; NR_SCOPES];
/// Whether a stage of any scope is not `Off`.
static ANY: AtomicBool = AtomicBool::new(false);
/// Made when something is tracked first; it stays until `exit`.
static TRACKER: Published<Tracker> = Published::nothing();

/// What an allocation belongs to, and tracking is switched on for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scope(u8);

impl Scope {
    /// Everything; and what is charged to no account.
    pub(crate) const ALL: Self = Self(0);

    /// What is charged to the account with a number.
    pub(crate) const fn account(number: usize) -> Self {
        // CAST: At most `NR_ACCOUNTS`.
        Self((1 + number % NR_ACCOUNTS) as u8)
    }

    fn at(self) -> u8 {
        // ORDERING: A switch waits for a grace period between two stages, so that whoever sees one sees what
        // was done before it.
        STAGES
            .get(self.0 as usize)
            .map_or(Stage::Off as u8, |stage| stage.load(Relaxed))
    }

    /// Returns the stage that the scope itself is at.
    pub(crate) fn is_at(self, stage: Stage) -> bool {
        self.at() == stage as u8
    }

    /// Returns whether records are made of its allocations.
    pub(crate) fn is_tracked(self) -> bool {
        Self::ALL.is_at(Stage::On) || self.is_at(Stage::On)
    }

    /// Returns whether its allocations and frees have to take the slow path.
    pub(crate) fn is_slow(self) -> bool {
        !Self::ALL.is_at(Stage::Off) || !self.is_at(Stage::Off)
    }
}

/// How far a scope is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// There are no records.
    Off,
    /// Frees look for records; allocations make none.
    Frees,
    /// Allocations make records.
    On,
}

/// A live allocation.
struct Record {
    next: Option<NonNull<Record>>,
    address: usize,
    bytes: usize,
    site: NonNull<Site>,
    stack: bindings::depot_stack_handle_t,
    cpu: u32,
    scope: Scope,
    since: Instant<Monotonic>,
}

/// Where allocations are made.
///
/// It stays until the module goes.
struct Site {
    next: Option<NonNull<Site>>,
    address: usize,
    text: [u8; TEXT],
}

struct Sites {
    first: Option<NonNull<Site>>,
    count: usize,
}

struct Tracker {
    buckets: KVVec<RawLock<Bucket>>,
    sites: RawLock<Sites>,
    /// Allocations that have no record, for lack of memory.
    lost: AtomicU64,
}

/// The records of a bucket.
struct Bucket(Option<NonNull<Record>>);

// SAFETY: Records and sites belong to no thread.
unsafe impl Send for Bucket {}
// SAFETY: As above.
unsafe impl Send for Sites {}

/// What is live of one call site.
#[derive(Clone, Copy)]
pub(crate) struct Found {
    site: NonNull<Site>,
    stack: bindings::depot_stack_handle_t,
    cpu: u32,
    since: Instant<Monotonic>,
    /// Allocations.
    pub(crate) objects: usize,
    /// Their bytes: those that objects, blocks and areas have.
    pub(crate) bytes: usize,
}

/// Returns whether anything is tracked, or was a moment ago.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // ORDERING: As in `Scope::at`.
    ANY.load(Relaxed)
}

fn tracker() -> Option<&'static Tracker> {
    // SAFETY: Null, or made by `prepare`; it stays until `exit`, when nobody calls.
    unsafe { TRACKER.get().as_ref() }
}

/// Notes an allocation, if its scope is tracked.
///
/// Context: Any but NMI, without locks.
#[inline(always)]
pub(crate) fn allocated(address: usize, bytes: usize, scope: Scope) {
    if is_on() && address != 0 {
        note(address, bytes, scope);
    }
}

/// Notes that an allocation is freed, before anybody else can get the memory.
///
/// Context: Any but NMI, without locks.
#[inline(always)]
pub(crate) fn freed(address: usize) {
    if is_on() {
        if let Some(tracker) = tracker() {
            tracker.forget(address);
        }
    }
}

#[cold]
#[inline(never)]
fn note(address: usize, bytes: usize, scope: Scope) {
    // A switch waits for whoever has preemption off, and then drops records.
    let _pinned = preempt::pin();
    let Some(tracker) = tracker().filter(|_| scope.is_tracked()) else {
        return;
    };
    let mut frames = [0usize; DEPTH];
    // CAST: A small number.
    // SAFETY: The array has room for so many.
    let count = unsafe { bindings::stack_trace_save(frames.as_mut_ptr(), DEPTH as u32, 0) };
    let frames = frames.get(..count as usize).unwrap_or_default();
    // SAFETY: Looks at the bounds of this module.
    let ours = |&frame: &usize| unsafe { bindings::quarry_helper_within_this_module(frame) };
    let outside = frames.iter().position(|frame| !ours(frame));
    let frames = frames.get(outside.unwrap_or(0)..).unwrap_or_default();
    if tracker.add(address, bytes, scope, frames).is_none() {
        // ORDERING: For people.
        tracker.lost.fetch_add(1, Relaxed);
    }
}

impl Tracker {
    fn bucket(&self, address: usize) -> Option<&RawLock<Bucket>> {
        // Fibonacci hashing, Knuth, The Art of Computer Programming, 6.4.
        let hash = (address >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.buckets.get(hash >> (usize::BITS - BUCKETS.ilog2()))
    }

    fn add(&self, address: usize, bytes: usize, scope: Scope, frames: &[usize]) -> Option<()> {
        let call_site = frames.first().copied().unwrap_or(0);
        let site = self.site(call_site)?;
        let gfp = Gfp::NOWAIT.with(Gfp::NOWARN).as_raw();
        let stack = if requests::must_fail(size_of_val(frames)) {
            0
        } else {
            // CAST: At most `DEPTH`.
            // SAFETY: The frames are there; without permission to sleep, this may be called anywhere.
            unsafe {
                bindings::stack_depot_save(frames.as_ptr().cast_mut(), frames.len() as u32, gfp)
            }
        };
        let record = metadata::alloc(About::Track, Layout::new::<Record>(), Gfp::NOWAIT)?;
        let record = record.cast::<Record>();
        let mut bucket = self.bucket(address)?.lock();
        // SAFETY: Large enough, aligned, and not shared yet.
        unsafe {
            record.write(Record {
                next: bucket.0,
                address,
                bytes,
                site,
                stack,
                // A hint, for people.
                cpu: bindings::quarry_helper_raw_smp_processor_id(),
                scope,
                since: Instant::now(),
            })
        };
        bucket.0 = Some(record);
        drop(bucket);
        trace::alloc(call_site, address, bytes);
        Some(())
    }

    fn forget(&self, address: usize) {
        let Some(bucket) = self.bucket(address) else {
            return;
        };
        let mut guard = bucket.lock();
        let mut link = &mut guard.0;
        let found = loop {
            let Some(mut record) = *link else {
                return;
            };
            // SAFETY: A record in the table is alive, and changed under the lock only.
            let this = unsafe { record.as_mut() };
            if this.address == address {
                *link = this.next;
                break record;
            }
            link = &mut this.next;
        };
        drop(guard);
        // SAFETY: Taken out of the table, so that it is ours.
        trace::free(address, unsafe { found.as_ref() }.bytes);
        // SAFETY: As above; allocated with this layout.
        unsafe { metadata::free(About::Track, found.cast(), Layout::new::<Record>()) };
    }

    /// Drops the records that are `unwanted`.
    fn drop_records(&self, unwanted: impl Fn(&Record) -> bool) {
        for bucket in &self.buckets {
            let mut dropped = None;
            let mut guard = bucket.lock();
            let mut link = &mut guard.0;
            while let Some(mut record) = *link {
                // SAFETY: A record in the table is alive, and changed under the lock only.
                let this = unsafe { record.as_mut() };
                if unwanted(this) {
                    *link = this.next;
                    this.next = dropped;
                    dropped = Some(record);
                } else {
                    link = &mut this.next;
                }
            }
            drop(guard);
            while let Some(record) = dropped {
                // SAFETY: Taken out of the table, so that it is ours.
                dropped = unsafe { record.as_ref() }.next;
                // SAFETY: As above; allocated with this layout.
                unsafe { metadata::free(About::Track, record.cast(), Layout::new::<Record>()) };
            }
        }
    }

    /// Returns the call site at an address, made if need be.
    fn site(&self, address: usize) -> Option<NonNull<Site>> {
        let mut known = self.sites.lock();
        if let Some(site) = known.find(address) {
            return Some(site);
        }
        if known.count >= MOST_SITES {
            return None;
        }
        known.count += 1;
        drop(known);
        let site = metadata::alloc(About::Track, Layout::new::<Site>(), Gfp::NOWAIT)?;
        let site = site.cast::<Site>();
        let mut text = [0u8; TEXT];
        if address == 0 {
            for (to, from) in text.iter_mut().zip(b"quarry itself") {
                *to = *from;
            }
        } else {
            // SAFETY: The buffer has this size; any address may be asked for.
            unsafe {
                bindings::quarry_helper_symbol(text.as_mut_ptr().cast(), TEXT, address);
            }
        }
        let mut known = self.sites.lock();
        if let Some(other) = known.find(address) {
            drop(known);
            // SAFETY: Allocated above and not shared.
            unsafe { metadata::free(About::Track, site.cast(), Layout::new::<Site>()) };
            return Some(other);
        }
        // SAFETY: Large enough, aligned, and not shared yet.
        unsafe {
            site.write(Site {
                next: known.first,
                address,
                text,
            })
        };
        known.first = Some(site);
        Some(site)
    }

    /// Adds up by call site what is live and `wanted`. Call sites for which there is no room in memory are
    /// left out.
    fn collect(&self, mut wanted: impl FnMut(usize, Scope) -> bool) -> KVVec<Found> {
        let mut all = KVVec::<Found>::new();
        let room = self.sites.lock().count;
        if all.reserve(room, GFP_KERNEL).is_err() {
            return all;
        }
        for bucket in &self.buckets {
            let bucket = bucket.lock();
            let mut at = bucket.0;
            while let Some(record) = at {
                // SAFETY: A record in the table is alive while the lock is held.
                let record = unsafe { record.as_ref() };
                at = record.next;
                if !wanted(record.address, record.scope) {
                    continue;
                }
                match all.iter_mut().find(|found| found.site == record.site) {
                    Some(found) => found.add(record),
                    None => drop(all.push_within_capacity(Found::new(record))),
                }
            }
        }
        all
    }
}

impl Sites {
    fn find(&self, address: usize) -> Option<NonNull<Site>> {
        let mut at = self.first;
        while let Some(site) = at {
            // SAFETY: Sites stay.
            let this = unsafe { site.as_ref() };
            if this.address == address {
                return Some(site);
            }
            at = this.next;
        }
        None
    }
}

impl Found {
    fn new(record: &Record) -> Self {
        Self {
            site: record.site,
            stack: record.stack,
            cpu: record.cpu,
            since: record.since,
            objects: 1,
            bytes: record.bytes,
        }
    }

    fn add(&mut self, record: &Record) {
        self.objects += 1;
        self.bytes += record.bytes;
        if record.since.elapsed() > self.since.elapsed() {
            self.since = record.since;
            self.stack = record.stack;
            self.cpu = record.cpu;
        }
    }

    /// Returns where they were allocated: function, offset, and module.
    pub(crate) fn site(&self) -> &str {
        // SAFETY: Sites stay until the module goes.
        let text = unsafe { &self.site.as_ref().text };
        let text = CStr::from_bytes_until_nul(text).unwrap_or_default();
        text.to_str().unwrap_or("?")
    }

    /// Returns the age of the oldest, in seconds.
    pub(crate) fn age(&self) -> i64 {
        self.since.elapsed().as_nanos() / 1_000_000_000
    }

    /// Prints the stack of the oldest, unless the module that it was in is gone.
    fn print_stack(&self) {
        let mut now = [0u8; TEXT];
        // SAFETY: Sites stay until the module goes.
        let site = unsafe { self.site.as_ref() };
        if site.address != 0 {
            // SAFETY: The buffer has this size; any address may be asked for.
            unsafe {
                bindings::quarry_helper_symbol(now.as_mut_ptr().cast(), TEXT, site.address);
            }
        }
        if now == site.text && self.stack != 0 {
            // SAFETY: Stacks stay in the depot.
            unsafe { bindings::stack_depot_print(self.stack) };
        }
    }
}

/// Calls `f` with what is live of each call site. Nothing if tracking is off.
///
/// Context: Process context. May sleep.
pub(crate) fn for_each(mut f: impl FnMut(&Found)) {
    if let Some(tracker) = tracker() {
        tracker.collect(|_, _| true).iter().for_each(&mut f);
    }
}

/// Returns how many allocations have no record, for lack of memory.
pub(crate) fn lost() -> u64 {
    // ORDERING: For people.
    tracker().map_or(0, |tracker| tracker.lost.load(Relaxed))
}

/// Says in the log where what is still live was allocated, as far as it is `wanted`: a predicate of its
/// address and scope, which is called under a lock. At most 16 call sites.
///
/// Context: Process context. May sleep.
pub(crate) fn report(wanted: impl FnMut(usize, Scope) -> bool) {
    let Some(tracker) = tracker().filter(|_| is_on()) else {
        pr_err!("leak: track allocations (quarry pool track, or track=1) to see where it was allocated\n");
        return;
    };
    let mut all = tracker.collect(wanted);
    // One after the other: sorting takes more of the stack than there should be of it here.
    for _ in 0..SHOWN.min(all.len()) {
        let most = all.iter().enumerate().max_by_key(|(_, found)| found.bytes);
        let Some((index, &found)) = most else {
            break;
        };
        let _ = all.remove(index);
        let (objects, bytes, age, cpu) = (found.objects, found.bytes, found.age(), found.cpu);
        let (site, s) = (found.site(), if objects == 1 { "" } else { "s" });
        pr_err!("leak: {objects} object{s}, {bytes} bytes, allocated by {site}; the oldest {age} s ago on CPU {cpu}\n");
        found.print_stack();
    }
    if !all.is_empty() {
        let more = all.len();
        pr_err!("leak: and by {more} more\n");
    }
}

/// Says whether anything is live that was tracked.
pub(crate) fn any_live() -> bool {
    let mut any = false;
    for_each(|_| any = true);
    any
}

/// Makes what is needed to track, if that is not there yet.
///
/// Context: Process context, one at a time. May sleep.
pub(crate) fn prepare() -> Result {
    if tracker().is_some() {
        return Ok(());
    }
    requests::ask(0)?;
    // SAFETY: May sleep, and be called more than once.
    to_result(unsafe { bindings::stack_depot_init() })?;
    let mut buckets = KVVec::with_capacity(BUCKETS, GFP_KERNEL)?;
    for _ in 0..BUCKETS {
        buckets.push(RawLock::new(Bucket(None), Class::Track), GFP_KERNEL)?;
    }
    let sites = Sites {
        first: None,
        count: 0,
    };
    let tracker = Tracker {
        buckets,
        sites: RawLock::new(sites, Class::Track),
        lost: AtomicU64::new(0),
    };
    let tracker = KBox::into_raw(KBox::new(tracker, GFP_KERNEL)?);
    TRACKER.publish(tracker);
    Ok(())
}

/// Says how far a scope is.
///
/// Context: One at a time, after [`prepare`]. [`crate::tracking`] says what lies between two stages.
pub(crate) fn set(scope: Scope, stage: Stage) {
    let off = |stage: &AtomicU8| stage.load(Relaxed) == Stage::Off as u8;
    // ORDERING: See `Scope::at`.
    if let Some(slot) = STAGES.get(scope.0 as usize) {
        slot.store(stage as u8, Relaxed);
    }
    ANY.store(!STAGES.iter().all(off), Relaxed);
}

/// Drops the records of scopes that are tracked no more.
pub(crate) fn drop_untracked() {
    if let Some(tracker) = tracker() {
        tracker.drop_records(|record| !record.scope.is_tracked());
    }
}

/// Frees all that there is.
///
/// # Safety
///
/// Nobody allocates or frees any more.
pub(crate) unsafe fn exit() {
    let tracker = TRACKER.withdraw();
    if tracker.is_null() {
        return;
    }
    // SAFETY: Made by `prepare`, and nobody uses it.
    let tracker = unsafe { KBox::from_raw(tracker) };
    // ORDERING: By the contract of this function, nobody else looks.
    ANY.store(false, Relaxed);
    tracker.drop_records(|_| true);
    let mut at = tracker.sites.lock().first.take();
    while let Some(site) = at {
        // SAFETY: Nobody refers to sites any more.
        at = unsafe { site.as_ref() }.next;
        // SAFETY: As above; allocated with this layout.
        unsafe { metadata::free(About::Track, site.cast(), Layout::new::<Site>()) };
    }
}
