// SPDX-License-Identifier: GPL-2.0

//! `quarry stat`: the state of every layer.

pub mod section;
mod tables;

use crate::{
    args::{Global, StatArgs},
    exit::Status,
    output, CommandResult,
};
use quarry_uapi::{CacheStats, Device, Stats};
use section::{Section, Source};
use serde_json::{json, Map, Value};
use std::{
    fs,
    io::{self, ErrorKind, IsTerminal},
    path::Path,
    thread,
    time::Duration,
};

/// Moves the cursor home and clears the screen.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// What the ioctls say, at one time.
struct Counters {
    page_size: u64,
    stats: Stats,
    caches: Vec<CacheStats>,
}

/// Prints the sections, again and again if asked.
pub fn run(global: &Global, args: &StatArgs) -> CommandResult {
    let device = Device::open_path(&global.device)?;
    let sections = if args.sections.is_empty() {
        Section::ALL.to_vec()
    } else {
        args.sections.clone()
    };
    let explicit = !args.sections.is_empty();
    loop {
        let counters = Counters {
            page_size: device.query()?.page_size.into(),
            stats: device.stats()?,
            caches: device.all_cache_stats()?,
        };
        if global.json {
            let value = as_json(&counters, &sections, &args.debugfs)?;
            output::print_json("stat", 1, &value)?;
        } else {
            let mut text = as_text(&counters, &sections, &args.debugfs, explicit);
            if args.watch.is_some() && io::stdout().is_terminal() {
                text.insert_str(0, CLEAR);
            }
            output::print(&text)?;
        }
        match args.watch {
            Some(seconds) => thread::sleep(Duration::from_secs_f64(seconds)),
            None => return Ok(Status::Success),
        }
    }
}

/// Returns what a file of debugfs holds, or why it cannot be had.
fn read(debugfs: &Path, name: &str) -> Result<String, String> {
    let path = debugfs.join(name);
    fs::read_to_string(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if !debugfs.exists() => format!(
            "{}: not there; is debugfs mounted? (mount -t debugfs debugfs /sys/kernel/debug)",
            debugfs.display()
        ),
        _ => format!("{}: {error}", path.display()),
    })
}

/// Returns the sections as text. Files that are not there are left out, unless asked for.
fn as_text(counters: &Counters, sections: &[Section], debugfs: &Path, explicit: bool) -> String {
    let mut text = String::new();
    for section in sections {
        let mut body = tables::counters(*section, counters);
        if let Source::File(name) | Source::Both(name) = section.source() {
            match read(debugfs, name) {
                Ok(contents) => {
                    body.push_str(&contents);
                    if !body.ends_with('\n') {
                        body.push('\n');
                    }
                }
                Err(error) if explicit => body.push_str(&format!("{error}\n")),
                Err(_) => {}
            }
        }
        if body.is_empty() {
            continue;
        }
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("== {}: {} ==\n", section.name(), section.title()));
        text.push_str(&body);
    }
    text
}

/// Returns the sections as JSON: numbers as numbers, files as their lines.
fn as_json(counters: &Counters, sections: &[Section], debugfs: &Path) -> anyhow::Result<Value> {
    let mut files = Map::new();
    for section in sections {
        if let Source::File(name) | Source::Both(name) = section.source() {
            let contents = read(debugfs, name).ok();
            let lines = contents.map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
            files.insert(name.to_owned(), json!(lines));
        }
    }
    Ok(json!({
        "page_size": counters.page_size,
        "stats": output::counters(&counters.stats)?,
        "caches": counters.caches,
        "debugfs": files,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters() -> Counters {
        Counters {
            page_size: 4096,
            stats: Stats {
                pool_pages: 1024,
                free_pages: 512,
                free_blocks: [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0],
                ..Stats::default()
            },
            caches: vec![CacheStats {
                id: 1,
                name: "kmalloc-64".to_owned(),
                object_size: 64,
                objects_per_slab: 64,
                slab_order: 0,
                slabs: 2,
                objects: 128,
                live: 100,
                cached: 20,
                allocs: 1000,
                frees: 900,
                refills: 3,
                drains: 2,
                slow: 1,
            }],
        }
    }

    #[test]
    fn sections_are_shown_as_asked_and_files_that_exist() {
        let dir = std::env::temp_dir().join(format!("quarry-stat-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("buddyinfo"), "Node 0, zone   quarry  1 2 3\n").unwrap();
        let all = as_text(&counters(), &Section::ALL, &dir, false);
        let some = as_text(&counters(), &[Section::Slabinfo], &dir, true);
        let json = as_json(&counters(), &[Section::Buddyinfo], &dir).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert!(all.contains("== pool"));
        assert!(all.contains("kmalloc-64"));
        assert!(all.contains("zone   quarry"));
        assert!(!all.contains("== slabinfo"));
        assert!(some.contains("slabinfo: "));
        assert_eq!(
            json["debugfs"]["buddyinfo"][0],
            "Node 0, zone   quarry  1 2 3"
        );
        assert_eq!(json["stats"]["free_blocks"][9], 1);
        assert_eq!(json["caches"][0]["live"], 100);
    }
}
