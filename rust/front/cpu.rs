// SPDX-License-Identifier: GPL-2.0

//! The magazines that one CPU has of one node, and the fast path to them.
//!
//! # Laws
//!
//! - The magazines of a CPU are used by that CPU only, in a section: between `enter` and `leave`, with
//!   preemption off. Or, when it is offline, by whoever empties them.
//! - `top` is the place behind the last entry of the loaded magazine, `base` that of its first. What is
//!   pushed goes to `top`, as long as that lies before `end`.
//! - What came in is what went out and what is there: entries pushed and brought in batches, entries
//!   popped and taken in batches, entries in the loaded and the spare magazine.
//!
//! # NMI
//!
//! An NMI may come between any two instructions, also where interrupts are off, and may pop and push. It
//! finds a section on, and touches nothing, or it finds none, and leaves whole what it has changed. What is
//! read outside of a section, to decide whether to enter one, is read again in it; the bit that says so is
//! set by one instruction, or, in `portable.rs`, by a load and a store, between which a section of the NMI
//! may begin and end, whose pop is then not counted. [`Cpu::count`] may lose an addition of the NMI's. Only
//! numbers for people come from either.

use crate::{
    magazine::{
        self,
        Entry,
        Magazine,
        Place,
        Run,
        ROUNDS, //
    },
    percpu::Handle,
    preempt::{
        self,
        PinnedCpu, //
    },
    sync::{
        AtomicBool,
        AtomicPtr,
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    }, //
};
use core::ptr::NonNull;

#[cfg(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_DEBUG_PREEMPT)))]
#[path = "cpu/x86_64.rs"]
mod here;
#[cfg(not(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_DEBUG_PREEMPT))))]
#[path = "cpu/portable.rs"]
mod here;

use here::Here;

/// What one CPU has of one node. Only the CPU itself writes; others read for statistics.
#[repr(C, align(64))]
pub(crate) struct Cpu {
    /// In the lowest bit whether a section is on, above it the number of entries popped.
    word: AtomicU64,
    top: AtomicPtr<magazine::Address>,
    base: AtomicPtr<magazine::Address>,
    /// Where the loaded magazine ends for `push`; where it begins, if pushing needs the slow path.
    end: AtomicPtr<magazine::Address>,
    /// Where it ends.
    limit: AtomicPtr<magazine::Address>,
    loaded: AtomicPtr<Magazine>,
    spare: AtomicPtr<Magazine>,
    /// Entries that came in batches, less those that went in batches.
    balance: AtomicU64,
    /// Entries handed out, and taken back, past the magazines.
    past: [AtomicU64; 2],
    slow: AtomicU64,
    refills: AtomicU64,
    drains: AtomicU64,
    /// What was going on when the clock ticked last.
    seen: AtomicU64,
    /// Whether entries are pushed by the fast path. Written for all CPUs, before each looks at it again.
    pushes_fast: AtomicBool,
    /// The node whose entries these are.
    pub(super) node: u32,
}

/// Counters of a front.
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
    /// Single entries that bypassed the magazines.
    pub(crate) slow: u64,
}

/// Something to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// Entries are handed out, or taken back, past the magazines.
    PastAlloc,
    PastFree,
    /// One of those was a single one.
    Slow,
    /// A magazine was filled from the backing store, or emptied into it.
    Refill,
    Drain,
}

impl Cpu {
    /// Returns what a CPU has at first: nothing.
    pub(super) fn new(node: u32, pushes_fast: bool) -> Self {
        let dummy = Magazine::dummy();
        // SAFETY: The dummy is always there.
        let base = unsafe { dummy.as_ref() }.base();
        Self {
            word: AtomicU64::new(0),
            top: AtomicPtr::new(base),
            base: AtomicPtr::new(base),
            end: AtomicPtr::new(base),
            limit: AtomicPtr::new(base),
            loaded: AtomicPtr::new(dummy.as_ptr()),
            spare: AtomicPtr::new(dummy.as_ptr()),
            balance: AtomicU64::new(0),
            past: [const { AtomicU64::new(0) }; 2],
            slow: AtomicU64::new(0),
            refills: AtomicU64::new(0),
            drains: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            pushes_fast: AtomicBool::new(pushes_fast),
            node,
        }
    }

