// SPDX-License-Identifier: GPL-2.0

//! Slab policy: how a block is cut into objects, and which slab serves next.
//!
//! [`Geometry`] fixes the layout of a cache's slabs, [`Objects`] knows the free objects of one slab,
//! and [`Partial`] sorts the slabs of a cache on one node so that the fullest is used first.

#![deny(unsafe_code)]

mod geometry;
mod objects;
mod padding;
mod partial;

pub(crate) use geometry::{
    index,
    Geometry,
    MAX_OBJECT, //
};
pub(crate) use objects::Objects;
pub(crate) use padding::{
    poison,
    wrong_in_poison,
    wrong_in_zone,
    Padding,
    Wrong,
    POISON,
    POISON_END,
    REDZONE_FREE,
    REDZONE_LIVE, //
};
pub(crate) use partial::{
    Change,
    Full,
    Listed,
    Partial, //
};
