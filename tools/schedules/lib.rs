// SPDX-License-Identifier: GPL-2.0

//! What is lock-free in the module, used by many at once, in orders drawn at random.
//!
//! `tools/loom` tries all that two or three threads can do, and what any CPU could see. With more threads,
//! each doing more than one thing, nobody can try all: here shuttle draws, at each access of an atomic, who
//! goes on. All see the same memory. The files of `rust/` are the module's own.

#![allow(dead_code)]

#[path = "../../rust/area_table/bucket.rs"]
mod bucket;
#[path = "../../rust/pool/budget.rs"]
mod budget;
#[path = "../../rust/pools/holds.rs"]
mod holds;
#[path = "../../rust/cache/later.rs"]
mod later;
pub mod programs;
#[path = "../../rust/published.rs"]
mod published;
mod sync;
#[path = "../../rust/report/unsaid.rs"]
mod unsaid;

/// What `rust/pool.rs` has of this name.
#[derive(Clone, Copy)]
enum Urgency {
    Normal,
    Atomic,
}