    fn loaded(&self) -> &Magazine {
        // ORDERING: Written by this CPU; others do not look into it.
        // SAFETY: Never null, and magazines live as long as the front.
        unsafe { &*self.loaded.load(Relaxed) }
    }

    fn spare(&self) -> &Magazine {
        // ORDERING: Written by this CPU; others use `cached`.
        // SAFETY: As in `loaded`.
        unsafe { &*self.spare.load(Relaxed) }
    }

    /// Returns the entries of the loaded magazine; nonsense of at most a magazine while it changes.
    fn fill(&self) -> usize {
        // ORDERING: Written by this CPU; what others read is for statistics.
        let (top, base) = (self.top.load(Relaxed), self.base.load(Relaxed));
        let fill = top.addr().wrapping_sub(base.addr()) / 8;
        if fill > ROUNDS {
            0
        } else {
            fill
        }
    }

    /// Returns the number of entries in the magazines, see [`Cpu::fill`].
    pub(super) fn cached(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `exchange_spare`: what another CPU has made is complete.
        // SAFETY: As in `spare`.
        let spare = unsafe { &*self.spare.load(Acquire) };
        // CAST: Lossless.
        self.fill() + spare.count() as usize
    }

    /// Adds the counters to a sum; what goes on meanwhile makes them a little wrong.
    pub(super) fn add_to(&self, sum: &mut Counters) {
        // ORDERING: Statistics.
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let popped = get(&self.word) >> 1;
        let pushed = popped
            .wrapping_add(self.cached() as u64)
            .wrapping_sub(get(&self.balance));
        let [allocs, frees] = self.past.each_ref().map(get);
        for (sum, count) in [
            (&mut sum.allocs, popped.wrapping_add(allocs)),
            (&mut sum.frees, pushed.wrapping_add(frees)),
            (&mut sum.refills, get(&self.refills)),
            (&mut sum.drains, get(&self.drains)),
            (&mut sum.slow, get(&self.slow)),
        ] {
            *sum = sum.wrapping_add(count);
        }
    }

    fn counter(&self, event: Event) -> &AtomicU64 {
        let [allocs, frees] = &self.past;
        match event {
            Event::PastAlloc => allocs,
            Event::PastFree => frees,
            Event::Slow => &self.slow,
            Event::Refill => &self.refills,
            Event::Drain => &self.drains,
        }
    }

    /// Counts something on this CPU, inside or outside of a section.
    pub(super) fn count(&self, event: Event, by: u64) {
        // ORDERING: Statistics that only this CPU writes; where an addition is no single instruction,
        // an interrupt may lose one.
        let counter = self.counter(event);
        counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
    }

    /// Returns whether there was no push and no pop since the last call.
    pub(super) fn was_idle(&self) -> bool {
        // ORDERING: This CPU's own numbers; that of an interrupt in between is seen next time.
        let now = [&self.word, &self.balance]
            .into_iter()
            .fold(self.top.load(Relaxed).addr() as u64, |sum, word| {
                sum.wrapping_add(word.load(Relaxed))
            });
        self.seen.swap(now, Relaxed) == now
    }

    /// Counts entries that came in one batch and leave one by one, or the other way round.
    fn book(&self, came: u64, went: u64) {
        // ORDERING: Written by this CPU, with no interrupt that writes: in a section.
        let balance = self.balance.load(Relaxed);
        self.balance
            .store(balance.wrapping_add(came).wrapping_sub(went), Relaxed);
    }

    /// Loads a magazine.
    fn load(&self, magazine: NonNull<Magazine>) {
        // SAFETY: Whoever loads a magazine has it, so that it is alive.
        let this = unsafe { magazine.as_ref() };
        // ORDERING: Read by this CPU outside of the section; see `fill` for others.
        self.loaded.store(magazine.as_ptr(), Relaxed);
        self.base.store(this.base(), Relaxed);
        self.end.store(self.end_of(this), Relaxed);
        self.limit.store(this.end(), Relaxed);
        self.top.store(this.top(), Relaxed);
    }

