// SPDX-License-Identifier: GPL-2.0

//! What the kernel tells of its own allocators.

use std::{fs, io};

/// Pages of free blocks of each order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FreeBlocks(Vec<u64>);

impl FreeBlocks {
    /// Reads `/proc/buddyinfo`.
    pub fn read() -> io::Result<Self> {
        Self::parse(&fs::read_to_string("/proc/buddyinfo")?).map_err(invalid)
    }

    /// Adds up the zones of all nodes, or says which line cannot be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pages = Vec::new();
        // The sum of all has to be a number too.
        let mut total: u64 = 0;
        for (number, line) in (1..).zip(text.lines()) {
            // Node 0, zone   Normal   1   0   3
            for (order, word) in line.split_whitespace().skip(4).enumerate() {
                let count: u64 = word
                    .parse()
                    .map_err(|_| format!("line {number}: '{word}' is not a number of blocks"))?;
                let held = pages_of(count, order)
                    .filter(|&held| total.checked_add(held).is_some())
                    .ok_or_else(|| {
                        format!("line {number}: {count} blocks of order {order} are too many")
                    })?;
                if pages.len() <= order {
                    pages.push(0);
                }
                total += held;
                pages[order] += held;
            }
        }
        Ok(Self(pages))
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
    slab_pages_of(&fs::read_to_string("/proc/vmstat")?).map_err(invalid)
}

/// Returns the pages that slabs hold, as `/proc/vmstat` tells, or says what is wrong with it.
pub fn slab_pages_of(text: &str) -> Result<u64, String> {
    let (_, reclaimable) = member(text, "nr_slab_reclaimable")?;
    let (line, unreclaimable) = member(text, "nr_slab_unreclaimable")?;
    reclaimable
        .checked_add(unreclaimable)
        .ok_or_else(|| format!("line {line}: {reclaimable} and {unreclaimable} pages are too many"))
}

/// Returns a member of `/proc/vmstat`, and the number of its line.
fn member(text: &str, name: &str) -> Result<(usize, u64), String> {
    let (line, value) = (1..)
        .zip(text.lines())
        .find_map(|(number, line)| Some((number, line.strip_prefix(name)?.strip_prefix(' ')?)))
        .ok_or_else(|| format!("there is no {name}"))?;
    value
        .trim()
        .parse()
        .map(|value| (line, value))
        .map_err(|_| format!("line {line}: '{}' is not a number of pages", value.trim()))
}

/// Returns the pages of blocks of an order, if that is a number.
fn pages_of(count: u64, order: usize) -> Option<u64> {
    let pages = 1u64.checked_shl(u32::try_from(order).ok()?)?;
    count.checked_mul(pages)
}

/// Returns the error of a file whose contents are not as the kernel writes them.
fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_blocks_of_all_zones_are_added_up() {
        let text = "Node 0, zone      DMA      1      0      2\n\
                    Node 0, zone   Normal      3      1      4\n";
        let blocks = FreeBlocks::parse(text).unwrap();
        assert_eq!(blocks, FreeBlocks(vec![4, 2, 24]));
        assert_eq!(blocks.pages_from(0), 30);
        assert_eq!(blocks.pages_from(1), 26);
        assert_eq!(blocks.pages_from(5), 0);
    }

    #[test]
    fn blocks_that_cannot_be_counted_are_an_error_of_their_line() {
        let error = |words: &str| {
            let text = format!("Node 0, zone DMA 1\nNode 0, zone Normal {words}\n");
            FreeBlocks::parse(&text).unwrap_err()
        };
        assert_eq!(error("1 x"), "line 2: 'x' is not a number of blocks");
        assert_eq!(
            error("18446744073709551615"),
            "line 2: 18446744073709551615 blocks of order 0 are too many"
        );
        assert_eq!(
            error("0 9223372036854775808"),
            "line 2: 9223372036854775808 blocks of order 1 are too many"
        );
        assert_eq!(
            error(&"0 ".repeat(65)),
            "line 2: 0 blocks of order 64 are too many"
        );
    }

    #[test]
    fn members_are_found_by_their_whole_name() {
        let text = "nr_slab 5\nnr_slab_reclaimable 17\n";
        assert_eq!(member(text, "nr_slab_reclaimable"), Ok((2, 17)));
        assert_eq!(
            slab_pages_of(text),
            Err("there is no nr_slab_unreclaimable".to_owned())
        );
    }

    #[test]
    fn members_that_cannot_be_added_are_an_error_of_their_line() {
        let of = |second: &str| {
            slab_pages_of(&format!(
                "nr_slab_reclaimable 1\nnr_slab_unreclaimable {second}\n"
            ))
        };
        assert_eq!(of("2"), Ok(3));
        assert_eq!(
            of("x"),
            Err("line 2: 'x' is not a number of pages".to_owned())
        );
        assert_eq!(
            of("18446744073709551615"),
            Err("line 2: 1 and 18446744073709551615 pages are too many".to_owned())
        );
    }
}
