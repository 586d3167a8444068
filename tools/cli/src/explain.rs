// SPDX-License-Identifier: GPL-2.0

//! `quarry explain`: allocates something and tells its story.

mod picture;
mod story;

use crate::{
    args::{ExplainArgs, Global},
    exit::{Status, UsageError},
    output, CommandResult,
};
use anyhow::Context as _;
use quarry_uapi::{Arm, CacheId, Context, Device, Explanation, Handle, Kind};
use serde_json::json;

/// Frames that are asked for: those of the largest block, and as many of an area.
const MAX_FRAMES: u32 = 1024;

/// What is shown if nothing is asked for: one of each, chosen so that the layers differ.
const TOUR: [(Kind, u64); 8] = [
    (Kind::Kmalloc, 100),
    (Kind::Kmalloc, 3000),
    (Kind::Kmalloc, 100_000),
    (Kind::Cache, 120),
    (Kind::Pages, 16384),
    (Kind::Vmalloc, 100_000),
    (Kind::Kvmalloc, 5000),
    (Kind::Kvmalloc, 8 << 20),
];

/// Something to allocate.
type Item = (Kind, u64);

/// Allocates all that is asked for, then explains it: side by side, it shows what shares a slab.
pub fn run(global: &Global, args: &ExplainArgs) -> CommandResult {
    let items = items(args)?;
    let device = Device::open_path(&global.device)?;
    let page_size = u64::from(device.query()?.page_size);
    let mut caches = Vec::new();
    let mut handles = Vec::new();
    for (kind, bytes) in items {
        let handle = allocate(&device, &mut caches, kind, bytes)
            .with_context(|| format!("{kind} of {bytes} bytes"))?;
        handles.push(handle);
    }
    let explanations = handles
        .iter()
        .map(|&handle| device.explain(handle, MAX_FRAMES))
        .collect::<Result<Vec<Explanation>, _>>()?;
    if global.json {
        let value = json!({ "page_size": page_size, "allocations": explanations });
        output::print_json("explain", 1, &value)?;
    } else {
        let stories: Vec<String> = explanations
            .iter()
            .map(|explanation| story::tell(explanation, page_size))
            .collect();
        output::print(&stories.join("\n"))?;
    }
    for handle in handles {
        device.free(handle)?;
    }
    for (cache, _) in caches {
        device.cache_destroy(cache)?;
    }
    Ok(Status::Success)
}

/// Returns what the arguments ask for.
fn items(args: &ExplainArgs) -> Result<Vec<Item>, UsageError> {
    let sizes = if args.bytes.is_empty() {
        &args.sizes
    } else {
        &args.bytes
    };
    let once = match args.kind.or(args.what) {
        None => TOUR.to_vec(),
        Some(kind) if sizes.is_empty() => {
            return Err(UsageError(format!("how many bytes of {kind}?")));
        }
        Some(kind) => sizes.iter().map(|size| (kind, size.0)).collect(),
    };
    let count = args.count as usize;
    Ok(once
        .into_iter()
        .flat_map(|item| std::iter::repeat_n(item, count))
        .collect())
}

/// Allocates something. Objects of a cache come from one that is made for their size.
fn allocate(
    device: &Device,
    caches: &mut Vec<(CacheId, u64)>,
    kind: Kind,
    bytes: u64,
) -> anyhow::Result<Handle> {
    if kind != Kind::Cache {
        return Ok(device.alloc(kind, bytes, Context::Kernel)?.handle);
    }
    let known = caches.iter().find(|(_, size)| *size == bytes);
    let cache = match known {
        Some((cache, _)) => *cache,
        None => {
            let size = u32::try_from(bytes)
                .map_err(|_| UsageError(format!("{bytes} bytes are too large for a cache")))?;
            let cache = device.cache_create(Arm::Quarry, &format!("explain-{size}"), size)?;
            caches.push((cache, bytes));
            cache
        }
    };
    Ok(device.alloc_object(cache, Context::Kernel)?.handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::Size;

    fn args(what: Option<Kind>, sizes: &[u64], count: u32) -> ExplainArgs {
        ExplainArgs {
            what,
            sizes: sizes.iter().map(|&bytes| Size(bytes)).collect(),
            kind: None,
            bytes: Vec::new(),
            count,
        }
    }

    #[test]
    fn nothing_asked_for_is_a_tour_of_all_kinds() {
        let items = items(&args(None, &[], 1)).unwrap();
        for kind in Kind::ALL {
            assert!(items.iter().any(|(known, _)| *known == kind));
        }
    }

    #[test]
    fn several_sizes_and_counts_are_multiplied() {
        let found = items(&args(Some(Kind::Kmalloc), &[8, 16], 2)).unwrap();
        assert_eq!(
            found,
            [8, 8, 16, 16].map(|bytes| (Kind::Kmalloc, bytes)).to_vec()
        );
        assert!(items(&args(Some(Kind::Kmalloc), &[], 1)).is_err());
    }
}
