// SPDX-License-Identifier: GPL-2.0

//! Page blocks: the page pool's mechanism.
//!
//! Fast path: this CPU's magazine of the order. Slow path: batches from and to the zone of a node.
//! Slower: a chunk from the kernel, [`crate::grow`].
//!
//! Context: everything here may be called from any context but NMI, as the flags allow.

use crate::{
    bindings,
    chunk::{
        ChunkId,
        Chunks, //
    },
    front::{
        Backing,
        Fast,
        Front,
        Slot, //
    },
    gfp::Gfp,
    global::Global,
    grow,
    guard,
    lock::{
        Class,
        RawLock, //
    },
    magazine::{
        Entries,
        Entry,
        Run,
        ROUNDS as MOST, //
    },
    metadata::About,
    numa,
    percpu::CpusHeld,
    pool::{
        Order,
        Watermark,
        Zone,
        NR_ORDERS, //
    },
    preset::Preset,
    report::BadFree,
    requests::{
        KBox,
        KVec, //
    },
    state,
    track::{
        self,
        Scope, //
    },
    window::{
        self,
        cached,
        held,
        Locals,
        Pfn,
        Window,
        ABSENT,
        CACHED,
        FREE, //
    },
    words, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicBool,
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

mod bulk;

pub(crate) use crate::window::Kind;
pub(crate) use bulk::{
    alloc_bulk,
    free_bulk,
    lost, //
};

/// No node in particular.
pub(crate) const NO_NODE: i32 = bindings::NUMA_NO_NODE;

/// Entries of a magazine, by order: about 256 KiB, at least one block.
const ROUNDS: [u32; NR_ORDERS] = [MOST as u32, 32, 16, 8, 4, 2, 2, 1, 1, 1, 1];
/// Full magazines in a depot, by order.
const DEPOT: [u32; NR_ORDERS] = [4, 4, 4, 4, 2, 2, 1, 1, 1, 1, 0];

static POOL: Global<Pool> = Global::new();
/// The kernel's `init_on_alloc` and `init_on_free`, which do not change after boot.
static CLEAR_ON_ALLOC: AtomicBool = AtomicBool::new(false);
static CLEAR_ON_FREE: AtomicBool = AtomicBool::new(false);
/// Whether every allocation, or every free, takes more than handing memory over: it is cleared, or its
/// call site is noted.
static EXTRAS_ON_ALLOC: AtomicBool = AtomicBool::new(false);
static EXTRAS_ON_FREE: AtomicBool = AtomicBool::new(false);
/// Whether blocks that are charged to no pool are cleared when they are freed, and that is all.
static ONLY_CLEARS: AtomicBool = AtomicBool::new(false);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// What the state of a block holds that an account has set aside.
const STASHED: u8 = Kind::Stashed as u8;

/// The zone of one node.
pub(crate) type KernelZone = Zone<Chunks>;

/// The page pool.
pub(crate) struct Pool {
    zones: KVec<KBox<RawLock<KernelZone>>>,
    fronts: KVec<Front>,
    /// For each node, the fast paths of all orders.
    locals: KVec<KBox<Locals>>,
    watermark: Watermark,
}

/// Returns the pool.
#[inline(always)]
pub(crate) fn pool() -> &'static Pool {
    // SAFETY: Set by `init`, which runs before anything else can call; ended after all else.
    unsafe { POOL.get() }
}

impl Pool {
    /// Returns the zone of a node.
    pub(crate) fn zone(&self, node: usize) -> Option<&RawLock<KernelZone>> {
        Some(self.zones.get(node)?)
    }

    /// Returns the zones of all nodes.
    pub(crate) fn zones(&self) -> impl ExactSizeIterator<Item = &RawLock<KernelZone>> {
        self.zones.iter().map(|zone| &**zone)
    }

    /// Returns the fronts of all orders.
    pub(crate) fn fronts(&self) -> impl Iterator<Item = (Order, &Front)> {
        let order = |index: usize| u32::try_from(index).ok().and_then(Order::new);
        self.fronts
            .iter()
            .enumerate()
            .filter_map(move |(index, front)| Some((order(index)?, front)))
    }