    /// Returns where a magazine ends for `push`.
    fn end_of(&self, magazine: &Magazine) -> Place {
        // ORDERING: Who writes it has each CPU look again afterwards, in a section of its own.
        if self.pushes_fast.load(Relaxed) {
            magazine.end()
        } else {
            magazine.base()
        }
    }

    /// Says whether entries are pushed by the fast path. It is so once the CPU has
    /// [looked](Cpu::look_again).
    pub(super) fn set_pushes_fast(&self, pushes_fast: bool) {
        // ORDERING: As in `end_of`.
        self.pushes_fast.store(pushes_fast, Relaxed);
    }

    /// Has the loaded magazine follow [`Cpu::set_pushes_fast`].
    ///
    /// In a section, or for a CPU that is offline.
    pub(super) fn look_again(&self) {
        // ORDERING: As in `load`.
        self.end.store(self.end_of(self.loaded()), Relaxed);
    }

    /// Empties both magazines, passing on what was in them.
    ///
    /// In a section, or for a CPU that is offline.
    pub(super) fn empty(&self, mut take: impl FnMut(magazine::Entries<'_>)) {
        let loaded = self.loaded();
        if !loaded.is_dummy() {
            // ORDERING: As in `load`.
            loaded.set_top(self.top.load(Relaxed));
            self.top.store(loaded.base(), Relaxed);
        }
        for magazine in [loaded, self.spare()] {
            if magazine.count() != 0 {
                self.book(0, magazine.count().into());
                magazine.empty(&mut take);
            }
        }
    }

    /// Takes both magazines away, when nobody uses them any more.
    pub(super) fn dismantle(&self) -> [NonNull<Magazine>; 2] {
        let dummy = Magazine::dummy();
        let magazines = [&self.loaded, &self.spare].map(|place| {
            // ORDERING: Nobody else looks.
            NonNull::new(place.swap(dummy.as_ptr(), Relaxed)).unwrap_or(dummy)
        });
        self.load(dummy);
        magazines
    }
}

impl Here {
    /// Puts an entry into the loaded magazine, in a section. Returns whether there was room.
    #[inline(always)]
    fn push(self, entry: Entry) -> bool {
        let top = self.top();
        if self.is_limit(top) {
            return false;
        }
        // SAFETY: A place before the end of the loaded magazine, which is ours.
        unsafe { magazine::write(top, entry) };
        self.move_top(1);
        true
    }
}

/// The right to use a CPU's magazines, until dropped.
pub(super) struct Section<'a> {
    pub(super) cpu: &'a Cpu,
    here: Here,
}

impl<'a> Section<'a> {
    /// Enters, unless this CPU is in a section already.
    pub(super) fn enter(local: Local, pinned: &'a PinnedCpu) -> Option<Self> {
        // SAFETY: The front is alive, and `pinned` says that the CPU stays.
        let (here, cpu) = unsafe { (Here::new(local.0), local.0.this(pinned)) };
        // Made only once entered: dropping one ends the section.
        here.enter().then(|| Self { cpu, here })
    }

    /// Takes an entry out of the loaded magazine, and counts it.
    pub(super) fn pop(&self) -> Option<Entry> {
        let top = self.here.top();
        if self.here.is_base(top) {
            return None;
        }
        // SAFETY: Between base and top lie entries.
        let entry = unsafe { magazine::read(top.wrapping_sub(1)) };
        self.here.move_top(-1);
        self.count_pops(1);
        Some(entry)
    }

    /// Counts entries that were popped.
    pub(super) fn count_pops(&self, pops: u64) {
        // ORDERING: Nobody else writes it during the section.
        let word = self.cpu.word.load(Relaxed);
        self.cpu.word.store(word.wrapping_add(pops << 1), Relaxed);
    }

    /// Puts an entry into the loaded magazine. Returns whether there was room.
    pub(super) fn push(&self, entry: Entry) -> bool {
        self.here.push(entry)
    }

    /// Lets `fill` put entries into the loaded magazine. It is told for how many there is room, and
    /// returns how many it put.
    pub(super) fn fill(&self, fill: impl FnOnce(u32, &mut Filling) -> u32) {
        let mut filling = Filling {
            at: self.here.top(),
            end: self.cpu.loaded().end(),
        };
        let room = filling.end.addr().wrapping_sub(filling.at.addr()) / 8;
        // CAST: At most `ROUNDS`.
        let came = fill(room as u32, &mut filling);
        // ORDERING: Nobody else writes it during the section.
        self.cpu.top.store(filling.at, Relaxed);
        self.cpu.book(came.into(), 0);
    }

