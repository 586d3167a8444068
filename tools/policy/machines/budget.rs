// SPDX-License-Identifier: GPL-2.0

//! The budget of a pool, against its laws in numbers that cannot overflow.

use super::{
    pick,
    Run, //
};
use crate::pool::{
    Budget,
    Grant,
    Urgency, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

#[derive(Clone, Debug)]
enum Step {
    Take(usize, Urgency),
    Give(u16),
    GivePart(u16),
    Refuse,
    Overdraw(u8),
    Limit(usize),
}

/// Reads a number of pages: few, or any.
fn pages(bytes: &mut Unstructured<'_>) -> Result<usize> {
    if bytes.int_in_range(0..=7u8)? == 7 {
        return usize::arbitrary(bytes);
    }
    bytes.int_in_range(0..=200)
}

/// Reads how urgent a request is.
pub(crate) fn urgency(bytes: &mut Unstructured<'_>) -> Result<Urgency> {
    Ok(match bool::arbitrary(bytes)? {
        true => Urgency::Atomic,
        false => Urgency::Normal,
    })
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=8u8)? {
            0..=2 => Self::Take(pages(bytes)?, urgency(bytes)?),
            3 | 4 => Self::Give(u8::arbitrary(bytes)?.into()),
            5 => Self::GivePart(u8::arbitrary(bytes)?.into()),
            6 => Self::Refuse,
            7 => Self::Overdraw(u8::arbitrary(bytes)?),
            _ => Self::Limit(pages(bytes)?),
        })
    }
}

/// A budget, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    limit: usize,
    reserve: usize,
    steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let limit = pages(bytes)?;
        Ok(Self {
            limit,
            // Part of the limit.
            reserve: pages(bytes)?.min(limit),
            steps: super::steps(bytes)?,
        })
    }
}

/// What was granted, and what it comes to.
#[derive(Default)]
struct Model {
    grants: Vec<usize>,
    limit: u128,
    reserve: u128,
    peak: u128,
    refused: u64,
}

impl Model {
    fn used(&self) -> u128 {
        self.grants.iter().map(|&pages| pages as u128).sum()
    }

    /// Returns what a request gets.
    fn take(&mut self, pages: usize, urgency: Urgency) -> Option<Grant> {
        let used = self.used() + pages as u128;
        let grant = if used + self.reserve <= self.limit {
            Grant::Ordinary
        } else if urgency == Urgency::Atomic && used <= self.limit {
            Grant::Reserve
        } else {
            return None;
        };
        self.grants.push(pages);
        self.peak = self.peak.max(used);
        Some(grant)
    }
}

impl Run for Program {
    fn run(self) {
        let budget = Budget::new(self.limit, self.reserve);
        let mut model = Model {
            limit: self.limit as u128,
            reserve: self.reserve as u128,
            ..Model::default()
        };
        for step in self.steps {
            match step {
                Step::Take(pages, urgency) => {
                    assert_eq!(budget.take(pages, urgency), model.take(pages, urgency));
                }
                Step::Give(number) => {
                    if let Some(index) = pick(number, model.grants.len()) {
                        budget.give(model.grants.swap_remove(index));
                    }
                }
                Step::GivePart(number) => {
                    if let Some(index) = pick(number, model.grants.len()) {
                        let part = model.grants[index] / 2;
                        budget.give(part);
                        model.grants[index] -= part;
                    }
                }
                Step::Refuse => {
                    budget.note_refusal();
                    model.refused += 1;
                }
                Step::Overdraw(pages) => {
                    let pages = usize::from(pages);
                    // Beyond what numbers can say, nobody overdraws: it was allocated.
                    if model.used() + pages as u128 <= usize::MAX as u128 {
                        budget.overdraw(pages);
                        model.grants.push(pages);
                        model.peak = model.peak.max(model.used());
                    }
                }
                Step::Limit(pages) => {
                    budget.set_limit(pages);
                    model.limit = (pages as u128).max(model.reserve);
                }
            }
            let usage = budget.usage();
            assert_eq!(usage.limit as u128, model.limit);
            assert_eq!(usage.reserve as u128, model.reserve);
            assert_eq!(usage.used as u128, model.used());
            assert_eq!(usage.peak as u128, model.peak);
            assert_eq!(usage.refused, model.refused);
            let left = model.limit.saturating_sub(model.used());
            assert_eq!(budget.to_set_aside() as u128, left.min(model.reserve));
        }
    }
}