    /// Returns the front of an order.
    fn front(&self, order: Order) -> &Front {
        // SAFETY: `init` makes one for each order.
        unsafe { self.fronts.get(order.index()).unwrap_unchecked() }
    }

    /// Returns the fast paths of a node.
    pub(crate) fn locals(&self, node: usize) -> Option<&Locals> {
        Some(self.locals.get(node)?)
    }

    /// Returns which pages of each node only atomic callers get.
    pub(crate) fn watermark(&self) -> Watermark {
        self.watermark
    }
}

/// Returns whether an allocation must be cleared.
#[inline(always)]
pub(crate) fn must_clear(gfp: Gfp) -> bool {
    // ORDERING: Set before anybody can call.
    gfp.wants_zero() || CLEAR_ON_ALLOC.load(Relaxed)
}

/// Returns whether an allocation takes more than handing memory over: see [`must_clear`] and [`track`].
#[inline(always)]
pub(crate) fn has_extras(gfp: Gfp) -> bool {
    // ORDERING: As in `track::Scope::at`.
    gfp.wants_zero() || EXTRAS_ON_ALLOC.load(Relaxed)
}

/// Returns whether a free takes more than taking memory back: see [`must_clear_on_free`] and [`track`].
#[inline(always)]
pub(crate) fn has_extras_on_free() -> bool {
    // ORDERING: As in `track::Scope::at`.
    EXTRAS_ON_FREE.load(Relaxed)
}

/// Does what is to be done for a caller's block that is about to be handed out, if it
/// [has extras](has_extras).
///
/// # Safety
///
/// The block is ours.
#[cold]
#[inline(never)]
pub(crate) unsafe fn extras(address: NonNull<u8>, order: Order, gfp: Gfp, scope: Scope) {
    let bytes = PAGE_SIZE << order.get();
    if must_clear(gfp) {
        // SAFETY: By the contract of this function, and it has this many bytes.
        unsafe { clear(address, bytes) };
    }
    track::allocated(address.addr().get(), bytes, scope);
}

/// Does the same when it is freed.
///
/// # Safety
///
/// The block was its owner's until now and is ours.
#[cold]
#[inline(never)]
pub(crate) unsafe fn extras_on_free(address: NonNull<u8>, order: Order) {
    track::freed(address.addr().get());
    if must_clear_on_free() || guard::default().is_hardened() {
        // SAFETY: By the contract of this function, and it has this many bytes.
        unsafe { clear(address, PAGE_SIZE << order.get()) };
    }
}

/// Returns whether memory must be cleared when it is freed.
#[inline(always)]
pub(crate) fn must_clear_on_free() -> bool {
    // ORDERING: Set before anybody can call.
    CLEAR_ON_FREE.load(Relaxed)
}

/// Clears memory.
///
/// # Safety
///
/// `address` is valid for writes of `bytes` bytes, which are whole words.
#[cold]
#[inline(never)]
pub(crate) unsafe fn clear(address: NonNull<u8>, bytes: usize) {
    // SAFETY: By the contract of this function.
    unsafe { words::clear(address.cast(), bytes / 8) };
}

/// Returns how many requests for blocks have failed.
pub(crate) fn failed() -> u64 {
    // ORDERING: Statistics.
    FAILED.load(Relaxed)
}

/// A fill takes at most one part of so many of what a zone has.
const SHARE: usize = 4;

/// The backing store of the front of one order: the zones.
pub(crate) struct Blocks(pub(crate) Order);

impl Backing for Blocks {
    fn refill(&self, node: usize, gfp: Gfp, want: u32, mut give: impl FnMut(Run)) -> u32 {
        let pool = pool();
        let Some(zone) = pool.zone(node) else {
            return 0;
        };
        let mut zone = zone.lock();
        let (present, free) = (zone.nr_present(), zone.nr_free());
        let free = pool.watermark.available(present, free, gfp.urgency());
        // Of what little is left, a CPU takes a part, and does not make others grow the pool.
        let blocks = free >> self.0.get();
        let max = blocks.div_ceil(SHARE).min(want as usize);
        let state = cached(self.0);
        let taken = zone.take_runs(self.0, max, |first, count| {
            if let Some(run) = run(first.chunk.window(), first.frame, self.0, count) {
                give(run.marked(state));
            }
        });
        // CAST: At most `want`.
        taken as u32
    }

