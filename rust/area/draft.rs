// SPDX-License-Identifier: GPL-2.0

//! Areas before they are mapped.

use super::{
    Area,
    Spare, //
};
use crate::{
    bindings,
    gfp::Gfp,
    page_alloc::{
        self,
        Kind, //
    },
    requests,
    vmalloc::{
        Pages,
        State, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem::{
        ManuallyDrop,
        MaybeUninit, //
    },
    ops::Range,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicBool,
        AtomicPtr,
        AtomicU32,
        AtomicUsize, //
    }, //
};

/// The record of an area that is not mapped yet, and the pages it has got so far.
///
/// # Invariants
///
/// `area` is a record that only this knows. Its first `filled` pages are initialised; those in
/// `owned` are the draft's, others are an area's that still has them.
pub(crate) struct Draft {
    area: NonNull<Area>,
    owned: Range<usize>,
}

impl Draft {
    /// Allocates the record of an area of `size` pages.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(size: Pages, gfp: Gfp) -> Option<Self> {
        let bytes = size
            .get()
            .checked_mul(size_of::<*mut bindings::page>())?
            .checked_add(size_of::<Area>())?;
        if requests::must_fail(bytes) {
            return None;
        }
        // SAFETY: Plain allocation.
        let memory =
            unsafe { bindings::quarry_helper_kvmalloc(bytes, gfp.for_metadata().as_raw()) };
        let area = NonNull::new(memory.cast::<Area>())?;
        // SAFETY: The array begins right after the record, in the same allocation.
        let pages = unsafe { area.add(1) }.cast::<*mut bindings::page>();
        // SAFETY: The allocation is large enough and aligned, as is all that `kvmalloc()` returns.
        unsafe {
            area.write(Area {
                rcu: UnsafeCell::new(MaybeUninit::uninit()),
                below: UnsafeCell::new(None),
                start: 0,
                size,
                pages,
                node: None,
                state: AtomicU32::new(State::Kept.code()),
                requested: AtomicUsize::new(0),
                caller: AtomicUsize::new(0),
                account: AtomicPtr::new(null_mut()),
                poisoned: AtomicBool::new(false),
            })
        };
        // INVARIANT: Just made; the allocation is cleared, so that the pages are null pointers.
        Some(Self { area, owned: 0..0 })
    }

    fn pages_mut(&mut self) -> &mut [*mut bindings::page] {
        // SAFETY: By the type invariants, nobody else knows the record.
        let area = unsafe { self.area.as_mut() };
        // SAFETY: By the type invariants of `Area`; `&mut self` makes the access exclusive.
        unsafe { core::slice::from_raw_parts_mut(area.pages.as_ptr(), area.size.get()) }
    }

    /// Returns the number of pages that the area is to have.
    pub(crate) fn size(&self) -> Pages {
        // SAFETY: By the type invariants, the record exists.
        unsafe { self.area.as_ref() }.size
    }

    /// Puts the first pages of another area in front of all others, without taking them from it.
    pub(crate) fn adopt(&mut self, pages: &[*mut bindings::page]) {
        let shared = self.pages_mut().len().min(pages.len());
        for (to, from) in self.pages_mut().iter_mut().zip(pages) {
            *to = *from;
        }
        // INVARIANT: What is adopted is not owned.
        self.owned = shared..shared;
    }

    /// Allocates the pages that are missing; returns whether all are there.
    ///
    /// Context: Any, as `gfp` allows.
    pub(crate) fn fill(&mut self, gfp: Gfp, nid: i32) -> bool {
        let from = self.owned.end;
        let Some(missing) = self.pages_mut().get_mut(from..) else {
            return false;
        };
        let wanted = missing.len();
        let got = if wanted == 0 {
            0
        } else {
            page_alloc::alloc_bulk(Kind::Area, gfp, nid, missing)
        };
        // INVARIANT: `alloc_bulk` filled in that many, which are ours.
        self.owned.end = from.wrapping_add(got);
        got == wanted
    }

    /// Returns the pages; all of them are there once [`Draft::fill`] has said so.
    pub(crate) fn pages(&mut self) -> &mut [*mut bindings::page] {
        self.pages_mut()
    }

    /// Turns the draft into an area that nobody uses.
    ///
    /// # Safety
    ///
    /// The pages are all there, no other area has them, and they are mapped from `start` on.
    pub(crate) unsafe fn mapped(mut self, start: usize) -> Spare {
        let node = common_node(self.pages_mut());
        let mut this = ManuallyDrop::new(self);
        // SAFETY: By the type invariants, nobody else knows the record.
        let area = unsafe { this.area.as_mut() };
        area.start = start;
        area.node = node;
        // INVARIANT: Mapped, and nobody else knows it.
        Spare(this.area)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let owned = self.owned.clone();
        if let Some(pages) = self.pages_mut().get(owned) {
            if !pages.is_empty() {
                // SAFETY: By the type invariants these pages are ours, from `alloc_bulk`.
                unsafe { page_alloc::free_bulk(Kind::Area, pages, page_alloc::lost) };
            }
        }
        // SAFETY: From `kvmalloc()`, and nobody else knows it.
        unsafe { bindings::kvfree(self.area.as_ptr().cast()) };
    }
}

/// Returns the node that all `pages` are on, if that is one.
fn common_node(pages: &[*mut bindings::page]) -> Option<i32> {
    // SAFETY: They are pages, of quarry's pool.
    let node_of = |page: &*mut _| unsafe { bindings::quarry_helper_page_to_nid(*page) };
    let mut nodes = pages.iter().map(node_of);
    let first = nodes.next()?;
    nodes.all(|node| node == first).then_some(first)
}
