// SPDX-License-Identifier: GPL-2.0

//! How many pages a named pool may have, and how much of something an open file.
//!
//! # Laws
//!
//! - What is used never passes the limit, but for a limit that was lowered since, and what was overdrawn.
//! - Callers who may wait or fail leave the reserve alone: they get what lies below `limit - reserve`.

use super::Urgency;
use crate::sync::{
    AtomicU64,
    AtomicUsize,
    Ordering::Relaxed, //
};

/// Where pages that were granted come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// From wherever there is memory.
    Ordinary,
    /// From what the pool has set aside.
    Reserve,
}

/// A limit, and what is used of it: in pages, where a pool has it.
pub(crate) struct Budget {
    limit: AtomicUsize,
    reserve: usize,
    used: AtomicUsize,
    peak: AtomicUsize,
    refused: AtomicU64,
}

/// What a budget shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Most pages.
    pub(crate) limit: usize,
    /// Pages of those that only atomic callers get.
    pub(crate) reserve: usize,
    /// Pages used.
    pub(crate) used: usize,
    /// Most pages that were used at a time.
    pub(crate) peak: usize,
    /// Requests that were refused.
    pub(crate) refused: u64,
}

impl Budget {
    /// Returns a budget of which nothing is used. The reserve is part of the limit, and at most that.
    pub(crate) const fn new(limit: usize, reserve: usize) -> Self {
        Self {
            limit: AtomicUsize::new(limit),
            reserve,
            used: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Takes pages. Says where they are to come from, or `None` if there are not as many left.
    pub(crate) fn take(&self, pages: usize, urgency: Urgency) -> Option<Grant> {
        // ORDERING: Relaxed throughout: the number alone decides; it orders nothing else.
        let limit = self.limit.load(Relaxed);
        let ordinary = limit.saturating_sub(self.reserve);
        let most = match urgency {
            Urgency::Normal => ordinary,
            Urgency::Atomic => limit,
        };
        let before = self
            .used
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(pages).filter(|&then| then <= most)
            })
            .ok()?;
        let used = before.wrapping_add(pages);
        self.peak.fetch_max(used, Relaxed);
        Some(if used <= ordinary {
            Grant::Ordinary
        } else {
            Grant::Reserve
        })
    }

    /// Takes pages, also beyond the limit. No more can be taken then.
    pub(crate) fn overdraw(&self, pages: usize) {
        // ORDERING: As in `take`.
        let before = self.used.fetch_add(pages, Relaxed);
        self.peak.fetch_max(before.wrapping_add(pages), Relaxed);
    }

    /// Gives pages back.
    pub(crate) fn give(&self, pages: usize) {
        // ORDERING: As in `take`.
        self.used.fetch_sub(pages, Relaxed);
    }

    /// Notes that a request came to nothing.
    pub(crate) fn note_refusal(&self) {
        // ORDERING: As in `take`.
        self.refused.fetch_add(1, Relaxed);
    }

    /// Changes the limit, to no less than the reserve. What is used beyond it stays until it is freed.
    pub(crate) fn set_limit(&self, pages: usize) {
        // ORDERING: As in `take`.
        self.limit.store(pages.max(self.reserve), Relaxed);
    }

    /// Returns how many pages may be set aside: the reserve, but for what of it is in use.
    pub(crate) fn to_set_aside(&self) -> usize {
        let usage = self.usage();
        usage.limit.saturating_sub(usage.used).min(self.reserve)
    }

    /// Returns what is used; what others do meanwhile may be missed.
    pub(crate) fn usage(&self) -> Usage {
        // ORDERING: As in `take`.
        Usage {
            limit: self.limit.load(Relaxed),
            reserve: self.reserve,
            used: self.used.load(Relaxed),
            peak: self.peak.load(Relaxed),
            refused: self.refused.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_to_the_page() {
        let budget = Budget::new(100, 0);
        assert_eq!(budget.take(100, Urgency::Normal), Some(Grant::Ordinary));
        assert_eq!(budget.take(1, Urgency::Atomic), None);
        assert_eq!(budget.take(usize::MAX, Urgency::Atomic), None);
        budget.give(1);
        assert_eq!(budget.take(2, Urgency::Normal), None);
        assert_eq!(budget.take(1, Urgency::Normal), Some(Grant::Ordinary));
        assert_eq!((budget.usage().used, budget.usage().peak), (100, 100));
    }

    #[test]
    fn only_atomic_callers_get_the_reserve() {
        let budget = Budget::new(100, 30);
        assert_eq!(budget.take(70, Urgency::Normal), Some(Grant::Ordinary));
        assert_eq!(budget.take(1, Urgency::Normal), None);
        assert_eq!(budget.take(30, Urgency::Atomic), Some(Grant::Reserve));
        assert_eq!(budget.take(1, Urgency::Atomic), None);
        budget.give(31);
        assert_eq!(budget.take(1, Urgency::Atomic), Some(Grant::Ordinary));
    }

    #[test]
    fn what_is_used_of_the_reserve_is_not_set_aside_again() {
        let budget = Budget::new(100, 30);
        assert_eq!(budget.to_set_aside(), 30);
        assert!(budget.take(70, Urgency::Normal).is_some());
        assert_eq!(budget.to_set_aside(), 30);
        assert!(budget.take(20, Urgency::Atomic).is_some());
        assert_eq!(budget.to_set_aside(), 10);
        budget.set_limit(30);
        assert_eq!(budget.to_set_aside(), 0);
    }

    #[test]
    fn a_lower_limit_holds_for_what_comes() {
        let budget = Budget::new(100, 10);
        assert!(budget.take(80, Urgency::Normal).is_some());
        budget.set_limit(50);
        assert_eq!(budget.take(1, Urgency::Atomic), None);
        budget.give(60);
        assert_eq!(budget.take(20, Urgency::Normal), Some(Grant::Ordinary));
        assert_eq!(budget.take(1, Urgency::Normal), None);
        budget.set_limit(0);
        assert_eq!(budget.usage().limit, 10);
    }

    #[test]
    fn what_is_overdrawn_has_to_come_back_first() {
        let budget = Budget::new(100, 0);
        budget.overdraw(110);
        assert_eq!(budget.take(1, Urgency::Atomic), None);
        budget.give(11);
        assert_eq!(budget.take(1, Urgency::Normal), Some(Grant::Ordinary));
        assert_eq!((budget.usage().used, budget.usage().peak), (100, 110));
    }

    #[test]
    fn many_takers_never_pass_the_limit() {
        let budget = Budget::new(1000, 0);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let budget = &budget;
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let pages = (thread * 7 + round) % 400 + 1;
                        if budget.take(pages, Urgency::Normal).is_some() {
                            assert!(budget.usage().used <= 1000);
                            budget.give(pages);
                        }
                    }
                });
            }
        });
        assert_eq!(budget.usage().used, 0);
        assert!(budget.usage().peak <= 1000);
    }
}
