// SPDX-License-Identifier: GPL-2.0

//! Commands about named pools, which belong to no open file.

use super::{
    abi::Arg,
    clients, //
};
use crate::{
    account::{
        Account,
        Nodes, //
    },
    bindings,
    cache,
    grow,
    pools::{
        self,
        Held,
        Rest,
        Terms, //
    },
    track::Scope,
    tracking, //
};
use kernel::{
    prelude::*,
    uaccess::UserPtr, //
};

/// A pool that an allocation is about to be charged to.
pub(super) enum Charged {
    /// The one for all of user space.
    User,
    /// One that has been named.
    Named(Held),
}

impl Charged {
    /// Looks a pool up. Fails with `EPERM` for one of the kernel's: what its owner counts on is not for
    /// programs to take, and its owner may free all of it at once.
    pub(super) fn new(id: u32) -> Result<Self> {
        if id == 0 {
            return Ok(Self::User);
        }
        let pool = pools::hold(id)?;
        if pool.is_kernels() {
            return Err(EPERM);
        }
        Ok(Self::Named(pool))
    }

    /// Returns its account.
    pub(super) fn account(&self) -> &'static Account {
        match self {
            Self::User => pools::user(),
            Self::Named(pool) => pool.account(),
        }
    }
}

/// Makes a pool.
#[inline(never)]
pub(super) fn create(user: UserPtr) -> Result {
    const FLAGS: u32 =
        bindings::QUARRY_POOL_WAIT | bindings::QUARRY_POOL_HARDENED | bindings::QUARRY_POOL_DEBUG;
    let mut arg = Arg::<bindings::quarry_pool_create>::read(user, FLAGS)?;
    let value = &mut arg.value;
    if value.reserved != 0 {
        return Err(EINVAL);
    }
    let nodes = match value.nodes {
        0 => Nodes::all(),
        bits => {
            let mut mask = bindings::nodemask_t::default();
            // CAST: A word has 64 bits wherever the module has been tried; a shorter one drops nodes that
            // cannot exist there.
            *mask.bits.first_mut().ok_or(EINVAL)? = bits as usize;
            Nodes::of_mask(&mask)?
        }
    };
    let has = |flag| value.flags & flag != 0;
    let preset = pools::preset(
        has(bindings::QUARRY_POOL_HARDENED),
        has(bindings::QUARRY_POOL_DEBUG),
    )?;
    let terms = Terms {
        limit: pools::limit_of(value.limit)?,
        reserve: pools::pages_of(value.reserve)?,
        nodes,
        waits: has(bindings::QUARRY_POOL_WAIT),
        preset,
    };
    let name = cache::Name::from_user(&value.name)?;
    let (_, id) = pools::create(name, terms, false)?;
    value.pool = id;
    arg.write_back().inspect_err(|_| {
        // Nobody knows it, unless another open file has guessed its id.
        let _ = destroy_by_id(id);
    })
}

fn destroy_by_id(id: u32) -> Result {
    // SAFETY: Who uses a pool of the device's holds it, or has something charged to it, and then it is not
    // destroyed.
    unsafe { pools::destroy(|pool| pool.id() == id, Rest::Stays) }
}

/// Ends a pool.
pub(super) fn destroy(user: UserPtr) -> Result {
    let arg = Arg::<bindings::quarry_pool_destroy>::read(user, bindings::QUARRY_POOL_PURGE)?;
    let arg = &arg.value;
    if arg.reserved != 0 {
        return Err(EINVAL);
    }
    let pool = pools::hold(arg.pool)?;
    if pool.is_kernels() {
        return Err(EPERM);
    }
    if arg.flags & bindings::QUARRY_POOL_PURGE != 0 {
        clients::purge(pool.account());
    }
    drop(pool);
    destroy_by_id(arg.pool)
}

/// Changes a limit.
pub(super) fn limit(arg: &mut bindings::quarry_pool_limit) -> Result {
    if arg.reserved != 0 {
        return Err(EINVAL);
    }
    let limit = pools::limit_of(arg.limit)?;
    match arg.pool {
        0 => {
            grow::set_limit(limit);
            Ok(())
        }
        id => pools::with_first(
            |pool| pool.id() == id,
            |pool| pool.account().set_limit(limit),
        ),
    }
}

/// Counters of one pool.
pub(super) fn stats(arg: &mut bindings::quarry_pool_stats) -> Result {
    let smallest = arg.pool;
    *arg = pin_init::zeroed();
    pools::with_first(
        |pool| pool.id() >= smallest,
        |pool| pools::describe(pool, arg),
    )
}

/// Records call sites of a pool, or of everything, or no more.
pub(super) fn track(arg: &mut bindings::quarry_pool_track) -> Result {
    let on = match arg.on {
        0 => false,
        1 => true,
        _ => return Err(EINVAL),
    };
    match arg.pool {
        0 => tracking::set(Scope::ALL, on),
        id => pools::with_first(
            |pool| pool.id() == id,
            |pool| tracking::set(pool.account().scope(), on),
        )?,
    }
}
