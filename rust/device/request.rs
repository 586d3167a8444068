// SPDX-License-Identifier: GPL-2.0

//! What user space asks for, checked.

use crate::bindings;
use kernel::{
    page::page_align,
    page::PAGE_SHIFT,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Flags that say how much an allocation may wait.
pub(super) const WAIT_FLAGS: u32 = bindings::QUARRY_ALLOC_NOWAIT | bindings::QUARRY_ALLOC_ATOMIC;

/// Flags that say what memory an allocation is.
const MEMORY_FLAGS: u32 = bindings::QUARRY_ALLOC_OPAQUE | bindings::QUARRY_ALLOC_KERNEL;

/// All flags that an allocation knows.
pub(super) const ALLOC_FLAGS: u32 = WAIT_FLAGS | MEMORY_FLAGS;

/// Pages of the largest contiguous allocation, as a power of two.
pub(super) const MAX_ORDER: u32 = bindings::QUARRY_NR_ORDERS - 1;

/// Bytes of the largest contiguous allocation.
pub(super) const MAX_CONTIGUOUS: usize = PAGE_SIZE << MAX_ORDER;

/// What an allocation comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pages,
    Kmalloc,
    Vmalloc,
    Kvmalloc,
    Object,
}

impl Kind {
    /// Returns the number that user space knows it by.
    pub(super) fn into_raw(self) -> u32 {
        match self {
            Kind::Pages => bindings::quarry_kind_QUARRY_KIND_PAGES,
            Kind::Kmalloc => bindings::quarry_kind_QUARRY_KIND_KMALLOC,
            Kind::Vmalloc => bindings::quarry_kind_QUARRY_KIND_VMALLOC,
            Kind::Kvmalloc => bindings::quarry_kind_QUARRY_KIND_KVMALLOC,
            Kind::Object => bindings::quarry_kind_QUARRY_KIND_CACHE,
        }
    }
}

impl TryFrom<u32> for Kind {
    type Error = Error;

    fn try_from(raw: u32) -> Result<Self> {
        match raw {
            bindings::quarry_kind_QUARRY_KIND_PAGES => Ok(Kind::Pages),
            bindings::quarry_kind_QUARRY_KIND_KMALLOC => Ok(Kind::Kmalloc),
            bindings::quarry_kind_QUARRY_KIND_VMALLOC => Ok(Kind::Vmalloc),
            bindings::quarry_kind_QUARRY_KIND_KVMALLOC => Ok(Kind::Kvmalloc),
            bindings::quarry_kind_QUARRY_KIND_CACHE => Ok(Kind::Object),
            _ => Err(EINVAL),
        }
    }
}

/// How much an allocation may wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Sleeps if it must.
    Yes,
    /// Never sleeps.
    No,
    /// Never sleeps, and may use the reserve.
    Atomic,
}

impl TryFrom<u32> for Wait {
    type Error = Error;

    /// Reads `QUARRY_ALLOC_NOWAIT` and `QUARRY_ALLOC_ATOMIC`, and accepts no others.
    fn try_from(flags: u32) -> Result<Self> {
        match flags {
            0 => Ok(Wait::Yes),
            bindings::QUARRY_ALLOC_NOWAIT => Ok(Wait::No),
            bindings::QUARRY_ALLOC_ATOMIC => Ok(Wait::Atomic),
            _ => Err(EINVAL),
        }
    }
}

impl Wait {
    /// Returns how memory that user space can read is asked for: always cleared, and quiet when
    /// there is none.
    pub(super) fn gfp(self) -> bindings::gfp_t {
        self.gfp_unread() | bindings::__GFP_ZERO
    }

    /// Returns how memory that user space cannot read is asked for.
    pub(super) fn gfp_unread(self) -> bindings::gfp_t {
        let wait = match self {
            Wait::Yes => bindings::GFP_KERNEL,
            Wait::No => bindings::GFP_NOWAIT,
            Wait::Atomic => bindings::GFP_ATOMIC,
        };
        wait | bindings::__GFP_NOWARN
    }
}

/// Whose allocators serve an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Arm {
    Quarry,
    Kernel,
}

/// How an allocation is made: `QUARRY_ALLOC_*`.
#[derive(Clone, Copy)]
pub(super) struct How {
    pub(super) wait: Wait,
    pub(super) arm: Arm,
    /// Whether user space can never read or write it.
    pub(super) opaque: bool,
}

impl How {
    /// Returns how memory is asked for: cleared unless nobody can read it.
    pub(super) fn gfp(self) -> bindings::gfp_t {
        if self.opaque {
            self.wait.gfp_unread()
        } else {
            self.wait.gfp()
        }
    }
}

impl TryFrom<u32> for How {
    type Error = Error;

    fn try_from(flags: u32) -> Result<Self> {
        Ok(Self {
            wait: Wait::try_from(flags & !MEMORY_FLAGS)?,
            arm: if flags & bindings::QUARRY_ALLOC_KERNEL != 0 {
                Arm::Kernel
            } else {
                Arm::Quarry
            },
            opaque: flags & MEMORY_FLAGS != 0,
        })
    }
}

/// A node that exists, or any.
#[derive(Clone, Copy)]
pub(super) struct Node(i32);

