// SPDX-License-Identifier: GPL-2.0

//! Numbers, read from the layers when somebody asks.
//!
//! What happens during a reading may be counted or not. When nobody allocates or frees, numbers of
//! pages, slabs, objects and areas are exact; the counters of operations may be short of those that
//! were counted in an interrupt while the CPU was counting another.

use crate::{
    bindings,
    bins::Arena,
    cache::{
        self,
        Cache, //
    },
    chunk::ChunkId,
    grow,
    guard,
    metadata,
    owners,
    page_alloc::{
        self,
        pool, //
    },
    pool::{
        Chunk,
        NR_ORDERS, //
    },
    report,
    vmap_alloc,
    window, //
};
use core::ops::ControlFlow;

/// Calls `f` with the index of each window that has a chunk with pages, its node, and the chunk under
/// its zone's lock.
pub(crate) fn for_each_chunk(mut f: impl FnMut(usize, u32, &Chunk<ChunkId>)) {
    for index in 0..window::nr_windows() {
        with_chunk(index, |node, chunk| f(index, node, chunk));
    }
}

/// Calls `f` with the node of a window and its chunk under the zone's lock, if that has pages.
pub(crate) fn with_chunk<R>(index: usize, f: impl FnOnce(u32, &Chunk<ChunkId>) -> R) -> Option<R> {
    let window = window::window(index)?;
    let chunk = window.chunk()?;
    let mut zone = pool().zone(window.node() as usize)?.lock();
    zone.settle();
    let chunk = zone.arena().node(ChunkId::new(chunk));
    (chunk.nr_present() != 0).then(|| f(window.node(), chunk))
}

/// What the page pool of one node has.
#[derive(Clone, Copy, Default)]
pub(crate) struct NodeCensus {
    /// Pages in chunks, free or not.
    pub(crate) present: usize,
    /// Pages free in chunks.
    pub(crate) free: usize,
    /// Chunks.
    pub(crate) chunks: usize,
    /// Chunks that lack pages.
    pub(crate) small: usize,
    /// Free blocks of each order.
    pub(crate) blocks: [u64; NR_ORDERS],
}

/// Counts what a node has, or all nodes if none is named.
pub(crate) fn node_census(node: Option<u32>) -> NodeCensus {
    let mut census = NodeCensus::default();
    for_each_chunk(|_, at, chunk| {
        if node.is_none_or(|node| node == at) {
            census.present += chunk.nr_present();
            census.free += chunk.nr_free();
            census.chunks += 1;
            census.small += usize::from(chunk.nr_present() != crate::pool::FRAMES);
            chunk.count_blocks(&mut census.blocks);
        }
    });
    census
}

/// Returns the pages in magazines.
pub(crate) fn cached_pages() -> usize {
    pool()
        .fronts()
        .map(|(order, front)| front.cached() << order.get())
        .sum()
}

/// Returns the bytes of bookkeeping of pool and slabs.
pub(crate) fn metadata_bytes() -> usize {
    metadata::bytes() + window::table_bytes() + owners::table_bytes()
}

/// Fills in everything but what clients have.
pub(crate) fn collect(out: &mut bindings::quarry_stats) {
    let growth = grow::growth();
    let census = node_census(None);
    let areas = vmap_alloc::counters();
    let mut slab_pages = 0;
    cache::for_each(|cache| {
        let counters = cache.counters();
        let now = cache.census();
        let stride = u64::from(cache.geometry().stride);
        slab_pages += cache.slab_pages();
        out.slabs += now.slabs as u64;
        out.slab_object_bytes += now.objects as u64 * stride;
        out.object_bytes += now.live() as u64 * stride;
        out.object_allocs += counters.allocs;
        out.object_frees += counters.frees;
        ControlFlow::Continue(())
    });
    for (_, front) in pool().fronts() {
        let counters = front.counters();
        out.page_allocs += counters.allocs;
        out.page_frees += counters.frees;
        out.page_refills += counters.refills;
        out.page_drains += counters.drains;
        out.page_slow += counters.slow;
    }
    let cached = cached_pages() + guard::block::nr_pages();
    let mut area_pages = 0;
    vmap_alloc::for_each(|view| area_pages += view.area().size().get());
    let elsewhere = census.free + cached + slab_pages + area_pages;
    out.pool_pages = census.present as u64;
    out.pool_pages_peak = growth.peak as u64;
    out.free_pages = census.free as u64;
    out.cached_pages = cached as u64;
    out.block_pages = census.present.saturating_sub(elsewhere) as u64;
    out.slab_pages = slab_pages as u64;
    out.area_pages = area_pages as u64;
    out.chunks = census.chunks as u64;
    out.small_chunks = census.small as u64;
    out.grown = growth.grown;
    out.returned = growth.returned;
    out.grow_failed = growth.refused;
    out.metadata_bytes = metadata_bytes() as u64;
    out.watermark_pages = grow::reserved() as u64;
    out.limit_pages = growth.limit as u64;
    out.page_failed = page_alloc::failed();
    out.area_allocs = areas.sums.allocs;
    out.area_frees = areas.sums.frees;
    out.area_maps = areas.maps;
    out.area_unmaps = areas.unmaps;
    out.areas_live = areas.live;
    out.areas_kept = areas.sums.kept as u64;
    out.areas_kept_pages = areas.sums.kept_pages as u64;
    out.bad_frees = report::bad_frees();
    out.free_blocks = census.blocks;
}

/// Fills in the first cache whose number is at least `id`. Returns whether there is one.
pub(crate) fn cache(id: u32, out: &mut bindings::quarry_cache_stats) -> bool {
    let mut found = false;
    cache::for_each(|cache| {
        if cache.id() < id {
            return ControlFlow::Continue(());
        }
        describe(cache, out);
        found = true;
        ControlFlow::Break(())
    });
    found
}

fn describe(cache: &Cache, out: &mut bindings::quarry_cache_stats) {
    let (census, counters, geometry) = (cache.census(), cache.counters(), cache.geometry());
    out.cache = cache.id();
    out.object_size = geometry.stride;
    out.objects_per_slab = geometry.objects;
    out.slab_order = geometry.order.get();
    out.slabs = census.slabs as u64;
    out.objects = census.objects as u64;
    out.live = census.live() as u64;
    out.cached = census.cached as u64;
    out.allocs = counters.allocs;
    out.frees = counters.frees;
    out.refills = counters.refills;
    out.drains = counters.drains;
    out.slow = counters.slow;
    for (to, from) in out.name.iter_mut().zip(cache.name().bytes()) {
        // CAST: The same byte, as C has it.
        *to = *from as kernel::ffi::c_char;
    }
}
