// SPDX-License-Identifier: GPL-2.0

//! Block orders.

/// Number of orders: 0 to 10.
pub(crate) const NR_ORDERS: usize = 11;

/// The size of a block, as the power of two of its pages.
///
/// # Invariants
///
/// Less than [`NR_ORDERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Order(u8);

impl Order {
    /// One page.
    pub(crate) const ZERO: Self = Self(0);
    /// A chunk.
    pub(crate) const MAX: Self = Self(10);

    /// Returns the order with this number, if there is one.
    #[inline(always)]
    pub(crate) const fn new(order: u32) -> Option<Self> {
        if order < NR_ORDERS as u32 {
            // CAST: Checked above.
            // INVARIANT: Checked above.
            Some(Self(order as u8))
        } else {
            None
        }
    }

    /// Returns the smallest order with at least `pages` pages.
    pub(crate) const fn for_pages(pages: usize) -> Option<Self> {
        match pages {
            0 => None,
            1..=1024 => Self::new(pages.next_power_of_two().trailing_zeros()),
            _ => None,
        }
    }

    /// Returns the number of this order.
    #[inline(always)]
    pub(crate) const fn get(self) -> u32 {
        // CAST: Lossless.
        self.0 as u32
    }

    /// Returns this order as an index below [`NR_ORDERS`].
    #[inline(always)]
    pub(crate) const fn index(self) -> usize {
        // CAST: Lossless.
        self.0 as usize
    }

    /// Returns the number of pages of a block.
    #[inline(always)]
    pub(crate) const fn pages(self) -> usize {
        1 << self.0
    }

    /// Iterates over all orders from this one up.
    #[cfg(test)]
    pub(crate) fn and_larger(self) -> impl Iterator<Item = Order> {
        // INVARIANT: The range ends below `NR_ORDERS`.
        (self.0..=Self::MAX.0).map(Order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_round_up_to_an_order() {
        assert_eq!(Order::for_pages(0), None);
        assert_eq!(Order::for_pages(1), Some(Order::ZERO));
        assert_eq!(Order::for_pages(3).map(Order::get), Some(2));
        assert_eq!(Order::for_pages(1024), Some(Order::MAX));
        assert_eq!(Order::for_pages(1025), None);
    }

    #[test]
    fn order_eleven_does_not_exist() {
        assert_eq!(Order::new(10), Some(Order::MAX));
        assert_eq!(Order::new(11), None);
    }
}
