// SPDX-License-Identifier: GPL-2.0

//! What an open file may hold.

use crate::module_parameters;
use core::sync::atomic::{
    AtomicU64,
    Ordering::Relaxed, //
};
use kernel::prelude::*;

/// The limits of one open file, as the module's parameters stood when it was opened.
pub(super) struct Limits {
    pub(super) bytes: u64,
    pub(super) handles: u32,
    pub(super) caches: u32,
    pub(super) batch: u32,
}

impl Limits {
    /// Reads the module's parameters.
    pub(super) fn from_parameters() -> Self {
        Self {
            bytes: module_parameters::client_bytes.value(),
            handles: module_parameters::client_handles
                .value()
                .min(super::handle::Handle::MAX),
            caches: module_parameters::client_caches.value(),
            batch: module_parameters::client_batch.value(),
        }
    }
}

/// An amount of something, of which no more than a limit can be used.
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
    peak: AtomicU64,
}

impl Budget {
    /// Makes a budget of which nothing is used.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
            peak: AtomicU64::new(0),
        }
    }

    /// Takes `n`, or fails with `EDQUOT` without having taken any.
    pub(super) fn take(&self, n: u64) -> Result {
        // ORDERING: Relaxed throughout: only the number counts, nothing is published with it.
        let mut used = self.used.load(Relaxed);
        loop {
            let wanted = used
                .checked_add(n)
                .filter(|&wanted| wanted <= self.limit)
                .ok_or(EDQUOT)?;
            match self
                .used
                .compare_exchange_weak(used, wanted, Relaxed, Relaxed)
            {
                Ok(_) => {
                    self.note_peak(wanted);
                    return Ok(());
                }
                Err(now) => used = now,
            }
        }
    }

    /// Takes `n` although it is beyond the limit. Nothing more can be taken then.
    fn overdraw(&self, n: u64) {
        // ORDERING: As in `take`.
        self.note_peak(self.used.fetch_add(n, Relaxed) + n);
    }

    /// Gives back `n` that was taken.
    pub(super) fn give(&self, n: u64) {
        // ORDERING: As in `take`.
        self.used.fetch_sub(n, Relaxed);
    }

    /// Returns what is used.
    pub(super) fn used(&self) -> u64 {
        // ORDERING: As in `take`.
        self.used.load(Relaxed)
    }

    /// Returns the most that was ever used.
    pub(super) fn peak(&self) -> u64 {
        // ORDERING: As in `take`.
        self.peak.load(Relaxed)
    }

    /// Returns the limit.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    fn note_peak(&self, used: u64) {
        // ORDERING: As in `take`.
        let mut peak = self.peak.load(Relaxed);
        while used > peak {
            match self
                .peak
                .compare_exchange_weak(peak, used, Relaxed, Relaxed)
            {
                Ok(_) => return,
                Err(now) => peak = now,
            }
        }
    }
}

/// Something taken from a [`Budget`], given back when dropped.
pub(super) struct Charge<'a> {
    budget: &'a Budget,
    amount: u64,
}

impl<'a> Charge<'a> {
    /// Takes `amount` from a budget, or fails with `EDQUOT`.
    pub(super) fn new(budget: &'a Budget, amount: u64) -> Result<Self> {
        budget.take(amount)?;
        Ok(Self { budget, amount })
    }

    /// Makes the charge `amount`, or fails with `EDQUOT` and leaves it as it is.
    pub(super) fn adjust(&mut self, amount: u64) -> Result {
        if amount > self.amount {
            self.budget.take(amount - self.amount)?;
        } else {
            self.budget.give(self.amount - amount);
        }
        self.amount = amount;
        Ok(())
    }

    /// Makes the charge `amount`, even beyond the limit.
    pub(super) fn force(&mut self, amount: u64) {
        if self.adjust(amount).is_err() {
            self.budget.overdraw(amount - self.amount);
            self.amount = amount;
        }
    }

    /// Ends the charge without giving anything back: that is now left to whoever holds the thing.
    pub(super) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Charge<'_> {
    fn drop(&mut self) {
        self.budget.give(self.amount);
    }
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kunit_tests(quarry_device_quota)]
mod tests {
    use super::*;

    #[test]
    fn take_stops_at_the_limit() {
        let budget = Budget::new(10);
        assert!(budget.take(10).is_ok());
        assert!(budget.take(1) == Err(EDQUOT));
        assert!(budget.take(u64::MAX) == Err(EDQUOT));
        budget.give(4);
        assert!(budget.take(5) == Err(EDQUOT));
        assert!(budget.used() == 6 && budget.peak() == 10);
    }

    #[test]
    fn dropped_charge_is_given_back() -> Result {
        let budget = Budget::new(10);
        let mut charge = Charge::new(&budget, 3)?;
        charge.adjust(9)?;
        assert!(charge.adjust(11) == Err(EDQUOT));
        assert!(budget.used() == 9);
        charge.adjust(2)?;
        assert!(budget.used() == 2);
        drop(charge);
        assert!(budget.used() == 0);
        Ok(())
    }
}
