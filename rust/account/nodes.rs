// SPDX-License-Identifier: GPL-2.0

//! The nodes that an account takes pages from.

use crate::{
    bindings,
    numa,
    page_alloc::pool, //
};
use kernel::prelude::*;

/// Nodes with memory, at least one; or all there are.
pub(crate) struct Nodes(Option<bindings::nodemask_t>);

impl Nodes {
    /// Returns all nodes.
    pub(crate) const fn all() -> Self {
        Self(None)
    }

    /// Returns those nodes of a mask that have memory. Fails with `EINVAL` if none has.
    pub(crate) fn of_mask(mask: &bindings::nodemask_t) -> Result<Self> {
        let nodes = Self(Some(*mask));
        let first = nodes.iter().next();
        first.map(|_| nodes).ok_or(EINVAL)
    }

    /// Returns whether every node will do.
    pub(crate) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Returns whether a node is one of them.
    pub(crate) fn has(&self, node: i32) -> bool {
        const BITS: usize = usize::BITS as usize;
        let Ok(index) = usize::try_from(node) else {
            return false;
        };
        // SAFETY: Looks at a mask of nodes.
        let has_memory = || unsafe { bindings::quarry_helper_node_has_memory(node) };
        self.0.is_none_or(|mask| {
            let word = mask.bits.get(index / BITS).copied().unwrap_or(0);
            word >> (index % BITS) & 1 != 0 && has_memory()
        })
    }

    /// Calls up each of them, if not every node will do.
    pub(crate) fn iter(&self) -> impl Iterator<Item = i32> + '_ {
        let nodes = (0..pool().zones().len()).filter_map(|node| i32::try_from(node).ok());
        nodes.filter(|&node| self.has(node))
    }

    /// Returns the node to take from first where `nid` is asked for.
    pub(crate) fn prefer(&self, nid: i32) -> i32 {
        // CAST: Node numbers are small.
        let near = numa::nearest(nid).unwrap_or_else(numa::here) as i32;
        if self.has(near) {
            near
        } else {
            self.iter().next().unwrap_or(near)
        }
    }
}
