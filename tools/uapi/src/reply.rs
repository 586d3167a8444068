// SPDX-License-Identifier: GPL-2.0

//! Answers of the module, decoded.

use crate::{
    kind::{Handle, Kind, Layer},
    preset::Preset,
    sys,
};
use serde::Serialize;
use std::ffi::c_char;

/// Returns the text of a NUL-terminated array.
pub(crate) fn text(array: &[c_char]) -> String {
    // CAST: A C char of either sign is a byte.
    let bytes: Vec<u8> = array
        .iter()
        .map(|&c| c as u8)
        .take_while(|&b| b != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A new allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Names it.
    pub handle: Handle,
    /// Bytes that may be read and written.
    pub usable: u64,
}

/// One page of an allocation, as a place in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Frame {
    /// Number of the chunk.
    pub chunk: u32,
    /// Page within the chunk.
    pub frame: u32,
}

/// Where an allocation lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What it was asked as.
    pub kind: Option<Kind>,
    /// What serves it.
    pub layer: Option<Layer>,
    /// Whether its pages follow each other in physical memory.
    pub contiguous: bool,
    /// Whether it is mapped into a process.
    pub mapped: bool,
    /// NUMA node of its first page.
    pub node: i32,
    /// Bytes asked for.
    pub requested: u64,
    /// Bytes that it has.
    pub usable: u64,
    /// Cache or class; empty for other layers.
    pub cache_name: String,
    /// Bytes from one object of the slab to the next.
    pub object_size: u32,
    /// Objects in the slab.
    pub objects: u32,
    /// Objects of the slab that are not free in the slab.
    pub objects_used: u32,
    /// Which object of the slab this is.
    pub object_index: u32,
    /// Order of the block or slab.
    pub order: u32,
    /// Pages of the allocation, or of the slab.
    pub nr_pages: u32,
    /// The first of these pages.
    pub frames: Vec<Frame>,
}

impl Explanation {
    /// Decodes an answer whose frames were written to `frames`.
    pub(crate) fn new(raw: &sys::quarry_explain, frames: &[sys::quarry_frame]) -> Self {
        Self {
            kind: Kind::from_raw(raw.kind),
            layer: Layer::from_raw(raw.layer),
            contiguous: raw.traits & sys::QUARRY_TRAIT_CONTIGUOUS != 0,
            mapped: raw.traits & sys::QUARRY_TRAIT_MAPPED != 0,
            node: raw.node,
            requested: raw.requested,
            usable: raw.usable,
            cache_name: text(&raw.cache_name),
            object_size: raw.object_size,
            objects: raw.objects,
            objects_used: raw.objects_used,
            object_index: raw.object_index,
            order: raw.order,
            nr_pages: raw.nr_pages,
            frames: frames
                .iter()
                .take(raw.nr_frames as usize)
                .map(|frame| Frame {
                    chunk: frame.chunk,
                    frame: frame.frame,
                })
                .collect(),
        }
    }
}

/// Counters of one cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CacheStats {
    /// Its number in the module.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Bytes from one object to the next.
    pub object_size: u32,
    /// Objects in a slab.
    pub objects_per_slab: u32,
    /// Order of a slab.
    pub slab_order: u32,
    /// Slabs.
    pub slabs: u64,
    /// Objects in all slabs.
    pub objects: u64,
    /// Objects handed out.
    pub live: u64,
    /// Objects in magazines.
    pub cached: u64,
    /// Objects ever handed out.
    pub allocs: u64,
    /// Objects ever taken back.
    pub frees: u64,
    /// Magazines filled from slabs.
    pub refills: u64,
    /// Magazines emptied into slabs.
    pub drains: u64,
    /// Single objects that bypassed the magazines.
    pub slow: u64,
}

impl From<&sys::quarry_cache_stats> for CacheStats {
    fn from(raw: &sys::quarry_cache_stats) -> Self {
        Self {
            id: raw.cache,
            name: text(&raw.name),
            object_size: raw.object_size,
            objects_per_slab: raw.objects_per_slab,
            slab_order: raw.slab_order,
            slabs: raw.slabs,
            objects: raw.objects,
            live: raw.live,
            cached: raw.cached,
            allocs: raw.allocs,
            frees: raw.frees,
            refills: raw.refills,
            drains: raw.drains,
            slow: raw.slow,
        }
    }
}

/// Counters of one named pool, in bytes where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolStats {
    /// Its number in the module.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Whether it belongs to code in the kernel.
    pub kernels: bool,
    /// Whether call sites are recorded.
    pub tracked: bool,
    /// What is done against misuse.
    pub preset: Preset,
    /// The most that it may have; `None` for no limit of its own.
    pub limit: Option<u64>,
    /// What of that only atomic callers get.
    pub reserve: u64,
    /// What is charged to it.
    pub used: u64,
    /// The most that was.
    pub peak: u64,
    /// What of the reserve is set aside now.
    pub stashed: u64,
    /// Requests that came to nothing.
    pub failures: u64,
    /// Callers who have waited.
    pub waits: u64,
    /// The longest wait, in nanoseconds.
    pub longest_wait: u64,
}

impl From<&sys::quarry_pool_stats> for PoolStats {
    fn from(raw: &sys::quarry_pool_stats) -> Self {
        Self {
            id: raw.pool,
            name: text(&raw.name),
            kernels: raw.traits & sys::QUARRY_POOL_KERNELS != 0,
            tracked: raw.traits & sys::QUARRY_POOL_TRACKED != 0,
            preset: Preset::of_traits(raw.traits),
            limit: Some(raw.limit).filter(|&limit| limit != 0),
            reserve: raw.reserve,
            used: raw.used,
            peak: raw.peak,
            stashed: raw.stashed,
            failures: raw.failures,
            waits: raw.waits,
            longest_wait: raw.longest_wait,
        }
    }
}

/// What VALIDATE found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Validation {
    /// Invariants checked.
    pub checks: u64,
    /// Invariants found violated.
    pub violations: u64,
    /// The first violation in words, or empty.
    pub message: String,
}

impl From<&sys::quarry_validate> for Validation {
    fn from(raw: &sys::quarry_validate) -> Self {
        Self {
            checks: raw.checks,
            violations: raw.violations,
            message: text(&raw.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_nul_or_at_the_end() {
        assert_eq!(
            text(&[b'a' as c_char, b'b' as c_char, 0, b'c' as c_char]),
            "ab"
        );
        assert_eq!(text(&[b'x' as c_char; 3]), "xxx");
        assert_eq!(text(&[]), "");
    }
}
