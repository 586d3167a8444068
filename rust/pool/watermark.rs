// SPDX-License-Identifier: GPL-2.0

//! Who may take how much from what is left.

/// How much a caller may be denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// May wait or fail: leaves the reserve alone.
    Normal,
    /// Cannot wait: may use the reserve.
    Atomic,
}

/// The reserve of a zone.
///
/// When no more than this many pages are free, only [`Urgency::Atomic`] gets any.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watermark {
    /// So many pages.
    Fixed(usize),
    /// A share of what the zone has.
    Share,
}

impl Watermark {
    const SHARE: usize = 64;
    const LEAST: usize = 16;
    const MOST: usize = 128;

    /// Returns the pages that are kept back in a zone of `present` pages.
    pub(crate) fn pages(self, present: usize) -> usize {
        match self {
            Self::Fixed(pages) => pages,
            Self::Share => (present / Self::SHARE).clamp(Self::LEAST, Self::MOST),
        }
    }

    /// Returns how many of `free` pages of a zone of `present` a caller may take.
    pub(crate) fn available(self, present: usize, free: usize, urgency: Urgency) -> usize {
        match urgency {
            Urgency::Atomic => free,
            Urgency::Normal => free.saturating_sub(self.pages(present)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_atomic_callers_take_from_the_reserve() {
        let mark = Watermark::Fixed(64);
        assert_eq!(mark.available(1000, 100, Urgency::Normal), 36);
        assert_eq!(mark.available(1000, 64, Urgency::Normal), 0);
        assert_eq!(mark.available(1000, 10, Urgency::Normal), 0);
        assert_eq!(mark.available(1000, 10, Urgency::Atomic), 10);
    }

    #[test]
    fn the_reserve_grows_with_the_zone_within_bounds() {
        let pages = |present| Watermark::Share.pages(present);
        assert_eq!((pages(0), pages(512), pages(6400)), (16, 16, 100));
        assert_eq!(pages(usize::MAX), 128);
    }
}
