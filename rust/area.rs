// SPDX-License-Identifier: GPL-2.0

//! What is known of one area.
//!
//! A [`Draft`] has pages but no mapping yet, a [`Spare`] is mapped and nobody uses it, and an area
//! that is live belongs to a caller, who has its address. Handing out and claiming back turn one
//! into the other.
//!
//! # Laws
//!
//! - The pages of an area and where it starts never change.
//! - A [`Spare`] is the only way to an area that is not live.
//!
//! # Lifetime
//!
//! Anybody may look an address up that was never an area's, or is none any more. So the record of
//! an area is freed only after a grace period, and is looked at under [`rcu::Guard`].

mod draft;

pub(crate) use draft::Draft;

use crate::{
    account::Account,
    area_table::Table,
    bindings,
    track::{
        self,
        Scope, //
    },
    vmalloc::{
        Links,
        Pages,
        Refusal,
        State, //
    }, //
};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        AtomicU32,
        AtomicUsize,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// The record of one area; an array of its pages follows it.
///
/// # Invariants
///
/// `pages` points to as many initialised pointers as `size` says, in the same allocation.
#[repr(C)]
pub(crate) struct Area {
    rcu: UnsafeCell<MaybeUninit<bindings::callback_head>>,
    below: UnsafeCell<Option<Id>>,
    start: usize,
    size: Pages,
    pages: NonNull<*mut bindings::page>,
    node: Option<i32>,
    state: AtomicU32,
    requested: AtomicUsize,
    caller: AtomicUsize,
    /// What its pages are charged to, or null.
    account: AtomicPtr<Account>,
    /// Whether it is poisoned, and to be checked before it is used again.
    poisoned: AtomicBool,
}

/// Names an area that is in a list or on its way to one.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Id(NonNull<Area>);

// SAFETY: An area belongs to no thread; its name is all that moves.
unsafe impl Send for Id {}

/// The place in each area where lists store what lies below it.
///
/// Who has the lock of a list, or a chain of areas, is alone in using the links of those areas.
pub(crate) struct Below;

impl Links for Below {
    type Id = Id;

    #[inline]
    fn below(&self, id: Id) -> Option<Id> {
        // SAFETY: An `Id` in a list is that of a spare area, which exists; see `Below` for the
        // exclusive access.
        unsafe { *(*id.0.as_ptr()).below.get() }
    }

    #[inline]
    fn set_below(&mut self, id: Id, below: Option<Id>) {
        // SAFETY: As in `below`.
        unsafe { *(*id.0.as_ptr()).below.get() = below };
    }
}

impl Area {
    /// Returns the address of the first byte.
    #[inline]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Returns the number of pages.
    #[inline]
    pub(crate) fn size(&self) -> Pages {
        self.size
    }

    /// Returns the number of bytes that are mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.size.get() << bindings::PAGE_SHIFT
    }

    /// Returns the number of bytes that the caller asked for.
    pub(crate) fn requested(&self) -> usize {
        // ORDERING: Only the owner of a live area acts on it.
        self.requested.load(Relaxed)
    }

    /// Returns where it was allocated, or 0.
    pub(crate) fn caller(&self) -> usize {
        // ORDERING: For people; nothing follows from it.
        self.caller.load(Relaxed)
    }

    /// Returns what its pages are charged to.
    pub(crate) fn account(&self) -> Option<&'static Account> {
        // ORDERING: Changes by its owner's hand only.
        // SAFETY: Null, or an account that lives as long as something is charged to it.
        unsafe { self.account.load(Relaxed).as_ref() }
    }

    /// Says whether it is poisoned. Returns whether it was.
    pub(crate) fn set_poisoned(&self, poisoned: bool) -> bool {
        // ORDERING: Changes by its owner's hand only.
        self.poisoned.swap(poisoned, Relaxed)
    }

    /// Returns the pages.
    pub(crate) fn pages(&self) -> &[*mut bindings::page] {
        // SAFETY: By the type invariants.
        unsafe { core::slice::from_raw_parts(self.pages.as_ptr(), self.size.get()) }
    }

    /// Returns the node that all its pages are on, if that is one.
    #[inline]
    pub(crate) fn node(&self) -> Option<i32> {
        self.node
    }

    /// Returns who has it.
    #[inline]
    pub(crate) fn state(&self) -> State {
        // ORDERING: Who acts on the answer makes sure with `claim`.
        State::from_code(self.state.load(Relaxed))
    }

    /// Takes the area from the caller who has it, `address` being what the caller says.
    ///
    /// Of several who try at a time, one succeeds.
    #[inline]
    pub(crate) fn claim(&self, address: usize, to: State) -> Result<(), Refusal> {
        let offset = address.wrapping_sub(self.start);
        if let Some(refusal) = Refusal::of(offset, self.state()) {
            return Err(refusal);
        }
        // ORDERING: The state only says who goes on; what they touch next, a list or the page
        // tables, has a lock of its own.
        self.state
            .compare_exchange(State::Live.code(), to.code(), Relaxed, Relaxed)
            .map(|_| ())
            .map_err(|code| Refusal::of(offset, State::from_code(code)).unwrap_or(Refusal::Busy))
    }
}

