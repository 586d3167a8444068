// SPDX-License-Identifier: GPL-2.0

//! The sections that come from ioctls, as text.

use super::{section::Section, Counters};
use crate::output::{self, bytes, grouped, percent};
use quarry_uapi::Stats;

/// Returns a section as text, or nothing if it does not come from ioctls.
pub fn counters(section: Section, counters: &Counters) -> String {
    let Counters {
        page_size,
        stats,
        caches,
    } = counters;
    match section {
        Section::Pool => pool(stats, *page_size),
        Section::Blocks => blocks(stats, *page_size),
        Section::Caches => {
            let mut table = output::table(&[
                "cache",
                "object",
                "per slab",
                "order",
                "slabs",
                "objects",
                "live",
                "cached",
                "live bytes",
                "in use",
                "allocs",
                "frees",
                "refills",
                "drains",
                "slow",
            ]);
            for cache in caches {
                let live = cache.live * u64::from(cache.object_size);
                let held = cache.slabs * (page_size << cache.slab_order.min(32));
                table.add_row([
                    cache.name.clone(),
                    cache.object_size.to_string(),
                    cache.objects_per_slab.to_string(),
                    cache.slab_order.to_string(),
                    grouped(cache.slabs),
                    grouped(cache.objects),
                    grouped(cache.live),
                    grouped(cache.cached),
                    bytes(live),
                    format!("{:.0} %", percent(live, held)),
                    grouped(cache.allocs),
                    grouped(cache.frees),
                    grouped(cache.refills),
                    grouped(cache.drains),
                    grouped(cache.slow),
                ]);
            }
            let mut text = output::render(&table);
            text += &output::pairs(&[
                ("slabs", grouped(stats.slabs)),
                ("bytes for objects", bytes(stats.slab_object_bytes)),
                ("bytes of live objects", bytes(stats.object_bytes)),
                (
                    "objects ever",
                    moved(stats.object_allocs, stats.object_frees),
                ),
                ("frees refused", grouped(stats.bad_frees)),
            ]);
            text
        }
        Section::Areas => output::pairs(&[
            ("live", grouped(stats.areas_live)),
            ("pages", pages(stats.area_pages, *page_size)),
            (
                "kept mapped",
                format!(
                    "{} areas, {}",
                    grouped(stats.areas_kept),
                    pages(stats.areas_kept_pages, *page_size)
                ),
            ),
            ("areas ever", moved(stats.area_allocs, stats.area_frees)),
            (
                "mappings ever",
                format!(
                    "{} made, {} undone",
                    grouped(stats.area_maps),
                    grouped(stats.area_unmaps)
                ),
            ),
        ]),
        Section::Clients => output::pairs(&[
            ("open files", grouped(stats.clients)),
            ("allocations", grouped(stats.client_handles)),
            ("bytes", bytes(stats.client_bytes)),
        ]),
        _ => String::new(),
    }
}

/// Returns a number of pages with its bytes.
fn pages(number: u64, page_size: u64) -> String {
    format!(
        "{} pages, {}",
        grouped(number),
        bytes(number.saturating_mul(page_size))
    )
}

/// Returns how much was handed out and taken back.
fn moved(out: u64, back: u64) -> String {
    format!("{} handed out, {} taken back", grouped(out), grouped(back))
}

fn pool(stats: &Stats, page_size: u64) -> String {
    let share = |number: u64| {
        format!(
            "{} ({:.1} %)",
            pages(number, page_size),
            percent(number, stats.pool_pages)
        )
    };
    output::pairs(&[
        ("held", pages(stats.pool_pages, page_size)),
        ("  free in chunks", share(stats.free_pages)),
        ("  free in magazines", share(stats.cached_pages)),
        ("  blocks", share(stats.block_pages)),
        ("  slabs", share(stats.slab_pages)),
        ("  areas", share(stats.area_pages)),
        ("peak", pages(stats.pool_pages_peak, page_size)),
        ("limit", pages(stats.limit_pages, page_size)),
        ("reserve", pages(stats.watermark_pages, page_size)),
        (
            "chunks",
            format!(
                "{}, {} of them small",
                grouped(stats.chunks),
                grouped(stats.small_chunks)
            ),
        ),
        (
            "chunks ever",
            format!(
                "{} taken from the kernel, {} given back, {} refused",
                grouped(stats.grown),
                grouped(stats.returned),
                grouped(stats.grow_failed)
            ),
        ),
        (
            "bookkeeping",
            format!(
                "{} ({:.2} % of what is held)",
                bytes(stats.metadata_bytes),
                percent(
                    stats.metadata_bytes,
                    stats.pool_pages.saturating_mul(page_size)
                )
            ),
        ),
        ("blocks ever", moved(stats.page_allocs, stats.page_frees)),
        (
            "magazines",
            format!(
                "{} refills, {} drains, {} blocks around them",
                grouped(stats.page_refills),
                grouped(stats.page_drains),
                grouped(stats.page_slow)
            ),
        ),
        ("failed requests", grouped(stats.page_failed)),
    ])
}

fn blocks(stats: &Stats, page_size: u64) -> String {
    let mut table = output::table(&["order", "block", "free blocks", "free bytes", "of free"]);
    let whole = stats.free_pages;
    for (order, &count) in stats.free_blocks.iter().enumerate() {
        let held = count << order;
        table.add_row([
            order.to_string(),
            bytes(page_size << order),
            grouped(count),
            bytes(held.saturating_mul(page_size)),
            format!("{:.1} %", percent(held, whole)),
        ]);
    }
    output::render(&table)
}
