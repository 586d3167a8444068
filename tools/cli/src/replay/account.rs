// SPDX-License-Identifier: GPL-2.0

//! What the lines, allocations and frees of a trace come to.
//!
//! # Laws
//!
//! - Every count but the totals is of one reason, and every line, allocation and free has one.

use serde::Serialize;

/// Lines of the trace, by what they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LineCounts {
    /// All lines.
    pub total: u64,
    /// Empty lines and comments.
    pub comments: u64,
    /// Remarks that events were lost.
    pub lost_remarks: u64,
    /// Events of other kinds.
    pub other_events: u64,
    /// Events of ours, of the level that is not replayed.
    pub other_level: u64,
    /// `mm_page_free_batched`: says again what `mm_page_free` says.
    pub duplicates: u64,
    /// Events of ours with missing or broken fields.
    pub damaged: u64,
    /// Lines that cannot be recognised.
    pub unknown: u64,
    /// Allocations and frees of the level that is replayed.
    pub used: u64,
}

/// Allocations of the trace, by what becomes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AllocCounts {
    /// All of them.
    pub in_trace: u64,
    /// Replayed, and freed where the trace frees them.
    pub freed: u64,
    /// Replayed, and freed when the trace allocates the same address again without a free.
    pub freed_by_reuse: u64,
    /// Replayed, and live when the trace ends.
    pub live_at_end: u64,
    /// Skipped: failed in the trace.
    pub skipped_failed: u64,
    /// Skipped: of zero bytes.
    pub skipped_zero_size: u64,
    /// Skipped: larger than the module's limit.
    pub skipped_too_large: u64,
}

impl AllocCounts {
    /// Returns how many are replayed.
    pub fn replayed(&self) -> u64 {
        self.freed + self.freed_by_reuse + self.live_at_end
    }

    /// Returns how many are skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped_failed + self.skipped_zero_size + self.skipped_too_large
    }
}

/// Frees of the trace, by what becomes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FreeCounts {
    /// All of them.
    pub in_trace: u64,
    /// Replayed.
    pub replayed: u64,
    /// Skipped: of no memory.
    pub skipped_null: u64,
    /// Skipped: the trace does not hold the allocation.
    pub skipped_without_allocation: u64,
    /// Skipped: the allocation was skipped.
    pub skipped_with_allocation: u64,
    /// Skipped: frees a part of a block, which is freed with its last part.
    pub skipped_part_of_block: u64,
}

impl FreeCounts {
    /// Returns how many are skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped_null
            + self.skipped_without_allocation
            + self.skipped_with_allocation
            + self.skipped_part_of_block
    }
}

/// Most of what is live at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Peak {
    /// Bytes asked for.
    pub bytes: u64,
    /// Allocations.
    pub allocations: u64,
}

/// Objects from a cache in the trace that kmalloc serves in the replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Substituted {
    /// Because they are larger than a cache's objects may be.
    pub too_large_for_a_cache: u64,
    /// Because the open file may not have so many caches.
    pub too_many_caches: u64,
}