    fn drain(&self, node: usize, entries: Entries<'_>) {
        if self.0 == Order::ZERO {
            put_pages_back(node, entries);
        } else {
            put_back(node, entries, self.0);
        }
    }
}

/// Puts blocks of a node back into its zone.
fn put_back(node: usize, entries: Entries<'_>, order: Order) {
    let Some(zone) = pool().zone(node) else {
        return;
    };
    let mut zone = zone.lock();
    for entry in entries.iter() {
        let Some((window, frame)) = window::at(entry.address.addr().get()) else {
            continue;
        };
        let Some(chunk) = window.chunk() else {
            continue;
        };
        // ORDERING: Under the zone's lock, like every other change from or to `FREE`.
        entry.state.store(FREE, Relaxed);
        zone.put(ChunkId::new(chunk), frame, order);
    }
}

/// Puts pages of a node back into its zone.
fn put_pages_back(node: usize, entries: Entries<'_>) {
    /// Pages that one word of a chunk's bitmap stands for.
    const WORD: usize = 64;
    let Some(zone) = pool().zone(node) else {
        return;
    };
    let mut zone = zone.lock();
    let mut pages = entries.iter().map(|entry| {
        // ORDERING: Under the zone's lock, like every other change from or to `FREE`.
        entry.state.store(FREE, Relaxed);
        Pfn::of_address(entry.address.addr().get())
    });
    let mut next = pages.next();
    while let Some(page) = next {
        let (word, mut bits, mut count) = (page.0 / WORD, 1u64 << (page.0 % WORD), 1);
        loop {
            next = pages.next();
            match next {
                Some(page) if page.0 / WORD == word => bits |= 1 << (page.0 % WORD),
                _ => break,
            }
            count += 1;
        }
        if let Some(chunk) = window::window(page.window()).and_then(Window::chunk) {
            zone.put_bits(ChunkId::new(chunk), page.frame() / WORD, bits, count);
        }
    }
}

/// Returns the run of `count` blocks of an order that begins at a page.
#[inline(always)]
fn run(index: usize, frame: usize, order: Order, count: usize) -> Option<Run> {
    let address = Pfn(index * crate::pool::FRAMES + frame).address();
    let first = Entry {
        address: NonNull::new(address)?,
        state: window::window(index)?.state(frame),
    };
    // SAFETY: The zone gave so many blocks of one chunk.
    Some(unsafe { Run::new(first, PAGE_SIZE << order.get(), order.pages(), count) })
}

/// Allocates a block by the fast path, if it suffices, and returns its address.
#[inline(always)]
pub(crate) fn alloc_fast(kind: Kind, gfp: Gfp, order: u32) -> Option<NonNull<u8>> {
    // CAST: Lossless.
    if gfp.wants_zero() || order as usize >= NR_ORDERS {
        return None;
    }
    // SAFETY: Published by `init`; the front lives as long as the pool.
    let entry = unsafe { Slot::order(order as usize).here().pop() }?;
    // ORDERING: The block is ours alone. CAST: Below 16.
    entry.state.store(kind as u8 | order as u8, Relaxed);
    Some(entry.address)
}

/// Allocates a block for a caller and returns its address.
#[inline(always)]
pub(crate) fn alloc(kind: Kind, gfp: Gfp, order: Order, nid: i32) -> Option<NonNull<u8>> {
    let address = alloc_unclear(kind, gfp, order, nid)?;
    if has_extras(gfp) {
        // SAFETY: Just allocated.
        unsafe { extras(address, order, gfp, Scope::ALL) };
    }
    Some(address)
}

