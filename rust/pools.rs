// SPDX-License-Identifier: GPL-2.0

//! Named pools: an account, the classes of `kmalloc` that draw on it, and a name.
//!
//! # Lock order
//!
//! `POOLS` is a mutex: it is taken in process context, before the mutex of the caches.

use crate::{
    account::{
        Account,
        Nodes, //
    },
    bindings,
    cache::{
        self,
        Name, //
    },
    guard,
    kmalloc,
    percpu::wait_for_hotplug,
    preset::Preset,
    requests::{
        KBox,
        KVec, //
    },
    track::{
        self,
        NR_ACCOUNTS, //
    },
    tracking, //
};
use core::{
    ops::ControlFlow,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        global_lock,
        rcu::synchronize_rcu, //
    }, //
};

mod holds;
mod purge;

use holds::Holds;

/// Longest name: with a colon and the name of a class behind it, it is still a cache's.
const LONGEST_NAME: usize = 15;

/// A named pool.
pub(crate) struct Pool {
    account: NonNull<Account>,
    name: Name,
    id: u32,
    /// Those who are about to allocate from it, and keep it from being destroyed.
    holds: Holds,
    /// Whether it belongs to code in the kernel, which alone may destroy it.
    is_kernels: bool,
}

// SAFETY: Accounts are made to be shared.
unsafe impl Send for Pool {}
// SAFETY: As above.
unsafe impl Sync for Pool {}

/// What a pool is made of.
pub(crate) struct Terms {
    /// Most pages.
    pub(crate) limit: usize,
    /// Pages of those that are set aside for atomic callers.
    pub(crate) reserve: usize,
    /// Where they come from.
    pub(crate) nodes: Nodes,
    /// Whether callers wait for memory who may.
    pub(crate) waits: bool,
    /// What is done against misuse.
    pub(crate) preset: Preset,
}

/// Returns the preset that a pool is made with that is to be hardened, or debugged, or neither.
pub(crate) fn preset(hardened: bool, debug: bool) -> Result<Preset> {
    match (hardened, debug) {
        (false, false) => Ok(Preset::Fast),
        (true, false) => Ok(Preset::Hardened),
        (false, true) => Ok(guard::debug()),
        (true, true) => Err(EINVAL),
    }
}

/// All pools.
struct Pools {
    list: KVec<NonNull<Pool>>,
    next_id: u32,
}

// SAFETY: Pools are made to be shared.
unsafe impl Send for Pools {}

global_lock! {
    // SAFETY: Initialised in `init`, before anything else of this module is used.
    unsafe(uninit) static POOLS: Mutex<Pools> = Pools {
        list: KVec::new(),
        next_id: 1,
    };
}

impl Pool {
    /// Returns the account.
    pub(crate) fn account(&self) -> &'static Account {
        // SAFETY: The account lives as long as the pool, and whoever has something of the pool keeps that.
        unsafe { self.account.as_ref() }
    }

    /// Returns the name.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the number that user space knows it by.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Returns whether only code in the kernel may destroy it.
    pub(crate) fn is_kernels(&self) -> bool {
        self.is_kernels
    }
}

/// A pool that cannot be destroyed, until dropped.
pub(crate) struct Held(NonNull<Pool>);

// SAFETY: Pools are made to be shared.
unsafe impl Send for Held {}
// SAFETY: As above.
unsafe impl Sync for Held {}

impl core::ops::Deref for Held {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        // SAFETY: Held, so that it is alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holds.end();
    }
}

/// The account of all that user space has.
static USERS: AtomicPtr<Account> = AtomicPtr::new(null_mut());

/// Sets up the list, and the pool that user space gets at most `limit` pages from.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init(limit: usize) -> Result {
    // SAFETY: By the contract of this function.
    unsafe { POOLS.init() };
    let terms = Terms {
        limit,
        reserve: 0,
        nodes: Nodes::all(),
        waits: false,
        preset: guard::default(),
    };
    let (pool, _) = create(Name::new(c"user"), terms, true)?;
    // SAFETY: Made above; it ends in `exit`.
    let account = unsafe { pool.as_ref() }.account;
    // ORDERING: The device is registered later.
    USERS.store(account.as_ptr(), Relaxed);
    Ok(())
}

/// Returns the account of what user space has that has not named a pool.
pub(crate) fn user() -> &'static Account {
    // ORDERING: As in `init`.
    // SAFETY: Set by `init`, which runs before there is a device, and ended after it.
    unsafe { &*USERS.load(Relaxed) }
}

/// Checks a name: 1 to 15 of `[A-Za-z0-9_.-]`.
fn check(name: &Name) -> Result {
    let text = name.as_str().as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.-".contains(byte);
    let possible = (1..=LONGEST_NAME).contains(&text.len()) && text.iter().all(allowed);
    possible.then_some(()).ok_or(EINVAL)
}

