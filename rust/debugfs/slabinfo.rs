// SPDX-License-Identifier: GPL-2.0

//! `slabinfo`: all caches, as `/proc/slabinfo` version 2.1 has them, mm/slab_common.c.

use super::name::Word;
use crate::cache;
use core::{
    fmt::{
        Formatter,
        Result, //
    },
    ops::ControlFlow, //
};

const HEADER: &str = "slabinfo - version: 2.1\n\
    # name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> \
    : tunables <limit> <batchcount> <sharedfactor> \
    : slabdata <active_slabs> <num_slabs> <sharedavail>\n";

/// Prints all caches.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    f.write_str(HEADER)?;
    let mut result = Ok(());
    cache::for_each(|cache| {
        let (census, geometry) = (cache.census(), cache.geometry());
        // Tunables and what CPUs share are the old SLAB's; the kernel prints zeroes, too.
        result = writeln!(
            f,
            "{:<17} {:>6} {:>6} {:>6} {:>4} {:>4} : tunables {:>4} {:>4} {:>4} \
             : slabdata {:>6} {:>6} {:>6}",
            Word::new(cache.name().bytes()),
            census.live(),
            census.objects,
            geometry.stride,
            geometry.objects,
            geometry.order.pages(),
            0,
            0,
            0,
            census.slabs.saturating_sub(census.empty),
            census.slabs,
            0,
        );
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    result
}