/// Allocates a block, with whatever it holds, and returns its address.
#[inline(always)]
pub(crate) fn alloc_unclear(kind: Kind, gfp: Gfp, order: Order, nid: i32) -> Option<NonNull<u8>> {
    let front = pool().front(order);
    let fast = match numa::nearest(nid) {
        None => front.pop(),
        Some(node) => front.pop_node(node),
    };
    let entry = match fast {
        Some(entry) => entry,
        None => alloc_slow(front, gfp, order, nid)?,
    };
    // ORDERING: The block is ours alone.
    entry.state.store(held(kind, order), Relaxed);
    Some(entry.address)
}

#[cold]
#[inline(never)]
fn alloc_slow(front: &Front, gfp: Gfp, order: Order, nid: i32) -> Option<Entry> {
    let blocks = Blocks(order);
    let found = with_growth(gfp, order, nid, |node| front.pop_slow(&blocks, node, gfp));
    if found.is_none() {
        // ORDERING: Statistics.
        FAILED.fetch_add(1, Relaxed);
    }
    found
}

/// Calls `take` until it gives something, each time after a further way to get memory.
///
/// `take` is told a node, or to use that of this CPU.
fn with_growth<R>(
    gfp: Gfp,
    order: Order,
    nid: i32,
    mut take: impl FnMut(Option<usize>) -> Option<R>,
) -> Option<R> {
    let pool = pool();
    let node = numa::nearest(nid);
    if let Some(found) = take(node) {
        return Some(found);
    }
    let first = node.unwrap_or_else(numa::here);
    if grow::gather(first, order) {
        if let Some(found) = take(node) {
            return Some(found);
        }
    }
    // Several tasks may wait for the same chunk: whoever is late grows again, a few times.
    for _ in 0..4 {
        if !grow::grow(first, order, gfp) {
            break;
        }
        if let Some(found) = take(node) {
            return Some(found);
        }
    }
    if !gfp.this_node_only() {
        for other in (0..pool.zones.len()).filter(|&other| other != first) {
            if let Some(found) = take(Some(other)) {
                return Some(found);
            }
            // CAST: Node numbers are small.
            if numa::nearest(other as i32) == Some(other) && grow::grow(other, order, gfp) {
                if let Some(found) = take(Some(other)) {
                    return Some(found);
                }
            }
        }
    }
    grow::relieve(gfp);
    take(Some(first))
}

/// Frees a block.
///
/// # Safety
///
/// The caller gives up the block, if it is one.
#[inline(always)]
pub(crate) unsafe fn free(kind: Kind, address: NonNull<u8>, order: Order) -> Result<(), BadFree> {
    let Some((window, frame)) = window::at(address.addr().get()) else {
        return Err(BadFree::Foreign);
    };
    // SAFETY: By the contract of this function.
    unsafe { free_in(window, frame, kind, address, order) }
}

/// Frees a block that begins at a frame of a window.
///
/// # Safety
///
/// `address` is that of the frame. The caller gives up the block, if it is one.
#[inline(always)]
pub(crate) unsafe fn free_in(
    window: &'static Window,
    frame: usize,
    kind: Kind,
    address: NonNull<u8>,
    order: Order,
) -> Result<(), BadFree> {
    let state = window.state(frame);
    if !state::change(state, held(kind, order), cached(order)) {
        // ORDERING: For a report.
        return Err(wrong_state(state.load(Relaxed)));
    }
    let entry = Entry { address, state };
    // SAFETY: The state says that the block had been handed out.
    let local = unsafe { window.local(order) };
    // SAFETY: The front lives as long as the pool.
    if !unsafe { local.push(entry) } {
        free_slow(entry, order, window.node());
    }
    Ok(())
}

/// Frees a block that the fast path did not take.
#[cold]
#[inline(never)]
fn free_slow(entry: Entry, order: Order, node: u32) {
    // CAST: Lossless.
    let (front, node) = (pool().front(order), node as usize);
    // ORDERING: Changed before anything is allocated that has to be tracked.
    if ONLY_CLEARS.load(Relaxed) {
        // SAFETY: Its owner has given it up, and it has this many words.
        unsafe { words::clear(entry.address.cast(), (PAGE_SIZE << order.get()) / 8) };
    } else if has_extras_on_free() {
        // SAFETY: Its owner has given it up.
        return unsafe { free_with_extras(entry, order, node) };
    }
    front.push_slow(&Blocks(order), entry, node);
}

