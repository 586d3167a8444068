// SPDX-License-Identifier: GPL-2.0

//! Objects for who can wait for nobody, and what is left to do for that afterwards.
//!
//! C header: [`include/linux/irq_work.h`](srctree/include/linux/irq_work.h)
//!
//! An object that this CPU's magazine does not take goes to a list of this CPU's, through its own first
//! word: such an object may be freed in an NMI that came in the middle of anything, and there may be any
//! number of them. An interrupt soon afterwards frees them for good. It also fills the magazines of a cache
//! that had none.
//!
//! # Laws
//!
//! - An object in a list has the state `OBJECT_LEFT`, so that it is told from a live one, and its slab and
//!   cache stay: it is not free in the slab.
//! - What is in a list when [`settle`] begins, and what somebody was freeing then, is free when it returns.

use super::{
    find,
    free_slow,
    guarded::Notes,
    later::Later,
    slab_head::{
        SlabRef,
        OBJECT_FREE,
        OBJECT_LEFT,
        OBJECT_LIVE, //
    },
    slab_of,
    store::Store,
    Cache, //
};
use crate::{
    bindings,
    gfp::Gfp,
    global::Global,
    magazine::Entry,
    numa,
    page_alloc::{
        has_extras_on_free,
        must_clear,
        NO_NODE, //
    },
    percpu::PerCpu,
    preempt,
    report::{
        self,
        BadFree, //
    },
    state, //
};
use core::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// The first word of an object in a list.
struct Link(*mut Link);

/// What a CPU has left to do.
#[repr(C)]
struct Left {
    /// The interrupt that does it. First, so that its address is that of the whole.
    work: Opaque<bindings::irq_work>,
    /// Objects to free.
    list: Later<Link>,
    /// A cache whose magazines were empty.
    wanted: AtomicPtr<Cache>,
}

// SAFETY: What another CPU touches is atomic, or the interrupt's, which the kernel's functions guard.
unsafe impl Send for Left {}
// SAFETY: As above.
unsafe impl Sync for Left {}

static LEFT: Global<PerCpu<Left>> = Global::new();
static FREES_LEFT: AtomicU64 = AtomicU64::new(0);

fn left() -> &'static PerCpu<Left> {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { LEFT.get() }
}

/// Returns how many frees were left for later.
pub(crate) fn frees_left() -> u64 {
    // ORDERING: Statistics.
    FREES_LEFT.load(Relaxed)
}

impl Cache {
    /// Allocates an object without waiting: from what this CPU or the node has at hand. Not tracked.
    ///
    /// The cache, which has no constructor, lives until [`exit`].
    ///
    /// Context: Any, also NMI.
    pub(crate) fn alloc_nolock(&'static self, gfp: Gfp, nid: i32) -> Option<NonNull<u8>> {
        let fast = match numa::nearest(nid) {
            None => self.front.pop(),
            Some(node) => self.front.pop_node(node),
        };
        let entry = fast.or_else(|| self.search_nolock(gfp, nid))?;
        self.guard_out(&entry, Notes::Kept);
        if must_clear(gfp) {
            // SAFETY: The object is ours.
            unsafe { self.clear(entry.address) };
        }
        // ORDERING: The object is ours alone.
        entry.state.store(OBJECT_LIVE, Relaxed);
        Some(entry.address)
    }

    /// Looks beyond the loaded magazine, on the node and then, if it was a wish, on this CPU's.
    fn search_nolock(&'static self, gfp: Gfp, nid: i32) -> Option<Entry> {
        let take = |node| {
            let backing = |node| Store(self).take_nolock(node);
            self.front.pop_nolock(node, backing)
        };
        let node = numa::nearest(nid);
        let mut entry = take(node);
        if entry.is_none() && node.is_some() && !gfp.this_node_only() {
            entry = take(None);
        }
        Left::ask(|left| {
            // ORDERING: Read by an interrupt on this CPU. The cache was made long ago.
            left.wanted
                .store(core::ptr::from_ref(self).cast_mut(), Relaxed);
        });
        entry
    }

    /// Sees to it that this CPU has objects at hand.
    fn fill_magazine(&self) {
        let Some(entry) = self.alloc_slow(Gfp::NOWAIT.with(Gfp::NOWARN), NO_NODE) else {
            return;
        };
        if let Some(slab) = slab_of(entry.address.addr().get()) {
            // CAST: Lossless.
            let node = slab.node() as usize;
            self.front.return_unused(&Store(self), entry, node);
        }
    }
}

