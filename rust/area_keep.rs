// SPDX-License-Identifier: GPL-2.0

//! Where freed areas wait: on the CPU that freed them, and behind it on their node.
//!
//! Each CPU has a collection under a lock of its own, which nobody else takes but to look at it or
//! to empty it. An uncontended lock is cheap beside what it saves here, and it lets any CPU serve a
//! CPU that is idle or gone: hotplug needs no callback.
//!
//! # Laws
//!
//! - What a CPU keeps is on the CPU's own node.
//! - No CPU and no node keeps more than [`Bounds`] allow.
//!
//! # Lock order
//!
//! One lock of class `Area` at a time, and no other inside.

use crate::{
    area::{
        Below,
        Id,
        Spare, //
    },
    bindings,
    lock::{
        self,
        RawLock, //
    },
    numa,
    percpu::{
        possible_cpus,
        PerCpu, //
    },
    preempt,
    requests::{
        KBox,
        KVec, //
    },
    vmalloc::{
        Bounds,
        Chain,
        Class,
        Kept, //
    }, //
};
use core::sync::atomic::{
    AtomicUsize,
    Ordering::Relaxed, //
};
use kernel::prelude::*;

/// Most areas that are moved while a lock is held.
const AT_ONCE: usize = 32;

/// What a CPU has.
struct Cpu {
    node: i32,
    allocs: u64,
    frees: u64,
    hits: u64,
    kept: Kept<Id>,
}

/// Sums over all CPUs. Taken while allocations go on, they may be off by what is going on.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Areas handed out.
    pub(crate) allocs: u64,
    /// Areas taken back.
    pub(crate) frees: u64,
    /// Areas handed out that had been kept.
    pub(crate) hits: u64,
    /// Areas that are kept.
    pub(crate) kept: usize,
    /// Pages of those.
    pub(crate) kept_pages: usize,
    /// Areas that are kept no more and not yet withdrawn from the registry.
    pub(crate) leaving: usize,
}

/// Areas on their way out of the collections, to be unmapped.
pub(crate) struct Leaving(Chain<Id>);

impl Iterator for Leaving {
    type Item = Spare;

    fn next(&mut self) -> Option<Spare> {
        let id = self.0.pop(&Below)?;
        // SAFETY: Areas in a chain came from `into_id` and are in no list.
        Some(unsafe { Spare::from_id(id) })
    }
}

/// All areas that wait to be handed out again.
pub(crate) struct Keep {
    bounds: Bounds,
    cpus: PerCpu<RawLock<Cpu>>,
    nodes: KVec<KBox<RawLock<Kept<Id>>>>,
    leaving: AtomicUsize,
}

/// Makes the collection of a node, in place: it is large, and the stack is small.
fn new_node() -> Result<KBox<RawLock<Kept<Id>>>> {
    let mut node = KBox::<RawLock<Kept<Id>>>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
    // SAFETY: The memory is cleared, and zeroes are an empty collection: `Id` is a transparent
    // wrapper of a pointer that is not null, so that they are `None`.
    unsafe { RawLock::init_around(node.as_mut_ptr(), lock::Class::Area) };
    // SAFETY: Initialised above.
    Ok(unsafe { node.assume_init() })
}

/// Makes the collection of each CPU, in place as above.
fn new_cpus() -> Result<PerCpu<RawLock<Cpu>>> {
    // SAFETY: The values are initialised: zeroes are an empty collection and numbers.
    let cpus = unsafe {
        PerCpu::<RawLock<Cpu>>::new_in_place(|_, cpu| RawLock::init_around(cpu, lock::Class::Area))
    }?;
    for cpu in possible_cpus() {
        cpus.on(cpu).lock().node = node_of(cpu);
    }
    Ok(cpus)
}

