// SPDX-License-Identifier: GPL-2.0

//! Page pool policy: which block of which chunk.
//!
//! A [`Zone`] holds the chunks of one NUMA node. Each [`Chunk`] is a bitmap with one bit a page: a
//! block of order *k* is an aligned run of 2^*k* bits, so that splitting and merging are what
//! clearing and setting bits does. Nothing here touches memory of the pool or knows an address.

#![deny(unsafe_code)]

mod budget;
mod chunk;
mod growth;
mod order;
mod quarantine;
mod runs;
mod stash;
mod watermark;
mod word;
mod zone;

pub(crate) use budget::{
    Budget,
    Grant,
    Usage, //
};
pub(crate) use chunk::{
    Chunk,
    Violation,
    FRAMES, //
};
pub(crate) use growth::{
    step,
    suffices, //
};
pub(crate) use order::{
    Order,
    NR_ORDERS, //
};
pub(crate) use quarantine::{
    Leaves,
    Quarantine, //
};
pub(crate) use stash::{
    Shelf,
    Stash,
    STASH_ORDER, //
};
pub(crate) use watermark::{
    Urgency,
    Watermark, //
};
pub(crate) use zone::{
    Removed,
    Zone, //
};
