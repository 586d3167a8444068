// SPDX-License-Identifier: GPL-2.0

//! Memory of the kernel's own allocators, to compare quarry's with.
//!
//! Nobody reads or writes it, so that it is not cleared.

use super::request::{
    Kind,
    Request, //
};
use crate::{
    bindings,
    requests, //
};
use core::ptr::NonNull;
use kernel::{
    ffi::c_void,
    page::{
        page_align,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// What an allocation is.
enum Source {
    /// A block of that order.
    Pages(u32),
    /// From `kmalloc()`, or an area.
    Sized,
}

/// An allocation of the kernel's own, freed when dropped.
///
/// # Invariants
///
/// - `start` is live, came from `source`, and nothing else uses it.
/// - If `source` is `Pages`, it is the block's first `struct page`.
pub(super) struct KernelMemory {
    start: NonNull<c_void>,
    source: Source,
}

impl KernelMemory {
    /// Allocates.
    pub(super) fn new(request: &Request) -> Result<Self> {
        let (gfp, node) = (request.how.gfp(), request.node.as_raw());
        let wanted = request.bytes.wanted();
        requests::ask(wanted)?;
        let (start, source) = match request.kind {
            Kind::Pages => {
                let order = request.bytes.order();
                // SAFETY: `Request` holds an existing node and an order in range; the device
                // allocates in process context.
                let first = unsafe { bindings::quarry_helper_alloc_pages_node(node, gfp, order) };
                (first.cast(), Source::Pages(order))
            }
            Kind::Kmalloc => {
                // SAFETY: As above.
                let p = unsafe { bindings::quarry_helper_kmalloc_node(wanted, gfp, node) };
                (p, Source::Sized)
            }
            Kind::Vmalloc => {
                // SAFETY: As above, and only those who may sleep ask for areas.
                let p = unsafe { bindings::quarry_helper_vmalloc_node(wanted, node) };
                (p, Source::Sized)
            }
            Kind::Kvmalloc => {
                // SAFETY: As above.
                let p = unsafe { bindings::quarry_helper_kvmalloc_node(wanted, gfp, node) };
                (p, Source::Sized)
            }
            Kind::Object => return Err(EINVAL),
        };
        // INVARIANT: Just allocated.
        Ok(Self {
            start: NonNull::new(start).ok_or(ENOMEM)?,
            source,
        })
    }

    /// Returns its first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        let p = self.start.as_ptr();
        match self.source {
            Source::Pages(_) => {
                // SAFETY: By the type invariants, it is a `struct page`.
                let address = unsafe { bindings::quarry_helper_page_address(p.cast()) };
                // SAFETY: The kernel can address what it allocates as `GFP_KERNEL`.
                unsafe { NonNull::new_unchecked(address.cast()) }
            }
            Source::Sized => self.start.cast(),
        }
    }

    /// Returns the bytes that it has if `requested` were asked for.
    pub(super) fn usable(&self, requested: usize) -> usize {
        match self.source {
            Source::Pages(order) => PAGE_SIZE << order,
            // SAFETY: Takes any address.
            Source::Sized if unsafe { bindings::is_vmalloc_addr(self.start.as_ptr()) } => {
                // OVERFLOW: `Bytes` holds only sizes that can be rounded up.
                page_align(requested).unwrap_or(requested)
            }
            // SAFETY: Takes any size.
            Source::Sized => unsafe { bindings::kmalloc_size_roundup(requested) },
        }
    }
}

impl Drop for KernelMemory {
    fn drop(&mut self) {
        let p = self.start.as_ptr();
        match self.source {
            // SAFETY: By the type invariants, it is live, came from there, and this is its only
            // owner.
            Source::Pages(order) => unsafe { bindings::quarry_helper_free_pages(p.cast(), order) },
            // SAFETY: As above.
            Source::Sized => unsafe { bindings::kvfree(p) },
        }
    }
}
