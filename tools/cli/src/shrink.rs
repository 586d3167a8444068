// SPDX-License-Identifier: GPL-2.0

//! `quarry shrink`: free memory goes back to the kernel.

use crate::{args::Global, exit::Status, output, CommandResult};
use quarry_uapi::Device;
use serde::Serialize;

/// What came of it, in bytes.
#[derive(Debug, Serialize)]
struct Shrunk {
    /// What was given back.
    given_back: u64,
    /// What the pool has left, in use or as its reserve.
    left: u64,
}

/// Has the module give free memory back, and says how much that was.
pub fn run(global: &Global) -> CommandResult {
    let device = Device::open_path(&global.device)?;
    let page = u64::from(device.query()?.page_size);
    let pages = device.shrink()?;
    let shrunk = Shrunk {
        given_back: pages.saturating_mul(page),
        left: device.stats()?.pool_pages.saturating_mul(page),
    };
    if global.json {
        output::print_json("shrink", 1, &shrunk)?;
    } else {
        output::print(&sentence(&shrunk))?;
    }
    Ok(Status::from(true))
}

fn sentence(shrunk: &Shrunk) -> String {
    let [given_back, left] = [shrunk.given_back, shrunk.left].map(output::bytes);
    format!("{given_back} given back, {left} left in the pool\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_words() {
        let shrunk = Shrunk {
            given_back: 12 << 20,
            left: 64 << 10,
        };
        assert_eq!(
            sentence(&shrunk),
            "12.0 MiB given back, 64.0 KiB left in the pool\n"
        );
    }
}
