// SPDX-License-Identifier: GPL-2.0

//! The allocations of an open file, by handle.
//!
//! Slots lie in shards, each with a lock of its own that is held only to look at a slot. A thread
//! puts what it allocates into the shard of its CPU, so threads that work on one open file rarely
//! meet.
//!
//! Whoever works with an allocation marks its slot, and works without a lock:
//!
//! - [`Use`]: several at a time may read and write the contents. Like threads that share memory,
//!   they order their accesses among themselves if they care.
//! - [`Taken`]: one alone may resize or free it.
//!
//! Who finds the slot marked in the way of what it wants sleeps and tries again, until it is
//! killed. There is no wait queue: two threads get in each other's way only if one frees or resizes
//! what the other works with, and a client that does so has other problems.

mod shard;

pub(super) use self::shard::bounded;

use self::shard::{
    local_of,
    shard_of,
    Counts,
    Shard,
    Slot,
    State,
    NR_SHARDS,
    SHARD_BITS, //
};
use super::{
    aside::Ticket,
    handle::Handle,
    memory::{
        Memory,
        View, //
    },
    task, //
};
use crate::requests::KBox;
use kernel::{
    cpu::CpuId,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};
use pin_init::pin_init_array_from_fn;

/// A shard on cache lines of its own.
#[pin_data]
#[repr(align(64))]
struct Aligned {
    #[pin]
    shard: Mutex<Shard>,
}

/// The allocations of an open file.
#[pin_data]
pub(super) struct Table {
    #[pin]
    shards: [Aligned; NR_SHARDS],
}

impl Table {
    /// Makes an empty table.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            shards <- pin_init_array_from_fn(|_| {
                pin_init!(Aligned {
                    shard <- new_mutex!(Shard::new(), "quarry::Table::shard"),
                })
            }),
        })
    }

    fn shard(&self, index: u32) -> &Mutex<Shard> {
        // PANIC: `shard_of` returns less than `NR_SHARDS`.
        &self.shards[shard_of(index)].shard
    }

    /// Puts memory into the table. If there is no place for it, it is freed.
    pub(super) fn insert(&self, memory: Memory) -> Result<Handle> {
        let nr = CpuId::current().as_u32() & (NR_SHARDS as u32 - 1);
        let inserted = self.shard(nr).lock().insert(memory);
        // The lock is no longer held: memory that comes back may be freed.
        let (local, generation) = inserted.map_err(|(_, err)| err)?;
        Ok(Handle::new(local << SHARD_BITS | nr, generation))
    }

    /// Marks an allocation as used, until the result is dropped.
    pub(super) fn get(&self, handle: Handle) -> Result<Use<'_>> {
        self.mark(handle, &mut None)
    }

    /// Like [`get`](Self::get), and remembers that the allocation gets mapped.
    pub(super) fn get_to_map(&self, offset: usize) -> Result<Use<'_>> {
        let generation_of = |index: u32| {
            let mut shard = self.shard(index).lock();
            shard.slot_at(local_of(index)).map(|slot| slot.generation)
        };
        let handle = Handle::from_map_offset(offset, generation_of).ok_or(ENOENT)?;
        self.mark(handle, &mut Some(Ticket::new()?))
    }

    fn mark(&self, handle: Handle, ticket: &mut Option<KBox<Ticket>>) -> Result<Use<'_>> {
        loop {
            let mut shard = self.shard(handle.index()).lock();
            let slot = shard.slot(handle)?;
            if let State::Live(memory, users) = &mut slot.state {
                *users += 1;
                if slot.ticket.is_none() {
                    slot.ticket = ticket.take();
                }
                // INVARIANT: Only `Taken` resizes or frees the allocation, and only without users.
                return Ok(Use {
                    table: self,
                    handle,
                    // SAFETY: As above.
                    view: unsafe { memory.view() },
                    was_mapped: slot.ticket.is_some(),
                });
            }
            drop(shard);
            task::pause()?;
        }
    }

    /// Takes an allocation out of its slot, to resize it.
    pub(super) fn take(&self, handle: Handle) -> Result<Taken<'_>> {
        loop {
            let mut shard = self.shard(handle.index()).lock();
            let slot = shard.slot(handle)?;
            if let Some(taken) = self.take_if_idle(handle, slot) {
                return Ok(taken);
            }
            drop(shard);
            task::pause()?;
        }
    }

    /// Takes an allocation out of the table, to free it.
    ///
    /// Fails with `EBUSY`, and leaves it as it is, while someone else refers to its pages.
    pub(super) fn remove(&self, handle: Handle) -> Result<Memory> {
        let taken = loop {
            let mut shard = self.shard(handle.index()).lock();
            // Memory that was never mapped goes at once.
            let unmapped_and_idle =
                |slot: &Slot| matches!(slot.state, State::Live(_, 0)) && slot.ticket.is_none();
            if let Some((State::Live(memory, _), _)) = shard.remove_if(handle, unmapped_and_idle)? {
                return Ok(memory);
            }
            let slot = shard.slot(handle)?;
            if let Some(taken) = self.take_if_idle(handle, slot) {
                break taken;
            }
            drop(shard);
            task::pause()?;
        };
        if taken.is_referenced() {
            return Err(EBUSY);
        }
        taken.remove()
    }

    fn take_if_idle<'a>(&'a self, handle: Handle, slot: &mut Slot) -> Option<Taken<'a>> {
        match core::mem::replace(&mut slot.state, State::Taken) {
            State::Live(memory, 0) => Some(Taken {
                table: self,
                handle,
                memory: Some(memory),
                was_mapped: slot.ticket.is_some(),
            }),
            other => {
                slot.state = other;
                None
            }
        }
    }

    /// Returns the counters, as of some time during the call.
    pub(super) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for aligned in &self.shards {
            let shard = aligned.shard.lock();
            sum.allocs += shard.counts.allocs;
            sum.frees += shard.counts.frees;
        }
        sum
    }

    /// Calls `each` with the handles of allocations that are `wanted`, without a lock. Some that come and go
    /// meanwhile may be missed.
    pub(super) fn for_each(&self, wanted: impl Fn(&Memory) -> bool, mut each: impl FnMut(Handle)) {
        for (nr, aligned) in self.shards.iter().enumerate() {
            let mut from = 0;
            loop {
                let mut found = [None; 16];
                from = aligned.shard.lock().find(from, &wanted, &mut found);
                if found[0].is_none() {
                    break;
                }
                for (local, generation) in found.into_iter().flatten() {
                    // CAST: Less than `NR_SHARDS`.
                    each(Handle::new(local << SHARD_BITS | nr as u32, generation));
                }
                task::yield_now();
            }
        }
    }

    /// Empties the table, of which nothing is in use, into `each`.
    pub(super) fn drain(&self, mut each: impl FnMut(Memory, Option<KBox<Ticket>>)) {
        for aligned in &self.shards {
            let old = core::mem::replace(&mut *aligned.shard.lock(), Shard::new());
            for slot in old.segments.into_iter().flatten() {
                if let State::Live(memory, _) = slot.state {
                    each(memory, slot.ticket);
                }
            }
        }
    }
}

