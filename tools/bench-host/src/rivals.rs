// SPDX-License-Identifier: GPL-2.0

//! What is measured beside quarry: crates for the same job.
//!
//! Those that keep their bookkeeping in the memory they give out are [`heap::Heap`]s.

mod bitmap;
mod buddy_alloc;
mod buddy_system;
mod dlmalloc;
mod heap;
mod linked_list;
mod rlsf;
mod slabmalloc;
mod talc;

use crate::arm::Entry;

/// All of them, in the order of the tables.
pub const ALL: [Entry; 9] = [
    buddy_system::FRAMES,
    buddy_system::HEAP,
    buddy_alloc::ENTRY,
    bitmap::ENTRY,
    slabmalloc::ENTRY,
    talc::ENTRY,
    rlsf::ENTRY,
    dlmalloc::ENTRY,
    linked_list::ENTRY,
];
