// SPDX-License-Identifier: GPL-2.0

//! The policy code of the module, compiled for the host to be tested there.

#[path = "../../rust/policy.rs"]
mod policy;
#[allow(unused_imports)]
#[path = "../../rust/sync.rs"]
mod sync;

// The policy files import these from the root of their crate.
#[allow(unused_imports)]
use policy::{bins, class, fault, pool, preset, slab, vmalloc};

pub mod machines;

#[cfg(test)]
#[path = "properties/all.rs"]
mod properties;
