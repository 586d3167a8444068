// SPDX-License-Identifier: GPL-2.0

//! How slabs of a cache are laid out.
//!
//! Rule: the smallest order up to 3 that gives at least eight objects and wastes at most 1/8 of the
//! slab; failing that the smallest order up to 5 that wastes at most 1/8; failing that the one up to
//! 5 that wastes least; in each case no slab of several pages is larger than 128 KiB. Magazines hold what fits into 8 KiB, between 4 and 63 objects.

use crate::pool::Order;

/// Largest object, in bytes.
pub(crate) const MAX_OBJECT: usize = 8192;

/// Largest distance from one object to the next, in bytes: that of the largest with its padding.
pub(crate) const MAX_STRIDE: usize = 16384;

/// Most objects in a slab.
pub(crate) const MAX_OBJECTS: usize = 4096;

const MIN_ALIGN: usize = 8;
const USUAL_ORDER: u32 = 3;
const LARGEST_ORDER: u32 = 5;
/// Largest slab of more than a page, in bytes: [`index`] is exact up to here.
const LARGEST_SLAB: usize = 128 << 10;
const USUAL_OBJECTS: usize = 8;
/// Most objects in a magazine.
const MOST_ROUNDS: usize = 63;

/// The layout of the slabs of one cache.
///
/// # Invariants
///
/// `objects * stride` is at most the bytes of a block of `order`, and `objects` at least 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    /// Bytes from one object to the next.
    pub(crate) stride: u32,
    /// Objects in a slab.
    pub(crate) objects: u32,
    /// 2^32 / `stride`, rounded up.
    reciprocal: u32,
    /// Objects in a magazine.
    pub(crate) rounds: u32,
    /// Order of a slab's block.
    pub(crate) order: Order,
}

impl Geometry {
    /// Returns the layout for objects of `size` bytes, with all that is around them, at multiples of `align`,
    /// in pages of `page_size` bytes. `align` is a power of two up to the page size, or 0 for 8 bytes.
    pub(crate) fn new(size: usize, align: usize, page_size: usize) -> Option<Self> {
        if size == 0 || size > MAX_STRIDE || align > page_size {
            return None;
        }
        if align != 0 && !align.is_power_of_two() {
            return None;
        }
        let align = align.max(MIN_ALIGN);
        let stride = size.checked_next_multiple_of(align)?;
        let (order, objects) = Self::slab(stride, page_size)?;
        Some(Self {
            stride: u32::try_from(stride).ok()?,
            objects: u32::try_from(objects).ok()?,
            // CAST: `stride` is at least 8, so that the quotient fits.
            reciprocal: (1u64 << 32).div_ceil(stride as u64) as u32,
            rounds: u32::try_from((8192 / stride).clamp(4, MOST_ROUNDS)).ok()?,
            order,
        })
    }

    /// Returns the order and the number of objects of a slab.
    fn slab(stride: usize, page_size: usize) -> Option<(Order, usize)> {
        let layout = |order: u32| {
            let order = Order::new(order)?;
            let bytes = order.pages() * page_size;
            let objects = (bytes / stride).min(MAX_OBJECTS);
            Some((order, objects, bytes - objects * stride, bytes))
        };
        let thrifty = |waste: usize, bytes: usize| waste <= bytes / 8;
        let mut least: Option<(Order, usize, usize)> = None;
        let fits = |order: &u32| *order == 0 || page_size << order <= LARGEST_SLAB;
        for order in (0..=USUAL_ORDER).take_while(fits) {
            let (order, objects, waste, bytes) = layout(order)?;
            if objects >= USUAL_OBJECTS && thrifty(waste, bytes) {
                return Some((order, objects));
            }
        }
        for order in (0..=LARGEST_ORDER).take_while(fits) {
            let (order, objects, waste, bytes) = layout(order)?;
            if objects == 0 {
                continue;
            }
            if thrifty(waste, bytes) && objects > 1 {
                return Some((order, objects));
            }
            // Compare waste per byte of slab.
            let share = waste * 1024 / bytes;
            if least.is_none_or(|(_, _, best)| share < best) {
                least = Some((order, objects, share));
            }
        }
        least.map(|(order, objects, _)| (order, objects))
    }

