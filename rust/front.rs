// SPDX-License-Identifier: GPL-2.0

//! What every CPU keeps of one kind of thing: the fast path of blocks and of objects.
//!
//! A CPU has two magazines; between it and the backing store is a depot of full magazines on each
//! node. The fast path takes no lock and does no atomic read-modify-write: preemption is off, and a
//! word that says for which node the CPU is ready says instead that it is busy while the magazines
//! are being changed. An interrupt that finds it so goes to the backing store for one entry.
//!
//! # Laws
//!
//! - A loaded or spare magazine is in no depot.
//!
//! # Lock order
//!
//! The lock of a depot is let go before the backing store is called.

use crate::{
    bindings,
    gfp::Gfp,
    lock::{
        Class,
        RawLock, //
    },
    magazine::{
        Entry,
        Magazine,
        Stack, //
    },
    metadata::About,
    percpu::PerCpu,
    preempt, //
};
use core::{
    cell::Cell,
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed, //
};
use kernel::prelude::*;

mod cpu;

use cpu::{
    count,
    Cpu,
    Section, //
};
pub(crate) use cpu::{
    Local,
    NO_ROUTE, //
};

/// Where entries come from and go to in batches.
pub(crate) trait Backing {
    /// Takes up to `want` entries of a node and passes each to `give`. Returns how many.
    ///
    /// Context: Any, with preemption off. Does not sleep.
    fn refill(&self, node: usize, gfp: Gfp, want: u32, give: impl FnMut(Entry)) -> u32;

    /// Takes entries back, each to where it came from.
    ///
    /// Context: Any, with preemption off. Does not sleep.
    fn drain(&self, entries: &[Entry]);
}

/// Full and empty magazines of a node.
struct Depot {
    full: Stack,
    empty: Stack,
}

/// Counters of a front, added up over all CPUs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counters {
    /// Entries handed out.
    pub(crate) allocs: u64,
    /// Entries taken back.
    pub(crate) frees: u64,
    /// Magazines filled from the backing store.
    pub(crate) refills: u64,
    /// Magazines emptied into the backing store.
    pub(crate) drains: u64,
    /// Entries that bypassed the magazines.
    pub(crate) slow: u64,
}

/// The magazines of all CPUs and nodes for one kind of thing.
pub(crate) struct Front {
    about: About,
    cpus: PerCpu<Cpu>,
    depots: KVec<RawLock<Depot>>,
    /// Entries of a magazine.
    rounds: u32,
    /// Most full magazines in a depot.
    limit: u32,
}