/// Makes a pool. Fails with `EINVAL` for an impossible name or terms, `EEXIST` if the name is taken,
/// `ENOSPC` if there are too many, `ENOMEM` if there is no memory for it or its reserve.
///
/// Context: Process context. May sleep.
///
/// Returns it, and the number that user space knows it by.
pub(crate) fn create(name: Name, terms: Terms, is_kernels: bool) -> Result<(NonNull<Pool>, u32)> {
    check(&name)?;
    let mut pools = POOLS.lock();
    pools.add(name, terms, is_kernels).inspect_err(|_| {
        if pools.list.is_empty() {
            // Statics are never dropped.
            pools.list = KVec::new();
        }
    })
}

impl Pools {
    fn add(&mut self, name: Name, terms: Terms, is_kernels: bool) -> Result<(NonNull<Pool>, u32)> {
        if self.iter().any(|pool| pool.name.bytes() == name.bytes()) {
            return Err(EEXIST);
        }
        let taken = |number: usize| self.iter().any(|pool| pool.account().number() == number);
        let number = (0..NR_ACCOUNTS)
            .find(|&number| !taken(number))
            .ok_or(ENOSPC)?;
        self.list.reserve(1, GFP_KERNEL)?;
        let id = self.next_id;
        guard::prepare(terms.preset)?;
        let Terms {
            limit,
            reserve,
            nodes,
            waits,
            preset,
        } = terms;
        let account = Account::new(number, limit, reserve, nodes, waits, preset)?;
        let pool = KBox::new_uninit(GFP_KERNEL)?;
        let account = NonNull::new(KBox::into_raw(account)).ok_or(ENOMEM)?;
        // SAFETY: Made above; dropped by `end` only, when nobody uses it.
        let opened = kmalloc::open(unsafe { account.as_ref() }, name.as_str());
        if let Err(err) = opened {
            // SAFETY: Made above, and used by nobody.
            drop(unsafe { KBox::from_raw(account.as_ptr()) });
            return Err(err);
        }
        let pool = KBox::write(
            pool,
            Pool {
                account,
                name,
                id,
                holds: Holds::new(),
                is_kernels,
            },
        );
        let pool = NonNull::new(KBox::into_raw(pool)).ok_or(ENOMEM)?;
        // There is room.
        self.list.push(pool, GFP_KERNEL)?;
        self.next_id = id.wrapping_add(1);
        Ok((pool, id))
    }

    fn iter(&self) -> impl Iterator<Item = &Pool> {
        // SAFETY: A pool is freed only after it was taken out of the list.
        self.list.iter().map(|pool| unsafe { pool.as_ref() })
    }
}

/// What becomes of what a pool that is to be destroyed still has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Then it is not destroyed.
    Stays,
    /// It is freed.
    Goes,
}

/// Destroys the pool that is `wanted`. Fails with `ENOENT` if there is none, and with `EBUSY` if something
/// of it is in use, which the log then names.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody uses the pool during the call, or after a success, who does not hold it or have something
/// charged to it. With [`Rest::Goes`] nobody uses what came from it either.
pub(crate) unsafe fn destroy(wanted: impl Fn(&Pool) -> bool, rest: Rest) -> Result {
    let mut pools = POOLS.lock();
    let this = pools.iter().find(|pool| wanted(pool)).ok_or(ENOENT)?;
    let (pool, account) = (NonNull::from(this), this.account());
    // Under the lock that `add` is called under.
    if !this.holds.is_none() {
        return Err(EBUSY);
    }
    if rest == Rest::Goes {
        // SAFETY: By the contract of this function.
        unsafe { purge::purge(account) };
    }
    if !is_unused(account) {
        report(this);
        return Err(EBUSY);
    }
    pools.list.retain(|other| *other != pool);
    if pools.list.is_empty() {
        // Statics are never dropped, so that the last pool takes the list's memory along.
        pools.list = KVec::new();
    }
    // Under the lock still, since the number of the account is the next one's once it is let go.
    // SAFETY: Taken out of the list above, and by contract nobody uses it.
    unsafe { end(pool) };
    Ok(())
}

/// Gives back what is free of an account, and returns whether nothing is charged to it then.
fn is_unused(account: &Account) -> bool {
    let used = || {
        cache::shrink_account(account);
        account.state().usage.used
    };
    if used() != 0 {
        // Objects may lie in a magazine of a CPU that is going.
        wait_for_hotplug();
        if used() != 0 {
            return false;
        }
    }
    purge::nr_caches(account) == 0
}

/// # Safety
///
/// The pool came from [`create`], is in the list no more, and nobody uses it.
unsafe fn end(pool: NonNull<Pool>) {
    // SAFETY: By the contract of this function.
    let pool = unsafe { KBox::from_raw(pool.as_ptr()) };
    let account = pool.account;
    // Switching off needs no memory.
    let _ = tracking::set(pool.account().scope(), false);
    // SAFETY: As above.
    unsafe { kmalloc::close(pool.account()) };
    // Whoever took the last charge back has preemption off until it is done with the account.
    synchronize_rcu();
    // SAFETY: Made by `create`; nothing is charged to it, and nobody uses it.
    drop(unsafe { KBox::from_raw(account.as_ptr()) });
}

