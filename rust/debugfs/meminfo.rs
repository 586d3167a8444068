// SPDX-License-Identifier: GPL-2.0

//! `meminfo`: where the memory is, in the style of `/proc/meminfo`.

use super::states;
use crate::{
    area::Area,
    bindings,
    metadata::About,
    owners,
    stats,
    vmap_alloc,
    window, //
};
use core::fmt::{
    Formatter,
    Result, //
};
use kernel::page::PAGE_SIZE;

fn line(f: &mut Formatter<'_>, name: &str, bytes: u64) -> Result {
    writeln!(f, "{name:<16}{:>8} kB", bytes / 1024)
}

/// Returns the bytes that the records of all areas have.
fn area_records() -> usize {
    let mut bytes = 0;
    vmap_alloc::for_each(|view| {
        bytes += size_of::<Area>() + size_of_val(view.area().pages());
    });
    bytes
}

/// Prints all sums.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    let mut stats: bindings::quarry_stats = pin_init::zeroed();
    stats::collect(&mut stats);
    let direct = states::direct();
    // CAST: `u64` holds every `usize`.
    let bytes = |pages: u64| pages * PAGE_SIZE as u64;
    let pool_books = (About::Pool.bytes() + window::table_bytes() + owners::table_bytes()) as u64;
    let slab_books = About::Slab.bytes() as u64;
    f.write_str("# quarry meminfo version 1\n")?;
    line(f, "PoolTotal:", bytes(stats.pool_pages))?;
    line(f, "PoolFree:", bytes(stats.free_pages))?;
    line(f, "PoolCached:", bytes(stats.cached_pages))?;
    line(f, "PoolPeak:", bytes(stats.pool_pages_peak))?;
    line(f, "PoolLimit:", bytes(stats.limit_pages))?;
    line(f, "Reserve:", bytes(stats.watermark_pages))?;
    line(f, "Blocks:", bytes(direct.pages.pages))?;
    line(f, "KmallocLarge:", bytes(direct.large.pages))?;
    line(f, "Slab:", bytes(stats.slab_pages))?;
    line(f, "SlabUsed:", stats.object_bytes)?;
    line(
        f,
        "Areas:",
        bytes(stats.area_pages - stats.areas_kept_pages.min(stats.area_pages)),
    )?;
    line(f, "AreasKept:", bytes(stats.areas_kept_pages))?;
    line(f, "MetadataPool:", pool_books)?;
    line(f, "MetadataSlab:", slab_books)?;
    line(f, "MetadataAreas:", area_records() as u64)?;
    let thousandths = (pool_books * 100_000)
        .checked_div(bytes(stats.pool_pages))
        .unwrap_or(0);
    let (whole, rest) = (thousandths / 1000, thousandths % 1000);
    writeln!(f, "{:<16}{:>4}.{rest:03} %", "MetadataShare:", whole)
}
