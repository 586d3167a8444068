// SPDX-License-Identifier: GPL-2.0

//! What bindgen makes of `include/uapi/linux/quarry.h`.

#![allow(missing_docs)]
#![allow(non_camel_case_types)]
#![allow(clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/sys.rs"));