/// Someone works with the contents of an allocation.
///
/// # Invariants
///
/// The slot of `handle` in `table` counts this user, so that the allocation stays as `view` says.
pub(super) struct Use<'a> {
    table: &'a Table,
    handle: Handle,
    view: View,
    was_mapped: bool,
}

impl Use<'_> {
    /// Whether a process has mapped the allocation, or I/O refers to it.
    pub(super) fn is_referenced(&self) -> bool {
        self.was_mapped && self.view.is_referenced()
    }
}

impl core::ops::Deref for Use<'_> {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Drop for Use<'_> {
    fn drop(&mut self) {
        let mut shard = self.table.shard(self.handle.index()).lock();
        if let Ok(Slot {
            state: State::Live(_, users),
            ..
        }) = shard.slot(self.handle)
        {
            *users -= 1;
        }
    }
}

/// Someone alone holds an allocation. It goes back into its slot when this is dropped.
pub(super) struct Taken<'a> {
    table: &'a Table,
    handle: Handle,
    memory: Option<Memory>,
    was_mapped: bool,
}

impl Taken<'_> {
    /// Returns the allocation.
    pub(super) fn memory(&mut self) -> Result<&mut Memory> {
        self.memory.as_mut().ok_or(ENOENT)
    }

    /// Whether a process has mapped the allocation, or I/O refers to it.
    pub(super) fn is_referenced(&self) -> bool {
        self.was_mapped
            && self
                .memory
                .as_ref()
                .is_some_and(|memory| memory.is_referenced())
    }

    /// Takes the allocation out of the table.
    fn remove(mut self) -> Result<Memory> {
        let memory = self.memory.take().ok_or(ENOENT)?;
        let mut shard = self.table.shard(self.handle.index()).lock();
        let removed = shard.remove_if(self.handle, |_| true);
        drop(shard);
        // The slot held the mark, and perhaps a ticket that nobody needs now.
        removed.map(|_| memory)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let Some(memory) = self.memory.take() else {
            return;
        };
        let mut shard = self.table.shard(self.handle.index()).lock();
        if let Ok(slot) = shard.slot(self.handle) {
            slot.state = State::Live(memory, 0);
        }
    }
}
