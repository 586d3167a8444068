// SPDX-License-Identifier: GPL-2.0

//! STATS, SHRINK, VALIDATE, and the end of memory.

use crate::{
    alloc::LARGEST,
    ktap::{tests, Outcome},
    memory::PAGE,
    raw::{eventually, new, Device},
};
use libc::ENOMEM;
use quarry_uapi::sys;
use std::{thread, time::Duration};

tests! {
    stats_add_up,
    stats_count_what_is_done,
    shrink_gives_memory_back,
    the_pool_has_an_end,
    validate_finds_nothing,
}

fn stats_add_up() {
    let device = Device::open();
    let _held = device.alloc(sys::QUARRY_KIND_PAGES, 100_000);
    let stats = device.stats();
    assert!(stats.pool_pages_peak >= stats.pool_pages);
    assert!(stats.limit_pages >= stats.pool_pages);
    assert_eq!(stats.chunks, stats.grown - stats.returned);
    assert!(stats.pool_pages <= stats.chunks * 1024);
    let free: u64 = stats
        .free_blocks
        .iter()
        .enumerate()
        .map(|(o, n)| n << o)
        .sum();
    assert_eq!(free, stats.free_pages);
    let used = stats.block_pages + stats.slab_pages + stats.area_pages;
    assert_eq!(
        used + stats.free_pages + stats.cached_pages,
        stats.pool_pages
    );
    assert!(stats.page_allocs >= stats.page_frees);
    assert!(stats.object_allocs >= stats.object_frees);
    assert!(stats.area_allocs >= stats.area_frees);
    assert!(stats.slab_object_bytes >= stats.object_bytes);
    assert!(stats.slab_object_bytes <= stats.slab_pages * PAGE as u64);
    assert!(stats.metadata_bytes > 0);
    assert_eq!(stats.reserved, 0);
}

/// Returns the counters once they say the same of blocks twice: what is moved while they are added up, by
/// the upkeep once a second, may be counted or not.
fn settled_stats(device: &Device) -> sys::quarry_stats {
    let mut stats = device.stats();
    assert!(eventually(|| {
        thread::sleep(Duration::from_millis(20));
        let before = std::mem::replace(&mut stats, device.stats());
        before.block_pages == stats.block_pages
    }));
    stats
}

fn stats_count_what_is_done() {
    let device = Device::open();
    let before = settled_stats(&device);
    let block = device.alloc(sys::QUARRY_KIND_PAGES, 16 * PAGE as u64);
    let area = device.alloc(sys::QUARRY_KIND_VMALLOC, 7 * PAGE as u64);
    let object = device.alloc(sys::QUARRY_KIND_KMALLOC, 1000);
    let after = settled_stats(&device);
    assert!(after.page_allocs > before.page_allocs);
    assert_eq!(after.block_pages, before.block_pages + 16);
    assert_eq!(after.area_allocs, before.area_allocs + 1);
    assert_eq!(after.areas_live, before.areas_live + 1);
    assert!(after.object_allocs > before.object_allocs);
    assert!(after.object_bytes >= before.object_bytes + 1000);
    assert_eq!(after.client_handles, before.client_handles + 3);
    assert!(after.client_bytes >= before.client_bytes + 23 * PAGE as u64 + 1000);
    for handle in [block.handle, area.handle, object.handle] {
        assert_eq!(device.free(handle), 0);
    }
    let end = settled_stats(&device);
    assert_eq!(end.block_pages, before.block_pages);
    assert_eq!(end.areas_live, before.areas_live);
    assert_eq!(end.area_frees, before.area_frees + 1);
    assert_eq!(end.client_bytes, before.client_bytes);
    assert_eq!(end.bad_frees, before.bad_frees);
}

fn shrink_gives_memory_back() {
    let device = Device::open();
    let handles: Vec<_> = (0..8)
        .map(|_| device.alloc(sys::QUARRY_KIND_PAGES, LARGEST).handle)
        .chain((0..8).map(|_| device.alloc(sys::QUARRY_KIND_VMALLOC, 1 << 20).handle))
        .collect();
    let before = device.stats();
    for handle in handles {
        assert_eq!(device.free(handle), 0);
    }
    let shrunk: sys::quarry_shrink = device.must(sys::QUARRY_CMD_SHRINK, new());
    let after = device.stats();
    // What decay has given back meanwhile is not counted as shrunk.
    let gone = before.pool_pages - after.pool_pages;
    assert!(gone >= 8 * 1024, "{gone} pages");
    assert!((1..=gone).contains(&shrunk.pages), "{} pages", shrunk.pages);
    assert_eq!((after.areas_kept, after.areas_kept_pages), (0, 0));
    assert!(after.returned > before.returned);
    device.assert_valid();
}

fn the_pool_has_an_end() -> Outcome {
    let device = Device::open();
    let limit = device.stats().limit_pages * PAGE as u64;
    if limit > 512 << 20 || limit + LARGEST > device.query().quota_bytes {
        return Outcome::Skipped("the pool's limit is beyond the quota or 512 MiB");
    }
    assert_eq!(
        device.try_alloc(sys::QUARRY_KIND_VMALLOC, limit + 1, 0),
        Err(ENOMEM)
    );
    let mut held = Vec::new();
    let errno = loop {
        match device.try_alloc(sys::QUARRY_KIND_PAGES, LARGEST, 0) {
            Ok(got) => held.push(got.handle),
            Err(errno) => break errno,
        }
    };
    assert_eq!(errno, ENOMEM);
    assert!(held.len() as u64 * LARGEST <= limit);
    assert!(
        held.len() as u64 * LARGEST >= limit / 2,
        "{} chunks",
        held.len()
    );
    let failed = device.stats();
    assert!(failed.page_failed > 0);
    device.assert_valid();
    // A failure charges nothing.
    assert_eq!(device.query().used_handles as usize, held.len());
    for handle in held {
        assert_eq!(device.free(handle), 0);
    }
    assert_eq!(device.query().used_bytes, 0);
    Outcome::Passed
}

fn validate_finds_nothing() {
    let device = Device::open();
    let _some = [
        device.alloc(sys::QUARRY_KIND_PAGES, 5000),
        device.alloc(sys::QUARRY_KIND_KMALLOC, 50),
        device.alloc(sys::QUARRY_KIND_VMALLOC, 5000),
    ];
    device.assert_valid();
}
