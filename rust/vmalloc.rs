// SPDX-License-Identifier: GPL-2.0

//! Vmalloc policy: which freed areas are kept mapped, and how an area changes its size.
//!
//! Mapping pages and unmapping them again is what an area costs, so a freed area is kept as it is:
//! [`Kept`] sorts such areas by size, [`Bounds`] says how many there may be and where. [`Pages`] is
//! the size of an area, [`Plan`] what a reallocation does, [`State`] who has the area.

#![deny(unsafe_code)]

mod bounds;
mod kept;
mod pages;
mod resize;
mod state;

pub(crate) use bounds::Bounds;
pub(crate) use kept::{
    Chain,
    Kept,
    Links, //
};
pub(crate) use pages::{
    Class,
    Pages, //
};
pub(crate) use resize::Plan;
pub(crate) use state::{
    Refusal,
    State, //
};
