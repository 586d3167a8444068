// SPDX-License-Identifier: GPL-2.0

//! `quarry info`: what the module offers.

use crate::{
    args::Global,
    exit::Status,
    output::{self, bytes, grouped},
    CommandResult,
};
use quarry_uapi::{sys, Device, Query};
use serde_json::json;
use std::fs;

/// Returns the release of the running kernel.
pub fn kernel_release() -> String {
    let uname = rustix::system::uname();
    uname.release().to_string_lossy().into_owned()
}

/// Returns what the module says of itself in sysfs, if it is loaded and says it.
pub fn module_attribute(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/module/quarry/{name}")).ok()?;
    Some(text.trim().to_owned())
}

/// Prints versions, limits and quotas.
pub fn run(global: &Global) -> CommandResult {
    let device = Device::open_path(&global.device)?;
    let query = device.query()?;
    let version = module_attribute("version");
    if global.json {
        let value = json!({
            "kernel": kernel_release(),
            "module_version": version,
            "tool_version": env!("CARGO_PKG_VERSION"),
            "tool_abi": sys::QUARRY_ABI_VERSION,
            "module": output::counters(&query)?,
        });
        output::print_json("info", 1, &value)?;
    } else {
        output::print(&text(&query, version.as_deref()))?;
    }
    Ok(Status::Success)
}

/// Returns the same as text.
fn text(query: &Query, version: Option<&str>) -> String {
    let page = u64::from(query.page_size);
    let version = version.map_or(String::new(), |version| format!("{version}, "));
    let mut text = String::from("versions\n");
    text += &output::pairs(&[
        ("kernel", kernel_release()),
        ("module", format!("{version}ABI {}", query.abi)),
        (
            "this program",
            format!(
                "{}, ABI {}",
                env!("CARGO_PKG_VERSION"),
                sys::QUARRY_ABI_VERSION
            ),
        ),
    ]);
    text += "machine\n";
    text += &output::pairs(&[
        ("page size", bytes(page)),
        ("possible CPUs", query.nr_cpus.to_string()),
        ("nodes with a pool", query.nr_nodes.to_string()),
    ]);
    text += "limits\n";
    text += &output::pairs(&[
        (
            "largest block",
            format!(
                "order {}, {}",
                query.max_order,
                bytes(page << query.max_order.min(32))
            ),
        ),
        (
            "chunk",
            format!(
                "order {}, {}",
                query.chunk_order,
                bytes(page << query.chunk_order.min(32))
            ),
        ),
        ("largest kmalloc", bytes(query.max_kmalloc)),
    ]);
    text += "quotas of one open file\n";
    text += &output::pairs(&[
        ("bytes", bytes(query.quota_bytes)),
        ("allocations", grouped(query.quota_handles.into())),
        ("operations in a batch", grouped(query.quota_batch.into())),
        ("caches", grouped(query.quota_caches.into())),
    ]);
    text
}
