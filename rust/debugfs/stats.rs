// SPDX-License-Identifier: GPL-2.0

//! `stats`: every counter, a name and a value in each line.

use crate::{
    bindings,
    cache,
    device::clients,
    grow,
    guard,
    kmalloc,
    page_alloc::pool,
    report,
    requests::KBox,
    stats,
    vmap_alloc, //
};
use core::fmt::{
    self,
    Error,
    Formatter, //
};
use kernel::alloc::flags::GFP_KERNEL;

/// Prints the named fields of a structure, and fails to compile if it has others.
macro_rules! print_fields {
    ($f:ident, $value:expr, $type:path { $($field:ident)* } and { $($other:ident)* }) => {
        let $type { $($field,)* $($other: _,)* } = $value;
        $(writeln!($f, concat!(stringify!($field), " {}"), $field)?;)*
    };
}

/// Returns what the ioctl gives. On the heap, and not inlined: it is large, and so is what formats it.
#[inline(never)]
fn counters() -> Result<KBox<bindings::quarry_stats>, Error> {
    let all = pin_init::zeroed();
    let mut all = KBox::new(all, GFP_KERNEL).map_err(|_| Error)?;
    stats::collect(&mut all);
    Ok(all)
}

/// Prints all counters.
pub(super) fn show(f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("# quarry stats version 1\n")?;
    let mut all = counters()?;
    let totals = clients::totals();
    all.clients = totals.clients;
    all.client_bytes = totals.bytes;
    all.client_handles = totals.handles;
    // What the ioctl gives, under the same names.
    print_fields!(f, &*all, bindings::quarry_stats {
        pool_pages pool_pages_peak free_pages cached_pages block_pages slab_pages area_pages
        chunks small_chunks grown returned grow_failed metadata_bytes watermark_pages limit_pages
        page_allocs page_frees page_refills page_drains page_slow page_failed
        object_allocs object_frees object_bytes slabs slab_object_bytes
        area_allocs area_frees area_maps area_unmaps areas_live areas_kept areas_kept_pages
        clients client_bytes client_handles bad_frees
    } and { size flags free_blocks reserved });
    for (order, blocks) in all.free_blocks.iter().enumerate() {
        writeln!(f, "order{order}_free_blocks {blocks}")?;
    }
    // What it does not.
    let areas = vmap_alloc::counters();
    writeln!(f, "grown_small {}", grow::growth().grown_small)?;
    writeln!(f, "area_hits {}", areas.sums.hits)?;
    writeln!(f, "area_failed {}", areas.failed)?;
    writeln!(f, "area_refused {}", areas.refused)?;
    writeln!(f, "areas_leaving {}", areas.sums.leaving)?;
    writeln!(f, "aside_pages {}", totals.aside_pages)?;
    writeln!(f, "nolock_failed {}", kmalloc::nolock_failed())?;
    writeln!(f, "nolock_left {}", cache::frees_left())?;
    writeln!(f, "bad_uses {}", report::bad_uses())?;
    writeln!(f, "overwritten {}", guard::report::nr_found())?;
    writeln!(f, "quarantine_pages {}", guard::block::nr_pages())?;
    for (order, front) in pool().fronts() {
        let (order, counters) = (order.get(), front.counters());
        writeln!(f, "order{order}_allocs {}", counters.allocs)?;
        writeln!(f, "order{order}_frees {}", counters.frees)?;
        writeln!(f, "order{order}_refills {}", counters.refills)?;
        writeln!(f, "order{order}_drains {}", counters.drains)?;
        writeln!(f, "order{order}_slow {}", counters.slow)?;
        writeln!(f, "order{order}_cached {}", front.cached())?;
    }
    Ok(())
}
