// SPDX-License-Identifier: GPL-2.0

//! Sizes of areas.

use core::num::NonZeroUsize;

/// The size of an area in pages: at least one, at most what the limit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pages(NonZeroUsize);

impl Pages {
    /// Returns the pages that `bytes` take up, or `None` if that is none or more than `limit`.
    #[inline]
    pub(crate) const fn for_bytes(bytes: usize, page_shift: u32, limit: usize) -> Option<Self> {
        let whole = bytes >> page_shift;
        let part = bytes.wrapping_sub(whole << page_shift);
        // OVERFLOW: `whole` has lost at least one bit to the shift.
        let pages = if part == 0 {
            whole
        } else {
            whole.wrapping_add(1)
        };
        if pages > limit {
            return None;
        }
        match NonZeroUsize::new(pages) {
            Some(pages) => Some(Self(pages)),
            None => None,
        }
    }

    /// Returns the number of pages.
    #[inline]
    pub(crate) const fn get(self) -> usize {
        self.0.get()
    }

    /// Returns the class in which areas of this size are kept, or `None` if they are too large.
    #[inline]
    pub(crate) const fn class(self) -> Option<Class> {
        let index = self.get().wrapping_sub(1);
        if index < Class::COUNT {
            Some(Class(index))
        } else {
            None
        }
    }
}

/// A size of areas that are kept; one page each up to [`Class::COUNT`].
///
/// An area is handed out again only for the very size it has, so that its guard page is where the
/// caller's memory ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(usize);

impl Class {
    /// Number of classes, and the pages of the largest.
    pub(crate) const COUNT: usize = 256;

    /// The smallest class.
    pub(crate) const FIRST: Self = Self(0);

    /// Returns the pages of an area of this class.
    #[inline]
    pub(crate) const fn pages(self) -> usize {
        self.0.wrapping_add(1)
    }

    /// Returns the position of the class, from 0.
    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0
    }

    /// Returns the next larger class.
    pub(crate) const fn larger(self) -> Option<Self> {
        let index = self.0.wrapping_add(1);
        if index < Self::COUNT {
            Some(Self(index))
        } else {
            None
        }
    }

    /// Returns how many areas of this class move between a CPU and its node at a time.
    ///
    /// Few enough that they are no more than 32 pages, unless one area is.
    #[inline]
    pub(crate) const fn batch(self) -> usize {
        let fits = 32 / self.pages();
        if fits > 16 {
            16
        } else if fits == 0 {
            1
        } else {
            fits
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(bytes: usize) -> Option<usize> {
        Pages::for_bytes(bytes, 12, 1000).map(Pages::get)
    }

    #[test]
    fn sizes_round_up_to_whole_pages() {
        assert_eq!(pages(1), Some(1));
        assert_eq!(pages(4096), Some(1));
        assert_eq!(pages(4097), Some(2));
        assert_eq!(pages(1000 * 4096), Some(1000));
    }

    #[test]
    fn no_size_and_sizes_beyond_the_limit_are_refused() {
        assert_eq!(pages(0), None);
        assert_eq!(pages(1000 * 4096 + 1), None);
        assert_eq!(pages(usize::MAX), None);
        assert_eq!(Pages::for_bytes(usize::MAX, 12, 0), None);
    }

    #[test]
    fn classes_are_exact_and_end() {
        let class = |n: usize| Pages::for_bytes(n << 12, 12, 1000)?.class();
        assert_eq!(class(1), Some(Class::FIRST));
        assert_eq!(class(7).map(Class::pages), Some(7));
        assert_eq!(class(256).map(Class::index), Some(255));
        assert_eq!(class(257), None);
        assert_eq!(class(256).and_then(Class::larger), None);
        assert_eq!(class(7).and_then(Class::larger), class(8));
    }

    #[test]
    fn batches_are_bounded_in_pages() {
        let mut at = Some(Class::FIRST);
        while let Some(class) = at {
            assert!((1..=16).contains(&class.batch()));
            assert!(class.batch() == 1 || class.batch() * class.pages() <= 32);
            at = class.larger();
        }
    }
}
