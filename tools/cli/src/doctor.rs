// SPDX-License-Identifier: GPL-2.0

//! `quarry doctor`: whether quarry works here, and what to do if not.

use crate::{
    args::Global,
    exit::{advice, Status},
    info, output, CommandResult,
};
use anyhow::{ensure, Context as _};
use quarry_uapi::{pattern, sys, Arm, Context, Device, Handle, Kind, OpenError, Query};
use serde::Serialize;
use serde_json::json;
use std::{fs, path::Path, sync::atomic::Ordering};

/// Where the module's debugfs files are.
const DEBUGFS: &str = "/sys/kernel/debug/quarry";

/// How one check ended.
#[derive(Debug, Serialize)]
struct Finding {
    /// What was checked.
    check: &'static str,
    ok: bool,
    /// What was found.
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self {
            check,
            ok: true,
            found: found.into(),
            advice: None,
        }
    }

    fn bad(check: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Self {
            check,
            ok: false,
            found: found.into(),
            advice: Some(advice),
        }
    }
}

/// Checks one thing after another, as far as it makes sense.
pub fn run(global: &Global) -> CommandResult {
    let mut findings = vec![kernel(), module(), debugfs()];
    let mut loaded = true;
    match Device::open_path(&global.device) {
        Ok(device) => {
            findings.push(Finding::ok("device", global.device.display().to_string()));
            findings.extend(with_device(&device));
        }
        Err(error) => {
            loaded = !matches!(error, OpenError::NotLoaded(_));
            findings.push(Finding::bad("device", error.to_string(), advice(&error)));
        }
    }
    let ok = findings.iter().all(|finding| finding.ok);
    if global.json {
        output::print_json("doctor", 1, &json!({ "ok": ok, "checks": findings }))?;
    } else {
        output::print(&text(&findings))?;
    }
    Ok(match (ok, loaded) {
        (true, _) => Status::Success,
        (false, true) => Status::Failure,
        (false, false) => Status::NotLoaded,
    })
}

fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.ok { "ok  " } else { "FAIL" };
        text += &format!("{mark}  {:12}  {}\n", finding.check, finding.found);
        if let Some(advice) = finding.advice {
            text += &format!("      {:12}  -> {advice}\n", "");
        }
    }
    text
}

fn kernel() -> Finding {
    Finding::ok("kernel", info::kernel_release())
}

fn module() -> Finding {
    let check = "module";
    // A module that is built in is in sysfs too, if it has parameters or a version.
    if !Path::new("/sys/module/quarry").exists() {
        return Finding::bad(
            check,
            "not loaded",
            "load it with 'modprobe quarry' or 'insmod quarry.ko'; if that fails, dmesg says why",
        );
    }
    match info::module_attribute("version") {
        Some(version) => Finding::ok(check, format!("loaded, version {version}")),
        None => Finding::ok(check, "loaded"),
    }
}

fn debugfs() -> Finding {
    let check = "debugfs";
    match fs::read_dir(DEBUGFS) {
        Ok(entries) => Finding::ok(check, format!("{DEBUGFS}, {} entries", entries.count())),
        Err(error) => Finding::bad(
            check,
            format!("{DEBUGFS}: {error}"),
            "as root, mount -t debugfs debugfs /sys/kernel/debug; only 'quarry stat' needs it",
        ),
    }
}

/// Runs the checks that need the device.
fn with_device(device: &Device) -> Vec<Finding> {
    let query = match device.query() {
        Ok(query) => query,
        Err(error) => {
            return vec![Finding::bad(
                "interface",
                error.to_string(),
                "the device is not quarry's, or belongs to an older module: build both anew",
            )];
        }
    };
    let mut findings = vec![interface(&query)];
    for kind in Kind::ALL {
        findings.push(match round_trip(device, kind, &query) {
            Ok(found) => Finding::ok(kind.name(), found),
            Err(error) => Finding::bad(
                kind.name(),
                format!("{error:#}"),
                "dmesg may say more; ENOMEM means that the machine or the pool is out of memory",
            ),
        });
    }
    findings.push(match device.validate() {
        Ok(validation) if validation.violations == 0 => {
            Finding::ok("validation", crate::check::sentence(&validation))
        }
        Ok(validation) => Finding::bad(
            "validation",
            crate::check::sentence(&validation),
            "memory is corrupt or the module has a bug: save dmesg and 'quarry stat', then reboot",
        ),
        Err(error) => Finding::bad("validation", error.to_string(), "dmesg may say more"),
    });
    findings
}

fn interface(query: &Query) -> Finding {
    let found = format!(
        "module has ABI {}, this program {}",
        query.abi,
        sys::QUARRY_ABI_VERSION
    );
    if query.abi == sys::QUARRY_ABI_VERSION {
        Finding::ok("interface", found)
    } else {
        Finding::bad(
            "interface",
            found,
            "build module and program from the same tree",
        )
    }
}

/// Allocates, checks that the memory is zero, fills, verifies on both sides of the interface, maps
/// where that is possible, frees. Returns what was done.
fn round_trip(device: &Device, kind: Kind, query: &Query) -> anyhow::Result<String> {
    if kind != Kind::Cache {
        let bytes = 3 * u64::from(query.page_size) + 100;
        let made = device.alloc(kind, bytes, Context::Kernel)?;
        let done = exercise(device, kind, made.handle, made.usable);
        let freed = device.free(made.handle);
        let done = done?;
        freed?;
        return Ok(done);
    }
    let cache = device.cache_create(Arm::Quarry, "doctor", 200)?;
    let made = device.alloc_object(cache, Context::Kernel);
    let done = made.map_err(anyhow::Error::from).and_then(|made| {
        let done = exercise(device, kind, made.handle, made.usable);
        device.free(made.handle)?;
        done
    });
    device.cache_destroy(cache)?;
    done
}

fn exercise(device: &Device, kind: Kind, handle: Handle, usable: u64) -> anyhow::Result<String> {
    const SEED: u64 = 0x00d0_c704;
    let mut buffer = vec![0xa5; usize::try_from(usable)?];
    device.read(handle, 0, &mut buffer)?;
    ensure!(
        buffer.iter().all(|&byte| byte == 0),
        "new memory is not zero"
    );
    device.fill(handle, 0, usable, SEED)?;
    let bad = device.verify(handle, 0, usable, SEED)?;
    ensure!(bad.is_none(), "contents changed at offset {bad:?}");
    device.read(handle, 0, &mut buffer)?;
    ensure!(
        pattern::first_difference(SEED, 0, &buffer).is_none(),
        "FILL writes another pattern than this program expects"
    );
    let mut done = format!("{usable} bytes: allocated, zero, filled, verified, read");
    if matches!(kind, Kind::Pages | Kind::Vmalloc) {
        let mapping = device.map(handle)?;
        let bytes = mapping.bytes();
        let mapped = bytes
            .iter()
            .zip(&buffer)
            .all(|(mapped, read)| mapped.load(Ordering::Relaxed) == *read);
        ensure!(mapped, "the mapping shows other contents");
        let last = bytes.last().context("an empty mapping")?;
        last.fetch_xor(1, Ordering::Relaxed);
        let bad = device.verify(handle, 0, usable, SEED)?;
        ensure!(
            bad.is_some(),
            "what is written to the mapping does not arrive"
        );
        done += ", mapped";
    }
    done += ", freed";
    Ok(done)
}
