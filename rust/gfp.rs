// SPDX-License-Identifier: GPL-2.0

//! What a caller allows an allocation to do.
//!
//! C header: [`include/linux/gfp_types.h`](srctree/include/linux/gfp_types.h)

use crate::{
    bindings,
    pool::Urgency, //
};

/// Flags of an allocation, as the kernel defines them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gfp(bindings::gfp_t);

impl Gfp {
    /// May sleep and grow the pool.
    pub(crate) const KERNEL: Self = Self(bindings::QUARRY_CONST_GFP_KERNEL);
    /// Never sleeps.
    pub(crate) const NOWAIT: Self = Self(bindings::QUARRY_CONST_GFP_NOWAIT);
    /// Clears the memory.
    pub(crate) const ZERO: Self = Self(bindings::QUARRY_CONST_GFP_ZERO);
    /// Takes memory of the node that is named or none.
    pub(crate) const THIS_NODE: Self = Self(bindings::QUARRY_CONST_GFP_THISNODE);
    /// Gives up early.
    pub(crate) const NORETRY: Self = Self(bindings::QUARRY_CONST_GFP_NORETRY);
    /// Says nothing when it fails.
    pub(crate) const NOWARN: Self = Self(bindings::QUARRY_CONST_GFP_NOWARN);

    /// Wraps the kernel's flags.
    #[inline(always)]
    pub(crate) const fn from_raw(flags: bindings::gfp_t) -> Self {
        Self(flags)
    }

    /// Returns the kernel's flags.
    #[inline(always)]
    pub(crate) const fn as_raw(self) -> bindings::gfp_t {
        self.0
    }

    /// Returns these flags and those of `other`.
    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the caller may sleep.
    #[inline(always)]
    pub(crate) const fn may_sleep(self) -> bool {
        self.0 & bindings::QUARRY_CONST_GFP_DIRECT_RECLAIM != 0
    }

    /// Returns whether the caller may wait for others to free memory: it may sleep, holds nothing that
    /// they might need, and has not said that it gives up early.
    pub(crate) const fn may_wait(self) -> bool {
        let needs = bindings::QUARRY_CONST_GFP_DIRECT_RECLAIM | bindings::QUARRY_CONST_GFP_IO_FS;
        self.0 & needs == needs && self.0 & bindings::QUARRY_CONST_GFP_NORETRY == 0
    }

    /// Returns whether the memory must be cleared.
    #[inline(always)]
    pub(crate) const fn wants_zero(self) -> bool {
        self.0 & bindings::QUARRY_CONST_GFP_ZERO != 0
    }

    /// Returns whether the caller wants memory of the node it named or none.
    pub(crate) const fn this_node_only(self) -> bool {
        self.0 & bindings::QUARRY_CONST_GFP_THISNODE != 0
    }

    /// Returns how much the caller may be denied.
    pub(crate) const fn urgency(self) -> Urgency {
        if self.0 & bindings::QUARRY_CONST_GFP_HIGH != 0 {
            Urgency::Atomic
        } else {
            Urgency::Normal
        }
    }

    /// Returns the flags to ask the kernel for pages with.
    ///
    /// Large blocks are asked for without insisting: smaller ones serve as well.
    pub(crate) const fn for_chunk(self, insist: bool) -> Self {
        let flags = (self.0 & bindings::QUARRY_CONST_GFP_GROW)
            | bindings::QUARRY_CONST_GFP_NOWARN
            | bindings::QUARRY_CONST_GFP_THISNODE;
        if insist {
            Self(flags)
        } else {
            Self(flags | bindings::QUARRY_CONST_GFP_NORETRY)
        }
    }

    /// Returns the flags to ask the kernel's allocator for bookkeeping with, cleared.
    pub(crate) const fn for_metadata(self) -> Self {
        Self(
            (self.0 & bindings::QUARRY_CONST_GFP_GROW)
                | bindings::QUARRY_CONST_GFP_NOWARN
                | bindings::QUARRY_CONST_GFP_ZERO,
        )
    }
}