impl Keep {
    /// Returns a place for freed areas with together at most `limit` pages.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(limit: usize) -> Result<Self> {
        // SAFETY: Set at boot.
        let nr_nodes = unsafe { bindings::nr_node_ids };
        let mut nodes = KVec::new();
        for _ in 0..nr_nodes {
            nodes.push(new_node()?, GFP_KERNEL)?;
        }
        let cpus = new_cpus()?;
        let bounds = Bounds::new(limit, possible_cpus().count(), nodes.len());
        Ok(Self {
            bounds,
            cpus,
            nodes,
            leaving: AtomicUsize::new(0),
        })
    }

    fn node(&self, nid: i32) -> Option<&RawLock<Kept<Id>>> {
        let index = usize::try_from(nid).ok()?;
        self.nodes.get(index).map(|node| &**node)
    }

    /// Hands out a kept area of `class`, from node `nid` or, if that is `NUMA_NO_NODE`, this CPU's.
    #[inline]
    pub(crate) fn take(&self, class: Class, nid: i32) -> Option<Spare> {
        let pin = preempt::pin();
        let mut cpu = self.cpus.this(&pin).lock();
        let home = cpu.node;
        if nid == home || nid == bindings::NUMA_NO_NODE {
            if let Some(id) = cpu.kept.pop(&Below, class) {
                cpu.allocs = cpu.allocs.wrapping_add(1);
                cpu.hits = cpu.hits.wrapping_add(1);
                // SAFETY: It was in the list until now.
                return Some(unsafe { Spare::from_id(id) });
            }
        }
        drop(cpu);
        drop(pin);
        let local = nid == home || nid == bindings::NUMA_NO_NODE;
        self.take_from_node(class, if local { home } else { nid }, local)
    }

    #[cold]
    fn take_from_node(&self, class: Class, nid: i32, local: bool) -> Option<Spare> {
        let batch = if local { class.batch() } else { 1 };
        let mut chain = self.node(nid)?.lock().take(&Below, class, batch);
        let id = chain.pop(&Below)?;
        let pin = preempt::pin();
        let mut cpu = self.cpus.this(&pin).lock();
        cpu.allocs = cpu.allocs.wrapping_add(1);
        cpu.hits = cpu.hits.wrapping_add(1);
        if chain.len() > 0 {
            // The task may be on another CPU by now.
            if cpu.node == nid && self.bounds.cpu_has_room(cpu.kept.pages(), chain.pages()) {
                cpu.kept.put(&mut Below, chain);
            } else {
                drop(cpu);
                self.node(nid)?.lock().put(&mut Below, chain);
            }
        }
        // SAFETY: It was in the list until now.
        Some(unsafe { Spare::from_id(id) })
    }

    /// Makes a chain that was taken out, or never got in, one that leaves.
    fn leave(&self, chain: Chain<Id>) -> Leaving {
        // ORDERING: `validate()` compares it with other numbers until they agree.
        self.leaving.fetch_add(chain.len(), Relaxed);
        Leaving(chain)
    }

    /// Counts an area that left and has been withdrawn from the registry.
    pub(crate) fn left(&self) {
        // ORDERING: As in `leave`.
        self.leaving.fetch_sub(1, Relaxed);
    }

    /// Counts an area that is handed out without having been kept.
    pub(crate) fn count_alloc(&self) {
        let pin = preempt::pin();
        let mut cpu = self.cpus.this(&pin).lock();
        cpu.allocs = cpu.allocs.wrapping_add(1);
    }

    /// Takes an area back. What comes out is to be unmapped instead, because there is no room.
    #[inline]
    pub(crate) fn give(&self, spare: Spare) -> Result<(), Surplus> {
        let (class, node) = (spare.area().size().class(), spare.area().node());
        let pin = preempt::pin();
        let mut cpu = self.cpus.this(&pin).lock();
        cpu.frees = cpu.frees.wrapping_add(1);
        let (Some(class), Some(node)) = (class, node) else {
            // ORDERING: As in `leave`.
            self.leaving.fetch_add(1, Relaxed);
            return Err(Surplus::One(spare));
        };
        if node == cpu.node && self.bounds.cpu_has_room(cpu.kept.pages(), class.pages()) {
            cpu.kept.push(&mut Below, class, spare.into_id());
            return Ok(());
        }
        // With as many of its class as are moved at a time, so that the next ones find room.
        let mut chain = if node == cpu.node {
            cpu.kept
                .take(&Below, class, class.batch().saturating_sub(1))
        } else {
            Chain::new(class)
        };
        drop(cpu);
        drop(pin);
        chain.push(&mut Below, spare.into_id());
        match self.node(node).map(RawLock::lock) {
            Some(mut kept) if self.bounds.node_has_room(kept.pages(), chain.pages()) => {
                kept.put(&mut Below, chain);
                Ok(())
            }
            _ => Err(Surplus::Chain(self.leave(chain))),
        }
    }

    /// Takes out areas with about `pages` pages, of one class and from one place; `None` if there
    /// are none left.
    pub(crate) fn evict(&self, pages: usize) -> Option<Leaving> {
        let from_node = self
            .nodes
            .iter()
            .find_map(|node| node.lock().take_largest(&Below, pages, AT_ONCE));
        let chain = from_node.or_else(|| {
            self.cpus
                .iter()
                .find_map(|cpu| cpu.lock().kept.take_largest(&Below, pages, AT_ONCE))
        })?;
        Some(self.leave(chain))
    }

    /// Ends a period: passes to `f` half of the areas that nobody needed in it.
    ///
    /// Context: Process context. `f` may sleep.
    pub(crate) fn decay(&self, mut f: impl FnMut(Leaving)) {
        for cpu in self.cpus.iter() {
            for_idle(
                |step| step(&mut cpu.lock().kept),
                |chain| f(self.leave(chain)),
            );
        }
        for node in &self.nodes {
            for_idle(|step| step(&mut node.lock()), |chain| f(self.leave(chain)));
        }
    }

    /// Returns the sums over all CPUs and nodes.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        let mut add = |kept: &Kept<Id>| {
            sums.kept = sums.kept.wrapping_add(kept.areas());
            sums.kept_pages = sums.kept_pages.wrapping_add(kept.pages());
        };
        for node in &self.nodes {
            add(&node.lock());
        }
        let (mut allocs, mut frees, mut hits) = (0u64, 0u64, 0u64);
        for cpu in self.cpus.iter() {
            let cpu = cpu.lock();
            add(&cpu.kept);
            allocs = allocs.wrapping_add(cpu.allocs);
            frees = frees.wrapping_add(cpu.frees);
            hits = hits.wrapping_add(cpu.hits);
        }
        Sums {
            allocs,
            frees,
            hits,
            // ORDERING: As in `leave`.
            leaving: self.leaving.load(Relaxed),
            ..sums
        }
    }

    /// Returns how many collections are not what they should be.
    pub(crate) fn validate(&self) -> usize {
        let cpus = self.cpus.iter();
        let bad_cpus = cpus.filter(|cpu| !cpu.lock().kept.validate(&Below)).count();
        let nodes = self.nodes.iter();
        let bad_nodes = nodes.filter(|node| !node.lock().validate(&Below)).count();
        bad_cpus.wrapping_add(bad_nodes)
    }
}

