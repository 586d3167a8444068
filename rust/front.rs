// SPDX-License-Identifier: GPL-2.0

//! What every CPU keeps of one kind of thing: the fast path of blocks and of objects.
//!
//! A CPU has two magazines for each node; between them and the backing store is a depot of full
//! magazines, one on each node. The fast path takes no lock and does no atomic read-modify-write:
//! preemption is off, and a bit says that the CPU is busy while its magazines are being changed. An
//! interrupt that finds it set goes to the backing store for one entry.
//!
//! A CPU allocates from the magazines of the node that it takes memory from. What it frees of another
//! node goes to its magazines of that one, and from there in whole magazines to where it belongs.
//!
//! In a hardened front, a CPU has two further magazines for what it frees. They are its quarantine: what comes
//! leaves when both are full, the older one first, and at least a magazine of others comes between it and the
//! next use of the memory. What a CPU begins to pop from is shuffled.
//!
//! # Laws
//!
//! - All entries of a magazine are of one node.
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
        Entries,
        Entry,
        Magazine,
        Run,
        Stack, //
    },
    metadata::About,
    numa,
    percpu::{
        possible_cpus,
        CpusHeld,
        PerCpu, //
    },
    preempt,
    random,
    requests::KVec,
    trace::{
        self,
        Magazines, //
    }, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicBool,
        Ordering::Relaxed, //
    }, //
};
use kernel::prelude::*;

mod cpu;
mod home;
mod nolock;

pub(crate) use cpu::{
    Counters,
    Local,
    Room, //
};
use cpu::{
    Cpu,
    Event,
    Section,
    Which, //
};
use home::nothing;
pub(crate) use home::{
    exit,
    init,
    Slot,
    NR_CLASSES, //
};

/// Where entries come from and go to in batches.
pub(crate) trait Backing {
    /// Takes up to `want` entries of a node and passes them to `give` in runs. Returns how many.
    ///
    /// Context: Any, with preemption off. Does not sleep.
    fn refill(&self, node: usize, gfp: Gfp, want: u32, give: impl FnMut(Run)) -> u32;

    /// Takes entries of a node back.
    ///
    /// Context: Any, with preemption off. Does not sleep.
    fn drain(&self, node: usize, entries: Entries<'_>);
}

/// Full and empty magazines of a node.
struct Depot {
    full: Stack,
    empty: Stack,
    /// The fewest full magazines since the clock ticked last: so many were of no use.
    low: u32,
}

impl Depot {
    const fn new() -> Self {
        Self {
            full: Stack::new(),
            empty: Stack::new(),
            low: 0,
        }
    }

    fn take_full(&mut self) -> Option<NonNull<Magazine>> {
        let full = self.full.pop();
        self.low = self.low.min(self.full.len());
        full
    }
}

/// What there is of one node.
struct Node {
    index: usize,
    /// What entries are popped from; and pushed to, without a quarantine.
    cpus: PerCpu<Cpu>,
    /// The quarantine of a hardened front.
    quarantine: Option<PerCpu<Cpu>>,
    depot: RawLock<Depot>,
}

impl Node {
    /// Returns where entries are popped.
    fn local(&self) -> Local {
        Local(self.cpus.handle())
    }

    /// Returns what entries are pushed to.
    fn pushed(&self) -> &PerCpu<Cpu> {
        self.quarantine.as_ref().unwrap_or(&self.cpus)
    }

    /// Returns all that CPUs have.
    fn all(&self) -> impl Iterator<Item = &PerCpu<Cpu>> {
        [Some(&self.cpus), self.quarantine.as_ref()]
            .into_iter()
            .flatten()
    }
}

/// Which ways there are that take no slow path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fast {
    /// That of [`Front::pop_fast`], and through a [`Slot`].
    pub(crate) pop: bool,
    /// That of [`Local::push`].
    pub(crate) push: bool,
}

/// The magazines of all CPUs and nodes for one kind of thing.
pub(crate) struct Front {
    about: About,
    nodes: KVec<Node>,
    /// For each CPU, the magazines of the node that it takes memory from.
    homes: PerCpu<Local>,
    /// The same for the fast path; nothing, if there is none.
    fast_homes: PerCpu<Local>,
    /// Entries of a magazine.
    rounds: u32,
    /// Most full magazines in a depot.
    limit: u32,
    /// Whether entries are pushed by the fast path.
    pushes_fast: AtomicBool,
    /// Whether entries come in random order.
    hardened: bool,
}

