// SPDX-License-Identifier: GPL-2.0

//! How much the pool grows by.
//!
//! By a fixed share of what it has, so that little of a small pool is there in vain and a large one
//! grows by whole chunks.

use super::Order;

/// The pool grows by at most one part of so many.
const SHARE: usize = 64;

/// What it grows by at least.
const LEAST: Order = match Order::new(4) {
    Some(order) => order,
    None => Order::ZERO,
};

/// Returns whether `free` pages of a zone of `present` are so many that it need not grow for a block
/// of `wanted`, although that took some effort to gather them: enough for several blocks, and for a
/// while.
pub(crate) fn suffices(present: usize, free: usize, wanted: Order) -> bool {
    let most = (8 * wanted.pages()).max(64);
    free >= most.max(present / 32)
}

/// Returns the order of the block to ask the kernel for, when a zone of `present` pages lacks a
/// block of `wanted`.
pub(crate) fn step(present: usize, wanted: Order) -> Order {
    // The largest power of two that is not more than the share.
    let bits = usize::BITS - (present / SHARE).leading_zeros();
    let largest = Order::new(bits.saturating_sub(1)).unwrap_or(Order::MAX);
    largest.max(LEAST).max(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_pool_takes_little_and_a_large_one_whole_chunks() {
        assert_eq!(step(0, Order::ZERO), LEAST);
        assert_eq!(step(SHARE << 10, Order::ZERO), Order::MAX);
        assert_eq!(step(usize::MAX, Order::ZERO), Order::MAX);
        assert_eq!(step(SHARE << 9, Order::ZERO).get(), 9);
    }

    #[test]
    fn what_is_wanted_always_fits() {
        for present in [0, 1, 1000, 1 << 20] {
            for wanted in Order::ZERO.and_larger() {
                assert!(step(present, wanted) >= wanted);
            }
        }
    }

    #[test]
    fn no_more_than_a_share_is_new_unless_the_pool_is_tiny() {
        for present in (SHARE * LEAST.pages()..100_000).step_by(77) {
            assert!(step(present, Order::ZERO).pages() <= present / SHARE);
        }
    }
}
