// SPDX-License-Identifier: GPL-2.0

//! `buddyinfo`, `extfrag_index` and `unusable_index`: how free memory is cut up.
//!
//! Formats and formulas are those of the kernel's `/proc/buddyinfo` and `/sys/kernel/debug/extfrag`,
//! mm/vmstat.c.

use crate::{
    bindings,
    page_alloc::pool,
    pool::NR_ORDERS,
    stats, //
};
use core::fmt::{
    Formatter,
    Result,
    Write, //
};

/// Free blocks of each order.
struct Free<'a>(&'a [u64; NR_ORDERS]);

impl Free<'_> {
    fn blocks(&self) -> u64 {
        self.0.iter().sum()
    }

    fn pages(&self) -> u64 {
        self.0
            .iter()
            .enumerate()
            .map(|(order, blocks)| blocks << order)
            .sum()
    }

    /// Returns how many blocks of `order` could be had.
    fn suitable(&self, order: usize) -> u64 {
        let larger = self.0.iter().skip(order);
        larger
            .enumerate()
            .map(|(above, blocks)| blocks << above)
            .sum()
    }

    /// Returns the thousandths of the free memory that are in blocks too small for `order`.
    fn unusable(&self, order: usize) -> i64 {
        let pages = self.pages();
        let usable = self.suitable(order) << order;
        // CAST: At most 1000.
        ((pages - usable) * 1000).checked_div(pages).unwrap_or(1000) as i64
    }

    /// Returns whether a request of `order` would fail, in thousandths: -1000 if not, near 0 for
    /// lack of memory, near 1000 because of fragmentation.
    fn fragmentation(&self, order: usize) -> i64 {
        if self.suitable(order) != 0 {
            return -1000;
        }
        let share = (1000 + ((self.pages() * 1000) >> order)).checked_div(self.blocks());
        // CAST: Far below 2^63.
        share.map_or(0, |share| 1000 - share as i64)
    }
}

/// Prints a line for each node with memory.
fn lines(
    f: &mut Formatter<'_>,
    value: fn(&mut Formatter<'_>, &Free<'_>, usize) -> Result,
) -> Result {
    for node in 0..pool().zones().len() {
        // CAST: Node numbers are small.
        let (nid, id) = (node as i32, node as u32);
        // SAFETY: Looks at a mask of nodes.
        if !unsafe { bindings::quarry_helper_node_has_memory(nid) } {
            continue;
        }
        let census = stats::node_census(Some(id));
        write!(f, "Node {node}, zone {:>8} ", "quarry")?;
        for order in 0..NR_ORDERS {
            value(f, &Free(&census.blocks), order)?;
        }
        f.write_char('\n')?;
    }
    Ok(())
}

/// Prints the free blocks of each order.
pub(super) fn buddyinfo(f: &mut Formatter<'_>) -> Result {
    lines(f, |f, free, order| {
        write!(f, "{:>6} ", free.0.get(order).copied().unwrap_or(0))
    })
}

/// Prints for each order whether a request would fail for lack of memory or by fragmentation.
pub(super) fn extfrag_index(f: &mut Formatter<'_>) -> Result {
    lines(f, |f, free, order| {
        let index = free.fragmentation(order);
        write!(f, "{:>2}.{:03} ", index / 1000, index % 1000)
    })
}

/// Prints for each order the share of the free memory that is in blocks too small for it.
pub(super) fn unusable_index(f: &mut Formatter<'_>) -> Result {
    lines(f, |f, free, order| {
        let index = free.unusable(order);
        write!(f, "{}.{:03} ", index / 1000, index % 1000)
    })
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kernel::macros::kunit_tests(quarry_debugfs_fragmentation)]
mod tests {
    use super::*;

    #[test]
    fn no_free_memory_is_all_unusable() {
        let free = Free(&[0; NR_ORDERS]);
        assert!(free.unusable(0) == 1000);
        assert!(free.fragmentation(3) == 0);
    }

    #[test]
    fn one_large_block_serves_all() {
        let mut blocks = [0; NR_ORDERS];
        blocks[10] = 1;
        let free = Free(&blocks);
        assert!(free.unusable(10) == 0);
        assert!(free.suitable(0) == 1024 && free.suitable(9) == 2);
        assert!(free.fragmentation(10) == -1000);
    }

    #[test]
    fn many_single_pages_are_fragmentation() {
        let mut blocks = [0; NR_ORDERS];
        blocks[0] = 1024;
        let free = Free(&blocks);
        assert!(free.unusable(1) == 1000 && free.unusable(0) == 0);
        // 1000 - (1000 + 1024 * 1000 / 2) / 1024
        assert!(free.fragmentation(1) == 500);
        assert!(free.fragmentation(0) == -1000);
    }
}
