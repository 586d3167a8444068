// SPDX-License-Identifier: GPL-2.0

//! What an open file may hold.

use crate::{
    module_parameters,
    pool::{
        Budget,
        Urgency, //
    }, //
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

/// Takes `amount`, or fails with `EDQUOT` without having taken any.
fn take(budget: &Budget, amount: usize) -> Result {
    match budget.take(amount, Urgency::Normal) {
        Some(_) => Ok(()),
        None => Err(EDQUOT),
    }
}

/// Something taken from a [`Budget`], given back when dropped.
pub(super) struct Charge<'a> {
    budget: &'a Budget,
    amount: usize,
}

impl<'a> Charge<'a> {
    /// Takes `amount` from a budget, or fails with `EDQUOT`.
    pub(super) fn new(budget: &'a Budget, amount: usize) -> Result<Self> {
        take(budget, amount)?;
        Ok(Self { budget, amount })
    }

    /// Makes the charge `amount`, or fails with `EDQUOT` and leaves it as it is.
    pub(super) fn adjust(&mut self, amount: usize) -> Result {
        if amount > self.amount {
            take(self.budget, amount - self.amount)?;
        } else {
            self.budget.give(self.amount - amount);
        }
        self.amount = amount;
        Ok(())
    }

    /// Makes the charge `amount`, even beyond the limit.
    pub(super) fn force(&mut self, amount: usize) {
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
    fn dropped_charge_is_given_back() -> Result {
        let budget = Budget::new(10, 0);
        let used = || budget.usage().used;
        let mut charge = Charge::new(&budget, 3)?;
        charge.adjust(9)?;
        assert!(charge.adjust(11) == Err(EDQUOT));
        assert!(used() == 9);
        charge.adjust(2)?;
        assert!(used() == 2);
        charge.force(12);
        assert!(used() == 12);
        drop(charge);
        assert!(used() == 0);
        Ok(())
    }
}
