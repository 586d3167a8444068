// SPDX-License-Identifier: GPL-2.0

//! One allocation, owned.

use super::{
    caches::UserCache,
    kernel_memory::KernelMemory,
    pools::Charged,
    request::{
        Arm,
        How,
        Kind,
        Request,
        Wait, //
    },
    task, //
};
use crate::{
    account::{
        self,
        Account, //
    },
    bindings,
    explain,
    exports,
    gfp::Gfp,
    kmalloc,
    kvmalloc,
    vmap_alloc, //
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
    /// Frees itself.
    Kernel(#[expect(dead_code)] KernelMemory),
}

/// Where an allocation lies. Whoever can see one keeps the allocation alive.
pub(super) struct View {
    start: NonNull<u8>,
    usable: usize,
    requested: usize,
    kind: Kind,
    arm: Arm,
    opaque: bool,
}

impl View {
    /// Returns what user space asked for it as.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns whose allocators serve it.
    pub(super) fn arm(&self) -> Arm {
        self.arm
    }

    /// Whether user space can never read or write it.
    pub(super) fn is_opaque(&self) -> bool {
        self.opaque
    }

    /// Returns its first byte.
    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Returns the bytes that it has. They may be read and written unless it is opaque.
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
        // What is opaque cannot be mapped.
        let pages = if self.opaque { 0 } else { self.nr_pages() };
        (0..pages).any(|index| {
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
///   has been written throughout unless it is opaque.
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
    /// Allocates, and clears unless it is opaque.
    pub(super) fn new(request: &Request) -> Result<Self> {
        let wanted = request.bytes.wanted();
        let how = request.how;
        if how.arm == Arm::Kernel {
            let memory = KernelMemory::new(request)?;
            // INVARIANT: What comes from the kernel is opaque.
            return Ok(Self {
                view: View {
                    start: memory.start(),
                    usable: memory.usable(wanted),
                    requested: wanted,
                    kind: request.kind,
                    arm: Arm::Kernel,
                    opaque: true,
                },
                source: Source::Kernel(memory),
            });
        }
        let pool = Charged::new(request.pool)?;
        let account = pool.account();
        let (gfp, node) = (Gfp::from_raw(how.gfp()), request.node.as_raw());
        let whole = whole(request.kind, wanted);
        let (p, source) = match request.kind {
            Kind::Pages => {
                let order = request.bytes.order();
                let first = exports::pages_charged(account, gfp, order, node);
                let first = NonNull::new(first).ok_or(ENOMEM)?;
                // SAFETY: The block was just allocated.
                let start = unsafe { bindings::quarry_helper_page_address(first.as_ptr()) };
                // INVARIANT: `gfp` has the whole block cleared, unless it is opaque.
                return Ok(Self {
                    view: View {
                        // SAFETY: The kernel can address the memory of the pool.
                        start: unsafe { NonNull::new_unchecked(start.cast()) },
                        usable: PAGE_SIZE << order,
                        requested: wanted,
                        kind: Kind::Pages,
                        arm: Arm::Quarry,
                        opaque: how.opaque,
                    },
                    source: Source::Pages { first, order },
                });
            }
            Kind::Kmalloc => (
                kmalloc::kmalloc_charged(account, whole, gfp, node),
                Source::Kmalloc,
            ),
            Kind::Vmalloc => (
                vmap_alloc::vmalloc_charged(account, whole, gfp, node, 0),
                Source::Vmalloc,
            ),
            Kind::Kvmalloc => (
                kvmalloc::kvmalloc_charged(account, whole, gfp, node, 0),
                Source::Kvmalloc,
            ),
            Kind::Object => return Err(EINVAL),
        };
        Self::sized(p, request, whole, source)
    }

    /// Allocates an object of a cache, and clears it unless it is opaque.
    pub(super) fn object(cache: Arc<UserCache>, how: How) -> Result<Self> {
        let arm = cache.arm();
        let opaque = how.opaque || arm == Arm::Kernel;
        let start = cache.alloc(How { opaque, ..how }.gfp()).ok_or(ENOMEM)?;
        let size = cache.object_size();
        // INVARIANT: The cache has no constructor, so `gfp` has the object cleared if it must be.
        Ok(Self {
            view: View {
                start,
                usable: size,
                requested: size,
                kind: Kind::Object,
                arm,
                opaque,
            },
            source: Source::Object(cache),
        })
    }

    /// Owns what an allocator returned for a request, of which the first `cleared` bytes are zero
    /// already, and clears the rest unless it is opaque.
    fn sized(p: *mut c_void, request: &Request, cleared: usize, source: Source) -> Result<Self> {
        let start = NonNull::new(p.cast::<u8>()).ok_or(ENOMEM)?;
        let requested = request.bytes.wanted();
        let usable = usable_of(&source, start, requested);
        let opaque = request.how.opaque;
        if !opaque {
            // SAFETY: The memory has `usable` bytes, and nothing else uses it yet.
            unsafe { clear(start, cleared, usable) };
        }
        // INVARIANT: By the allocators' contract, and by what was just written.
        Ok(Self {
            view: View {
                start,
                usable,
                requested,
                kind: request.kind,
                arm: Arm::Quarry,
                opaque,
            },
            source,
        })
    }

    /// Returns what it is charged to.
    pub(super) fn account(&self) -> Option<&'static Account> {
        match &self.source {
            Source::Pages { .. } => account::of_block(self.view.start),
            Source::Kmalloc | Source::Vmalloc | Source::Kvmalloc => {
                kvmalloc::account_of(self.view.start.as_ptr().cast())
            }
            Source::Object(cache) => cache.account(),
            Source::Kernel(_) => None,
        }
    }

    /// Changes the size. The contents stay as they are up to the smaller of both sizes, also on
    /// failure. Not for opaque memory.
    pub(super) fn resize(&mut self, bytes: usize, wait: Wait) -> Result {
        let old: *const c_void = self.view.start.as_ptr().cast();
        let whole = whole(self.kind(), bytes);
        let p = match self.source {
            // SAFETY: By the type invariants, `old` is live and came from there. On success it is
            // replaced below.
            Source::Kmalloc => unsafe { exports::quarry_krealloc(old, whole, wait.gfp()) },
            // SAFETY: As above.
            Source::Vmalloc => unsafe { exports::quarry_vrealloc(old, whole, wait.gfp()) },
            // SAFETY: As above.
            Source::Kvmalloc => unsafe { exports::quarry_kvrealloc(old, whole, wait.gfp()) },
            Source::Pages { .. } | Source::Object(_) | Source::Kernel(_) => return Err(EOPNOTSUPP),
        };
        let start = NonNull::new(p.cast::<u8>()).ok_or(ENOMEM)?;
        let usable = usable_of(&self.source, start, bytes);
        // What was not copied is whatever the allocator left there.
        let kept = if start == self.start {
            self.usable
        } else {
            self.usable.min(whole)
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

/// Returns how many bytes an allocator is asked for: pages that can be mapped are the program's as a whole.
fn whole(kind: Kind, wanted: usize) -> usize {
    if kind == Kind::Vmalloc || wanted > PAGE_SIZE {
        // OVERFLOW: `Bytes` holds only sizes that can be rounded up.
        page_align(wanted).unwrap_or(wanted)
    } else {
        wanted
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
            Source::Kernel(_) => {}
        }
    }
}
