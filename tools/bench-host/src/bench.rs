// SPDX-License-Identifier: GPL-2.0

//! Rounds of a work with one arm.
//!
//! Everything but [`Runner::round`] is preparation, and is not measured.

use crate::{
    arm::Arm,
    shape::PAGE,
    work::{Phase, Work, BULK, LIVE},
};
use std::hint::black_box;

/// The order of frees is the same for every arm and in every run.
pub const SEED: u64 = 0x51ab;

/// A work with one arm, whatever the arm is.
pub trait Runner {
    /// Fills the arm to the level of the work. Returns why the work cannot be done.
    fn prepare(&mut self, work: &Work) -> Result<(), String>;

    /// Does what comes before a round.
    fn before(&mut self);

    /// Does a round. Returns the number of operations.
    fn round(&mut self) -> usize;

    /// Does what comes after a round.
    fn after(&mut self);

    /// Returns the blocks that the work has live after [`Runner::before`], and those that fill the
    /// arm.
    fn blocks(&self) -> Vec<usize>;
}

/// An arm with the blocks that a work has live.
pub struct Bench<A> {
    arm: A,
    phase: Phase,
    rng: fastrand::Rng,
    /// Slots of the work.
    slots: Vec<usize>,
    /// Blocks that fill the arm.
    fill: Vec<usize>,
    /// Whether the slots have blocks.
    live: bool,
}

impl<A: Arm> Bench<A> {
    /// Returns an arm that has done nothing yet.
    pub fn new(arm: A) -> Self {
        Self {
            arm,
            phase: Phase::Pair,
            rng: fastrand::Rng::with_seed(SEED),
            slots: vec![0; LIVE],
            fill: Vec::new(),
            live: false,
        }
    }

    /// Takes all that fit, and frees a tenth of them in random order.
    fn fill(&mut self, work: &Work) {
        // No arm has smaller blocks than pages where the level matters.
        self.fill = vec![0; work.shape.region() / work.shape.size().min(PAGE)];
        let taken = self.arm.take(&mut self.fill);
        self.fill.truncate(taken);
        self.rng.shuffle(&mut self.fill);
        let freed = self.fill.split_off(taken - taken / 10);
        self.arm.put(&freed);
    }

    /// Returns how many blocks the work has live.
    fn nr_live(&self) -> usize {
        match self.phase {
            Phase::Pair => A::BATCH,
            Phase::Bulk => BULK,
            Phase::Alloc | Phase::Free | Phase::Shuffled => LIVE,
        }
    }

    fn take_all(&mut self) {
        let taken = self.arm.take(&mut self.slots);
        // PANIC: `prepare` has found that there are so many.
        assert_eq!(taken, LIVE, "fewer blocks than before");
        self.live = true;
    }

    fn put_all(&mut self) {
        self.arm.put(&self.slots);
        self.live = false;
    }
}

impl<A: Arm> Runner for Bench<A> {
    fn prepare(&mut self, work: &Work) -> Result<(), String> {
        self.phase = work.phase;
        if work.full {
            self.fill(work);
        }
        let want = self.nr_live();
        let taken = self.arm.take(&mut self.slots[..want]);
        self.arm.put(&self.slots[..taken]);
        if taken < want {
            return Err(format!("only {taken} of {want} blocks fit"));
        }
        Ok(())
    }

    fn before(&mut self) {
        match self.phase {
            Phase::Pair | Phase::Alloc | Phase::Bulk => {}
            Phase::Free => self.take_all(),
            Phase::Shuffled => {
                self.take_all();
                self.rng.shuffle(&mut self.slots);
            }
        }
    }

    fn round(&mut self) -> usize {
        match self.phase {
            Phase::Pair | Phase::Bulk => {
                let together = self.nr_live();
                let slots = &mut self.slots[..together];
                let rounds = LIVE / together;
                for _ in 0..rounds {
                    self.arm.take(slots);
                    self.arm.put(black_box(slots));
                }
                rounds * together
            }
            Phase::Alloc => {
                self.take_all();
                LIVE
            }
            Phase::Free | Phase::Shuffled => {
                self.put_all();
                LIVE
            }
        }
    }

    fn after(&mut self) {
        if self.live {
            self.rng.shuffle(&mut self.slots);
            self.put_all();
        }
    }

    fn blocks(&self) -> Vec<usize> {
        let live: &[usize] = if self.live { &self.slots } else { &[] };
        [live, &self.fill].concat()
    }
}
