// SPDX-License-Identifier: GPL-2.0

//! What the kernel tells of its own allocators.

use std::{fs, io};

/// Pages of free blocks of each order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FreeBlocks(Vec<u64>);

impl FreeBlocks {
    /// Reads `/proc/buddyinfo`.
    pub fn read() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/buddyinfo")?))
    }

    /// Adds up the zones of all nodes.
    pub fn parse(text: &str) -> Self {
        let mut pages = Vec::new();
        for line in text.lines() {
            // Node 0, zone   Normal   1   0   3
            let counts = line.split_whitespace().skip(4);
            for (order, count) in counts
                .filter_map(|word| word.parse::<u64>().ok())
                .enumerate()
            {
                if pages.len() <= order {
                    pages.push(0);
                }
                pages[order] += count << order;
            }
        }
        Self(pages)
    }

    /// Returns the pages of free blocks of `order` and larger.
    pub fn pages_from(&self, order: usize) -> u64 {
        self.0.iter().skip(order).sum()
    }
}

/// Has every slab cache give back what it holds in vain. Where the kernel offers no such thing, they
/// keep it.
pub fn shrink_slabs() {
    for cache in fs::read_dir("/sys/kernel/slab")
        .into_iter()
        .flatten()
        .flatten()
    {
        let _ = fs::write(cache.path().join("shrink"), "1");
    }
}

/// Returns the pages that slabs hold, of all CPUs up to now.
pub fn slab_pages() -> io::Result<u64> {
    // Without it, each CPU may keep changes to itself. Not all kernels have it.
    let _ = fs::read("/proc/sys/vm/stat_refresh");
    let text = fs::read_to_string("/proc/vmstat")?;
    ["nr_slab_reclaimable", "nr_slab_unreclaimable"]
        .into_iter()
        .map(|name| member(&text, name))
        .sum::<Option<u64>>()
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Returns a member of `/proc/vmstat`.
fn member(text: &str, name: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .and_then(|value| value.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_blocks_of_all_zones_are_added_up() {
        let text = "Node 0, zone      DMA      1      0      2\n\
                    Node 0, zone   Normal      3      1      4\n";
        let blocks = FreeBlocks::parse(text);
        assert_eq!(blocks, FreeBlocks(vec![4, 2, 24]));
        assert_eq!(blocks.pages_from(0), 30);
        assert_eq!(blocks.pages_from(1), 26);
        assert_eq!(blocks.pages_from(5), 0);
    }

    #[test]
    fn members_are_found_by_their_whole_name() {
        let text = "nr_slab 5\nnr_slab_reclaimable 17\n";
        assert_eq!(member(text, "nr_slab_reclaimable"), Some(17));
        assert_eq!(member(text, "nr_slab_unreclaimable"), None);
    }
}
