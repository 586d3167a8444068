// SPDX-License-Identifier: GPL-2.0

//! The magazines of one CPU, and the fast path to them.
//!
//! # Laws
//!
//! - The magazines of a CPU are used by that CPU only, in a [`Section`]; or, when it is offline, by
//!   whoever empties them.

use crate::{
    bindings,
    magazine::{
        Entry,
        Magazine, //
    },
    percpu::Handle,
    preempt, //
};
use core::{
    cell::Cell,
    ptr::NonNull,
    sync::atomic::{
        compiler_fence,
        AtomicU64,
        Ordering::{
            Relaxed,
            SeqCst, //
        }, //
    }, //
};

/// In place of the node that a CPU is ready for: its magazines are being changed.
const BUSY: u32 = 1 << 31;
/// A route on which no CPU takes entries back by the fast path.
pub(crate) const NO_ROUTE: u32 = u32::MAX;

/// What one CPU has.
#[repr(C, align(64))]
pub(crate) struct Cpu {
    /// The node whose entries the CPU takes back, or [`BUSY`].
    pub(super) ready: Cell<u32>,
    /// Node that the CPU takes memory from.
    pub(super) node: u32,
    pub(super) loaded: Cell<NonNull<Magazine>>,
    pub(super) spare: Cell<NonNull<Magazine>>,
    pub(super) allocs: AtomicU64,
    pub(super) frees: AtomicU64,
    pub(super) refills: AtomicU64,
    pub(super) drains: AtomicU64,
    pub(super) slow: AtomicU64,
    /// `allocs + frees` when the clock ticked last.
    pub(super) seen: AtomicU64,
}

// SAFETY: By the laws of this module, the cells are used by one CPU at a time.
unsafe impl Send for Cpu {}
// SAFETY: As above; the counters are atomic.
unsafe impl Sync for Cpu {}

impl Cpu {
    /// Returns what a CPU has at first: nothing.
    pub(super) fn new(cpu: u32) -> Self {
        Self {
            ready: Cell::new(node_of(cpu)),
            node: node_of(cpu),
            loaded: Cell::new(Magazine::dummy()),
            spare: Cell::new(Magazine::dummy()),
            allocs: AtomicU64::new(0),
            frees: AtomicU64::new(0),
            refills: AtomicU64::new(0),
            drains: AtomicU64::new(0),
            slow: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }
    }
}

/// Adds one to a counter that only this CPU writes.
#[inline(always)]
pub(super) fn count(counter: &AtomicU64) {
    // ORDERING: Statistics. An interrupt between load and store may lose one of the two counts.
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

fn node_of(cpu: u32) -> u32 {
    // SAFETY: The CPU is possible.
    unsafe { bindings::quarry_helper_cpu_to_mem(cpu) }
}

/// The right to use a CPU's magazines, until dropped.
pub(super) struct Section<'a> {
    pub(super) cpu: &'a Cpu,
    ready: u32,
}

impl<'a> Section<'a> {
    /// Enters, unless this CPU is in a section already.
    #[inline(always)]
    pub(super) fn enter(cpu: &'a Cpu) -> Option<Self> {
        let ready = cpu.ready.get();
        if ready & BUSY != 0 {
            return None;
        }
        Some(Self::begin(cpu, ready))
    }

    /// Enters, if this CPU is in no section and takes back entries of `route`.
    #[inline(always)]
    pub(super) fn enter_for(cpu: &'a Cpu, route: u32) -> Option<Self> {
        if cpu.ready.get() != route {
            return None;
        }
        Some(Self::begin(cpu, route))
    }

    #[inline(always)]
    fn begin(cpu: &'a Cpu, ready: u32) -> Self {
        cpu.ready.set(BUSY);
        // ORDERING: Between this CPU and interrupts on it: the word is set before the magazines are
        // touched, and they are whole again before it is set back.
        compiler_fence(SeqCst);
        Self { cpu, ready }
    }

    #[inline(always)]
    pub(super) fn loaded(&self) -> &Magazine {
        // SAFETY: By the laws of this module the magazine is alive and ours.
        unsafe { self.cpu.loaded.get().as_ref() }
    }

    #[inline(always)]
    pub(super) fn spare(&self) -> &Magazine {
        // SAFETY: As above.
        unsafe { self.cpu.spare.get().as_ref() }
    }
}

impl Drop for Section<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // ORDERING: As in `begin`.
        compiler_fence(SeqCst);
        self.cpu.ready.set(self.ready);
    }
}

/// The fast path of a front.
#[derive(Clone, Copy)]
pub(crate) struct Local(pub(super) Handle<Cpu>);

impl Local {
    /// Takes an entry from this CPU's loaded magazine.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The front is alive.
    #[inline(always)]
    pub(crate) unsafe fn pop(self) -> Option<Entry> {
        let pinned = preempt::pin();
        // SAFETY: By the contract of this function.
        let cpu = unsafe { self.0.this(&pinned) };
        let entry = Section::enter(cpu)?.loaded().pop()?;
        count(&cpu.allocs);
        Some(entry)
    }

    /// Puts an entry into this CPU's loaded magazine. Returns whether it took it.
    ///
    /// `route` is the node of the entry, or [`NO_ROUTE`].
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The front is alive.
    #[inline(always)]
    pub(crate) unsafe fn push(self, entry: Entry, route: u32) -> bool {
        let pinned = preempt::pin();
        // SAFETY: By the contract of this function.
        let cpu = unsafe { self.0.this(&pinned) };
        let Some(section) = Section::enter_for(cpu, route) else {
            return false;
        };
        if !section.loaded().push(entry) {
            return false;
        }
        drop(section);
        count(&cpu.frees);
        true
    }
}
