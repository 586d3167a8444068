// SPDX-License-Identifier: GPL-2.0

//! Root of the host crate that tests the policy code; not part of the module.
//!
//! The files are the module's own: what they import from `crate` has the same names here.

#![allow(dead_code)]

pub(crate) mod bins;
#[path = "kmalloc/class.rs"]
pub(crate) mod class;
pub(crate) mod pool;
pub(crate) mod slab;