impl Node {
    /// Returns the number as the kernel's functions want it.
    pub(super) fn as_raw(self) -> i32 {
        self.0
    }

    /// Whether every node will do.
    pub(super) fn is_any(self) -> bool {
        self.0 == bindings::QUARRY_NODE_ANY
    }
}

impl TryFrom<i32> for Node {
    type Error = Error;

    fn try_from(raw: i32) -> Result<Self> {
        if raw == bindings::QUARRY_NODE_ANY {
            return Ok(Self(raw));
        }
        if u32::try_from(raw).map_err(|_| EINVAL)? >= bindings::MAX_NUMNODES {
            return Err(EINVAL);
        }
        // SAFETY: Takes any number below `MAX_NUMNODES`.
        if !unsafe { bindings::quarry_helper_node_online(raw) } {
            return Err(EINVAL);
        }
        Ok(Self(raw))
    }
}

/// A number of bytes to allocate that is possible for its kind.
///
/// # Invariants
///
/// Rounding it up to pages, or to a power of two if its kind is contiguous, does not overflow.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    wanted: usize,
    charged: usize,
}

impl Bytes {
    /// Checks a size as user space gives it.
    pub(super) fn new(kind: Kind, raw: u64) -> Result<Self> {
        // What does not fit an address is over every quota, also where the kind has no limit of its
        // own.
        let wanted = usize::try_from(raw).map_err(|_| EDQUOT)?;
        let contiguous = matches!(kind, Kind::Pages | Kind::Kmalloc);
        if wanted == 0 || kind == Kind::Object || (contiguous && wanted > MAX_CONTIGUOUS) {
            return Err(EINVAL);
        }
        let charged = match kind {
            Kind::Pages => PAGE_SIZE << order_of(wanted),
            Kind::Vmalloc => page_align(wanted).ok_or(EDQUOT)?,
            // How far these are rounded up is known only afterwards.
            Kind::Kmalloc | Kind::Kvmalloc | Kind::Object => {
                page_align(wanted).map(|_| wanted).ok_or(EDQUOT)?
            }
        };
        Ok(Self { wanted, charged })
    }

    /// Returns what was asked for.
    pub(super) fn wanted(self) -> usize {
        self.wanted
    }

    /// Returns the least that such an allocation takes.
    pub(super) fn charged(self) -> usize {
        self.charged
    }

    /// Returns the order of the smallest block that holds it.
    pub(super) fn order(self) -> u32 {
        order_of(self.wanted)
    }
}

/// Returns the order of the smallest block that holds `bytes`, which must not be 0.
fn order_of(bytes: usize) -> u32 {
    let pages = (bytes - 1) >> PAGE_SHIFT;
    usize::BITS - pages.leading_zeros()
}

/// An allocation of anything but a cache object.
#[derive(Clone, Copy)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) bytes: Bytes,
    pub(super) node: Node,
    pub(super) how: How,
    /// As user space gave it; looked up later.
    pub(super) pool: u32,
}

/// An allocation that user space asks for.
pub(super) enum Wanted {
    /// Memory of some size.
    Memory(Request),
    /// An object of a cache of this open file.
    Object {
        /// As user space gave it; looked up later.
        cache: u32,
        how: How,
    },
}

impl Wanted {
    /// Checks the members of an allocation that are the same in an ioctl and in a batch.
    pub(super) fn new(
        kind: u32,
        flags: u32,
        node: i32,
        bytes: u64,
        cache: u32,
        pool: u32,
    ) -> Result<Self> {
        let kind = Kind::try_from(kind)?;
        let how = How::try_from(flags)?;
        let node = Node::try_from(node)?;
        if kind == Kind::Object {
            // A cache takes its slabs from where it wants.
            if bytes != 0 || !node.is_any() || how.arm == Arm::Kernel || pool != 0 {
                return Err(EINVAL);
            }
            return Ok(Wanted::Object { cache, how });
        }
        let charged = how.arm == Arm::Quarry || pool == 0;
        if cache != 0 || !charged || (kind == Kind::Vmalloc && how.wait != Wait::Yes) {
            return Err(EINVAL);
        }
        Ok(Wanted::Memory(Request {
            kind,
            bytes: Bytes::new(kind, bytes)?,
            node,
            how,
            pool,
        }))
    }
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kunit_tests(quarry_device_request)]
mod tests {
    use super::*;

    #[test]
    fn order_is_the_smallest_that_holds_it() {
        assert!(order_of(1) == 0);
        assert!(order_of(PAGE_SIZE) == 0);
        assert!(order_of(PAGE_SIZE + 1) == 1);
        assert!(order_of(3 * PAGE_SIZE) == 2);
        assert!(order_of(MAX_CONTIGUOUS) == MAX_ORDER);
    }

    #[test]
    fn impossible_sizes_are_refused() {
        assert!(Bytes::new(Kind::Kmalloc, 0).err() == Some(EINVAL));
        assert!(Bytes::new(Kind::Pages, MAX_CONTIGUOUS as u64 + 1).err() == Some(EINVAL));
        assert!(Bytes::new(Kind::Vmalloc, u64::MAX).err() == Some(EDQUOT));
        assert!(Bytes::new(Kind::Kvmalloc, u64::MAX).err() == Some(EDQUOT));
    }
}
