// SPDX-License-Identifier: GPL-2.0

//! Checks the laws of the vmalloc layer against the kernel's page tables.

use crate::{
    area::View,
    area_table::Table,
    bindings,
    vmap_alloc::{
        self,
        layer,
        Counters, //
    }, //
};
use core::ffi::c_void;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Returns the page that the kernel's page tables have for an address.
fn mapped_page(address: usize) -> *mut bindings::page {
    let address = core::ptr::with_exposed_provenance::<c_void>(address);
    // SAFETY: Any address in the vmalloc range may be asked for.
    unsafe { bindings::vmalloc_to_page(address) }
}

/// What is wrong at one slot of the registry.
enum Wrong {
    Outside,
    Page,
    Guard,
}

impl Wrong {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Outside => "an address is entered for an area that it is not in",
            Self::Page => "the page tables have another page than the area",
            Self::Guard => "a guard page is mapped",
        }
    }
}

fn check(address: usize, view: View<'_>) -> Result<(), Wrong> {
    let area = view.area();
    let index = address.wrapping_sub(area.start()) >> bindings::PAGE_SHIFT;
    let page = area.pages().get(index).ok_or(Wrong::Outside)?;
    if mapped_page(address) != *page {
        return Err(Wrong::Page);
    }
    let end = area.start().wrapping_add(area.bytes());
    let next = address.wrapping_add(PAGE_SIZE);
    if next == end && !mapped_page(end).is_null() {
        return Err(Wrong::Guard);
    }
    Ok(())
}

/// What one walk over the registry has found.
#[derive(Default)]
struct Walk {
    violations: usize,
    areas: u64,
    pages: usize,
    slots: usize,
}

impl Walk {
    fn new(table: &Table) -> Self {
        let mut this = Self::default();
        table.for_each_slot(|address, view| this.visit(table, address, view));
        this
    }

    fn visit(&mut self, table: &Table, address: usize, view: View<'_>) {
        let area = view.area();
        self.slots = self.slots.wrapping_add(1);
        if area.start() == address {
            self.areas = self.areas.wrapping_add(1);
            self.pages = self.pages.wrapping_add(area.size().get());
        }
        let Err(wrong) = check(address, view) else {
            return;
        };
        // A slot is cleared before the mapping goes: what is still entered must be mapped.
        if !view.is_at(table, address) {
            return;
        }
        self.violations = self.violations.wrapping_add(1);
        pr_err!("vmalloc: {}\n", wrong.as_str());
    }

    /// Returns whether the walk agrees with the numbers before and after it: no if they are the
    /// same and say something else.
    fn agrees(&self, before: &Counters, after: &Counters) -> bool {
        let quiet = before.sums.allocs == after.sums.allocs
            && before.sums.frees == after.sums.frees
            && before.sums.leaving == after.sums.leaving
            && before.maps == after.maps
            && before.unmaps == after.unmaps;
        // CAST: A count of areas fits.
        let idle = after.sums.kept.wrapping_add(after.sums.leaving) as u64;
        let known = after.live.wrapping_add(idle);
        let mapped = after.maps.wrapping_sub(after.unmaps);
        !quiet || (self.areas == known && self.areas == mapped && self.slots == self.pages)
    }
}

/// Checks the layer and returns the number of violations, each of which is reported.
///
/// Numbers are compared only if nothing is allocated or freed meanwhile. What is being mapped or
/// unmapped is in no number, so they are looked at again before they are said to be wrong.
///
/// Context: Process context. May sleep.
pub(crate) fn validate() -> usize {
    let table = layer().mapper.table();
    let mut tries = 5;
    let mut violations = loop {
        let before = vmap_alloc::counters();
        let walk = Walk::new(table);
        let after = vmap_alloc::counters();
        if walk.violations > 0 || walk.agrees(&before, &after) {
            break walk.violations;
        }
        tries -= 1;
        if tries == 0 {
            let (areas, slots, pages) = (walk.areas, walk.slots, walk.pages);
            let (live, kept) = (after.live, after.sums.kept);
            let mapped = after.maps.wrapping_sub(after.unmaps);
            pr_err!(
                "vmalloc: {areas} areas are entered with {slots} of {pages} pages, but {mapped} \
                 are mapped, {live} live and {kept} kept\n"
            );
            break 1;
        }
        fsleep(Delta::from_millis(10));
    };
    let bad = layer().keep.validate();
    if bad > 0 {
        pr_err!("vmalloc: {bad} collections of kept areas are inconsistent\n");
        violations = violations.wrapping_add(bad);
    }
    violations
}