/// A mapped area that nobody uses.
///
/// # Invariants
///
/// The area exists, is not live, and nobody but this is going to change that.
#[must_use = "the area would be lost"]
pub(crate) struct Spare(NonNull<Area>);

impl Spare {
    /// Takes what [`Area::claim`] got.
    ///
    /// # Safety
    ///
    /// The caller has claimed the area and makes one `Spare` of it.
    #[inline]
    pub(crate) unsafe fn claimed(area: &Area) -> Self {
        // INVARIANT: By the contract of this function.
        Self(NonNull::from(area))
    }

    /// Takes an area that was in a list.
    ///
    /// # Safety
    ///
    /// `id` came from [`Spare::into_id`] and is in no list any more.
    #[inline]
    pub(crate) unsafe fn from_id(id: Id) -> Self {
        // INVARIANT: By the contract of this function.
        Self(id.0)
    }

    /// Names the area, to put it into a list.
    #[inline]
    pub(crate) fn into_id(self) -> Id {
        Id(self.0)
    }

    /// Returns the record.
    #[inline]
    pub(crate) fn area(&self) -> &Area {
        // SAFETY: By the type invariants.
        unsafe { self.0.as_ref() }
    }

    /// Returns the record's address, for the registry.
    pub(crate) fn as_ptr(&self) -> NonNull<Area> {
        self.0
    }

    /// Returns where the area is mapped.
    #[inline]
    pub(crate) fn address(&self) -> *mut c_void {
        core::ptr::with_exposed_provenance_mut(self.area().start)
    }

    /// Says what the pages are charged to.
    pub(crate) fn charge_to(&self, account: Option<&Account>) {
        let account = account.map_or(null_mut(), |account| {
            core::ptr::from_ref(account).cast_mut()
        });
        // ORDERING: As in `Area::account`.
        self.area().account.store(account, Relaxed);
    }

    /// Notes where it is allocated, if its scope is tracked.
    #[inline]
    pub(crate) fn track(&self, scope: Scope) {
        track::allocated(self.area().start(), self.area().bytes(), scope);
    }

    /// Notes it for what it is charged to, in place of what was noted before it was.
    #[inline]
    pub(crate) fn track_again(&self) {
        track::freed(self.area().start());
        self.track(Account::scope_of(self.area().account()));
    }

    /// Takes the charge of the pages back, if there is one.
    #[inline]
    pub(crate) fn discharge(&self) {
        if let Some(account) = self.area().account() {
            self.charge_to(None);
            account.discharge(self.area().size().get());
        }
    }

    /// Marks the area as kept.
    pub(crate) fn keep(&self) {
        // ORDERING: See `Area::claim`.
        self.area().state.store(State::Kept.code(), Relaxed);
    }

    /// Gives the area to a caller who asked for `bytes`.
    #[inline]
    pub(crate) fn hand_out(self, bytes: usize, caller: usize) -> *mut c_void {
        let area = self.area();
        // ORDERING: The caller gets the address after this; whoever else uses it got it from
        // there, in order.
        area.requested.store(bytes, Relaxed);
        area.caller.store(caller, Relaxed);
        area.state.store(State::Live.code(), Relaxed);
        self.address()
    }

    /// Frees the record when nobody can be looking at it any more. The pages are the caller's.
    ///
    /// # Safety
    ///
    /// The registry does not know the area any more, and it is not mapped.
    pub(crate) unsafe fn retire(self) {
        // SAFETY: The record came from `kvmalloc()`, and its first field is there for this.
        unsafe {
            bindings::kvfree_call_rcu((*self.0.as_ptr()).rcu.get().cast(), self.0.as_ptr().cast())
        };
    }
}

/// A look at an area, as long as its record is sure to exist.
#[derive(Clone, Copy)]
pub(crate) struct View<'g> {
    area: &'g Area,
    guard: &'g rcu::Guard,
}

impl<'g> View<'g> {
    /// Looks at an area that the registry knows.
    pub(crate) fn new(area: &'g Area, guard: &'g rcu::Guard) -> Self {
        Self { area, guard }
    }

    /// Returns the record.
    pub(crate) fn area(&self) -> &'g Area {
        self.area
    }

    /// Returns whether the registry still has the area at `address`.
    pub(crate) fn is_at(&self, table: &Table, address: usize) -> bool {
        table
            .find(address, self.guard)
            .is_some_and(|area| core::ptr::eq(area, self.area))
    }

    /// Returns how many of its pages are on a node.
    pub(crate) fn pages_on(&self, nid: i32) -> usize {
        let on_node = |page: &&*mut bindings::page| {
            // SAFETY: Descriptors of pages stay readable when the pages are freed.
            let node = unsafe { bindings::quarry_helper_page_to_nid(**page) };
            node == nid
        };
        match self.area.node {
            Some(node) if node == nid => self.area.size.get(),
            Some(_) => 0,
            None => self.area.pages().iter().filter(on_node).count(),
        }
    }
}
