// SPDX-License-Identifier: GPL-2.0

//! What is lock-free in the module, in every order in which CPUs may see it.
//!
//! The files of `rust/` are the module's own; `crate::sync` gives them atomics of loom's, of which a load
//! may return whatever the memory model allows. `models.rs` tries all interleavings of two or three threads.

#![allow(dead_code)]

#[path = "../../rust/area_table/bucket.rs"]
mod bucket;
#[path = "../../rust/pool/budget.rs"]
mod budget;
#[path = "../../rust/pools/holds.rs"]
mod holds;
#[path = "../../rust/cache/later.rs"]
mod later;
pub mod models;
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