/// Frees a block where that takes more than taking it back.
///
/// # Safety
///
/// The block was its owner's until now and is ours.
#[cold]
#[inline(never)]
unsafe fn free_with_extras(entry: Entry, order: Order, node: usize) {
    // SAFETY: By the contract of this function.
    unsafe { extras_on_free(entry.address, order) };
    let front = pool().front(order);
    match guard::default() {
        Preset::Fast | Preset::Hardened => front.push_slow(&Blocks(order), entry, node),
        // SAFETY: As above.
        debug => unsafe { guard::block::uncharged().pass(debug, entry.address, order, push) },
    }
}

/// Puts a block that has been freed, and lay aside, where it is to be had.
fn push(address: NonNull<u8>, order: Order) {
    if let Some((window, frame)) = window::at(address.addr().get()) {
        let state = window.state(frame);
        let entry = Entry { address, state };
        // CAST: Lossless.
        let node = window.node() as usize;
        pool().front(order).push_slow(&Blocks(order), entry, node);
    }
}

/// Puts the blocks that lie aside, and are charged to no pool, where they are to be had.
///
/// Context: Any but NMI.
pub(crate) fn empty_quarantine() {
    guard::block::uncharged().empty(guard::default(), push);
}

/// Returns what is wrong with a page that was to be freed.
#[cold]
pub(crate) fn wrong_state(state: u8) -> BadFree {
    match state & 0xf0 {
        ABSENT => BadFree::Foreign,
        // What is stashed is no caller's: it is on its way back, or was never handed out.
        FREE | CACHED | STASHED => BadFree::Double,
        _ => BadFree::Mismatch,
    }
}

/// Looks closer at a page that was not freed for `why`: what seems to be free may be the middle of a block.
///
/// For reports. The pages of a block behind its first one have the state of a free page, and no free asks
/// whether they are free.
#[cold]
#[inline(never)]
pub(crate) fn look_closer(pfn: Pfn, why: BadFree) -> BadFree {
    /// A slab, in which objects may begin anywhere.
    const SLAB: u8 = Kind::Slab as u8;
    if why != BadFree::Double {
        return why;
    }
    match window::window(pfn.window()).and_then(|window| around(window, pfn.frame())) {
        None => why,
        Some(SLAB) => BadFree::Mismatch,
        Some(_) => BadFree::Interior,
    }
}

/// Returns what the block is that a page lies in, as its state says, if it is somebody's and begins before the
/// page.
fn around(window: &Window, frame: usize) -> Option<u8> {
    // ORDERING: For a report, here and below.
    if window.state(frame).load(Relaxed) != FREE {
        return None;
    }
    let found = (1..NR_ORDERS).find_map(|order| {
        let first = frame >> order << order;
        let state = window.state(first).load(Relaxed);
        (first != frame && usize::from(state & 0x0f) >= order).then_some(state & 0xf0)
    });
    found.filter(|kind| ![ABSENT, FREE, CACHED, STASHED].contains(kind))
}

/// Makes an empty zone, in place: it is large, and the stack is small.
fn new_zone() -> Result<KBox<RawLock<KernelZone>>> {
    let mut zone = KBox::<RawLock<KernelZone>>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The memory is cleared, and zeroes are an empty zone: empty lists and numbers, because
    // `ChunkId` is a transparent wrapper of a pointer that is not null, and an arena without size.
    // Only chunks of windows of the zone's node are named to it.
    unsafe { RawLock::init_around(zone.as_mut_ptr(), Class::Zone) };
    // SAFETY: Initialised above.
    Ok(unsafe { zone.assume_init() })
}