    /// Returns what [`index`] takes.
    #[inline(always)]
    pub(crate) fn reciprocal(&self) -> u32 {
        self.reciprocal
    }

    /// Returns which object covers `offset` bytes from the start of a slab.
    #[inline(always)]
    pub(crate) fn nearest(&self, offset: u32) -> u32 {
        // CAST: A product of two 32-bit numbers shifted by 32 has 32 bits.
        (u64::from(offset).wrapping_mul(u64::from(self.reciprocal)) >> 32) as u32
    }

    /// Returns the number of words of a bitmap with one bit an object.
    pub(crate) fn words(&self) -> usize {
        // CAST: Lossless.
        (self.objects as usize).div_ceil(64)
    }
}

/// Returns which object of a slab begins `offset` bytes from its start; `None` if none does.
///
/// What is left over at the end of a slab is no object, but may look like the one behind the last:
/// its index is then the number of objects. The slab's layout is given by the reciprocal alone.
///
/// One multiplication gives quotient and divisibility: Lemire, Kaser and Kurz, "Faster remainder by
/// direct computation" (2019). Exact for offsets below 2^17 and strides up to 2^14, which together
/// have less than 32 bits. Nothing is a multiple for a reciprocal of 0.
#[inline(always)]
pub(crate) fn index(reciprocal: u32, offset: u32) -> Option<u32> {
    let product = u64::from(offset).wrapping_mul(u64::from(reciprocal));
    // CAST: The low half on purpose.
    if (product as u32) < reciprocal {
        // CAST: The high half of 64 bits.
        Some((product >> 32) as u32)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;

    #[test]
    fn every_size_has_a_layout_and_finds_its_objects() {
        for size in 1..=MAX_OBJECT {
            let g = Geometry::new(size, 0, PAGE).unwrap();
            let bytes = g.order.pages() * PAGE;
            assert!(g.objects >= 1);
            assert!(g.stride as usize * g.objects as usize <= bytes);
            for i in 0..g.objects {
                assert_eq!(index(g.reciprocal, i * g.stride), Some(i));
                assert_eq!(index(g.reciprocal, i * g.stride + 1), None);
                assert_eq!(g.nearest(i * g.stride + g.stride - 1), i);
            }
            for offset in (0..bytes as u32).step_by(if size < 64 { 1 } else { 7 }) {
                let exact = offset % g.stride == 0;
                assert_eq!(
                    index(g.reciprocal, offset),
                    exact.then_some(offset / g.stride)
                );
                assert!(index(g.reciprocal, offset).is_none_or(|index| index <= g.objects));
            }
        }
    }

    #[test]
    fn waste_is_at_most_an_eighth() {
        for size in 1..=MAX_OBJECT {
            let g = Geometry::new(size, 0, PAGE).unwrap();
            let bytes = g.order.pages() * PAGE;
            let waste = bytes - g.stride as usize * g.objects as usize;
            assert!(waste <= bytes / 8, "{size}: {waste} of {bytes}");
        }
    }

    #[test]
    fn powers_of_two_are_aligned_to_their_size() {
        for shift in 3..=12 {
            let g = Geometry::new(1 << shift, 0, PAGE).unwrap();
            assert_eq!(g.stride, 1 << shift);
        }
    }

    #[test]
    fn nothing_begins_in_what_is_no_slab() {
        assert!([0, 8, 4096]
            .into_iter()
            .all(|offset| index(0, offset).is_none()));
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        assert!(Geometry::new(0, 0, PAGE).is_none());
        assert!(Geometry::new(MAX_STRIDE + 1, 0, PAGE).is_none());
        assert!(Geometry::new(8, 3, PAGE).is_none());
        assert!(Geometry::new(8, 2 * PAGE, PAGE).is_none());
    }
}