/// Returns the node that a possible CPU takes memory from.
fn node_of(cpu: u32) -> i32 {
    i32::try_from(numa::of_cpu(cpu)).unwrap_or(bindings::NUMA_NO_NODE)
}

/// What there was no room for.
pub(crate) enum Surplus {
    /// An area of a size that is not kept, or with pages of several nodes.
    One(Spare),
    /// Areas of one class.
    Chain(Leaving),
}

/// Passes the idle areas of one collection to `f`; `with` calls its argument with the collection
/// locked.
fn for_idle(with: impl Fn(&mut dyn FnMut(&mut Kept<Id>)), mut f: impl FnMut(Chain<Id>)) {
    let mut from = Some(Class::FIRST);
    while let Some(at) = from {
        let mut found = None;
        with(&mut |kept| {
            found = kept
                .next_used(at)
                .map(|class| (class, kept.begin_period(class)));
        });
        let Some((class, mut idle)) = found else {
            return;
        };
        while idle > 0 {
            let mut chain = Chain::new(class);
            with(&mut |kept| chain = kept.take(&Below, class, idle.min(AT_ONCE)));
            if chain.len() == 0 {
                break;
            }
            idle = idle.saturating_sub(chain.len());
            f(chain);
        }
        from = class.larger();
    }
}
