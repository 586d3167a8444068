// SPDX-License-Identifier: GPL-2.0

//! Root of the host crate that tests the policy code; not part of the module.
//!
//! The files are the module's own: what they import from `crate` has the same names here.

#![allow(dead_code, unused_imports)]

pub(crate) mod bins;
#[path = "kmalloc/class.rs"]
pub(crate) mod class;
pub(crate) mod pool;
pub(crate) mod slab;
pub(crate) mod vmalloc;

#[cfg(test)]
#[path = "../tools/policy/properties/all.rs"]
mod properties;
