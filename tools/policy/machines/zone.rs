// SPDX-License-Identifier: GPL-2.0

//! A zone of a few chunks, some of which have only some of their pages.

mod model;

#[cfg(test)]
pub(crate) use model::Chunks;
pub(crate) use model::{
    Block,
    Model, //
};

use super::{
    pick,
    Run, //
};
use crate::pool::Order;
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

/// Chunks that a zone may have.
pub(crate) const CHUNKS: usize = 4;

/// What is done to a zone.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Takes up to so many blocks.
    Take(Order, usize),
    /// Puts a block back.
    Put(u16),
    /// Puts so many blocks back, beginning with one.
    PutMany(u16, usize),
    /// Puts all blocks back at once that lie in the word of one.
    PutWord(u16),
    /// Brings the chunks into order.
    Settle,
    /// Takes out a whole chunk, so many pages being left.
    Remove(usize),
    /// Takes out a chunk that has only some of its pages.
    RemoveSmall,
    /// Adds a block around a page of a chunk.
    Add(u16, Order, usize),
    /// Begins a period.
    Period,
}

/// Reads an order.
pub(crate) fn order(bytes: &mut Unstructured<'_>) -> Result<Order> {
    Ok(Order::new(bytes.int_in_range(0..=10)?).unwrap_or(Order::ZERO))
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=11u8)? {
            0 => Self::Take(order(bytes)?, bytes.int_in_range(1..=2048)?),
            1..=3 => Self::Take(order(bytes)?, bytes.int_in_range(1..=64)?),
            4 => Self::Put(u8::arbitrary(bytes)?.into()),
            5 => Self::PutMany(u16::arbitrary(bytes)?, bytes.int_in_range(2..=255)?),
            6 => Self::PutWord(u16::arbitrary(bytes)?),
            7 => Self::Settle,
            8 => Self::Remove(bytes.int_in_range(0..=4095)?),
            9 => Self::RemoveSmall,
            10 => Self::Add(
                u8::arbitrary(bytes)?.into(),
                order(bytes)?,
                bytes.int_in_range(0..=1023)?,
            ),
            _ => Self::Period,
        })
    }
}

/// A zone of some whole chunks, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) whole: usize,
    pub(crate) steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            whole: bytes.int_in_range(0..=CHUNKS)?,
            steps: super::steps(bytes)?,
        })
    }
}

impl Run for Program {
    fn run(self) {
        let mut model = Model::new(CHUNKS);
        for chunk in 0..self.whole {
            model.add(chunk, 0, Order::MAX);
        }
        for step in self.steps {
            model.step(step);
            model.check();
        }
        model.check_settled();
        // All that is put back can leave.
        while !model.live.is_empty() {
            model.put(model.live.len() - 1);
        }
        model.check_settled();
        while model.remove_whole(0).is_some() {}
        model.check_settled();
        assert_eq!(model.zone.nr_chunks(), 0);
    }
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Take(order, max) => {
                self.take(order, max);
            }
            Step::Put(number) => {
                if let Some(index) = pick(number, self.live.len()) {
                    self.put(index);
                }
            }
            Step::PutMany(number, count) => {
                for _ in 0..count {
                    let Some(index) = pick(number, self.live.len()) else {
                        break;
                    };
                    self.put(index);
                }
            }
            Step::PutWord(number) => {
                if let Some(index) = pick(number, self.live.len()) {
                    self.put_word(index);
                }
            }
            Step::Settle => self.check_settled(),
            Step::Remove(keep) => {
                self.remove_whole(keep);
            }
            Step::RemoveSmall => {
                self.remove_small();
            }
            Step::Add(number, order, at) => {
                let chunk = usize::from(number) % CHUNKS;
                let frame = at & !(order.pages() - 1);
                if self.lacks(chunk, frame, order) {
                    self.add(chunk, frame, order);
                }
            }
            Step::Period => self.begin_period(),
        }
    }
}
