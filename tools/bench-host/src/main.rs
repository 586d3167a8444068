// SPDX-License-Identifier: GPL-2.0

//! The `quarry-bench-host` program: the policy code, and what measures it.

#[path = "../../../rust/policy.rs"]
mod policy;
mod quarry;
#[allow(unused_imports)]
#[path = "../../../rust/sync.rs"]
mod sync;

// The policy files, too, import these from the root of their crate.
#[cfg(test)]
use policy::vmalloc;
use policy::{bins, pool, slab};
use std::process::ExitCode;

fn main() -> ExitCode {
    quarry_bench_host::main(&quarry::ARMS)
}