    /// Returns the entries on top of the loaded magazine, at most `most`.
    #[inline(always)]
    pub(super) fn last(&self, most: usize) -> magazine::Entries<'_> {
        let count = self.cpu.fill().min(most);
        // SAFETY: Between base and top lie entries; nobody changes them during the section.
        unsafe { magazine::entries(self.here.top().wrapping_sub(count), count) }
    }

    /// Removes entries from the top of the loaded magazine, which has as many, and counts them.
    #[inline(always)]
    pub(super) fn drop_last(&self, count: usize) {
        let top = self.here.top().wrapping_sub(count);
        // ORDERING: Nobody else writes it during the section.
        self.cpu.top.store(top, Relaxed);
        self.count_pops(count as u64);
    }

    /// Returns the room that the loaded magazine has for `push`.
    #[inline(always)]
    pub(super) fn room(&self) -> Room<'a> {
        let top = self.here.top();
        Room {
            cpu: self.cpu,
            top,
            // ORDERING: Written by this CPU. Without a fast path it lies below the top.
            left: (self.cpu.end.load(Relaxed).addr().saturating_sub(top.addr())) / 8,
        }
    }

    /// Returns whether the CPU has no magazine loaded, or no spare one.
    pub(super) fn lacks(&self, which: Which) -> bool {
        // ORDERING: Written by this CPU.
        core::ptr::eq(
            self.place(which).load(Relaxed),
            Magazine::dummy().as_ptr().cast_const(),
        )
    }

    fn place(&self, which: Which) -> &AtomicPtr<Magazine> {
        match which {
            Which::Loaded => &self.cpu.loaded,
            Which::Spare => &self.cpu.spare,
        }
    }

    /// Gives the CPU a magazine in place of the one it has, which is returned.
    pub(super) fn replace(&self, which: Which, magazine: NonNull<Magazine>) -> NonNull<Magazine> {
        let old = match which {
            Which::Loaded => {
                let old = self.close_loaded();
                self.cpu.load(magazine);
                old
            }
            Which::Spare => self.exchange_spare(magazine),
        };
        // SAFETY: The CPU has the one, and the caller has the other.
        let (came, went) = unsafe { (magazine.as_ref().count(), old.as_ref().count()) };
        self.cpu.book(came.into(), went.into());
        old
    }

    /// Makes the spare magazine the loaded one, and the other way round.
    pub(super) fn swap(&self) {
        let loaded = self.close_loaded();
        self.cpu.load(self.exchange_spare(loaded));
    }

    /// Writes down in the loaded magazine what is in it, and returns it.
    fn close_loaded(&self) -> NonNull<Magazine> {
        let loaded = self.cpu.loaded();
        if !loaded.is_dummy() {
            loaded.set_top(self.here.top());
        }
        NonNull::from(loaded)
    }

    /// Makes a magazine the spare one, and returns the one that was.
    fn exchange_spare(&self, magazine: NonNull<Magazine>) -> NonNull<Magazine> {
        let old = NonNull::from(self.cpu.spare());
        // ORDERING: Written by this CPU. Release pairs with the Acquire in `cached` by others.
        self.cpu.spare.store(magazine.as_ptr(), Release);
        old
    }

    /// Puts the entries of the loaded magazine into random order.
    pub(super) fn shuffle(&self, number: impl FnMut() -> u64) {
        // SAFETY: Between base and top lie entries; nobody else changes them during the section.
        unsafe { magazine::shuffle(self.cpu.loaded().base(), self.cpu.fill(), number) };
    }

    /// Returns whether the spare magazine has entries.
    pub(super) fn spare_has_entries(&self) -> bool {
        self.cpu.spare().count() != 0
    }

    /// Returns whether the spare magazine has room.
    pub(super) fn spare_has_room(&self) -> bool {
        !self.cpu.spare().is_full()
    }
}

/// The loaded magazine while it is filled.
pub(super) struct Filling {
    at: Place,
    end: Place,
}

