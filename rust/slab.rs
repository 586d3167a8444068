// SPDX-License-Identifier: GPL-2.0

//! Slab policy: how a block is cut into objects, and which slab serves next.
//!
//! [`Geometry`] fixes the layout of a cache's slabs, [`Objects`] knows the free objects of one slab,
//! and [`Partial`] sorts the slabs of a cache on one node so that the fullest is used first.

#![deny(unsafe_code)]

mod geometry;
mod objects;
mod partial;

#[cfg(test)]
pub(crate) use geometry::MAX_OBJECT;
pub(crate) use geometry::{
    index,
    Geometry, //
};
pub(crate) use objects::Objects;
pub(crate) use partial::{
    Change,
    Full,
    Listed,
    Partial, //
};
