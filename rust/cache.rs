// SPDX-License-Identifier: GPL-2.0

//! Slab caches: objects of one size.
//!
//! Fast path: this CPU's magazine. Slow path: batches from and to the slabs of a node. Slower: a
//! slab from the page pool.
//!
//! # Laws
//!
//! - An object is live, or in a magazine, or free in its slab, or [left](nolock) to be freed. Its state
//!   byte is `OBJECT_LIVE` in the first case only.
//! - Every page of a slab has the slab as its owner in the window table.
//! - Whoever frees an object, and has let it go, uses the cache with preemption off only: after an
//!   RCU grace period, a cache whose objects are all free can end.
//! - A cache that was destroyed has no slabs, no magazines and no account; its [shell](dead) may stay.

use crate::{
    account::Account,
    bindings,
    front::{
        Counters,
        Fast,
        Front,
        Local,
        Slot, //
    },
    gfp::Gfp,
    guard,
    lock::{
        Class,
        RawLock, //
    },
    magazine::Entry,
    metadata::About,
    numa,
    owners::{
        self,
        nobody, //
    },
    page_alloc::{
        self,
        has_extras,
        has_extras_on_free,
        must_clear,
        must_clear_on_free,
        Kind, //
    },
    percpu::CpusHeld,
    pool::Violation,
    preset::{
        Checks,
        Preset, //
    },
    report::BadFree,
    requests::{
        KBox,
        KVVec,
        KVec, //
    },
    slab::{
        Full,
        Geometry,
        Padding,
        Partial,
        MAX_OBJECT, //
    },
    state,
    track::{
        self,
        Scope, //
    },
    window::{
        self,
        Pfn, //
    },
    words, //
};
use core::{
    ffi::{
        c_void,
        CStr, //
    },
    ptr::NonNull,
    sync::atomic::{
        AtomicBool,
        AtomicU32,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

mod bulk;
mod dead;
mod guarded;
mod later;
mod name;
mod nolock;
mod registry;
mod slab_head;
mod store;

use guarded::Notes;
pub(crate) use name::Name;
pub(crate) use nolock::{
    bad_free_nolock,
    exit,
    finish,
    free_nolock,
    frees_left,
    init as init_nolock, //
};
pub(crate) use registry::{
    create,
    destroy,
    destroy_unshared,
    end_released,
    exit_dead,
    for_each,
    for_each_during_hotplug,
    init,
    observe,
    release,
    shrink,
    shrink_account,
    shrink_all,
    tick,
    Observer,
    Refusal, //
};
pub(crate) use slab_head::SlabRef;
use slab_head::{
    SlabId,
    Slabs,
    OBJECT_FREE,
    OBJECT_LIVE, //
};
use store::{
    KeepingStore,
    Store, //
};

/// Bytes of full magazines that the depot of a node keeps.
const DEPOT_BYTES: u32 = 64 << 10;

/// Called once for each object when its slab is made.
pub(crate) type Constructor = unsafe extern "C" fn(*mut c_void);

/// A cache.
pub(crate) struct Cache {
    front: Front,
    /// Flags of an allocation that need more than the fast path.
    slow_flags: bindings::gfp_t,
    geometry: Geometry,
    constructor: Option<Constructor>,
    preset: Preset,
    /// Words of an object, if clearing them is all that is to be done when it is freed; otherwise 0.
    clears: AtomicU32,
    /// What is around each object, in the debug preset.
    padding: Option<Padding>,
    /// Whether it is charged to no account, and all of an object is its owner's.
    plain: bool,
    nodes: KVec<RawLock<Partial<Slabs>>>,
    name: Name,
    id: u32,
    /// What its slabs are charged to.
    account: Option<&'static Account>,
    /// Whether it was destroyed, and this is its [shell](dead).
    dead: AtomicBool,
}

/// What a cache has, added up over all nodes and CPUs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Census {
    /// Slabs.
    pub(crate) slabs: usize,
    /// Slabs without used objects.
    pub(crate) empty: usize,
    /// Objects of all slabs.
    pub(crate) objects: usize,
    /// Objects that are free in their slabs.
    pub(crate) free: usize,
    /// Objects in magazines.
    pub(crate) cached: usize,
}

impl Census {
    /// Returns the objects that are handed out; what others do meanwhile may be missed.
    pub(crate) fn live(&self) -> usize {
        self.objects.saturating_sub(self.free + self.cached)
    }
}

/// Says that an object that came from [`Local::pop`] is handed out, and returns its address.
#[inline(always)]
pub(crate) fn hand_out(entry: Entry) -> NonNull<u8> {
    // ORDERING: The object is ours alone.
    entry.state.store(OBJECT_LIVE, Relaxed);
    entry.address
}

/// Returns the slab that an address lies in.
#[inline(always)]
pub(crate) fn slab_of(address: usize) -> Option<SlabRef> {
    SlabRef::from_owner(owners::of(Pfn::of_address(address))?)
}

/// Returns the slab and the index of the object that begins at an address.
#[inline(always)]
pub(crate) fn find(address: usize) -> Option<(SlabRef, u32)> {
    SlabRef::find(owners::of(Pfn::of_address(address))?, address)
}

/// Frees object number `index` of a slab. Fails if it is free already.
///
/// # Safety
///
/// `index` is from [`find`], for this address. The caller gives up the object, if it is live.
#[inline(always)]
pub(crate) unsafe fn free(slab: SlabRef, index: u32, address: NonNull<u8>) -> Result<(), BadFree> {
    let state = slab.state(index);
    if !state::change(state, OBJECT_LIVE, OBJECT_FREE) {
        return Err(BadFree::Double);
    }
    let entry = Entry { address, state };
    // SAFETY: The cache outlives its slabs.
    if !unsafe { slab.local().push(entry) } {
        free_slow(slab, entry);
    }
    Ok(())
}

/// Frees an object that the fast path did not take.
#[cold]
#[inline(never)]
fn free_slow(slab: SlabRef, entry: Entry) {
    let cache = slab.cache();
    // ORDERING: Changed before anything is allocated that has to be tracked. CAST: Lossless.
    let words = cache.clears.load(Relaxed) as usize;
    if words == 0 {
        return free_with_extras(slab, entry);
    }
    // SAFETY: The object is ours, and has so many words.
    unsafe { words::clear(entry.address.cast(), words) };
    // SAFETY: The cache outlives its slabs.
    if !unsafe { slab.local().push_closed(entry) } {
        free_full(slab, entry);
    }
}

/// Frees an object where more may be to be done than clearing it, or nothing.
#[cold]
#[inline(never)]
fn free_with_extras(slab: SlabRef, entry: Entry) {
    if has_extras_on_free() {
        slab.cache().extras_on_free(slab, entry);
    }
    put_back(slab, entry);
}

/// Puts an object back for which this CPU's magazine has no room.
#[cold]
#[inline(never)]
fn free_full(slab: SlabRef, entry: Entry) {
    put_back(slab, entry);
}

#[inline(always)]
fn put_back(slab: SlabRef, entry: Entry) {
    let cache = slab.cache();
    // CAST: Lossless.
    let node = slab.node() as usize;
    cache.front.push_slow(&Store(cache), entry, node);
}

impl Cache {
    /// Makes a cache that is not registered.
    fn new(
        name: &CStr,
        shape: Shape,
        constructor: Option<Constructor>,
        id: u32,
        account: Option<&'static Account>,
    ) -> Result<KBox<Self>> {
        let Shape { geometry, padding } = shape;
        let preset = guard::preset_of(account);
        // SAFETY: Set at boot.
        let count = unsafe { bindings::nr_node_ids } as usize;
        let mut nodes = KVec::with_capacity(count, GFP_KERNEL)?;
        // All that is charged to an account can be freed at once.
        let full = match account {
            None => Full::Unlisted,
            Some(_) => Full::Listed,
        };
        for _ in 0..count {
            // SAFETY: Only slabs of this cache and node are named to it.
            let slabs = Partial::new(unsafe { Slabs::new() }, geometry.objects, full);
            nodes.push(RawLock::new(slabs, Class::Slab), GFP_KERNEL)?;
        }
        let magazine_bytes = geometry.rounds.wrapping_mul(geometry.stride).max(1);
        let scope = Account::scope_of(account);
        let cache = Self {
            front: Front::new(
                About::Slab,
                geometry.rounds,
                (DEPOT_BYTES / magazine_bytes).clamp(2, 16),
                Self::fast(constructor, scope, preset),
                preset.is_hardened(),
            )?,
            // A constructor says what is in memory.
            slow_flags: match constructor {
                Some(_) => 0,
                None => Gfp::ZERO.as_raw(),
            },
            geometry,
            constructor,
            preset,
            clears: AtomicU32::new(0),
            padding,
            plain: account.is_none() && padding.is_none(),
            nodes,
            name: Name::new(name),
            id,
            account,
            dead: AtomicBool::new(false),
        };
        cache.set_clears(scope);
        Ok(KBox::new(cache, GFP_KERNEL)?)
    }

    fn set_clears(&self, scope: Scope) {
        let clears = page_alloc::only_clears_on_free(scope, self.preset);
        let words = match self.constructor {
            None if clears => self.geometry.stride / 8,
            _ => 0,
        };
        // ORDERING: As in `free_slow`.
        self.clears.store(words, Relaxed);
    }

    /// Returns which fast paths there are.
    fn fast(constructor: Option<Constructor>, scope: Scope, preset: Preset) -> Fast {
        let fast = page_alloc::fast(scope, preset);
        match constructor {
            // Not cleared when it is allocated.
            Some(_) => Fast {
                pop: !scope.is_slow() && preset.checks().is_none(),
                ..fast
            },
            None => fast,
        }
    }

    /// Has allocations and frees take the slow path if they have to be tracked, or the fast one again.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn follow_tracking(&self, cpus: &CpusHeld) {
        let scope = Account::scope_of(self.account);
        let fast = Self::fast(self.constructor, scope, self.preset);
        self.front.set_fast(fast, cpus);
        self.set_clears(scope);
    }

    /// Does what is to be done for an object that was its owner's until now.
    #[cold]
    #[inline(never)]
    fn extras_on_free(&self, slab: SlabRef, entry: Entry) {
        track::freed(entry.address.addr().get());
        let must_clear = self.preset.is_hardened() || must_clear_on_free();
        if must_clear && self.constructor.is_none() {
            // SAFETY: The object is ours.
            unsafe { self.clear(entry.address) };
        }
        self.guard_in(slab, entry);
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the number that the cache has in stats.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Returns whether it is charged to no account, and all of an object is its owner's.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        self.plain
    }

    /// Returns what the slabs are charged to, if anything.
    pub(crate) fn account(&self) -> Option<&'static Account> {
        self.account
    }

    /// Returns the fast path of a node.
    pub(crate) fn local(&self, node: usize) -> Option<Local> {
        self.front.local(node)
    }

    /// Publishes the fast path of each CPU in a slot of its table.
    pub(crate) fn publish(&self, slot: Slot) {
        self.front.publish(slot);
    }

    /// Returns the layout of the slabs.
    pub(crate) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Returns the counters of the front.
    pub(crate) fn counters(&self) -> Counters {
        self.front.counters()
    }

    /// Returns whether an allocation takes more than the fast path.
    #[inline(always)]
    fn needs_more(&self, gfp: Gfp) -> bool {
        gfp.as_raw() & self.slow_flags != 0
    }

    /// Allocates an object by the fast path, if it suffices.
    ///
    /// Context: Any but NMI.
    #[inline(always)]
    pub(crate) fn alloc_fast(&self, gfp: Gfp) -> Option<NonNull<u8>> {
        if self.needs_more(gfp) {
            return None;
        }
        Some(hand_out(self.front.pop_fast()?))
    }

    /// Allocates an object.
    ///
    /// Context: Any but NMI, as `gfp` allows.
    #[inline(always)]
    pub(crate) fn alloc(&self, gfp: Gfp, nid: i32) -> Option<NonNull<u8>> {
        let fast = match numa::nearest(nid) {
            None => self.front.pop(),
            Some(node) => self.front.pop_node(node),
        };
        let entry = match fast {
            Some(entry) => entry,
            None => self.alloc_slow(gfp, nid)?,
        };
        if has_extras(gfp) {
            self.extras(&entry, gfp);
        }
        // ORDERING: The object is ours alone.
        entry.state.store(OBJECT_LIVE, Relaxed);
        Some(entry.address)
    }

    /// Does what is to be done for an object that is about to be handed out.
    #[cold]
    #[inline(never)]
    fn extras(&self, entry: &Entry, gfp: Gfp) {
        self.guard_out(entry, Notes::Made);
        let (object, bytes) = (entry.address, self.object_bytes());
        if must_clear(gfp) && self.constructor.is_none() {
            // SAFETY: The object is ours.
            unsafe { self.clear(object) };
        }
        track::allocated(object.addr().get(), bytes, Account::scope_of(self.account));
    }

    #[cold]
    #[inline(never)]
    fn alloc_slow(&self, gfp: Gfp, nid: i32) -> Option<Entry> {
        match self.account {
            None => self.find_or_grow(gfp, nid),
            Some(account) => self.alloc_charged(account, gfp, nid),
        }
    }

    #[cold]
    #[inline(never)]
    fn alloc_charged(&self, account: &Account, gfp: Gfp, nid: i32) -> Option<Entry> {
        let attempt = || self.find_or_grow(gfp, nid);
        account.insist(gfp, attempt, || shrink_account(account))
    }

    /// Takes an object that is free, or else the first of a new slab.
    #[inline(always)]
    fn find_or_grow(&self, gfp: Gfp, nid: i32) -> Option<Entry> {
        let store = Store(self);
        let node = numa::nearest(nid);
        loop {
            let found = self.front.pop_slow(&store, node, gfp);
            if found.is_some() {
                return found;
            }
            // The new slab may be on another node than asked for, if that has no memory left.
            let Some(node) = self.grow(gfp, nid) else {
                return self.find_elsewhere(gfp);
            };
            if let Some(entry) = self.front.pop_slow(&store, Some(node), gfp) {
                return Some(entry);
            }
        }
    }

    /// Takes an object that is free on any node, where there is no memory for a slab.
    #[cold]
    #[inline(never)]
    fn find_elsewhere(&self, gfp: Gfp) -> Option<Entry> {
        if gfp.this_node_only() {
            return None;
        }
        let store = Store(self);
        (0..self.nodes.len()).find_map(|node| self.front.pop_slow(&store, Some(node), gfp))
    }

    /// Adds a slab. Returns its node.
    fn grow(&self, gfp: Gfp, nid: i32) -> Option<usize> {
        if self.is_dead() {
            return None;
        }
        let order = self.geometry.order;
        let base = match self.account {
            None => page_alloc::alloc_unclear(Kind::Slab, gfp, order, nid)?,
            Some(account) => account.take(Kind::Slab, gfp, order, nid)?,
        };
        let added = self.add_slab(base, gfp);
        if added.is_none() {
            // SAFETY: Allocated above.
            unsafe { self.free_block(base) };
        }
        added
    }

    /// Frees the block of a slab.
    ///
    /// # Safety
    ///
    /// It was allocated by `grow`, and nobody uses it.
    unsafe fn free_block(&self, base: NonNull<u8>) {
        let order = self.geometry.order;
        let _ = match self.account {
            // SAFETY: By the contract of this function.
            None => unsafe { page_alloc::free(Kind::Slab, base, order) },
            // SAFETY: As above.
            Some(account) => unsafe { account.put(Kind::Slab, base, order) },
        };
    }

    fn add_slab(&self, base: NonNull<u8>, gfp: Gfp) -> Option<usize> {
        let first = Pfn::of_address(base.addr().get());
        owners::ensure(first.window(), gfp).ok()?;
        let node = window::window(first.window())?.node();
        // CAST: Lossless.
        // SAFETY: The first object is far from the end of the block.
        let base = unsafe { base.add(self.left() as usize) };
        let id = SlabId::new(NonNull::from(self), &self.geometry, base, node, gfp)?;
        let nodes = self.nodes.get(node as usize);
        if let Some(constructor) = self.constructor {
            for index in 0..self.geometry.objects {
                // SAFETY: The object lies within the block, which is ours. CAST: Lossless.
                let object = unsafe { base.add((index * self.geometry.stride) as usize) };
                // SAFETY: The creator of the cache gave a function for just this.
                unsafe { constructor(object.as_ptr().cast()) };
            }
        }
        owners::set(first, self.geometry.order.pages(), id.as_owner());
        if self.is_debug() {
            self.guard_new(id.as_ref());
        }
        nodes?.lock().add(id);
        Some(node as usize)
    }

    /// Returns how many bytes of a slab lie before the first object.
    fn left(&self) -> u32 {
        self.padding.map_or(0, |padding| padding.left)
    }

    /// Gives a slab's pages back to the pool.
    ///
    /// # Safety
    ///
    /// The slab has been removed from its node, with all its objects free.
    unsafe fn release(&self, id: SlabId) {
        if self.is_debug() {
            self.guard_release(id.as_ref());
        }
        // CAST: Lossless.
        let base = id.as_ref().base() - self.left() as usize;
        let order = self.geometry.order;
        owners::set(Pfn::of_address(base), order.pages(), nobody());
        // SAFETY: By the contract of this function.
        unsafe { id.free() };
        if let Some(base) = NonNull::new(core::ptr::with_exposed_provenance_mut(base)) {
            // SAFETY: The block was allocated for this slab by `grow`.
            unsafe { self.free_block(base) };
        }
    }

    /// Frees all live objects of a cache with an account. Returns how many; fewer if there is no memory
    /// to do it with.
    ///
    /// Context: Process context. May sleep.
    ///
    /// # Safety
    ///
    /// Nobody uses the cache or its objects.
    pub(crate) unsafe fn free_live(&self) -> usize {
        let mut freed = 0;
        for node in &self.nodes {
            let mut slabs = KVVec::new();
            let count = node.lock().nr_slabs();
            if slabs.reserve(count, GFP_KERNEL).is_err() {
                continue;
            }
            node.lock().for_each(|slab| {
                let _ = slabs.push_within_capacity(slab);
            });
            for slab in slabs.iter().map(|slab: &SlabId| slab.as_ref()) {
                // SAFETY: By the contract of this function; only those slabs end that are done with.
                freed += unsafe { self.free_live_of(slab) };
            }
        }
        freed
    }

    /// # Safety
    ///
    /// As for [`Cache::free_live`]. The slab may end with its last object.
    unsafe fn free_live_of(&self, slab: SlabRef) -> usize {
        let is_live = |&index: &u32| slab.is_live(index);
        let live = (0..self.geometry.objects).filter(is_live).count();
        let mut freed = 0;
        for index in 0..self.geometry.objects {
            if freed == live {
                break;
            }
            let object = core::ptr::with_exposed_provenance_mut(slab.address(index));
            if let Some(object) = NonNull::new(object).filter(|_| slab.is_live(index)) {
                // SAFETY: By the contract of this function.
                let _ = unsafe { free(slab, index, object) };
                freed += 1;
            }
        }
        freed
    }

    /// Counts slabs and objects.
    pub(crate) fn census(&self) -> Census {
        let mut census = Census::default();
        for node in &self.nodes {
            let node = node.lock();
            census.slabs += node.nr_slabs();
            census.empty += node.nr_empty();
            census.free += node.nr_free();
        }
        census.objects = census.slabs * self.geometry.objects as usize;
        census.cached = self.front.cached();
        census
    }

    /// Returns whether all objects are free in their slabs, and none in a magazine.
    ///
    /// True for good, if it is and nobody allocates: each node is looked at under its lock.
    fn is_all_free(&self) -> bool {
        let all_free = |node: &RawLock<Partial<Slabs>>| {
            let node = node.lock();
            node.nr_free() == node.nr_slabs() * self.geometry.objects as usize
        };
        self.nodes.iter().all(all_free)
    }

    /// Returns the bytes of all slabs.
    pub(crate) fn slab_pages(&self) -> usize {
        let slabs: usize = self.nodes.iter().map(|node| node.lock().nr_slabs()).sum();
        slabs << self.geometry.order.get()
    }

    /// Gives slabs without used objects back. Returns how many.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn release_empty(&self) -> usize {
        let nodes = self.nodes.iter();
        nodes.map(|node| self.release_some(node, usize::MAX)).sum()
    }

    /// Gives slabs back that were without used objects since the last call. Returns how many.
    ///
    /// Context: Process context. May sleep.
    fn release_idle(&self) -> usize {
        let some = |node: &RawLock<Partial<Slabs>>| {
            let idle = node.lock().begin_period();
            self.release_some(node, idle)
        };
        self.nodes.iter().map(some).sum()
    }

    fn release_some(&self, node: &RawLock<Partial<Slabs>>, most: usize) -> usize {
        for released in 0..most {
            let Some(id) = node.lock().remove_empty(0) else {
                return released;
            };
            // SAFETY: Removed above.
            unsafe { self.release(id) };
            // SAFETY: The caller may sleep, and no lock is held.
            unsafe { bindings::quarry_helper_cond_resched() };
        }
        most
    }

    /// Empties this CPU's magazines, or those that were not used since the last tick.
    ///
    /// Context: Any but NMI. Slabs that are emptied stay.
    fn flush_cpu(&self, idle_only: bool) {
        self.front.flush_this_cpu(&KeepingStore(self), idle_only);
    }

    /// Empties the depots.
    fn flush_depots(&self) {
        self.front.flush_depots(&Store(self));
    }

    /// Empties the full magazines of the depots that were of no use since the last tick.
    fn trim_depots(&self) {
        self.front.trim_depots(&Store(self));
    }

    /// Empties the magazines of a CPU that is offline.
    ///
    /// # Safety
    ///
    /// The CPU is offline and stays so during the call.
    pub(crate) unsafe fn flush_dead_cpu(&self, cpu: u32) {
        // SAFETY: By the contract of this function.
        unsafe { self.front.flush_dead_cpu(&Store(self), cpu) };
    }

    /// Returns how many objects of a slab are not free in it.
    pub(crate) fn used(&self, slab: SlabRef) -> u32 {
        let Some(node) = self.nodes.get(slab.node() as usize) else {
            return 0;
        };
        let mut node = node.lock();
        let (free, _) = node.change(slab.id(), |head| crate::slab::Listed::free(head));
        self.geometry.objects.saturating_sub(free)
    }

    /// Checks the laws. Returns how many slabs were looked at.
    pub(crate) fn validate(&self) -> Result<usize, Violation> {
        let mut slabs = 0;
        for node in &self.nodes {
            slabs += node.lock().validate(|slab| slab.validate())?;
        }
        Ok(slabs)
    }
}

/// How the slabs of a cache are laid out, and the places of objects in them.
struct Shape {
    geometry: Geometry,
    padding: Option<Padding>,
}

impl Shape {
    /// Returns that of a cache, or `None` for arguments out of range.
    fn new(size: usize, align: usize, preset: Preset) -> Option<Self> {
        let plain = Geometry::new(size, align, PAGE_SIZE)?;
        if size > MAX_OBJECT {
            return None;
        }
        let Some(checks) = preset.checks() else {
            return Some(Self {
                geometry: plain,
                padding: None,
            });
        };
        // Objects of sizes that are powers of two are aligned to them, without being told to be.
        // CAST: Lossless.
        let natural = 1usize << plain.stride.trailing_zeros();
        let align = align.max(natural).min(PAGE_SIZE);
        let padding = Padding::new(size, align, checks.has(Checks::REDZONE))?;
        Some(Self {
            geometry: Geometry::new(padding.stride(), align, PAGE_SIZE)?,
            padding: Some(padding),
        })
    }
}