impl Front {
    /// Creates the front of something that lies in magazines of `rounds`.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(
        about: About,
        rounds: u32,
        limit: u32,
        fast: Fast,
        hardened: bool,
    ) -> Result<Self> {
        // SAFETY: Set at boot.
        let count = unsafe { bindings::nr_node_ids };
        let mut nodes = KVec::with_capacity(count as usize, GFP_KERNEL)?;
        for index in 0..count {
            let cpus = || PerCpu::new(|_| Cpu::new(index, fast.push));
            let node = Node {
                index: index as usize,
                cpus: cpus()?,
                quarantine: if hardened { Some(cpus()?) } else { None },
                depot: RawLock::new(Depot::new(), Class::Depot),
            };
            nodes.push(node, GFP_KERNEL)?;
        }
        let first = nodes.first().ok_or(EINVAL)?;
        let home = |cpu| nodes.get(numa::of_cpu(cpu)).unwrap_or(first).local();
        Ok(Self {
            about,
            homes: PerCpu::new(home)?,
            fast_homes: PerCpu::new(|cpu| if fast.pop { home(cpu) } else { nothing() })?,
            nodes,
            rounds,
            limit,
            pushes_fast: AtomicBool::new(fast.push),
            hardened,
        })
    }

    /// Publishes the fast path of each CPU in a slot of its table.
    pub(crate) fn publish(&self, slot: Slot) {
        slot.set(|cpu| *self.fast_homes.on(cpu));
    }

    /// Returns the fast path of frees to a node.
    #[inline(always)]
    pub(crate) fn local(&self, node: usize) -> Option<Local> {
        Some(Local(self.nodes.get(node)?.pushed().handle()))
    }

    /// Takes an entry from this CPU's magazine, if there is a fast path.
    ///
    /// Context: Any but NMI.
    #[inline(always)]
    pub(crate) fn pop_fast(&self) -> Option<Entry> {
        // SAFETY: The front is alive.
        unsafe { self.fast_homes.read().pop() }
    }

    /// Takes an entry from this CPU's magazine.
    ///
    /// Context: Any but NMI.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Entry> {
        // SAFETY: The front is alive.
        unsafe { self.homes.read().pop() }
    }

    /// Takes an entry of a node from this CPU's magazine.
    ///
    /// Context: Any but NMI.
    pub(crate) fn pop_node(&self, node: usize) -> Option<Entry> {
        // SAFETY: The front is alive.
        unsafe { self.nodes.get(node)?.local().pop() }
    }

    /// Passes up to `max` entries of this CPU's loaded magazine to `give`, which takes them all, if there is a
    /// fast path.
    ///
    /// Returns how many. Context: Any but NMI. `give` is called with preemption off.
    #[inline(always)]
    pub(crate) fn pop_many(&self, max: usize, give: impl FnOnce(Entries<'_>)) -> usize {
        let pinned = preempt::pin();
        let Some(section) = Section::enter(self.fast_homes.read(), &pinned) else {
            return 0;
        };
        let entries = section.last(max);
        let count = entries.len();
        give(entries);
        section.drop_last(count);
        count
    }

    /// Lets `put` put entries into this CPU's loaded magazine. Returns how many it did.
    ///
    /// Context: Any but NMI. `put` is called with preemption off.
    #[inline(always)]
    pub(crate) fn push_many(&self, put: impl FnOnce(&mut Room<'_>)) -> usize {
        let pinned = preempt::pin();
        let Some(section) = Section::enter(self.homes.read(), &pinned) else {
            return 0;
        };
        let mut room = section.room();
        let before = room.left();
        put(&mut room);
        let count = before - room.left();
        room.finish();
        count
    }

    fn node(&self, index: usize) -> Option<&Node> {
        self.nodes.get(index)
    }

    /// Takes an entry, of a node or else of this CPU's, where the fast path had none, without sleeping.
    ///
    /// Context: Any but NMI.
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_slow(
        &self,
        backing: &impl Backing,
        node: Option<usize>,
        gfp: Gfp,
    ) -> Option<Entry> {
        let pinned = preempt::pin();
        // CAST: Lossless.
        let home = || self.homes.read().node(&pinned) as usize;
        let node = self.node(node.unwrap_or_else(home))?;
        let section = Section::enter(node.local(), &pinned);
        match &section {
            Some(section) => self.reload(node, section, backing, gfp),
            None => Self::one(node, node.cpus.this(&pinned), backing, gfp),
        }
    }

    /// Takes one entry past the magazines.
    fn one(node: &Node, cpu: &Cpu, backing: &impl Backing, gfp: Gfp) -> Option<Entry> {
        let mut entry = None;
        backing.refill(node.index, gfp, 1, |got| entry = got.iter().next());
        if entry.is_some() {
            cpu.count(Event::PastAlloc, 1);
            cpu.count(Event::Slow, 1);
            trace::magazines(Magazines::Slow, node.index, 1);
        }
        entry
    }

    /// Finds an entry for a CPU whose loaded magazine is empty.
    fn reload(
        &self,
        node: &Node,
        section: &Section<'_>,
        backing: &impl Backing,
        gfp: Gfp,
    ) -> Option<Entry> {
        if let Some(entry) = section.pop() {
            return Some(entry);
        }
        if section.spare_has_entries() {
            section.swap();
            return section.pop();
        }
        let mut depot = node.depot.lock();
        if let Some(full) = depot.take_full() {
            let empty = section.replace(Which::Loaded, full);
            if empty != Magazine::dummy() {
                depot.empty.push(empty);
            }
            drop(depot);
            self.shuffle(section);
            return section.pop();
        }
        drop(depot);
        if !self.equip(node, section, Which::Loaded) {
            return Self::one(node, section.cpu, backing, gfp);
        }
        section.fill(|room, to| {
            let filled = backing.refill(node.index, gfp, room, |run| to.put(run));
            trace::magazines(Magazines::Refill, node.index, filled);
            filled
        });
        self.shuffle(section);
        let entry = section.pop();
        if entry.is_some() {
            section.cpu.count(Event::Refill, 1);
        }
        entry
    }

    /// Puts what is to be popped into random order, in a hardened front.
    fn shuffle(&self, section: &Section<'_>) {
        if self.hardened {
            section.shuffle(random::numbers());
        }
    }

    /// Sees to it that a CPU has a real magazine in a place. Returns whether it has.
    #[inline(always)]
    fn equip(&self, node: &Node, section: &Section<'_>, which: Which) -> bool {
        !section.lacks(which) || self.supply(node, section, which)
    }

    #[cold]
    #[inline(never)]
    fn supply(&self, node: &Node, section: &Section<'_>, which: Which) -> bool {
        let kept = node.depot.lock().empty.pop();
        match kept.or_else(|| Magazine::new(self.about, self.rounds, Gfp::NOWAIT)) {
            Some(magazine) => {
                section.replace(which, magazine);
                true
            }
            None => false,
        }
    }

    /// Puts an entry of a node that [`Local::push`] did not take.
    ///
    /// Context: Any but NMI.
    #[cold]
    #[inline(never)]
    pub(crate) fn push_slow(&self, backing: &impl Backing, entry: Entry, node: usize) {
        let pinned = preempt::pin();
        let Some(node) = self.node(node) else {
            return;
        };
        let cpus = node.pushed();
        let pushed = match Section::enter(Local(cpus.handle()), &pinned) {
            Some(section) => self.unload(node, &section, backing, entry),
            None => false,
        };
        if !pushed {
            Self::drain_one(node, cpus.this(&pinned), backing, &entry);
        }
    }

    /// Puts one entry back past the magazines.
    #[cold]
    #[inline(never)]
    fn drain_one(node: &Node, cpu: &Cpu, backing: &impl Backing, entry: &Entry) {
        cpu.count(Event::PastFree, 1);
        cpu.count(Event::Slow, 1);
        trace::magazines(Magazines::Slow, node.index, 1);
        backing.drain(node.index, Entries::one(entry));
    }

    /// Puts an entry of a node back that nobody has had since it was popped.
    ///
    /// Context: Any but NMI.
    pub(crate) fn return_unused(&self, backing: &impl Backing, entry: Entry, node: usize) {
        let pinned = preempt::pin();
        let Some(node) = self.node(node) else {
            return;
        };
        let section = Section::enter(node.local(), &pinned);
        if !section.is_some_and(|section| section.push(entry)) {
            Self::drain_one(node, node.cpus.this(&pinned), backing, &entry);
        }
    }

    /// Puts an entry for a CPU whose loaded magazine is full. Returns whether that was possible.
    fn unload(
        &self,
        node: &Node,
        section: &Section<'_>,
        backing: &impl Backing,
        entry: Entry,
    ) -> bool {
        if section.push(entry) {
            return true;
        }
        if section.lacks(Which::Loaded) {
            return self.equip(node, section, Which::Loaded) && section.push(entry);
        }
        if !self.equip(node, section, Which::Spare) {
            return false;
        }
        if !section.spare_has_room() {
            let full = section.replace(Which::Spare, Magazine::dummy());
            if let Some(full) = self.store(node, full) {
                // SAFETY: The depot did not take it, so that it is still ours.
                unsafe { full.as_ref() }.empty(|entries| backing.drain(node.index, entries));
                section.cpu.count(Event::Drain, 1);
                trace::magazines(Magazines::Drain, node.index, self.rounds);
                section.replace(Which::Spare, full);
            } else if !self.equip(node, section, Which::Spare) {
                return false;
            }
        }
        section.swap();
        section.push(entry)
    }

    /// Puts a full magazine into the depot; returns it if the depot has enough.
    fn store(&self, node: &Node, full: NonNull<Magazine>) -> Option<NonNull<Magazine>> {
        let mut depot = node.depot.lock();
        if depot.full.len() >= self.limit {
            return Some(full);
        }
        depot.full.push(full);
        None
    }

    /// Opens and closes fast paths. One at a time. Where the front is published, that is to be done again.
    ///
    /// When it returns, no push is under way that takes a path which was closed; a pop may be.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn set_fast(&self, fast: Fast, cpus: &CpusHeld) {
        for cpu in possible_cpus() {
            let home = if fast.pop {
                *self.homes.on(cpu)
            } else {
                nothing()
            };
            self.fast_homes.replace(cpu, home);
        }
        // ORDERING: One at a time.
        if self.pushes_fast.load(Relaxed) == fast.push {
            return;
        }
        self.pushes_fast.store(fast.push, Relaxed);
        for (_, each) in self.all() {
            each.iter().for_each(|cpu| cpu.set_pushes_fast(fast.push));
            for cpu in cpus.offline() {
                each.on(cpu).look_again();
            }
        }
        // A CPU that is using its magazines is asked again.
        // ORDERING: The calls wait for all CPUs.
        let busy = AtomicBool::new(true);
        while busy.swap(false, Relaxed) {
            cpus.on_each_online(&|| {
                if !self.look_again() {
                    busy.store(true, Relaxed);
                }
            });
        }
    }

    /// Has this CPU follow a change, unless it is using its magazines. Returns whether it does.
    fn look_again(&self) -> bool {
        let pinned = preempt::pin();
        let look = |(_, cpus): (&Node, &PerCpu<Cpu>)| match Section::enter(
            Local(cpus.handle()),
            &pinned,
        ) {
            Some(section) => {
                section.cpu.look_again();
                true
            }
            None => false,
        };
        self.all().all(look)
    }

    /// Counts entries that were handed out or taken back past the front, in bulk.
    pub(crate) fn count_bulk(&self, allocs: u64, frees: u64) {
        let pinned = preempt::pin();
        let Some(node) = self.nodes.first() else {
            return;
        };
        let cpu = node.cpus.this(&pinned);
        cpu.count(Event::PastAlloc, allocs);
        cpu.count(Event::PastFree, frees);
    }

    /// Empties this CPU's magazines into the backing store, unless it is using them.
    ///
    /// With `idle_only`, leaves alone what was used since the last such call.
    ///
    /// Context: Any, on the CPU meant.
    pub(crate) fn flush_this_cpu(&self, backing: &impl Backing, idle_only: bool) {
        let pinned = preempt::pin();
        for (node, cpus) in self.all() {
            if idle_only && !cpus.this(&pinned).was_idle() {
                continue;
            }
            if let Some(section) = Section::enter(Local(cpus.handle()), &pinned) {
                Self::flush(node, section.cpu, backing);
            }
        }
    }

    fn flush(node: &Node, cpu: &Cpu, backing: &impl Backing) {
        cpu.empty(|entries| {
            // CAST: At most a magazine.
            trace::magazines(Magazines::Drain, node.index, entries.len() as u32);
            backing.drain(node.index, entries);
            cpu.count(Event::Drain, 1);
        });
    }

    /// Empties the magazines of a CPU that is offline.
    ///
    /// # Safety
    ///
    /// The CPU is offline and stays so during the call.
    pub(crate) unsafe fn flush_dead_cpu(&self, backing: &impl Backing, cpu: u32) {
        let _pinned = preempt::pin();
        for (node, cpus) in self.all() {
            Self::flush(node, cpus.on(cpu), backing);
        }
    }

    /// Returns all that CPUs have, with the node that it is of.
    fn all(&self) -> impl Iterator<Item = (&Node, &PerCpu<Cpu>)> {
        let of_node = |node| Node::all(node).map(move |cpus| (node, cpus));
        self.nodes.iter().flat_map(of_node)
    }

    /// Empties the depots into the backing store.
    ///
    /// The magazines stay: `cached` may be looking at one on its way from a CPU to the depot.
    ///
    /// Context: Any but NMI.
    pub(crate) fn flush_depots(&self, backing: &impl Backing) {
        for node in &self.nodes {
            Self::flush_depot(node, backing, u32::MAX);
        }
    }

    /// Empties the full magazines that nobody needed since the last call.
    ///
    /// So illumos trims its depots, by `kmem_depot_ws_reap()`.
    ///
    /// Context: Any but NMI.
    pub(crate) fn trim_depots(&self, backing: &impl Backing) {
        for node in &self.nodes {
            let mut depot = node.depot.lock();
            let idle = core::mem::replace(&mut depot.low, u32::MAX);
            let idle = idle.min(depot.full.len());
            drop(depot);
            Self::flush_depot(node, backing, idle);
            let mut depot = node.depot.lock();
            depot.low = depot.low.min(depot.full.len());
        }
    }

    fn flush_depot(node: &Node, backing: &impl Backing, most: u32) {
        for _ in 0..most {
            // The lock is let go before the entries are drained.
            let full = node.depot.lock().take_full();
            let Some(magazine) = full else {
                break;
            };
            let _pinned = preempt::pin();
            // SAFETY: Taken out of the depot, so that it is ours.
            unsafe { magazine.as_ref() }.empty(|entries| backing.drain(node.index, entries));
            node.depot.lock().empty.push(magazine);
        }
    }

    /// Returns the number of entries in magazines; what others do meanwhile may be missed.
    pub(crate) fn cached(&self) -> usize {
        let of_cpus =
            |(_, cpus): (&Node, &PerCpu<Cpu>)| cpus.iter().map(Cpu::cached).sum::<usize>();
        let of_depot = |node: &Node| node.depot.lock().full.entries();
        self.all().map(of_cpus).sum::<usize>() + self.nodes.iter().map(of_depot).sum::<usize>()
    }

    /// Returns the counters, added up over all CPUs.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for (_, cpus) in self.all() {
            cpus.iter().for_each(|cpu| cpu.add_to(&mut sum));
        }
        sum
    }
}

impl Front {
    /// Leaves nothing but the tables of the CPUs, in which there is no fast path any more.
    ///
    /// Whoever still asks for an entry finds none, by the fast path and by the slow one; what is pushed in bulk
    /// finds no room. The owner has emptied the magazines.
    ///
    /// Context: Process context.
    pub(crate) fn retire(&mut self) {
        for cpu in possible_cpus() {
            self.fast_homes.replace(cpu, nothing());
            self.homes.replace(cpu, nothing());
        }
        self.dismantle();
        self.nodes = KVec::new();
    }

    /// Frees the magazines, which the owner has emptied.
    fn dismantle(&mut self) {
        for node in &self.nodes {
            let mut depot = node.depot.lock();
            while let Some(magazine) = depot.empty.pop() {
                // SAFETY: The front is going away, so that nobody uses its magazines.
                unsafe { Magazine::free(self.about, magazine) };
            }
        }
        for (_, cpus) in self.all() {
            for magazine in cpus.iter().flat_map(Cpu::dismantle) {
                // SAFETY: As above.
                unsafe { Magazine::free(self.about, magazine) };
            }
        }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.dismantle();
    }
}
