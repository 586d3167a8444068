// SPDX-License-Identifier: GPL-2.0

//! Blocks that wait before they are free, against a vector.

use super::Run;
use crate::pool::{
    Leaves,
    Order,
    Quarantine, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

/// Most blocks.
const ROOM: usize = 16;

#[derive(Clone, Debug)]
enum Step {
    Put(Order),
    Leave(Leaves),
    Any,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=7u8)? {
            0..=3 => Self::Put(super::zone::order(bytes)?),
            4 => Self::Leave(Leaves::Oldest),
            5 | 6 => Self::Leave(Leaves::Picked(bytes.arbitrary()?)),
            _ => Self::Any,
        })
    }
}

/// How many pages may wait, and what is done.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    most: usize,
    steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            most: bytes.int_in_range(0..=2000)?,
            steps: super::steps(bytes)?,
        })
    }
}

impl Run for Program {
    fn run(self) {
        let mut quarantine = Quarantine::new(self.most);
        let mut model: Vec<(usize, Order)> = Vec::new();
        for (block, step) in self.steps.iter().enumerate() {
            match *step {
                Step::Put(order) => {
                    let has_room = order.pages() <= self.most && model.len() < ROOM;
                    assert_eq!(quarantine.put(block, order), has_room);
                    if has_room {
                        model.push((block, order));
                    }
                }
                Step::Leave(which) => {
                    let pages = model.iter().map(|(_, order)| order.pages()).sum::<usize>();
                    let index = match which {
                        Leaves::Oldest => 0,
                        // CAST: Lossless.
                        Leaves::Picked(number) => number as usize % model.len().max(1),
                    };
                    let is_full = model.len() == ROOM || pages > self.most;
                    let expected = is_full.then(|| model.remove(index));
                    assert_eq!(quarantine.leave(which), expected);
                }
                Step::Any => {
                    let expected = (!model.is_empty()).then(|| model.remove(0));
                    assert_eq!(quarantine.any(), expected);
                }
            }
        }
        let left: Vec<_> = std::iter::from_fn(|| quarantine.any()).collect();
        assert_eq!(left, model, "blocks are lost, or came from nowhere");
    }
}
