// SPDX-License-Identifier: GPL-2.0

//! What is charged to one named pool: pages that blocks, slabs and areas take.
//!
//! The account of a pool grants pages up to its limit, has its reserve set aside as blocks that nobody
//! else can get, and knows which nodes its pages may come from. What it grants is charged where pages
//! are taken: for a block, for a slab, for an area. So an object that comes from a magazine costs
//! nothing more than in a cache without an account.
//!
//! A block that is charged has the account as the owner of its first page, so that whoever frees it
//! finds where it is charged, and a state of its own, so that the fast path of other blocks need not
//! ask.
//!
//! # Laws
//!
//! - What is used and what is set aside is together at most the limit.
//! - An account is dropped only when nothing is charged to it.
//!
//! # Lock order
//!
//! The stash is taken alone.

use crate::{
    gfp::Gfp,
    grow,
    guard::block::Aside,
    lock::{
        Class,
        RawLock, //
    },
    owners::{
        self,
        nobody,
        Owner, //
    },
    page_alloc::{
        self,
        must_clear_on_free,
        Kind,
        NO_NODE, //
    },
    pool::{
        Budget,
        Grant,
        Order,
        Shelf,
        Stash,
        Urgency,
        Usage,
        STASH_ORDER, //
    },
    preempt,
    preset::Preset,
    report::BadFree,
    requests::{
        KBox,
        KVVec, //
    },
    state,
    track::{
        self,
        Scope, //
    },
    window::{
        self,
        held,
        Pfn, //
    }, //
};
use core::{
    ptr::NonNull,
    sync::atomic::Ordering::Relaxed, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

mod nodes;
mod wait;

pub(crate) use nodes::Nodes;
use wait::Queue;

/// Order of the blocks that a stash is made of.
const LARGE: Order = match Order::new(STASH_ORDER) {
    Some(order) => order,
    None => Order::ZERO,
};

/// Blocks of a stash, by their addresses. Has room for as many as it was made for.
struct Blocks(KVVec<NonNull<u8>>);

// SAFETY: The addresses of blocks that belong to no thread.
unsafe impl Send for Blocks {}

impl Shelf for Blocks {
    type Id = NonNull<u8>;

    fn push(&mut self, block: NonNull<u8>) -> bool {
        self.0.push_within_capacity(block).is_ok()
    }

    fn pop(&mut self) -> Option<NonNull<u8>> {
        self.0.pop()
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

/// The account of a named pool.
#[repr(C)]
pub(crate) struct Account {
    /// Zeroes: what those see who take the owner of a page for a slab, see [`owners::nobody`].
    record: [u8; owners::RECORD],
    number: usize,
    nodes: Nodes,
    budget: Budget,
    stash: RawLock<Stash<Blocks>>,
    queue: Queue,
    waits: bool,
    preset: Preset,
    /// Blocks that were freed and are not to be had again for a while; they are charged.
    aside: Option<Aside>,
}

/// What an account shows.
#[derive(Clone, Copy)]
pub(crate) struct State {
    /// The budget.
    pub(crate) usage: Usage,
    /// Pages that are set aside now.
    pub(crate) stashed: usize,
    /// Callers who have waited.
    pub(crate) waits: u64,
    /// The longest that one has waited, in nanoseconds.
    pub(crate) longest_wait: u64,
}

impl Account {
    /// Opens an account of at most `limit` pages, of which `reserve` are set aside at once.
    ///
    /// `number` is what others know it by. Callers wait for memory if `waits` and their flags say so.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(
        number: usize,
        limit: usize,
        reserve: usize,
        nodes: Nodes,
        waits: bool,
        preset: Preset,
    ) -> Result<KBox<Self>> {
        if reserve > limit {
            return Err(EINVAL);
        }
        if reserve > grow::growth().limit {
            return Err(ENOMEM);
        }
        let shelf = |order: u32| {
            let room = if reserve == 0 {
                0
            } else {
                (reserve >> order) + 1
            };
            KVVec::with_capacity(room, GFP_KERNEL).map(Blocks)
        };
        let shelves = [shelf(0)?, shelf(1)?, shelf(2)?, shelf(3)?];
        let aside = if preset.is_fast() {
            None
        } else {
            Some(Aside::new(limit.min(grow::growth().limit))?)
        };
        let this = KBox::new(
            Self {
                record: [0; owners::RECORD],
                number,
                nodes,
                budget: Budget::new(limit, reserve),
                stash: RawLock::new(Stash::new(shelves, reserve), Class::Stash),
                queue: Queue::new(),
                waits,
                preset,
                aside,
            },
            GFP_KERNEL,
        )?;
        this.queue.init();
        this.fill_stash(Gfp::KERNEL);
        if this.stash.lock().pages() < reserve {
            return Err(ENOMEM);
        }
        Ok(this)
    }

    /// Returns what others know it by.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Returns the preset of all that is charged to it.
    pub(crate) fn preset(&self) -> Preset {
        self.preset
    }

    /// Returns what its allocations belong to for tracking.
    pub(crate) fn scope(&self) -> Scope {
        Scope::account(self.number)
    }

    /// Returns what an allocation belongs to that is charged to an account, or to none.
    pub(crate) fn scope_of(account: Option<&Self>) -> Scope {
        account.map_or(Scope::ALL, Self::scope)
    }

    /// Returns the nodes that its pages come from.
    pub(crate) fn nodes(&self) -> &Nodes {
        &self.nodes
    }

    /// Returns what it shows.
    pub(crate) fn state(&self) -> State {
        let (waits, longest_wait) = self.queue.counts();
        State {
            usage: self.budget.usage(),
            stashed: self.stash.lock().pages(),
            waits,
            longest_wait,
        }
    }

    /// Changes the limit, to no less than the reserve.
    pub(crate) fn set_limit(&self, pages: usize) {
        self.budget.set_limit(pages);
        self.queue.wake();
    }

    /// Charges pages that come from elsewhere than [`Account::take`]. Returns whether there was room.
    ///
    /// What is set aside does not serve these.
    ///
    /// Context: Any but NMI.
    pub(crate) fn charge(&self, pages: usize) -> bool {
        self.budget.take(pages, Urgency::Normal).is_some()
    }

    /// Takes a charge back.
    ///
    /// Context: Any but NMI.
    pub(crate) fn discharge(&self, pages: usize) {
        // With preemption off to the end: whoever then sees that nothing is used waits for a grace period.
        let _pinned = preempt::pin();
        self.budget.give(pages);
        self.queue.wake();
    }

    /// Takes a block, with whatever it holds.
    ///
    /// Context: Any but NMI, as `gfp` allows.
    #[cold]
    #[inline(never)]
    pub(crate) fn take(&self, kind: Kind, gfp: Gfp, order: Order, nid: i32) -> Option<NonNull<u8>> {
        let grant = self.budget.take(order.pages(), gfp.urgency());
        let block = match grant {
            None => None,
            Some(Grant::Reserve) => self.unstash(kind, order),
            Some(Grant::Ordinary) => {
                let block = self.take_ordinary(kind, gfp, order, nid);
                match (block, gfp.urgency()) {
                    (None, Urgency::Atomic) => self.unstash(kind, order),
                    _ => block,
                }
            }
        };
        if block.is_none() && grant.is_some() {
            self.budget.give(order.pages());
        }
        block
    }

    /// Takes a block from a node that the account may use.
    fn take_ordinary(&self, kind: Kind, gfp: Gfp, order: Order, nid: i32) -> Option<NonNull<u8>> {
        if self.nodes.is_all() {
            return page_alloc::alloc_unclear(kind, gfp, order, nid);
        }
        let one = |node| page_alloc::alloc_unclear(kind, gfp.with(Gfp::THIS_NODE), order, node);
        let first = self.nodes.prefer(nid);
        let others = || {
            self.nodes
                .iter()
                .filter(|&node| node != first)
                .find_map(one)
        };
        match one(first) {
            None if gfp.this_node_only() && nid != NO_NODE => None,
            block => block.or_else(others),
        }
    }

    /// Takes a block from what is set aside.
    fn unstash(&self, kind: Kind, order: Order) -> Option<NonNull<u8>> {
        let mut stash = self.stash.lock();
        let block = stash.take(order, |whole, half| {
            let upper = half_of(whole, half);
            mark(upper, Kind::Stashed, half);
            upper
        })?;
        mark(block, kind, order);
        Some(block)
    }

    /// Gives a block back that came from [`Account::take`].
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The caller gives up the block, if it is one.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn put(
        &self,
        kind: Kind,
        block: NonNull<u8>,
        order: Order,
    ) -> Result<(), BadFree> {
        claim(kind, block, order)?;
        // SAFETY: Claimed above.
        unsafe { self.put_claimed(block, order) };
        Ok(())
    }

    /// # Safety
    ///
    /// The block is in the state `Stashed`, and the caller gives it up.
    unsafe fn put_claimed(&self, block: NonNull<u8>, order: Order) {
        if must_clear_on_free() {
            // SAFETY: The block has this many bytes, and by contract its owner has given it up.
            unsafe { page_alloc::clear(block, PAGE_SIZE << order.get()) };
        }
        let Some(aside) = &self.aside else {
            // SAFETY: By the contract of this function.
            return unsafe { self.put_marked(block, order) };
        };
        // SAFETY: By the contract of this function; as above what leaves.
        unsafe {
            aside.pass(self.preset, block, order, |block, order| {
                self.put_marked(block, order);
            })
        };
    }

    /// Has the blocks that lie aside be had again.
    ///
    /// Context: Any but NMI.
    pub(crate) fn empty_quarantine(&self) {
        if let Some(aside) = &self.aside {
            aside.empty(self.preset, |block, order| {
                // SAFETY: Put in by `put_claimed`, and taken out.
                unsafe { self.put_marked(block, order) };
            });
        }
    }

    /// # Safety
    ///
    /// As for [`Account::put_claimed`], after what its preset does.
    unsafe fn put_marked(&self, block: NonNull<u8>, order: Order) {
        if !self.stash.lock().put(block, order) {
            // SAFETY: By the contract of this function.
            unsafe { free_stashed(block, order) };
        }
        self.discharge(order.pages());
    }

    /// Allocates a block for a caller. See [`Account::insist`] for `relieve`.
    ///
    /// Context: Any but NMI, as `gfp` allows.
    pub(crate) fn alloc(
        &self,
        kind: Kind,
        gfp: Gfp,
        order: Order,
        nid: i32,
        relieve: impl FnMut(),
    ) -> Option<NonNull<u8>> {
        let block = self.insist(gfp, || self.take(kind, gfp, order, nid), relieve)?;
        let first = Pfn::of_address(block.addr().get());
        if owners::ensure(first.window(), gfp).is_err() {
            // SAFETY: Taken above.
            let _ = unsafe { self.put(kind, block, order) };
            return None;
        }
        owners::set(first, 1, self.as_owner());
        if page_alloc::has_extras(gfp) {
            // SAFETY: The block is ours.
            unsafe { page_alloc::extras(block, order, gfp, self.scope()) };
        }
        Some(block)
    }

    /// Takes and gives until what is set aside is as much, and in blocks as large, as it should be.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn tend(&self) {
        let gfp = Gfp::KERNEL.with(Gfp::NORETRY).with(Gfp::NOWARN);
        self.fill_stash(gfp);
        while self.stash.lock().is_worn() {
            // A large block comes first, so that there is never less than there was.
            let Some(large) = self.take_ordinary(Kind::Stashed, gfp, LARGE, NO_NODE) else {
                return;
            };
            let mut worn = [None; 1 << STASH_ORDER];
            let mut slots = worn.iter_mut();
            let mut stash = self.stash.lock();
            stash.take_worn(|block, order| {
                if let Some(slot) = slots.next() {
                    *slot = Some((block, order));
                }
            });
            let stored = stash.put(large, LARGE);
            drop(stash);
            if !stored {
                // SAFETY: Allocated above.
                unsafe { free_stashed(large, LARGE) };
            }
            for (block, order) in worn.into_iter().flatten() {
                // SAFETY: Taken out of the stash.
                unsafe { free_stashed(block, order) };
            }
        }
    }

    /// Sets aside what is missing.
    fn fill_stash(&self, gfp: Gfp) {
        loop {
            let there = self.stash.lock().pages();
            let missing = self.budget.to_set_aside().saturating_sub(there);
            let Some(order) = missing
                .checked_ilog2()
                .and_then(|log| Order::new(log.min(STASH_ORDER)))
            else {
                return;
            };
            let Some(block) = self.take_ordinary(Kind::Stashed, gfp, order, NO_NODE) else {
                return;
            };
            if !self.stash.lock().put(block, order) {
                // SAFETY: Allocated above.
                unsafe { free_stashed(block, order) };
                return;
            }
        }
    }

    /// Calls `attempt` until it gives something: once; once more after `relieve`, which gives free memory
    /// of the account back, if the caller may wait; and for as long as it takes, if the account's callers
    /// do wait. Ends without anything if the task is killed.
    ///
    /// Context: As `gfp` allows. No lock is held.
    pub(crate) fn insist<R>(
        &self,
        gfp: Gfp,
        mut attempt: impl FnMut() -> Option<R>,
        mut relieve: impl FnMut(),
    ) -> Option<R> {
        let mut got = attempt();
        if got.is_none() && gfp.may_wait() {
            relieve();
            got = attempt();
            if got.is_none() && self.waits {
                got = self.queue.wait_for(&mut attempt, &mut relieve);
            }
        }
        if got.is_none() {
            self.budget.note_refusal();
        }
        got
    }

    /// Returns what is kept as owner of the first page of a block that is charged.
    fn as_owner(&self) -> *mut Owner {
        core::ptr::from_ref(self)
            .cast::<u8>()
            .wrapping_add(owners::RECORD)
            .cast_mut()
            .cast()
    }

    /// Returns the account that a block is charged to whose first page has this owner, if it is none of
    /// a slab.
    fn from_owner(owner: *mut Owner) -> Option<NonNull<Self>> {
        if core::ptr::eq(owner, nobody()) {
            return None;
        }
        NonNull::new(owner.cast::<u8>().wrapping_sub(owners::RECORD).cast())
    }

    /// Returns whether a block is charged to this account whose first page has this owner.
    pub(crate) fn is_owner(&self, owner: *mut Owner) -> bool {
        core::ptr::eq(owner, self.as_owner())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.empty_quarantine();
        while let Some((block, order)) = {
            let any = self.stash.lock().any();
            any
        } {
            // SAFETY: Taken out of the stash.
            unsafe { free_stashed(block, order) };
        }
    }
}

/// Frees a block that is set aside, or on its way back from an owner.
///
/// # Safety
///
/// The block is in the state `Stashed`, and the caller gives it up.
unsafe fn free_stashed(block: NonNull<u8>, order: Order) {
    // SAFETY: By the contract of this function.
    let _ = unsafe { page_alloc::free(Kind::Stashed, block, order) };
}

/// Frees a block of [`Account::alloc`] wherever it is charged.
///
/// Context: Any but NMI.
///
/// # Safety
///
/// The caller gives up the block, if it is one.
pub(crate) unsafe fn free(kind: Kind, block: NonNull<u8>, order: Order) -> Result<(), BadFree> {
    claim(kind, block, order)?;
    track::freed(block.addr().get());
    let first = Pfn::of_address(block.addr().get());
    let account = owners::of(first).and_then(Account::from_owner);
    owners::set(first, 1, nobody());
    if let Some(account) = account {
        // SAFETY: What is charged to an account keeps it alive. The block is claimed.
        unsafe { account.as_ref().put_claimed(block, order) };
    }
    Ok(())
}

/// Returns the account that a live block is charged to.
pub(crate) fn of_block<'a>(block: NonNull<u8>) -> Option<&'a Account> {
    let account = owners::of(Pfn::of_address(block.addr().get())).and_then(Account::from_owner)?;
    // SAFETY: What is charged to an account keeps it alive.
    Some(unsafe { account.as_ref() })
}

/// Takes a block from its owner: its state becomes `Stashed`.
fn claim(kind: Kind, block: NonNull<u8>, order: Order) -> Result<(), BadFree> {
    let (window, frame) = window::at(block.addr().get()).ok_or(BadFree::Foreign)?;
    let state = window.state(frame);
    if state::change(state, held(kind, order), held(Kind::Stashed, order)) {
        return Ok(());
    }
    // ORDERING: For a report.
    Err(page_alloc::wrong_state(state.load(Relaxed)))
}

/// Says what a block is that is ours.
fn mark(block: NonNull<u8>, kind: Kind, order: Order) {
    if let Some((window, frame)) = window::at(block.addr().get()) {
        // ORDERING: The block is ours alone.
        window.state(frame).store(held(kind, order), Relaxed);
    }
}

/// Returns the upper of the two halves of a block.
fn half_of(whole: NonNull<u8>, half: Order) -> NonNull<u8> {
    // SAFETY: The block has twice that many bytes.
    unsafe { whole.add(PAGE_SIZE << half.get()) }
}
