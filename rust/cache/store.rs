// SPDX-License-Identifier: GPL-2.0

//! Objects from slabs to magazines and back, in batches.

use super::{
    find,
    slab_head::{
        SlabId,
        Slabs, //
    },
    Cache, //
};
use crate::{
    front::Backing,
    gfp::Gfp,
    magazine::{
        Entries,
        Entry,
        Run, //
    },
    slab::{
        Change,
        Partial, //
    }, //
};
use core::ptr::NonNull;

/// Empty slabs that leave a node at a time.
const LEAVING: usize = 8;

/// The backing store of a cache's front: its slabs.
pub(super) struct Store<'a>(pub(super) &'a Cache);

/// The same where slabs cannot be given back to the pool: on a CPU that was interrupted for it. There
/// the kernel's allocator, which has their bookkeeping, must not be called.
pub(super) struct KeepingStore<'a>(pub(super) &'a Cache);

impl Backing for KeepingStore<'_> {
    fn refill(&self, node: usize, gfp: Gfp, want: u32, give: impl FnMut(Run)) -> u32 {
        Store(self.0).refill(node, gfp, want, give)
    }

    fn drain(&self, node: usize, entries: Entries<'_>) {
        Store(self.0).put_back(node, entries, |_| None);
    }
}

impl Backing for Store<'_> {
    fn refill(&self, node: usize, _gfp: Gfp, want: u32, give: impl FnMut(Run)) -> u32 {
        match self.0.nodes.get(node) {
            Some(slabs) => self.take(&mut slabs.lock(), want, give),
            None => 0,
        }
    }

    fn drain(&self, node: usize, entries: Entries<'_>) {
        let mut leaving: [Option<SlabId>; LEAVING] = [None; LEAVING];
        let mut slots = leaving.iter_mut();
        self.put_back(node, entries, |slabs| {
            let keep = slabs.nr_slabs() / 4 + 1;
            let id = slabs.remove_empty(keep)?;
            match slots.next() {
                Some(slot) => *slot = Some(id),
                None => slabs.add(id),
            }
            Some(())
        });
        for id in leaving.into_iter().flatten() {
            // SAFETY: Removed from its node above: no object of it is in use.
            unsafe { self.0.release(id) };
        }
    }
}

impl Store<'_> {
    /// Takes an object of a node, if that can be done without waiting.
    ///
    /// Context: Any, also NMI.
    pub(super) fn take_nolock(&self, node: usize) -> Option<Entry> {
        let mut slabs = self.0.nodes.get(node)?.try_lock()?;
        let mut entry = None;
        self.take(&mut slabs, 1, |got| entry = got.iter().next());
        entry
    }

    /// Takes up to `want` objects of a node and passes them to `give` in runs. Returns how many.
    #[inline(always)]
    fn take(&self, slabs: &mut Partial<Slabs>, want: u32, mut give: impl FnMut(Run)) -> u32 {
        let mut taken = 0u32;
        while taken < want {
            let Some(id) = slabs.best() else {
                break;
            };
            let slab = id.as_ref();
            let (base, stride) = (slab.base(), self.0.geometry.stride);
            let (got, _) = slabs.change(id, |slab_head| {
                slab_head.take_runs(want.wrapping_sub(taken), |index, count| {
                    // CAST: Lossless.
                    let address = base.wrapping_add(index.wrapping_mul(stride) as usize);
                    let address = core::ptr::with_exposed_provenance_mut(address);
                    let first = Entry {
                        // SAFETY: The object lies within the slab's block.
                        address: unsafe { NonNull::new_unchecked(address) },
                        state: slab.state(index),
                    };
                    // SAFETY: The slab has so many objects from this one on, one a stride, and a state
                    // byte for each. CAST: Lossless.
                    give(unsafe { Run::new(first, stride as usize, 1, count as usize) });
                })
            });
            taken = taken.wrapping_add(got);
        }
        taken
    }

    /// Puts objects of a node back into their slabs, and calls `emptied` when a slab has no used object
    /// left.
    fn put_back(
        &self,
        node: usize,
        entries: Entries<'_>,
        mut emptied: impl FnMut(&mut Partial<Slabs>) -> Option<()>,
    ) {
        let Some(slabs) = self.0.nodes.get(node) else {
            return;
        };
        let mut slabs = slabs.lock();
        let mut entries = entries.iter();
        let mut next = entries.next();
        while let Some(entry) = next {
            let Some((slab, index)) = find(entry.address.addr().get()) else {
                next = entries.next();
                continue;
            };
            // Together with those that the same word of the slab's bitmap stands for. Most lie in the
            // slab that the one before lies in: the state byte tells.
            let (word, mut bits, mut count) = (index / 64, 1u64 << (index % 64), 1);
            loop {
                next = entries.next();
                match next.and_then(|next| slab.index_of(next.state)) {
                    Some(index) if index / 64 == word => bits |= 1 << (index % 64),
                    _ => break,
                }
                count += 1;
            }
            // CAST: Lossless.
            if slabs.put_bits(slab.id(), word as usize, bits, count) == Change::Emptied {
                emptied(&mut slabs);
            }
        }
    }
}
