// SPDX-License-Identifier: GPL-2.0

//! What a pool has set aside, against a set of blocks.

use super::Run;
use crate::pool::{
    Order,
    Shelf,
    Stash,
    STASH_ORDER, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};
use std::collections::BTreeSet;

/// Names, and how many there may be.
struct Names(Vec<usize>, usize);

impl Shelf for Names {
    type Id = usize;
    fn push(&mut self, id: usize) -> bool {
        let has_room = self.0.len() < self.1;
        if has_room {
            self.0.push(id);
        }
        has_room
    }
    fn pop(&mut self) -> Option<usize> {
        self.0.pop()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Order),
    Take(Order),
    TakeWorn,
    Any,
}

/// Reads an order, most often one that a stash has.
fn order(bytes: &mut Unstructured<'_>) -> Result<Order> {
    let order = bytes.int_in_range(0..=STASH_ORDER + 2)?;
    Ok(Order::new(order).unwrap_or(Order::ZERO))
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=7u8)? {
            0..=3 => Self::Put(order(bytes)?),
            4 | 5 => Self::Take(order(bytes)?),
            6 => Self::TakeWorn,
            _ => Self::Any,
        })
    }
}

/// How many pages should be set aside, and what is done.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    wanted: usize,
    steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            wanted: bytes.int_in_range(0..=100)?,
            steps: super::steps(bytes)?,
        })
    }
}

/// Blocks by order and first page.
struct Model(BTreeSet<(u32, usize)>);

impl Model {
    fn pages(&self) -> usize {
        self.0.iter().map(|(order, _)| 1 << order).sum()
    }

    fn small(&self) -> usize {
        let small = self.0.iter().filter(|(order, _)| *order < STASH_ORDER);
        small.map(|(order, _)| 1 << order).sum()
    }

    /// Takes a block of `order` out of the one that the code has chosen: the smallest that holds it.
    fn take(&mut self, order: Order, id: Option<usize>) {
        let fits = self.0.range((order.get(), 0)..).next();
        let Some(size) = fits.map(|(size, _)| *size) else {
            assert_eq!(id, None, "there was no such block");
            return;
        };
        let id = id.expect("there was a block");
        assert!(self.0.remove(&(size, id)), "not one of the smallest");
        for half in order.get()..size {
            assert!(self.0.insert((half, id + (1 << half))));
        }
    }
}

impl Run for Program {
    fn run(self) {
        let room = |order: usize| self.wanted.div_ceil(1 << order);
        let shelves = std::array::from_fn(|order| Names(Vec::new(), room(order)));
        let mut stash = Stash::new(shelves, self.wanted);
        let mut model = Model(BTreeSet::new());
        // Blocks come from pages that were never used.
        for (step, page) in self.steps.iter().zip((0..).step_by(64)) {
            match *step {
                Step::Put(order) => {
                    let is_wanted =
                        order.get() <= STASH_ORDER && model.pages() + order.pages() <= self.wanted;
                    assert_eq!(stash.put(page, order), is_wanted);
                    if is_wanted {
                        model.0.insert((order.get(), page));
                    }
                }
                Step::Take(order) => {
                    let id = stash.take(order, |id, half| id + half.pages());
                    model.take(order, id);
                }
                Step::TakeWorn => {
                    let expected = if model.small() < 8 { 0 } else { 8 };
                    let mut pages = 0;
                    stash.take_worn(|id, order| {
                        assert!(order.get() < STASH_ORDER);
                        assert!(model.0.remove(&(order.get(), id)), "no block of the stash");
                        pages += order.pages();
                    });
                    assert_eq!(pages, expected);
                }
                Step::Any => match stash.any() {
                    Some((id, order)) => assert!(model.0.remove(&(order.get(), id))),
                    None => assert!(model.0.is_empty()),
                },
            }
            assert_eq!(stash.pages(), model.pages());
            assert_eq!(stash.is_worn(), model.small() >= 8);
        }
        while let Some((id, order)) = stash.any() {
            assert!(model.0.remove(&(order.get(), id)));
        }
        assert!(model.0.is_empty(), "blocks are lost");
    }
}