impl Front {
    /// Creates the front of something that lies in magazines of `rounds`.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(about: About, rounds: u32, limit: u32) -> Result<Self> {
        let cpus = PerCpu::new(Cpu::new)?;
        // SAFETY: Set at boot.
        let nodes = unsafe { bindings::nr_node_ids } as usize;
        let mut depots = KVec::with_capacity(nodes, GFP_KERNEL)?;
        for _ in 0..nodes {
            let depot = Depot {
                full: Stack::new(),
                empty: Stack::new(),
            };
            depots.push(RawLock::new(depot, Class::Depot), GFP_KERNEL)?;
        }
        Ok(Self {
            about,
            cpus,
            depots,
            rounds,
            limit,
        })
    }

    /// Returns the fast path.
    #[inline(always)]
    pub(crate) fn local(&self) -> Local {
        Local(self.cpus.handle())
    }

    /// Takes an entry from this CPU's loaded magazine.
    ///
    /// Context: Any but NMI.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Entry> {
        // SAFETY: The front is alive.
        unsafe { self.local().pop() }
    }

    /// Takes up to `max` entries from this CPU's magazines and passes each to `give`.
    ///
    /// Returns how many. Context: Any but NMI. `give` is called with preemption off.
    #[inline]
    pub(crate) fn pop_many(&self, max: usize, mut give: impl FnMut(Entry)) -> usize {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        let Some(section) = Section::enter(cpu) else {
            return 0;
        };
        let loaded = section.loaded();
        let mut taken = 0usize;
        while taken < max {
            let Some(entry) = loaded.pop() else {
                break;
            };
            give(entry);
            taken = taken.wrapping_add(1);
        }
        drop(section);
        // ORDERING: Statistics, as in `count`.
        cpu.allocs
            .store(cpu.allocs.load(Relaxed).wrapping_add(taken as u64), Relaxed);
        taken
    }

    /// Takes an entry where [`Front::pop`] had none, without sleeping.
    ///
    /// Context: Any but NMI.
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_slow(&self, backing: &impl Backing, gfp: Gfp) -> Option<Entry> {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        let entry = match Section::enter(cpu) {
            Some(section) => self.reload(&section, backing, gfp),
            None => Self::one(cpu, backing, cpu.node as usize, gfp),
        };
        if entry.is_some() {
            count(&cpu.allocs);
        }
        entry
    }

    /// Takes an entry of `node`, past the magazines.
    ///
    /// Context: Any but NMI.
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_node(&self, backing: &impl Backing, node: usize, gfp: Gfp) -> Option<Entry> {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        let entry = Self::one(cpu, backing, node, gfp);
        if entry.is_some() {
            count(&cpu.allocs);
        }
        entry
    }

    fn one(cpu: &Cpu, backing: &impl Backing, node: usize, gfp: Gfp) -> Option<Entry> {
        let mut entry = None;
        backing.refill(node, gfp, 1, |got| entry = Some(got));
        if entry.is_some() {
            count(&cpu.slow);
        }
        entry
    }

    /// Finds an entry for a CPU whose loaded magazine is empty.
    fn reload(&self, section: &Section<'_>, backing: &impl Backing, gfp: Gfp) -> Option<Entry> {
        let cpu = section.cpu;
        cpu.loaded.swap(&cpu.spare);
        if let Some(entry) = section.loaded().pop() {
            return Some(entry);
        }
        if let Some(depot) = self.depots.get(cpu.node as usize) {
            let mut depot = depot.lock();
            if let Some(full) = depot.full.pop() {
                let empty = cpu.loaded.replace(full);
                if empty != Magazine::dummy() {
                    depot.empty.push(empty);
                }
                drop(depot);
                return section.loaded().pop();
            }
        }
        if !self.equip(&cpu.loaded, cpu) {
            return Self::one(cpu, backing, cpu.node as usize, gfp);
        }
        let loaded = section.loaded();
        backing.refill(cpu.node as usize, gfp, loaded.room(), |entry| {
            loaded.push(entry);
        });
        let entry = loaded.pop();
        if entry.is_some() {
            count(&cpu.refills);
        }
        entry
    }

    /// Sees to it that a CPU has a real magazine in `place`. Returns whether it has.
    fn equip(&self, place: &Cell<NonNull<Magazine>>, cpu: &Cpu) -> bool {
        if place.get() != Magazine::dummy() {
            return true;
        }
        let kept = self
            .depots
            .get(cpu.node as usize)
            .and_then(|depot| depot.lock().empty.pop());
        match kept.or_else(|| Magazine::new(self.about, self.rounds, Gfp::NOWAIT)) {
            Some(magazine) => {
                place.set(magazine);
                true
            }
            None => false,
        }
    }

    /// Puts an entry of `node` that [`Front::push`] did not take.
    ///
    /// Context: Any but NMI.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(&self, backing: &impl Backing, entry: Entry, node: u32) {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        count(&cpu.frees);
        let pushed = match Section::enter_for(cpu, node) {
            Some(section) => self.unload(&section, backing, entry),
            None => false,
        };
        if !pushed {
            count(&cpu.slow);
            backing.drain(&[entry]);
        }
    }

    /// Puts an entry for a CPU whose loaded magazine is full. Returns whether that was possible.
    fn unload(&self, section: &Section<'_>, backing: &impl Backing, entry: Entry) -> bool {
        let cpu = section.cpu;
        if !self.equip(&cpu.loaded, cpu) {
            return false;
        }
        if section.loaded().push(entry) {
            return true;
        }
        if !self.equip(&cpu.spare, cpu) {
            return false;
        }
        if section.spare().room() == 0 {
            let full = cpu.spare.replace(Magazine::dummy());
            if let Some(full) = self.store(cpu, full) {
                // SAFETY: The depot did not take it, so that it is still ours.
                unsafe { full.as_ref() }.empty(|entries| backing.drain(entries));
                count(&cpu.drains);
                cpu.spare.set(full);
            } else if !self.equip(&cpu.spare, cpu) {
                return false;
            }
        }
        cpu.loaded.swap(&cpu.spare);
        section.loaded().push(entry)
    }

    /// Puts a full magazine into the depot; returns it if the depot has enough.
    fn store(&self, cpu: &Cpu, full: NonNull<Magazine>) -> Option<NonNull<Magazine>> {
        let Some(depot) = self.depots.get(cpu.node as usize) else {
            return Some(full);
        };
        let mut depot = depot.lock();
        if depot.full.len() >= self.limit {
            return Some(full);
        }
        depot.full.push(full);
        None
    }

    /// Counts entries that were handed out or taken back past [`Front`], in bulk.
    pub(crate) fn count_bulk(&self, allocs: u64, frees: u64) {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        // ORDERING: Statistics, as in `count`.
        cpu.allocs
            .store(cpu.allocs.load(Relaxed).wrapping_add(allocs), Relaxed);
        cpu.frees
            .store(cpu.frees.load(Relaxed).wrapping_add(frees), Relaxed);
    }

    /// Empties this CPU's magazines into the backing store, unless it is using them.
    ///
    /// With `idle_only`, leaves alone what was used since the last such call.
    ///
    /// Context: Any, on the CPU meant.
    pub(crate) fn flush_this_cpu(&self, backing: &impl Backing, idle_only: bool) {
        let pinned = preempt::pin();
        let cpu = self.cpus.this(&pinned);
        if idle_only {
            // ORDERING: Statistics; a stale value delays or hastens a flush by one tick.
            let used = cpu
                .allocs
                .load(Relaxed)
                .wrapping_add(cpu.frees.load(Relaxed));
            if cpu.seen.load(Relaxed) != used {
                cpu.seen.store(used, Relaxed);
                return;
            }
        }
        let section = Section::enter(cpu);
        if section.is_some() {
            Self::flush(cpu, backing);
        }
    }

    fn flush(cpu: &Cpu, backing: &impl Backing) {
        for place in [&cpu.loaded, &cpu.spare] {
            // SAFETY: By the laws of this module; the caller is in a section, or the CPU is gone.
            let magazine = unsafe { place.get().as_ref() };
            magazine.empty(|entries| {
                backing.drain(entries);
                count(&cpu.drains);
            });
        }
    }

    /// Empties the magazines of a CPU that is offline.
    ///
    /// # Safety
    ///
    /// The CPU is offline and stays so during the call.
    pub(crate) unsafe fn flush_dead_cpu(&self, backing: &impl Backing, cpu: u32) {
        let _pinned = preempt::pin();
        Self::flush(self.cpus.on(cpu), backing);
    }

    /// Empties the depots into the backing store.
    ///
    /// The magazines stay: `cached` may be looking at one on its way from a CPU to the depot.
    ///
    /// Context: Any but NMI.
    pub(crate) fn flush_depots(&self, backing: &impl Backing) {
        for depot in &self.depots {
            loop {
                // The lock is let go before the entries are drained.
                let full = depot.lock().full.pop();
                let Some(magazine) = full else {
                    break;
                };
                let _pinned = preempt::pin();
                // SAFETY: Taken out of the depot, so that it is ours.
                unsafe { magazine.as_ref() }.empty(|entries| backing.drain(entries));
                depot.lock().empty.push(magazine);
            }
        }
    }

    /// Returns the number of entries in magazines; what others do meanwhile may be missed.
    pub(crate) fn cached(&self) -> usize {
        let depots: usize = self
            .depots
            .iter()
            .map(|depot| depot.lock().full.entries())
            .sum();
        let cpus = self.cpus.iter().map(|cpu| {
            // SAFETY: Magazines are freed only with the front.
            let loaded = unsafe { cpu.loaded.get().as_ref() };
            // SAFETY: As above.
            let spare = unsafe { cpu.spare.get().as_ref() };
            loaded.count() as usize + spare.count() as usize
        });
        depots + cpus.sum::<usize>()
    }

    /// Returns the counters, added up over all CPUs.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for cpu in self.cpus.iter() {
            // ORDERING: Statistics: the sum may miss what happens meanwhile.
            for (sum, counter) in [
                (&mut sum.allocs, &cpu.allocs),
                (&mut sum.frees, &cpu.frees),
                (&mut sum.refills, &cpu.refills),
                (&mut sum.drains, &cpu.drains),
                (&mut sum.slow, &cpu.slow),
            ] {
                *sum = sum.wrapping_add(counter.load(Relaxed));
            }
        }
        sum
    }
}

impl Drop for Front {
    /// Frees the magazines, which the owner has emptied.
    fn drop(&mut self) {
        for depot in &self.depots {
            let mut depot = depot.lock();
            while let Some(magazine) = depot.empty.pop() {
                // SAFETY: The front is going away, so that nobody uses its magazines.
                unsafe { Magazine::free(self.about, magazine) };
            }
        }
        for cpu in self.cpus.iter() {
            for place in [&cpu.loaded, &cpu.spare] {
                let magazine = place.replace(Magazine::dummy());
                // SAFETY: The front is going away, so that nobody uses its magazines.
                unsafe { Magazine::free(self.about, magazine) };
            }
        }
    }
}