/// Says what keeps a pool from being destroyed.
fn report(pool: &Pool) {
    let name = pool.name().as_str();
    let used = pool.account().state().usage.used;
    pr_warn!("pool {name} is not destroyed: {used} pages are in use\n");
    cache::for_each(|cache| {
        let ours = cache
            .account()
            .is_some_and(|of| core::ptr::eq(of, pool.account()));
        let live = cache.census().live();
        if ours && live != 0 {
            let name = cache.name().as_str();
            pr_warn!("  {live} objects of {name}\n");
        }
        ControlFlow::Continue(())
    });
    let (blocks, areas) = purge::count(pool.account());
    if blocks != 0 {
        pr_warn!("  {blocks} blocks of pages\n");
    }
    if areas != 0 {
        pr_warn!("  {areas} areas\n");
    }
    let caches = purge::nr_caches(pool.account());
    if caches != 0 {
        pr_warn!("  {caches} caches\n");
    }
    if used != 0 {
        track::report(|_, scope| scope == pool.account().scope());
    }
}

/// Destroys all pools when nobody uses the module any more, but for those of which something is in use.
///
/// Context: Process context. May sleep.
///
/// # Safety
///
/// Nobody uses them or what came from them.
pub(crate) unsafe fn exit() {
    let list = core::mem::replace(&mut POOLS.lock().list, KVec::new());
    for pool in list {
        // SAFETY: Taken out of the list, so that it is alive.
        let this = unsafe { pool.as_ref() };
        if is_unused(this.account()) {
            // SAFETY: By the contract of this function.
            unsafe { end(pool) };
        } else {
            report(this);
        }
    }
}

/// Calls `f` with the first pool that is `wanted`, in the order of their numbers. Fails with `ENOENT` if
/// there is none.
///
/// Context: Process context. May sleep.
pub(crate) fn with_first<R>(
    wanted: impl Fn(&Pool) -> bool,
    f: impl FnOnce(&Pool) -> R,
) -> Result<R> {
    let pools = POOLS.lock();
    let pool = pools.iter().find(|pool| wanted(pool)).ok_or(ENOENT)?;
    Ok(f(pool))
}

/// Returns the pool with a number, and keeps it from being destroyed.
///
/// Context: Process context. May sleep.
pub(crate) fn hold(id: u32) -> Result<Held> {
    with_first(
        |pool| pool.id == id,
        |pool| {
            // Under the lock that `destroy` takes.
            pool.holds.add();
            Held(NonNull::from(pool))
        },
    )
}

/// Calls `f` with each pool.
///
/// Context: Process context. May sleep.
pub(crate) fn for_each(f: impl FnMut(&Pool)) {
    POOLS.lock().iter().for_each(f);
}

/// Sees to what is set aside. Called once a second.
///
/// Context: Process context. May sleep.
pub(crate) fn tick() {
    for_each(|pool| pool.account().tend());
}

/// Has the freed blocks of all pools be had again that lie in quarantine.
///
/// Context: Process context. May sleep.
pub(crate) fn empty_quarantines() {
    for_each(|pool| pool.account().empty_quarantine());
}

/// Returns the pages that a number of bytes takes; 0 bytes are as many as there are.
pub(crate) fn limit_of(bytes: u64) -> Result<usize> {
    match bytes {
        0 => Ok(usize::MAX),
        bytes => pages_of(bytes),
    }
}

/// Returns the pages that a number of bytes takes.
pub(crate) fn pages_of(bytes: u64) -> Result<usize> {
    usize::try_from(bytes.div_ceil(PAGE_SIZE as u64)).map_err(|_| EINVAL)
}

/// Fills in what a pool shows.
pub(crate) fn describe(pool: &Pool, out: &mut bindings::quarry_pool_stats) {
    let state = pool.account().state();
    let bytes = |pages: usize| match pages {
        usize::MAX => 0,
        pages => (pages as u64).saturating_mul(PAGE_SIZE as u64),
    };
    out.pool = pool.id();
    let trait_if = |has: bool, bit: u32| if has { bit } else { 0 };
    let preset = pool.account().preset();
    out.traits = trait_if(pool.is_kernels(), bindings::QUARRY_POOL_KERNELS)
        | trait_if(preset.is_hardened(), bindings::QUARRY_POOL_IS_HARDENED)
        | trait_if(preset.checks().is_some(), bindings::QUARRY_POOL_IS_DEBUG)
        | trait_if(
            pool.account().scope().is_tracked(),
            bindings::QUARRY_POOL_TRACKED,
        );
    out.limit = bytes(state.usage.limit);
    out.reserve = bytes(state.usage.reserve);
    out.used = bytes(state.usage.used);
    out.peak = bytes(state.usage.peak);
    out.stashed = bytes(state.stashed);
    out.failures = state.usage.refused;
    out.waits = state.waits;
    out.longest_wait = state.longest_wait;
    for (to, from) in out.name.iter_mut().zip(pool.name().bytes()) {
        // CAST: The same byte, as C has it.
        *to = *from as kernel::ffi::c_char;
    }
}
