// SPDX-License-Identifier: GPL-2.0

//! Generates the types of the interface from its C header.

use bindgen::callbacks::{DeriveInfo, ParseCallbacks};
use std::{env, path::PathBuf};

/// Structures of plain counters, which the command line prints as they are.
const COUNTERS: [&str; 2] = ["quarry_query", "quarry_stats"];

/// Makes [`COUNTERS`] serializable.
#[derive(Debug)]
struct Derives;

impl ParseCallbacks for Derives {
    fn add_derives(&self, info: &DeriveInfo<'_>) -> Vec<String> {
        if COUNTERS.contains(&info.name) {
            vec!["::serde::Serialize".to_owned()]
        } else {
            Vec::new()
        }
    }
}

fn main() {
    let tree = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let header = tree.join("../../include/uapi/linux/quarry.h");
    println!("cargo::rerun-if-changed={}", header.display());
    println!("cargo::rerun-if-changed=build.rs");

    let bindings = bindgen::Builder::default()
        .header(header.to_str().expect("a path in UTF-8"))
        .allowlist_item("(quarry|QUARRY)_.*")
        .prepend_enum_name(false)
        .derive_default(true)
        .derive_eq(true)
        .layout_tests(true)
        .generate_comments(false)
        .parse_callbacks(Box::new(Derives))
        .generate()
        .expect("include/uapi/linux/quarry.h is valid C, and libclang is installed");

    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    bindings
        .write_to_file(out.join("sys.rs"))
        .expect("the build directory is writable");
}
