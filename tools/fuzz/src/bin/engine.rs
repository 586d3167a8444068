// SPDX-License-Identifier: GPL-2.0

//! libFuzzer on the target that the environment names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quarry_fuzz::Run;
use std::sync::OnceLock;

static TARGET: OnceLock<Run> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("QUARRY_FUZZ_TARGET").unwrap_or_default();
        match quarry_fuzz::target(&name) {
            Ok(run) => TARGET.get_or_init(|| run),
            Err(error) => {
                eprintln!("quarry-fuzz: QUARRY_FUZZ_TARGET: {error}");
                std::process::exit(2);
            }
        };
    },
    |bytes: &[u8]| {
        if let Some(run) = TARGET.get() {
            run(bytes);
        }
    }
);
