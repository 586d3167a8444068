// SPDX-License-Identifier: GPL-2.0

//! The magazines of one CPU, run on the host with interrupts at every step.
//!
//! `rust/front/cpu.rs` and `rust/magazine.rs` are the module's own, with the portable way to a CPU's
//! magazines; what they import from `crate` has the same names here. Each access of an atomic is a step,
//! and an interrupt that comes at one runs to its end, as on a CPU. That it always does makes it possible
//! to try all of them: `interrupts.rs`.
//!
//! The way that x86-64 takes is one of assembly and is not seen here; nor is `rust/front.rs`, whose way of
//! using a section is done again in `interrupts.rs`. A timer interrupts both in the guest, some thousand
//! times (`works_when_interrupted_by_itself` in `tests/modules`).

#![allow(dead_code)]

#[path = "../../rust/front/cpu.rs"]
mod cpu;
#[path = "../../rust/magazine.rs"]
mod magazine;
mod stubs;
mod sync;

use stubs::{gfp, metadata, percpu, preempt};

#[cfg(test)]
mod interrupts;
