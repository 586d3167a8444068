// SPDX-License-Identifier: GPL-2.0

//! One allocation, owned.

use super::{
    caches::UserCache,
    request::{
        Kind,
        Request,
        Wait,
        MAX_CONTIGUOUS, //
    },
    task, //
};
use crate::{
    bindings,
    explain,
    exports, //
};
use core::{
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    ffi::c_void,
    page::{
        page_align,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::Arc,
};

/// Bytes that are cleared before other tasks may run.
const CLEAR: usize = 1 << 20;

/// What an allocation came from, and so how it is freed.
enum Source {
    Pages {
        first: NonNull<bindings::page>,
        order: u32,
    },
    Kmalloc,
    Vmalloc,
    Kvmalloc,
    Object(Arc<UserCache>),
}

/// Where an allocation lies. Whoever can see one keeps the allocation alive.
pub(super) struct View {
    start: NonNull<u8>,
    usable: usize,
    requested: usize,
    kind: Kind,
}

impl View {
    /// Returns what user space asked for it as.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns its first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Returns the bytes that may be read and written.
    pub(super) fn usable(&self) -> usize {
        self.usable
    }

    /// Returns the bytes that were asked for.
    pub(super) fn requested(&self) -> usize {
        self.requested
    }

    /// Returns the number of its pages. Means something only if it has pages of its own.
    pub(super) fn nr_pages(&self) -> usize {
        self.usable >> PAGE_SHIFT
    }

    /// Returns a page that it lies in.
    pub(super) fn page(&self, index: usize) -> Option<NonNull<bindings::page>> {
        NonNull::new(explain::page_at(self.start.as_ptr().cast(), index))
    }

    /// Whether anyone but quarry refers to one of its pages: a process that has mapped it, or I/O
    /// in flight.
    pub(super) fn is_referenced(&self) -> bool {
        (0..self.nr_pages()).any(|index| {
            if index % 1024 == 1023 {
                task::yield_now();
            }
            let Some(page) = self.page(index) else {
                return false;
            };
            // SAFETY: The page is part of an allocation that is alive.
            let count = unsafe { bindings::quarry_helper_page_count(page.as_ptr()) };
            count > 1
        })
    }
}

/// A live allocation, freed when dropped.
///
/// # Invariants
///
/// - `view` is of memory that `source` handed out, that nothing else in the kernel uses, and that
///   has been written throughout.
/// - If `source` is `Pages`, it is the block of `first` and `order`.
pub(super) struct Memory {
    view: View,
    source: Source,
}

// SAFETY: Memory may be freed from any task.
unsafe impl Send for Memory {}

// SAFETY: `&Memory` gives only addresses away.
unsafe impl Sync for Memory {}

impl Memory {
    /// Allocates and clears.
    pub(super) fn new(request: &Request) -> Result<Self> {
        let wanted = request.bytes.wanted();
        let (gfp, node) = (request.wait.gfp(), request.node.as_raw());
        match request.kind {
            Kind::Pages => {
                let order = request.bytes.order();
                // SAFETY: `Request` holds an existing node and an order in range; the device
                // allocates in process context.
                let first = unsafe { exports::quarry_alloc_pages_node(node, gfp, order) };
                let first = NonNull::new(first).ok_or(ENOMEM)?;
                // SAFETY: The block was just allocated.
                let start = unsafe { bindings::quarry_helper_page_address(first.as_ptr()) };
                // INVARIANT: `gfp` has the whole block cleared.
                Ok(Self {
                    view: View {
                        // SAFETY: The kernel can address the memory of the pool.
                        start: unsafe { NonNull::new_unchecked(start.cast()) },
                        usable: PAGE_SIZE << order,
                        requested: wanted,
                        kind: Kind::Pages,
                    },
                    source: Source::Pages { first, order },
                })
            }
            Kind::Kmalloc => {
                // SAFETY: As above.
                let p = unsafe { exports::quarry_kmalloc_node(wanted, gfp, node) };
                Self::cleared_up_to(p, wanted, wanted, Source::Kmalloc)
            }
            Kind::Vmalloc if request.node.is_any() => {
                // SAFETY: As above, and the device may sleep.
                let p = unsafe { exports::quarry_vzalloc(wanted) };
                Self::cleared_up_to(p, wanted, wanted, Source::Vmalloc)
            }
            Kind::Vmalloc => {
                // SAFETY: As above.
                let p = unsafe { exports::quarry_vmalloc_node(wanted, node) };
                Self::cleared_up_to(p, wanted, 0, Source::Vmalloc)
            }
            Kind::Kvmalloc if request.node.is_any() => {
                // SAFETY: As above.
                let p = unsafe { exports::quarry_kvmalloc(wanted, gfp) };
                Self::cleared_up_to(p, wanted, wanted, Source::Kvmalloc)
            }
            // `quarry_kvmalloc()` knows no nodes, but its two steps do.
            Kind::Kvmalloc => {
                if wanted <= MAX_CONTIGUOUS {
                    // SAFETY: As above.
                    let p = unsafe { exports::quarry_kmalloc_node(wanted, gfp, node) };
                    if !p.is_null() {
                        return Self::cleared_up_to(p, wanted, wanted, Source::Kvmalloc);
                    }
                }
                if request.wait != Wait::Yes {
                    return Err(ENOMEM);
                }
                // SAFETY: As above, and this caller may sleep.
                let p = unsafe { exports::quarry_vmalloc_node(wanted, node) };
                Self::cleared_up_to(p, wanted, 0, Source::Kvmalloc)
            }
            Kind::Object => Err(EINVAL),
        }
    }

    /// Allocates and clears an object of a cache.
    pub(super) fn object(cache: Arc<UserCache>, wait: Wait) -> Result<Self> {
        let start = cache.alloc(wait.gfp()).ok_or(ENOMEM)?;
        let size = cache.object_size();
        // INVARIANT: The cache has no constructor, so `gfp` has the object cleared.
        Ok(Self {
            view: View {
                start,
                usable: size,
                requested: size,
                kind: Kind::Object,
            },
            source: Source::Object(cache),
        })
    }

    /// Owns what an allocator returned, of which the first `cleared` bytes are zero already, and
    /// clears the rest.
    fn cleared_up_to(
        p: *mut c_void,
        requested: usize,
        cleared: usize,
        source: Source,
    ) -> Result<Self> {
        let start = NonNull::new(p.cast::<u8>()).ok_or(ENOMEM)?;
        let usable = usable_of(&source, start, requested);
        // SAFETY: The memory has `usable` bytes, and nothing else uses it yet.
        unsafe { clear(start, cleared, usable) };
        let kind = match source {
            Source::Kmalloc => Kind::Kmalloc,
            Source::Vmalloc => Kind::Vmalloc,
            _ => Kind::Kvmalloc,
        };
        // INVARIANT: By the allocators' contract, and by what was just written.
        Ok(Self {
            view: View {
                start,
                usable,
                requested,
                kind,
            },
            source,
        })
    }

    /// Changes the size. The contents stay as they are up to the smaller of both sizes, also on
    /// failure.
    pub(super) fn resize(&mut self, bytes: usize, wait: Wait) -> Result {
        let old: *const c_void = self.view.start.as_ptr().cast();
        let p = match self.source {
            // SAFETY: By the type invariants, `old` is live and came from there. On success it is
            // replaced below.
            Source::Kmalloc => unsafe { exports::quarry_krealloc(old, bytes, wait.gfp()) },
            // SAFETY: As above.
            Source::Vmalloc => unsafe { exports::quarry_vrealloc(old, bytes, wait.gfp()) },
            // SAFETY: As above.
            Source::Kvmalloc => unsafe { exports::quarry_kvrealloc(old, bytes, wait.gfp()) },
            Source::Pages { .. } | Source::Object(_) => return Err(EOPNOTSUPP),
        };
        let start = NonNull::new(p.cast::<u8>()).ok_or(ENOMEM)?;
        let usable = usable_of(&self.source, start, bytes);
        // What was not copied is whatever the allocator left there.
        let kept = if start == self.start {
            self.usable
        } else {
            self.usable.min(bytes)
        };
        // SAFETY: The memory has `usable` bytes, and whoever resizes it owns it.
        unsafe { clear(start, kept, usable) };
        // INVARIANT: By the allocators' contract, and by what was just written.
        self.view = View {
            start,
            usable,
            requested: bytes,
            ..self.view
        };
        Ok(())
    }

    /// Returns a second view of the memory.
    ///
    /// # Safety
    ///
    /// The memory must be neither resized nor freed while the view exists.
    pub(super) unsafe fn view(&self) -> View {
        View { ..self.view }
    }
}

impl Deref for Memory {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

/// Returns the usable size of what an allocator returned for `requested` bytes.
fn usable_of(source: &Source, start: NonNull<u8>, requested: usize) -> usize {
    let p: *const c_void = start.as_ptr().cast();
    let is_area = match source {
        Source::Vmalloc => true,
        // SAFETY: Takes any address.
        Source::Kvmalloc => unsafe { bindings::is_vmalloc_addr(p) },
        _ => false,
    };
    if is_area {
        // OVERFLOW: `Bytes` holds only sizes that can be rounded up.
        page_align(requested).unwrap_or(requested)
    } else {
        // SAFETY: Takes any address.
        unsafe { exports::quarry_ksize(p) }
    }
}

/// Clears the bytes of an allocation from one offset to another.
///
/// # Safety
///
/// The allocation has `end` bytes, and nobody else uses those from `offset` on.
unsafe fn clear(start: NonNull<u8>, mut offset: usize, end: usize) {
    while offset < end {
        let len = CLEAR.min(end - offset);
        // SAFETY: By this function's contract, as `offset + len <= end`.
        unsafe { start.add(offset).write_bytes(0, len) };
        offset += len;
        if offset < end {
            task::yield_now();
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let p: *mut c_void = self.start.as_ptr().cast();
        match &self.source {
            // SAFETY: By the type invariants, it is live, came from there, and this is its only
            // owner.
            Source::Pages { first, order } => unsafe {
                exports::quarry_free_pages(first.as_ptr(), *order)
            },
            // SAFETY: As above.
            Source::Kmalloc => unsafe { exports::quarry_kfree(p) },
            // SAFETY: As above.
            Source::Vmalloc => unsafe { exports::quarry_vfree(p) },
            // SAFETY: As above.
            Source::Kvmalloc => unsafe { exports::quarry_kvfree(p) },
            // SAFETY: As above.
            Source::Object(cache) => unsafe { cache.free(self.start) },
        }
    }
}
