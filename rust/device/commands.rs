// SPDX-License-Identifier: GPL-2.0

//! The commands that have no file of their own.
//!
//! Those that copy their arguments themselves are not inlined: `ioctl` would need the stack of all
//! of them together.

use super::{
    abi::Arg,
    aside,
    caches::Shape,
    client::Client,
    clients,
    data::Range,
    pattern,
    request::{
        Arm,
        Wait,
        Wanted,
        ALLOC_FLAGS,
        MAX_CONTIGUOUS,
        MAX_ORDER,
        WAIT_FLAGS, //
    }, //
};
use crate::{
    bindings,
    exports,
    requests,
    stats,
    validate, //
};
use kernel::{
    cpu,
    page::PAGE_SIZE,
    prelude::*,
    uaccess::UserPtr, //
};

/// Features and limits.
pub(super) fn query(client: &Client, arg: &mut bindings::quarry_query) -> Result {
    arg.abi = bindings::QUARRY_ABI_VERSION;
    // CAST: A page has fewer than 2^32 bytes.
    arg.page_size = PAGE_SIZE as u32;
    arg.features = 0;
    arg.max_order = MAX_ORDER;
    arg.nr_cpus = cpu::nr_cpu_ids();
    // SAFETY: Reads a number.
    arg.nr_nodes = unsafe { bindings::quarry_helper_nr_memory_nodes() };
    arg.chunk_order = MAX_ORDER;
    // CAST: `u64` holds every `usize`.
    arg.max_kmalloc = MAX_CONTIGUOUS as u64;
    arg.quota_bytes = client.limits.bytes;
    arg.quota_handles = client.limits.handles;
    arg.quota_batch = client.limits.batch;
    arg.quota_caches = client.limits.caches;
    // CAST: Not more than `quota_handles`.
    arg.used_handles = client.handles.usage().used as u32;
    // CAST: `u64` holds every `usize`.
    arg.used_bytes = client.bytes.usage().used as u64;
    Ok(())
}

/// Allocates.
#[inline(never)]
pub(super) fn alloc(client: &Client, user: UserPtr) -> Result {
    let mut arg = Arg::<bindings::quarry_alloc>::read(user, ALLOC_FLAGS)?;
    let value = &mut arg.value;
    let wanted = Wanted::new(
        value.kind,
        value.flags,
        value.node,
        value.bytes,
        value.cache,
        value.pool,
    )?;
    let (handle, usable) = client.alloc(&wanted)?;
    value.handle = handle.into_raw();
    value.usable = usable;
    arg.write_back().inspect_err(|_| {
        // Nobody knows it. Another thread that has guessed it may have freed it already.
        let _ = client.free(handle.into_raw());
    })
}

/// Changes the size of an allocation.
#[inline(never)]
pub(super) fn realloc(client: &Client, user: UserPtr) -> Result {
    let mut arg = Arg::<bindings::quarry_realloc>::read(user, WAIT_FLAGS)?;
    let wait = Wait::try_from(arg.value.flags)?;
    arg.value.usable = client.realloc(arg.value.handle, arg.value.bytes, wait)?;
    arg.write_back()
}

/// Frees an allocation.
#[inline(never)]
pub(super) fn free(client: &Client, user: UserPtr) -> Result {
    let arg = Arg::<bindings::quarry_free>::read(user, 0)?;
    client.free(arg.value.handle)
}

fn user_buffer(address: u64) -> Result<UserPtr> {
    Ok(UserPtr::from_addr(
        usize::try_from(address).map_err(|_| EFAULT)?,
    ))
}

/// Copies out of an allocation.
#[inline(never)]
pub(super) fn read(client: &Client, user: UserPtr) -> Result {
    let io = Arg::<bindings::quarry_io>::read(user, 0)?.value;
    let allocation = client.get(io.handle)?;
    Range::new(&allocation, io.offset, io.length)?.read_to(user_buffer(io.buffer)?)
}

