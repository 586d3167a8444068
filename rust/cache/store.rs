// SPDX-License-Identifier: GPL-2.0

//! Objects from slabs to magazines and back, in batches.

use super::{
    slab_head::{
        SlabId,
        SlabRef,
        Slabs, //
    },
    Cache, //
};
use crate::{
    front::Backing,
    gfp::Gfp,
    lock::Guard,
    magazine::Entry,
    slab::{
        Change,
        Partial, //
    },
    window, //
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
    fn refill(&self, node: usize, gfp: Gfp, want: u32, give: impl FnMut(Entry)) -> u32 {
        Store(self.0).refill(node, gfp, want, give)
    }

    fn drain(&self, entries: &[Entry]) {
        Store(self.0).put_back(entries, |_| None);
    }
}

impl Backing for Store<'_> {
    fn refill(&self, node: usize, _gfp: Gfp, want: u32, mut give: impl FnMut(Entry)) -> u32 {
        let Some(slabs) = self.0.nodes.get(node) else {
            return 0;
        };
        let mut slabs = slabs.lock();
        let mut taken = 0u32;
        while taken < want {
            let Some(id) = slabs.best() else {
                break;
            };
            let slab = id.as_ref();
            let (base, stride) = (slab.base(), self.0.geometry.stride);
            let (got, _) = slabs.change(id, |slab_head| {
                slab_head.take(want.wrapping_sub(taken), |index| {
                    // CAST: Lossless.
                    let address = base.wrapping_add(index.wrapping_mul(stride) as usize);
                    let address = core::ptr::with_exposed_provenance_mut(address);
                    give(Entry {
                        // SAFETY: The object lies within the slab's block.
                        address: unsafe { NonNull::new_unchecked(address) },
                        state: slab.state(index),
                    });
                })
            });
            taken = taken.wrapping_add(got);
        }
        taken
    }

    fn drain(&self, entries: &[Entry]) {
        let mut leaving: [Option<SlabId>; LEAVING] = [None; LEAVING];
        let mut slots = leaving.iter_mut();
        self.put_back(entries, |slabs| {
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
    /// Puts objects back into their slabs, and calls `emptied` when a slab has no used object left.
    fn put_back(
        &self,
        entries: &[Entry],
        mut emptied: impl FnMut(&mut Partial<Slabs>) -> Option<()>,
    ) {
        let mut node: Option<(u32, Guard<'_, Partial<Slabs>>)> = None;
        for entry in entries {
            let address = entry.address.addr().get();
            let found = window::at(address).map(|(window, frame)| window.owner(frame));
            let Some((slab, index)) = found.and_then(|owner| SlabRef::find(owner, address)) else {
                continue;
            };
            let nid = slab.node();
            if node.as_ref().is_none_or(|(held, _)| *held != nid) {
                // The lock of one node is let go before that of another is taken.
                drop(node.take());
                node = self
                    .0
                    .nodes
                    .get(nid as usize)
                    .map(|node| (nid, node.lock()));
            }
            let Some((_, slabs)) = &mut node else {
                continue;
            };
            let change = slabs.put(slab.id(), index);
            if change == Change::Emptied {
                emptied(slabs);
            }
        }
    }
}
