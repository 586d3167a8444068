// SPDX-License-Identifier: GPL-2.0

//! Safe access to `/dev/quarry`.
//!
//! C header: [`include/uapi/linux/quarry.h`](../../../include/uapi/linux/quarry.h)
//!
//! [`sys`] is what bindgen makes of the header, unchanged. The rest wraps it: [`Device`] is an open
//! file with one method for each command, [`Op`] is one operation of a batch, and [`Error`] says
//! which command failed and what the header says that its errno means.
//!
//! # Laws
//!
//! - Every number, size and offset comes from the header; none is repeated here.
//! - Only `call`, `device` and `mapping` hold `unsafe` code.

mod call;
mod device;
mod error;
mod kind;
mod mapping;
mod op;
pub mod pattern;
mod preset;
mod reply;
pub mod sys;

pub use crate::{
    call::{command_name, opcode},
    device::{Device, OpenError, PoolTerms, DEFAULT_PATH},
    error::{Cause, Error, Result},
    kind::{Arm, CacheId, Context, Handle, Kind, Layer, ParseKindError},
    mapping::Mapping,
    op::{BatchDone, Op, Target},
    preset::Preset,
    reply::{Allocation, CacheStats, Explanation, Frame, PoolStats, Validation},
};

/// Features and limits of the module, and what this open file uses of them.
pub type Query = sys::quarry_query;

/// Counters of the whole module.
pub type Stats = sys::quarry_stats;
