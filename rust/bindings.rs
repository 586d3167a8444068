// SPDX-License-Identifier: GPL-2.0

//! Generated bindings: the kernel's, and those of quarry's own headers.
//!
//! Mechanism files and the device name them; policy never does.

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    improper_ctypes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

pub(crate) use generated::*;
#[allow(unused_imports)]
pub(crate) use kernel::bindings::*;

mod generated {
    use kernel::bindings::*;
    use pin_init::MaybeZeroable;

    include!(concat!(
        env!("QUARRY_OBJTREE"),
        "/rust/bindings/bindings_generated.rs"
    ));
}
