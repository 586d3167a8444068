// SPDX-License-Identifier: GPL-2.0

//! The policy code as the host's crates include it, `tools/policy` and `tools/bench-host`; not part of
//! the module.
//!
//! The files are the module's own: what they import from `crate` has the same names there.

#![allow(dead_code, unused_imports)]

pub(crate) mod bins;
#[path = "kmalloc/class.rs"]
pub(crate) mod class;
pub(crate) mod fault;
pub(crate) mod pool;
pub(crate) mod preset;
pub(crate) mod slab;
pub(crate) mod vmalloc;
