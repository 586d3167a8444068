// SPDX-License-Identifier: GPL-2.0

//! An open file: what it holds and may hold.

use super::{
    aside,
    caches::{
        CacheTable,
        Shape,
        UserCache, //
    },
    clients::ClientInfo,
    handle::Handle,
    memory::Memory,
    quota::{
        Charge,
        Limits, //
    },
    request::{
        Bytes,
        Kind,
        Wait,
        Wanted, //
    },
    table::{
        Table,
        Use, //
    },
    task::{
        self,
        Opener, //
    },
};
use crate::{
    account::Account,
    pool::Budget, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// An open file of `/dev/quarry`.
#[pin_data]
pub(crate) struct Client {
    id: u64,
    opener: Opener,
    pub(super) limits: Limits,
    pub(super) bytes: Budget,
    pub(super) handles: Budget,
    pub(super) nr_caches: Budget,
    failures: AtomicU64,
    #[pin]
    pub(super) table: Table,
    #[pin]
    pub(super) caches: Mutex<CacheTable>,
}

impl Client {
    /// Makes an open file that holds nothing.
    pub(super) fn new(id: u64) -> impl PinInit<Self> {
        let limits = Limits::from_parameters();
        pin_init!(Self {
            id,
            opener: Opener::current(),
            // CAST: Lossless: the kernel has 64 bits.
            bytes: Budget::new(limits.bytes as usize, 0),
            handles: Budget::new(limits.handles as usize, 0),
            nr_caches: Budget::new(limits.caches as usize, 0),
            limits,
            failures: AtomicU64::new(0),
            table <- Table::new(),
            caches <- new_mutex!(CacheTable::new(), "quarry::Client::caches"),
        })
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Allocates. Returns the handle and the usable size.
    pub(super) fn alloc(&self, wanted: &Wanted) -> Result<(Handle, u64)> {
        self.try_alloc(wanted).inspect_err(|_| self.note_failure())
    }

    fn try_alloc(&self, wanted: &Wanted) -> Result<(Handle, u64)> {
        let handle_charge = Charge::new(&self.handles, 1)?;
        let (memory, bytes_charge) = match wanted {
            Wanted::Memory(request) => {
                let mut charge = Charge::new(&self.bytes, request.bytes.charged())?;
                let memory = Memory::new(request).map_err(task::unless_killed)?;
                charge.adjust(memory.usable())?;
                (memory, charge)
            }
            Wanted::Object { cache, how } => {
                // The claim on the cache ends in `Memory::object`, or when the charge fails.
                let cache = self.caches.lock().get(*cache)?;
                let charge = Charge::new(&self.bytes, cache.object_size());
                let charge = charge.inspect_err(|_| cache.end_claim())?;
                let object = Memory::object(cache, *how).map_err(task::unless_killed)?;
                (object, charge)
            }
        };
        // CAST: `u64` holds every `usize`.
        let usable = memory.usable() as u64;
        let handle = self.table.insert(memory)?;
        handle_charge.keep();
        bytes_charge.keep();
        Ok((handle, usable))
    }

    /// Changes the size of an allocation. Returns the usable size.
    pub(super) fn realloc(&self, raw: u64, bytes: u64, wait: Wait) -> Result<u64> {
        self.try_realloc(raw, bytes, wait)
            .inspect_err(|_| self.note_failure())
    }

    fn try_realloc(&self, raw: u64, bytes: u64, wait: Wait) -> Result<u64> {
        let mut taken = self.table.take(Handle::from_raw(raw).ok_or(ENOENT)?)?;
        let referenced = taken.is_referenced();
        let memory = taken.memory()?;
        let kind = memory.kind();
        if memory.is_opaque() || matches!(kind, Kind::Pages | Kind::Object) {
            return Err(EOPNOTSUPP);
        }
        let bytes = Bytes::new(kind, bytes)?;
        if kind == Kind::Vmalloc && wait != Wait::Yes {
            return Err(EINVAL);
        }
        if referenced {
            return Err(EBUSY);
        }
        let old = memory.usable();
        // Only what is needed beyond the old size: that is charged already, and given back when the
        // smaller size is there.
        let mut growth = Charge::new(&self.bytes, bytes.charged().saturating_sub(old))?;
        memory.resize(bytes.wanted(), wait)?;
        let new = memory.usable();
        if new < old {
            self.bytes.give(old - new);
        }
        // Rounding up may take more than was charged, and the allocation cannot be undone any more.
        // The excess is less than the allocation, and counts from now on.
        growth.force(new.saturating_sub(old));
        growth.keep();
        // CAST: `u64` holds every `usize`.
        Ok(new as u64)
    }

    /// Frees an allocation.
    pub(super) fn free(&self, raw: u64) -> Result {
        let memory = self.table.remove(Handle::from_raw(raw).ok_or(ENOENT)?)?;
        let usable = memory.usable();
        drop(memory);
        self.bytes.give(usable);
        self.handles.give(1);
        Ok(())
    }

    /// Marks an allocation as used, until the result is dropped.
    pub(super) fn get(&self, raw: u64) -> Result<Use<'_>> {
        self.table.get(Handle::from_raw(raw).ok_or(ENOENT)?)
    }

    /// Makes a cache, and returns its id.
    pub(super) fn create_cache(&self, shape: &Shape) -> Result<u32> {
        // Making and ending a cache takes long, so that neither is done under the lock.
        let id = self.caches.lock().reserve(shape)?;
        let charge = Charge::new(&self.nr_caches, 1);
        let made = charge.and_then(|charge| Ok((UserCache::new(shape)?, charge)));
        let (cache, result) = match made {
            Ok((cache, charge)) => {
                charge.keep();
                (Some(cache), Ok(id))
            }
            Err(err) => (None, Err(err)),
        };
        self.caches.lock().settle(id, cache);
        result
    }

    /// Ends a cache.
    pub(super) fn destroy_cache(&self, id: u32) -> Result {
        let cache = self.caches.lock().remove(id)?;
        drop(cache);
        self.nr_caches.give(1);
        Ok(())
    }

    /// Frees what is charged to an account, and ends such caches; what is mapped, or I/O refers to, stays.
    pub(super) fn purge(&self, account: &Account) {
        let ours = |memory: &Memory| {
            memory
                .account()
                .is_some_and(|of| core::ptr::eq(of, account))
        };
        self.table.for_each(ours, |handle| {
            // Somebody else may have freed it, or may be using it.
            let _ = self.free(handle.into_raw());
        });
        loop {
            let Some(id) = self.caches.lock().find_idle(account) else {
                break;
            };
            if self.destroy_cache(id).is_err() {
                break;
            }
        }
    }

    /// Frees everything that a file holds which is being closed.
    pub(super) fn close(&self) {
        self.table.drain(|memory, ticket| {
            match ticket {
                Some(ticket) => aside::free(memory, ticket),
                None => drop(memory),
            }
            task::yield_now();
        });
        let caches = core::mem::replace(&mut *self.caches.lock(), CacheTable::new());
        drop(caches);
    }

    fn note_failure(&self) {
        // ORDERING: Relaxed: a counter.
        self.failures.fetch_add(1, Relaxed);
    }

    /// Describes this open file.
    pub(super) fn info(&self) -> ClientInfo {
        let counts = self.table.counts();
        let [bytes, handles, caches] =
            [&self.bytes, &self.handles, &self.nr_caches].map(Budget::usage);
        // CAST: `u64` holds every `usize`.
        ClientInfo {
            id: self.id,
            pid: self.opener.pid,
            comm: self.opener.comm,
            handles: handles.used as u64,
            bytes: bytes.used as u64,
            peak_bytes: bytes.peak as u64,
            caches: caches.used as u64,
            quota_bytes: bytes.limit as u64,
            quota_handles: handles.limit as u64,
            quota_caches: caches.limit as u64,
            allocs: counts.allocs,
            frees: counts.frees,
            // ORDERING: Relaxed: a counter.
            failures: self.failures.load(Relaxed),
        }
    }
}
