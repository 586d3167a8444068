// SPDX-License-Identifier: GPL-2.0

//! Mapping pages one after the other, and taking mappings back.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)
//!
//! `vmap()` rather than `vm_map_ram()`: the latter packs mappings of different age into blocks that
//! stay until the last one goes, and leaves no guard page.

use crate::{
    area::{
        Draft,
        Spare, //
    },
    area_table::Table,
    bindings,
    gfp::Gfp,
    page_alloc::{
        self,
        Kind, //
    },
    requests, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::{
    prelude::*,
    task::might_sleep, //
};

/// Makes what the kernel allocates for a mapping obey the flags of the caller; `vmap()` itself
/// takes none.
struct Scope(u32);

impl Scope {
    fn new(gfp: Gfp) -> Self {
        // SAFETY: Changes the flags of the current task until the scope ends.
        Self(unsafe { bindings::quarry_helper_memalloc_save(gfp.as_raw()) })
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // SAFETY: Restores what `new` saved; scopes nest.
        unsafe { bindings::quarry_helper_memalloc_restore(self.0) };
    }
}

/// Maps drafts, enters them into the registry, and undoes both.
pub(crate) struct Mapper {
    table: Table,
    maps: AtomicU64,
    unmaps: AtomicU64,
}

impl Mapper {
    /// Returns a mapper for a machine with `ram` pages.
    pub(crate) fn new(ram: usize) -> Result<Self> {
        Ok(Self {
            table: Table::new(ram)?,
            maps: AtomicU64::new(0),
            unmaps: AtomicU64::new(0),
        })
    }

    /// Returns the registry.
    #[inline]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Returns how many areas were mapped and unmapped since the beginning.
    pub(crate) fn counts(&self) -> (u64, u64) {
        // ORDERING: Counters for people; nothing follows from them.
        (self.maps.load(Relaxed), self.unmaps.load(Relaxed))
    }

    /// Maps a draft that has all its pages.
    ///
    /// A guard page without a mapping follows the area: `vmap()` leaves one behind each.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn map(&self, mut draft: Draft, gfp: Gfp) -> Option<Spare> {
        let scope = Scope::new(gfp);
        let pages = draft.pages();
        let count = u32::try_from(pages.len()).ok()?;
        if requests::must_fail(size_of_val(pages)) {
            return None;
        }
        // SAFETY: The draft has all its pages.
        let address = unsafe { bindings::quarry_helper_vmap(pages.as_mut_ptr(), count) };
        if address.is_null() {
            return None;
        }
        let start = address.expose_provenance();
        let prepared = self.table.prepare(start, draft.size());
        drop(scope);
        if prepared.is_err() {
            // SAFETY: Mapped above; nobody knows of it.
            unsafe { bindings::quarry_helper_vunmap(address) };
            return None;
        }
        // SAFETY: Mapped above. Pages that were adopted are taken from their area by the caller.
        let spare = unsafe { draft.mapped(start) };
        self.table
            .insert(spare.as_ptr(), start, spare.area().size());
        // ORDERING: See `counts`.
        self.maps.fetch_add(1, Relaxed);
        Some(spare)
    }

    /// Takes an area out of the registry.
    pub(crate) fn withdraw(&self, spare: Spare) -> Withdrawn {
        self.table.remove(spare.area().start(), spare.area().size());
        // ORDERING: See `counts`.
        self.unmaps.fetch_add(1, Relaxed);
        // INVARIANT: Removed above.
        Withdrawn(spare)
    }
}

/// A mapped area that is on its way out.
///
/// # Invariants
///
/// The registry does not know it any more.
#[must_use = "the area would be lost"]
pub(crate) struct Withdrawn(Spare);

impl Withdrawn {
    /// Unmaps the area and frees its pages, but for the first `keep`, which another area has.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn unmap(self, keep: usize) {
        might_sleep();
        // SAFETY: Mapped by `Mapper::map`, and nobody uses it.
        unsafe { bindings::quarry_helper_vunmap(self.0.address()) };
        if let Some(pages) = self.0.area().pages().get(keep..) {
            // SAFETY: Pages of areas come from `alloc_bulk`; these are in no mapping any more.
            unsafe { page_alloc::free_bulk(Kind::Area, pages, page_alloc::lost) };
        }
        // SAFETY: By the type invariants, and unmapped above.
        unsafe { self.0.retire() };
    }
}
