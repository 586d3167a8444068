// SPDX-License-Identifier: GPL-2.0

//! How many pages freed areas may hold on to.

/// The most pages that kept areas may have, on each CPU and on each node.
///
/// # Laws
///
/// - All CPUs and all nodes together stay within the limit that the bounds were made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    cpu: usize,
    node: usize,
}

impl Bounds {
    /// Most pages for one CPU, however large the machine is.
    const CPU_MAX: usize = 1024;

    /// Divides `limit` pages up: at most half of it to the CPUs, what is left to the nodes.
    pub(crate) const fn new(limit: usize, cpus: usize, nodes: usize) -> Self {
        let cpu = match (limit / 2).checked_div(cpus) {
            Some(share) if share < Self::CPU_MAX => share,
            Some(_) => Self::CPU_MAX,
            None => 0,
        };
        // OVERFLOW: `cpu * cpus` is at most `limit / 2`.
        let left = limit.wrapping_sub(cpu.wrapping_mul(cpus));
        let node = match left.checked_div(nodes) {
            Some(share) => share,
            None => 0,
        };
        Self { cpu, node }
    }

    /// Returns the limit for a machine with `ram` pages: 1/64 of it.
    pub(crate) const fn limit_for(ram: usize) -> usize {
        ram / 64
    }

    /// Returns whether a CPU that keeps `kept` pages may keep `more`.
    #[inline]
    pub(crate) const fn cpu_has_room(self, kept: usize, more: usize) -> bool {
        kept.saturating_add(more) <= self.cpu
    }

    /// Returns whether a node that keeps `kept` pages may keep `more`.
    #[inline]
    pub(crate) const fn node_has_room(self, kept: usize, more: usize) -> bool {
        kept.saturating_add(more) <= self.node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_limit() {
        for limit in [0, 1, 100, 8192, 1 << 20] {
            for cpus in [1, 2, 7, 512] {
                for nodes in [1, 2, 8] {
                    let bounds = Bounds::new(limit, cpus, nodes);
                    assert!(bounds.cpu * cpus + bounds.node * nodes <= limit);
                }
            }
        }
    }

    #[test]
    fn a_small_guest_keeps_a_thousand_pages_on_its_cpu() {
        let bounds = Bounds::new(Bounds::limit_for((2 << 30) >> 12), 1, 1);
        assert!(bounds.cpu_has_room(0, 1024));
        assert!(!bounds.cpu_has_room(1024, 1));
        assert!(bounds.node_has_room(0, 7168));
    }

    #[test]
    fn nothing_is_kept_without_a_limit() {
        let bounds = Bounds::new(0, 4, 2);
        assert!(!bounds.cpu_has_room(0, 1));
        assert!(!bounds.node_has_room(0, 1));
    }
}
