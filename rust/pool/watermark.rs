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

/// The reserve of a zone, in pages.
///
/// When fewer than this many pages are free, only [`Urgency::Atomic`] gets any.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watermark(usize);

impl Watermark {
    /// Returns a watermark that keeps `pages` pages back.
    pub(crate) const fn new(pages: usize) -> Self {
        Self(pages)
    }

    /// Returns the pages that are kept back.
    pub(crate) const fn pages(self) -> usize {
        self.0
    }

    /// Returns how many of `free` pages a caller may take.
    pub(crate) const fn available(self, free: usize, urgency: Urgency) -> usize {
        match urgency {
            Urgency::Atomic => free,
            Urgency::Normal => free.saturating_sub(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_atomic_callers_take_from_the_reserve() {
        let mark = Watermark::new(64);
        assert_eq!(mark.available(100, Urgency::Normal), 36);
        assert_eq!(mark.available(64, Urgency::Normal), 0);
        assert_eq!(mark.available(10, Urgency::Normal), 0);
        assert_eq!(mark.available(10, Urgency::Atomic), 10);
    }
}
