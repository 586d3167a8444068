// SPDX-License-Identifier: GPL-2.0

//! Which node serves whom.
//!
//! A node without memory is served by the nearest that has some. The kernel's own `cpu_to_mem()` says so
//! only on architectures with `CONFIG_HAVE_MEMORYLESS_NODES`, of which x86 is none.

use crate::{
    bindings,
    global::Global,
    requests::KVec, //
};
use kernel::prelude::*;

/// For each node, the nearest node with memory.
static NEAREST: Global<KVec<u32>> = Global::new();

fn table() -> &'static KVec<u32> {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { NEAREST.get() }
}

/// Returns the nearest node with memory, or `None` if no such node is possible.
#[inline(always)]
pub(crate) fn nearest(nid: i32) -> Option<usize> {
    let node = usize::try_from(nid).ok()?;
    Some(*table().get(node)? as usize)
}

/// Returns the node that a CPU takes memory from.
pub(crate) fn of_cpu(cpu: u32) -> usize {
    // CAST: Lossless.
    // SAFETY: The CPU is possible.
    let node = unsafe { bindings::quarry_helper_cpu_to_mem(cpu) };
    table().get(node as usize).map_or(0, |&near| near as usize)
}

/// Returns the node that this CPU takes memory from: a hint, since the task may be on another by now.
pub(crate) fn here() -> usize {
    // SAFETY: A plain question.
    nearest(unsafe { bindings::quarry_helper_numa_mem_id() }).unwrap_or(0)
}

/// Looks where there is memory.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    // SAFETY: Set at boot.
    let nodes = unsafe { bindings::nr_node_ids };
    // CAST: Node numbers are small.
    // SAFETY: Looks at a mask of nodes.
    let has_memory = |nid: u32| unsafe { bindings::quarry_helper_node_has_memory(nid as i32) };
    // CAST: As above.
    // SAFETY: Looks at a table of distances.
    let distance = |from: u32, to: u32| unsafe {
        bindings::quarry_helper_node_distance(from as i32, to as i32)
    };
    let mut table = KVec::with_capacity(nodes as usize, GFP_KERNEL)?;
    for nid in 0..nodes {
        let near = (0..nodes)
            .filter(|&to| has_memory(to))
            .min_by_key(|&to| distance(nid, to));
        table.push(near.unwrap_or(nid), GFP_KERNEL)?;
    }
    // SAFETY: By the contract of this function.
    unsafe { NEAREST.set(table) };
    Ok(())
}

/// Forgets it.
///
/// # Safety
///
/// Set up, and nobody asks any more.
pub(crate) unsafe fn exit() {
    // SAFETY: By the contract of this function.
    unsafe { NEAREST.end() };
}