/// Frees object number `index` of a slab without waiting. Fails if it is free already, or has a constructor,
/// whose work the list would spoil.
///
/// Context: Any, also NMI.
///
/// # Safety
///
/// As for [`super::free`].
pub(crate) unsafe fn free_nolock(
    slab: SlabRef,
    index: u32,
    address: NonNull<u8>,
) -> Result<(), BadFree> {
    if slab.cache().constructor.is_some() {
        return Err(BadFree::Mismatch);
    }
    let state = slab.state(index);
    if has_extras_on_free() {
        // Clearing takes its time, tracking takes locks: none of it is for here.
        if !state::change(state, OBJECT_LIVE, OBJECT_LEFT) {
            return Err(BadFree::Double);
        }
    } else {
        if !state::change(state, OBJECT_LIVE, OBJECT_FREE) {
            return Err(BadFree::Double);
        }
        // SAFETY: The cache outlives its slabs.
        if unsafe { slab.local().push(Entry { address, state }) } {
            return Ok(());
        }
        // ORDERING: The object is ours alone. Who frees it a second time finds one value or the other.
        state.store(OBJECT_LEFT, Relaxed);
    }
    // ORDERING: Statistics.
    FREES_LEFT.fetch_add(1, Relaxed);
    Left::ask(|left| left.put(address.cast()));
    Ok(())
}

/// Counts a free that is refused, and has it reported soon.
///
/// Context: Any, also NMI.
pub(crate) fn bad_free_nolock(pointer: *const c_void, found: BadFree) {
    report::bad_free_unsaid(pointer, found);
    Left::ask(|_| ());
}

impl Left {
    /// Leaves something to this CPU, and sees to it that it is done.
    fn ask(leave: impl FnOnce(&Self)) {
        let pinned = preempt::pin();
        let left = left().this(&pinned);
        leave(left);
        // SAFETY: Set up by `init`. May be queued again, in any context, on this CPU.
        unsafe { bindings::irq_work_queue(left.work.get()) };
    }

    /// Puts an object that is the caller's into the list.
    fn put(&self, object: NonNull<Link>) {
        self.list.put(object, |next| {
            // SAFETY: The object is ours and has at least a word.
            unsafe { object.write(Link(next)) };
        });
    }

    /// Frees what is in the list.
    ///
    /// Context: Any but NMI.
    fn free_all(&self) {
        let _pinned = preempt::pin();
        self.list.do_all(|object| {
            let next = Self::free_one(object);
            if next.is_none() {
                pr_err!("an object was written to after quarry_kfree_nolock(); it and those freed before it are lost\n");
            }
            next
        });
    }

    /// Frees an object of a list, and returns the next. `None` if it is none.
    fn free_one(object: NonNull<Link>) -> Option<*mut Link> {
        let (slab, index) = find(object.addr().get())?;
        let state = slab.state(index);
        if !state::change(state, OBJECT_LEFT, OBJECT_FREE) {
            return None;
        }
        // SAFETY: The object is ours, by its state; `put` wrote the link.
        let Link(next) = unsafe { object.read() };
        let entry = Entry {
            address: object.cast(),
            state,
        };
        // SAFETY: The cache outlives its slabs.
        if !unsafe { slab.local().push(entry) } {
            free_slow(slab, entry);
        }
        Some(next)
    }
}

/// # Safety
///
/// `work` is the first field of a [`Left`]: called by the kernel for those that `init` has set up.
unsafe extern "C" fn on_irq_work(work: *mut bindings::irq_work) {
    // SAFETY: By the contract of this function; it lives until `exit`.
    let left = unsafe { &*work.cast::<Left>() };
    left.free_all();
    report::say_unsaid("quarry_kfree_nolock");
    // ORDERING: Stored on this CPU; the cache lives until `exit`.
    let wanted = left.wanted.swap(null_mut(), Relaxed);
    // SAFETY: Null, or a cache that lives until `exit`.
    if let Some(cache) = unsafe { wanted.as_ref() } {
        cache.fill_magazine();
    }
}

/// Frees what is in any list, and waits until nobody is about to.
///
/// Context: Process context. May sleep.
pub(super) fn settle() {
    for left in left().iter() {
        left.free_all();
    }
    // Whoever it is has preemption off, or is an interrupt.
    for left in left().iter() {
        while left.list.is_busy() {
            // SAFETY: The caller may sleep.
            unsafe { bindings::quarry_helper_cond_resched() };
        }
    }
}

/// Sets up what each CPU has.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    let set_up = |_cpu: u32, left: *mut Left| {
        // SAFETY: Not shared yet.
        unsafe { (&raw mut (*left).list).write(Later::new()) };
        // SAFETY: Cleared memory, and zeroes are the rest of a `Left` with nothing to do.
        let work = unsafe { &*left }.work.get();
        // SAFETY: Not shared yet.
        unsafe { bindings::quarry_helper_init_irq_work(work, Some(on_irq_work)) };
    };
    // SAFETY: Initialised by `set_up`.
    let left = unsafe { PerCpu::new_in_place(set_up)? };
    // SAFETY: By the contract of this function.
    unsafe { LEFT.set(left) };
    Ok(())
}

/// Does what is left to do. After this, nothing is, and no interrupt comes.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody allocates or frees here any more.
pub(crate) unsafe fn finish() {
    for left in left().iter() {
        // SAFETY: Set up by `init`; nobody queues it any more, and this waits until it has run.
        unsafe { bindings::irq_work_sync(left.work.get()) };
    }
    settle();
}

/// Frees what each CPU has.
///
/// # Safety
///
/// After [`finish`], and there are no caches any more.
pub(crate) unsafe fn exit() {
    // SAFETY: Set by `init`; by the contract of this function.
    unsafe { LEFT.end() };
}
