// SPDX-License-Identifier: GPL-2.0

//! Slots for allocations.
//!
//! C header: [`include/linux/nospec.h`](srctree/include/linux/nospec.h)

use super::super::{
    aside::Ticket,
    handle::Handle,
    memory::Memory, //
};
use crate::{
    bindings,
    requests::{
        KBox,
        KVec, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// Bits of a handle's index that say which shard the slot is in.
pub(super) const SHARD_BITS: u32 = 4;

/// Shards of an open file.
pub(super) const NR_SHARDS: usize = 1 << SHARD_BITS;

/// End of a list of free slots.
const NONE: u32 = u32::MAX;

/// What is in a slot.
pub(super) enum State {
    /// Nothing; next free slot of the shard.
    Free(u32),
    /// An allocation, used by so many.
    Live(Memory, u32),
    /// An allocation that someone holds as [`Taken`].
    Taken,
}

/// A place for an allocation.
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) state: State,
    /// Present if the allocation has ever been mapped.
    pub(super) ticket: Option<KBox<Ticket>>,
}

/// Slots are allocated as many at a time as fit 16 pages.
const SEGMENT: usize = 16 * PAGE_SIZE / size_of::<Slot>();

/// Counters of a [`Table`].
#[derive(Default)]
pub(in super::super) struct Counts {
    pub(in super::super) allocs: u64,
    pub(in super::super) frees: u64,
}

/// Slots, and which of them are free.
pub(super) struct Shard {
    /// Areas, so that a table takes nothing from the kernel's slabs, which may be what is measured.
    pub(super) segments: KVec<VVec<Slot>>,
    nr_slots: usize,
    free: u32,
    pub(super) counts: Counts,
}

impl Shard {
    /// Makes a shard without slots.
    pub(super) fn new() -> Self {
        Self {
            segments: KVec::new(),
            nr_slots: 0,
            free: NONE,
            counts: Counts::default(),
        }
    }

    /// Returns a slot, if it exists.
    pub(super) fn slot_at(&mut self, local: usize) -> Option<&mut Slot> {
        let local = bounded(local, self.nr_slots)?;
        self.segments
            .get_mut(local / SEGMENT)?
            .get_mut(local % SEGMENT)
    }

    /// Returns the slot that a handle names, if it still does.
    pub(super) fn slot(&mut self, handle: Handle) -> Result<&mut Slot> {
        let slot = self.slot_at(local_of(handle.index())).ok_or(ENOENT)?;
        let named = slot.generation == handle.generation() && !matches!(slot.state, State::Free(_));
        if named {
            Ok(slot)
        } else {
            Err(ENOENT)
        }
    }

    /// Adds slots, none of which is free before.
    fn grow(&mut self) -> Result {
        let first = self.nr_slots;
        // The last index must have a name in every shard.
        if (first + SEGMENT) << SHARD_BITS > Handle::MAX as usize {
            return Err(ENOMEM);
        }
        let mut segment = VVec::with_capacity(SEGMENT, GFP_KERNEL_ACCOUNT)?;
        for local in first..first + SEGMENT {
            let next = if local + 1 < first + SEGMENT {
                // CAST: Less than `Handle::MAX`.
                local as u32 + 1
            } else {
                NONE
            };
            let slot = Slot {
                generation: 1,
                state: State::Free(next),
                ticket: None,
            };
            segment.push(slot, GFP_KERNEL_ACCOUNT)?;
        }
        self.segments.push(segment, GFP_KERNEL_ACCOUNT)?;
        self.nr_slots += SEGMENT;
        // CAST: Less than `Handle::MAX`.
        self.free = first as u32;
        Ok(())
    }

    /// Puts memory into a free slot and returns its index and generation.
    pub(super) fn insert(
        &mut self,
        memory: Memory,
    ) -> core::result::Result<(u32, u32), (Memory, Error)> {
        if self.free == NONE {
            if let Err(err) = self.grow() {
                return Err((memory, err));
            }
        }
        let local = self.free;
        // CAST: `usize` has at least 32 bits.
        let Some(slot) = self.slot_at(local as usize) else {
            return Err((memory, ENOMEM));
        };
        let State::Free(next) = slot.state else {
            return Err((memory, ENOMEM));
        };
        let generation = slot.generation;
        slot.state = State::Live(memory, 0);
        self.free = next;
        self.counts.allocs += 1;
        Ok((local, generation))
    }

    /// Looks from a slot on for allocations that are `wanted`, and notes slot and generation of as many as
    /// there is room for. What someone is about to resize or free is left out. Returns where to go on.
    pub(super) fn find(
        &self,
        from: usize,
        wanted: impl Fn(&Memory) -> bool,
        found: &mut [Option<(u32, u32)>],
    ) -> usize {
        let mut places = found.iter_mut();
        let slots = self.segments.iter().flatten().enumerate().skip(from);
        for (local, slot) in slots {
            if matches!(&slot.state, State::Live(memory, _) if wanted(memory)) {
                let Some(place) = places.next() else {
                    return local;
                };
                // CAST: Less than `Handle::MAX`.
                *place = Some((local as u32, slot.generation));
            }
        }
        self.nr_slots
    }

    /// Makes the slot of a handle free, and the handle name nothing, if `may_go` says so. Returns
    /// what was in it, to be dropped without the lock.
    pub(super) fn remove_if(
        &mut self,
        handle: Handle,
        may_go: impl FnOnce(&Slot) -> bool,
    ) -> Result<Option<(State, Option<KBox<Ticket>>)>> {
        let free = self.free;
        let slot = self.slot(handle)?;
        if !may_go(slot) {
            return Ok(None);
        }
        let state = core::mem::replace(&mut slot.state, State::Free(free));
        let ticket = slot.ticket.take();
        slot.generation = slot.generation.checked_add(1).unwrap_or(1);
        // CAST: Less than `Handle::MAX`.
        self.free = local_of(handle.index()) as u32;
        self.counts.frees += 1;
        Ok(Some((state, ticket)))
    }
}

/// Returns `index` if it is less than `len`, and never more than that, not even in speculation.
pub(in super::super) fn bounded(index: usize, len: usize) -> Option<usize> {
    // SAFETY: Takes any numbers.
    (index < len).then(|| unsafe { bindings::quarry_helper_array_index_nospec(index, len) })
}

/// Returns the number of the shard of a slot.
pub(super) fn shard_of(index: u32) -> usize {
    // CAST: `usize` has at least 32 bits.
    index as usize & (NR_SHARDS - 1)
}

/// Returns the number of a slot in its shard.
pub(super) fn local_of(index: u32) -> usize {
    // CAST: `usize` has at least 32 bits.
    (index >> SHARD_BITS) as usize
}
