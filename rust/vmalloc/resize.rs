// SPDX-License-Identifier: GPL-2.0

//! What a reallocation does with the pages of an area.

use super::Pages;

/// How an area gets its new size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The area has as many pages as it should; nothing moves.
    Stay,
    /// Another area is taken and the contents are copied.
    Copy,
    /// A new area maps the same pages and more, or the first of them; nothing is copied.
    Remap,
}

impl Plan {
    /// Largest area that is copied. A kept area costs nothing to get, so for few pages copying is
    /// cheaper than mapping.
    const COPY_MAX: usize = 16;

    /// Returns how to get from `have` to `want` pages.
    ///
    /// An area that shrinks stays while it uses at least half of its pages, so that one which goes
    /// up and down by a page does not move each time.
    pub(crate) fn new(have: Pages, want: Pages) -> Self {
        if want <= have && want.get() >= have.get().div_ceil(2) {
            Self::Stay
        } else if have.get().min(want.get()) <= Self::COPY_MAX && want.class().is_some() {
            Self::Copy
        } else {
            Self::Remap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(have: usize, want: usize) -> Option<Plan> {
        let pages = |n: usize| Pages::for_bytes(n << 12, 12, usize::MAX);
        Some(Plan::new(pages(have)?, pages(want)?))
    }

    #[test]
    fn areas_stay_while_half_is_used() {
        assert_eq!(plan(8, 8), Some(Plan::Stay));
        assert_eq!(plan(8, 4), Some(Plan::Stay));
        assert_eq!(plan(9, 5), Some(Plan::Stay));
        assert_eq!(plan(9, 4), Some(Plan::Copy));
        assert_eq!(plan(1, 1), Some(Plan::Stay));
    }

    #[test]
    fn few_pages_are_copied_and_many_are_mapped_again() {
        assert_eq!(plan(1, 2), Some(Plan::Copy));
        assert_eq!(plan(16, 256), Some(Plan::Copy));
        assert_eq!(plan(16, 257), Some(Plan::Remap));
        assert_eq!(plan(17, 18), Some(Plan::Remap));
        assert_eq!(plan(1000, 3), Some(Plan::Copy));
        assert_eq!(plan(1000, 300), Some(Plan::Remap));
    }
}