/// Sets up an empty pool that keeps pages of each node for atomic callers as `watermark` says.
///
/// Whether memory is cleared when it is allocated: `clear`, or the kernel's choice.
///
/// # Safety
///
/// Called once, after [`window::init`] and before anything else of this module.
pub(crate) unsafe fn init(watermark: Watermark, clear: Option<bool>) -> Result {
    // SAFETY: Set at boot.
    let nodes = unsafe { bindings::nr_node_ids };
    let mut zones = KVec::with_capacity(nodes as usize, GFP_KERNEL)?;
    for _ in 0..nodes {
        zones.push(new_zone()?, GFP_KERNEL)?;
    }
    // ORDERING: Nobody reads yet.
    // SAFETY: Looks at a static key.
    let kernel_clears = unsafe { bindings::quarry_helper_init_on_alloc() };
    CLEAR_ON_ALLOC.store(clear.unwrap_or(kernel_clears), Relaxed);
    // SAFETY: As above.
    CLEAR_ON_FREE.store(unsafe { bindings::quarry_helper_init_on_free() }, Relaxed);
    set_extras();
    let mut fronts = KVec::with_capacity(NR_ORDERS, GFP_KERNEL)?;
    for (rounds, limit) in ROUNDS.into_iter().zip(DEPOT) {
        let preset = guard::default();
        let fast = fast(Scope::ALL, preset);
        let front = Front::new(About::Pool, rounds, limit, fast, preset.is_hardened())?;
        front.publish(Slot::order(fronts.len()));
        fronts.push(front, GFP_KERNEL)?;
    }
    let mut locals = KVec::with_capacity(nodes as usize, GFP_KERNEL)?;
    for node in 0..nodes as usize {
        let first = fronts.first().and_then(|front| front.local(node));
        let first = first.ok_or(EINVAL)?;
        let local = |order: usize| fronts.get(order).and_then(|front| front.local(node));
        let of_node: Locals = core::array::from_fn(|order| local(order).unwrap_or(first));
        locals.push(KBox::new(of_node, GFP_KERNEL)?, GFP_KERNEL)?;
    }
    let pool = Pool {
        zones,
        fronts,
        locals,
        watermark,
    };
    // SAFETY: By the contract of this function.
    unsafe { POOL.set(pool) };
    Ok(())
}

/// Says whether there are extras.
pub(crate) fn set_extras() {
    let any = track::is_on() || guard::is_on();
    // ORDERING: As in `track::Scope::at`.
    EXTRAS_ON_ALLOC.store(must_clear(Gfp::NOWAIT) || any, Relaxed);
    EXTRAS_ON_FREE.store(must_clear_on_free() || any, Relaxed);
    // ORDERING: As in `free_slow`.
    ONLY_CLEARS.store(only_clears_on_free(Scope::ALL, guard::default()), Relaxed);
}

/// Returns whether clearing is all that there is to a free in a scope, with a preset.
pub(crate) fn only_clears_on_free(scope: Scope, preset: Preset) -> bool {
    let clears = must_clear_on_free() || preset.is_hardened();
    clears && preset.checks().is_none() && !scope.is_slow()
}

/// Returns which fast paths there are in a scope, with a preset: none for what has extras.
pub(crate) fn fast(scope: Scope, preset: Preset) -> Fast {
    Fast {
        pop: !must_clear(Gfp::NOWAIT) && !scope.is_slow() && preset.checks().is_none(),
        push: !must_clear_on_free() && !scope.is_slow() && preset.is_fast(),
    }
}

/// Has allocations and frees take the slow path if they have to be tracked, or the fast one again.
///
/// Context: Process context. May sleep.
pub(crate) fn follow_tracking(cpus: &CpusHeld) {
    set_extras();
    for (order, front) in pool().fronts() {
        front.set_fast(fast(Scope::ALL, guard::default()), cpus);
        front.publish(Slot::order(order.index()));
    }
}

/// Ends the pool, after all its chunks have gone back.
///
/// # Safety
///
/// Nobody uses the pool any more.
pub(crate) unsafe fn exit() {
    // SAFETY: By the contract of this function.
    unsafe { POOL.end() };
}