/// Copies into an allocation.
#[inline(never)]
pub(super) fn write(client: &Client, user: UserPtr) -> Result {
    let io = Arg::<bindings::quarry_io>::read(user, 0)?.value;
    let allocation = client.get(io.handle)?;
    Range::new(&allocation, io.offset, io.length)?.write_from(user_buffer(io.buffer)?)
}

/// Writes a pattern.
#[inline(never)]
pub(super) fn fill(client: &Client, user: UserPtr) -> Result {
    let arg = Arg::<bindings::quarry_pattern>::read(user, 0)?.value;
    let allocation = client.get(arg.handle)?;
    pattern::fill(Range::new(&allocation, arg.offset, arg.length)?, arg.seed)
}

/// Compares with a pattern.
#[inline(never)]
pub(super) fn verify(client: &Client, user: UserPtr) -> Result {
    let mut arg = Arg::<bindings::quarry_pattern>::read(user, 0)?;
    let value = &mut arg.value;
    let allocation = client.get(value.handle)?;
    let range = Range::new(&allocation, value.offset, value.length)?;
    if let Some(bad) = pattern::verify(range, value.seed)? {
        value.first_bad = bad;
        arg.write_back()?;
        return Err(EBADMSG);
    }
    Ok(())
}

/// Makes a cache.
#[inline(never)]
pub(super) fn cache_create(client: &Client, user: UserPtr) -> Result {
    let mut arg = Arg::<bindings::quarry_cache_create>::read(user, bindings::QUARRY_CACHE_KERNEL)?;
    let value = &mut arg.value;
    let arm = if value.flags & bindings::QUARRY_CACHE_KERNEL != 0 {
        Arm::Kernel
    } else {
        Arm::Quarry
    };
    let shape = Shape::new(arm, value.name, value.object_size, value.align, value.pool)?;
    let id = client.create_cache(&shape)?;
    value.cache = id;
    arg.write_back().inspect_err(|_| {
        // Nobody knows it, so it has no objects, unless another thread has guessed its id.
        let _ = client.destroy_cache(id);
    })
}

/// Ends a cache.
#[inline(never)]
pub(super) fn cache_destroy(client: &Client, user: UserPtr) -> Result {
    let arg = Arg::<bindings::quarry_cache_destroy>::read(user, 0)?.value;
    if arg.reserved != 0 {
        return Err(EINVAL);
    }
    client.destroy_cache(arg.cache)
}

/// Counters of the whole module.
pub(super) fn stats(arg: &mut bindings::quarry_stats) -> Result {
    // What the caller left in it is not to be added to.
    *arg = pin_init::zeroed();
    stats::collect(arg);
    let totals = clients::totals();
    arg.clients = totals.clients;
    arg.client_bytes = totals.bytes;
    arg.client_handles = totals.handles;
    Ok(())
}

/// Counters of one cache.
pub(super) fn cache_stats(arg: &mut bindings::quarry_cache_stats) -> Result {
    let smallest = arg.cache;
    *arg = pin_init::zeroed();
    if stats::cache(smallest, arg) {
        Ok(())
    } else {
        Err(ENOENT)
    }
}

/// Gives free memory back.
pub(super) fn shrink(arg: &mut bindings::quarry_shrink) -> Result {
    aside::reap();
    // SAFETY: The device works in process context.
    // CAST: `u64` holds every `usize`.
    arg.pages = unsafe { exports::quarry_shrink() } as u64;
    Ok(())
}

/// Checks every structure.
pub(super) fn validate(arg: &mut bindings::quarry_validate) -> Result {
    *arg = pin_init::zeroed();
    validate::run(arg);
    Ok(())
}

/// Makes a request of the kernel fail.
pub(super) fn fail_nth(client: &Client, arg: &mut bindings::quarry_fail_nth) -> Result {
    arg.left = requests::fail_nth(client.id(), arg.nth)?;
    Ok(())
}
