// SPDX-License-Identifier: GPL-2.0

//! The registry: address to area in a few loads, without a lock.
//!
//! A leaf stands for 512 pages of the kernel's vmalloc range and has a slot for each. All slots of
//! an area point to its record, the slot of its guard page does not. Leaves are found through hash
//! buckets by their position; neighbouring leaves are in neighbouring buckets, and there are enough
//! buckets that in a machine whose whole memory is mapped twice a bucket has one leaf.
//!
//! # Laws
//!
//! - Only the owner of an area writes its slots: the kernel gives an address range to one area.
//! - Leaves are added and never removed, until the table goes.
//! - A slot is cleared before the mapping goes.

mod bucket;

use crate::{
    area::{
        Area,
        View, //
    },
    bindings,
    requests::{
        KBox,
        KVVec,
        KVec, //
    },
    vmalloc::Pages, //
};
use bucket::{
    Bucket,
    Node, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicPtr,
        Ordering::{
            Acquire,
            Release, //
        }, //
    }, //
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Slots of a leaf: one page of pointers where pages have 4 KiB.
const SLOTS: usize = 512;

type Slot = AtomicPtr<Area>;

/// The slots of an aligned range of pages.
type Leaf = KVec<Slot>;

fn new_leaf() -> Result<Leaf> {
    let mut slots = Leaf::with_capacity(SLOTS, GFP_KERNEL)?;
    for _ in 0..SLOTS {
        slots.push(Slot::new(core::ptr::null_mut()), GFP_KERNEL)?;
    }
    Ok(slots)
}

/// Where an address has its slot.
#[derive(Clone, Copy)]
struct Place {
    key: usize,
    slot: usize,
}

impl Place {
    #[inline]
    fn of(address: usize) -> Self {
        let page = address >> bindings::PAGE_SHIFT;
        Self {
            key: page / SLOTS,
            slot: page % SLOTS,
        }
    }

    /// Returns the place of the next page.
    fn next(self) -> Self {
        // OVERFLOW: The last page of the address space is not in the vmalloc range.
        let slot = self.slot.wrapping_add(1) % SLOTS;
        Self {
            key: self.key.wrapping_add(usize::from(slot == 0)),
            slot,
        }
    }
}

/// All areas that are mapped.
///
/// # Invariants
///
/// - The nodes of `buckets` were made by `KBox::into_raw`.
/// - Pointers in slots are null or records that exist, or did when this RCU read-side critical
///   section began.
pub(crate) struct Table {
    range: core::ops::Range<usize>,
    buckets: KVVec<Bucket<Leaf>>,
}

impl Table {
    /// Returns an empty table for a machine with `ram` pages.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(ram: usize) -> Result<Self> {
        let count = (ram.saturating_mul(2) / SLOTS).clamp(64, 1 << 16);
        let count = count.next_power_of_two();
        let mut buckets = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            buckets.push(Bucket::new(), GFP_KERNEL)?;
        }
        // SAFETY: Set at boot.
        let range = unsafe {
            bindings::quarry_helper_vmalloc_start()..bindings::quarry_helper_vmalloc_end()
        };
        // INVARIANT: There are no leaves.
        Ok(Self { range, buckets })
    }

    #[inline]
    fn bucket(&self, key: usize) -> Option<&Bucket<Leaf>> {
        // The number of buckets is a power of two.
        self.buckets.get(key & self.buckets.len().wrapping_sub(1))
    }

    #[inline]
    fn leaf(&self, key: usize) -> Option<&Leaf> {
        self.bucket(key)?.find(key)
    }

    fn leaf_or_new(&self, key: usize) -> Result<&Leaf> {
        let bucket = self.bucket(key).ok_or(EINVAL)?;
        if let Some(leaf) = bucket.find(key) {
            return Ok(leaf);
        }
        let node = KBox::into_raw(KBox::new(Node::new(key, new_leaf()?), GFP_KERNEL)?);
        // INVARIANT: It was made by `KBox::into_raw`.
        // SAFETY: A box is not null. If the node is added, it is freed when the table is dropped.
        let (leaf, added) = unsafe { bucket.add(NonNull::new_unchecked(node)) };
        if !added {
            // SAFETY: It is ours still.
            drop(unsafe { KBox::from_raw(node) });
        }
        Ok(leaf)
    }

    #[inline]
    fn slot(&self, place: Place) -> Option<&Slot> {
        self.leaf(place.key)?.get(place.slot)
    }

    /// Makes sure that [`Table::insert`] finds all the slots it needs.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn prepare(&self, start: usize, size: Pages) -> Result {
        // OVERFLOW: The range is one that the kernel has mapped.
        let bytes = size.get() << bindings::PAGE_SHIFT;
        let last = start.wrapping_add(bytes).wrapping_sub(1);
        for key in Place::of(start).key..=Place::of(last).key {
            self.leaf_or_new(key)?;
        }
        Ok(())
    }

    fn store(&self, start: usize, size: Pages, area: *mut Area) {
        let mut place = Place::of(start);
        for _ in 0..size.get() {
            if let Some(slot) = self.slot(place) {
                // ORDERING: Release pairs with the Acquire in `find`; the record is visible.
                slot.store(area, Release);
            }
            place = place.next();
        }
    }

    /// Enters an area, for which there has been a [`Table::prepare`].
    pub(crate) fn insert(&self, area: NonNull<Area>, start: usize, size: Pages) {
        self.store(start, size, area.as_ptr());
    }

    /// Removes the area that is mapped from `start` on.
    pub(crate) fn remove(&self, start: usize, size: Pages) {
        self.store(start, size, core::ptr::null_mut());
    }

    /// Returns whether an address is one that an area could have.
    #[inline]
    pub(crate) fn covers(&self, address: usize) -> bool {
        self.range.contains(&address)
    }

    /// Returns the area that an address lies in.
    #[inline]
    pub(crate) fn find<'g>(&self, address: usize, _guard: &'g rcu::Guard) -> Option<&'g Area> {
        if !self.covers(address) {
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `store`.
        let area = self.slot(Place::of(address))?.load(Acquire);
        // SAFETY: By the type invariants; the guard holds off the end of the record.
        unsafe { area.as_ref() }
    }

    /// Calls `f` for each slot that has an area, with the address that the slot stands for.
    ///
    /// Areas that come or go meanwhile are seen or not. `f` must not sleep.
    pub(crate) fn for_each_slot(&self, mut f: impl FnMut(usize, View<'_>)) {
        for (key, leaf) in self.buckets.iter().flat_map(Bucket::iter) {
            let guard = rcu::read_lock();
            for (index, slot) in leaf.iter().enumerate() {
                // ORDERING: As in `find`.
                // SAFETY: By the type invariants, under the guard.
                if let Some(area) = unsafe { slot.load(Acquire).as_ref() } {
                    let page = key.wrapping_mul(SLOTS).wrapping_add(index);
                    f(page << bindings::PAGE_SHIFT, View::new(area, &guard));
                }
            }
            drop(guard);
        }
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for bucket in &mut self.buckets {
            // SAFETY: By the type invariants, and the node is in no bucket any more.
            bucket.take_all(|node| drop(unsafe { KBox::from_raw(node.as_ptr()) }));
        }
    }
}

// SAFETY: What the table points to is shared by design; see the laws above.
unsafe impl Send for Table {}
// SAFETY: As above.
unsafe impl Sync for Table {}