impl Filling {
    /// Puts entries. Those for which there is no room are lost.
    #[inline(always)]
    pub(super) fn put(&mut self, run: Run) {
        let room = self.end.addr().wrapping_sub(self.at.addr()) / 8;
        let mut at = self.at;
        for entry in run.first(room).iter() {
            // SAFETY: A place before the end of the magazine, which the section has.
            unsafe { magazine::write(at, entry) };
            at = at.wrapping_add(1);
        }
        self.at = at;
    }
}

/// What room there is in the loaded magazine, during a section.
pub(crate) struct Room<'a> {
    cpu: &'a Cpu,
    top: Place,
    left: usize,
}

impl Room<'_> {
    /// Returns whether the magazine is for entries of a node.
    #[inline(always)]
    pub(crate) fn is_of(&self, node: u32) -> bool {
        self.cpu.node == node
    }

    /// Returns for how many entries there is room.
    #[inline(always)]
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Puts an entry where the next but `index` goes.
    ///
    /// # Safety
    ///
    /// There is room for it.
    #[inline(always)]
    pub(crate) unsafe fn put(&mut self, index: usize, entry: Entry) {
        // SAFETY: By the contract of this function.
        unsafe { magazine::write(self.top.wrapping_add(index), entry) };
    }

    /// Says that the next `count` entries have been put.
    ///
    /// # Safety
    ///
    /// They have.
    #[inline(always)]
    pub(crate) unsafe fn advance(&mut self, count: usize) {
        self.top = self.top.wrapping_add(count);
        self.left = self.left.wrapping_sub(count);
    }

    /// Says that the entries are there.
    #[inline(always)]
    pub(super) fn finish(self) {
        // ORDERING: Nobody else writes it during the section.
        self.cpu.top.store(self.top, Relaxed);
    }
}

/// One of a CPU's two magazines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Loaded,
    Spare,
}

impl Drop for Section<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.here.leave();
    }
}

/// The fast path to what each CPU has of one node.
#[derive(Clone, Copy)]
pub(crate) struct Local(pub(super) Handle<Cpu>);

impl Local {
    /// Returns the node.
    pub(super) fn node(self, pinned: &PinnedCpu) -> u32 {
        // SAFETY: The front is alive, as it has itself the fast path.
        unsafe { self.0.this(pinned) }.node
    }

    /// Takes an entry from this CPU's loaded magazine.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The front is alive.
    #[inline(always)]
    pub(crate) unsafe fn pop(self) -> Option<Entry> {
        let _pinned = preempt::pin();
        // SAFETY: By the contract of this function; the CPU stays.
        let here = unsafe { Here::new(self.0) };
        if !here.enter() {
            return None;
        }
        let top = here.top();
        if here.is_base(top) {
            here.leave();
            return None;
        }
        // SAFETY: Between base and top lie entries.
        let entry = unsafe { magazine::read(top.wrapping_sub(1)) };
        here.move_top(-1);
        here.leave_popped();
        Some(entry)
    }

    /// Puts an entry of the node into this CPU's loaded magazine. Returns whether it took it.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The front is alive.
    #[inline(always)]
    pub(crate) unsafe fn push(self, entry: Entry) -> bool {
        let _pinned = preempt::pin();
        // SAFETY: By the contract of this function; the CPU stays.
        let here = unsafe { Here::new(self.0) };
        if !here.enter() {
            return false;
        }
        let top = here.top();
        if here.is_end(top) {
            here.leave();
            return false;
        }
        // SAFETY: A place before the end of the loaded magazine, which is ours.
        unsafe { magazine::write(top, entry) };
        here.move_top(1);
        here.leave();
        true
    }

    /// Puts an entry of the node into this CPU's loaded magazine, also where [`Local::push`] takes none. Returns
    /// whether there was room.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The front is alive.
    #[inline(always)]
    pub(crate) unsafe fn push_closed(self, entry: Entry) -> bool {
        let _pinned = preempt::pin();
        // SAFETY: By the contract of this function; the CPU stays.
        let here = unsafe { Here::new(self.0) };
        if !here.enter() {
            return false;
        }
        let pushed = here.push(entry);
        here.leave();
        pushed
    }
}
