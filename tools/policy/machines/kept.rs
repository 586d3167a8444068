// SPDX-License-Identifier: GPL-2.0

//! Freed areas that are kept: a stack for each size.

use super::Run;
use crate::vmalloc::{
    Class,
    Kept,
    Links,
    Pages, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

/// Which area lies below each.
pub(crate) struct Below(pub(crate) Vec<Option<usize>>);

impl Links for Below {
    type Id = usize;
    fn below(&self, id: usize) -> Option<usize> {
        self.0[id]
    }
    fn set_below(&mut self, id: usize, below: Option<usize>) {
        self.0[id] = below;
    }
}

/// Returns the class of areas of so many pages.
pub(crate) fn class(pages: usize) -> Class {
    let pages = Pages::for_bytes(pages << 12, 12, Class::COUNT).unwrap();
    pages.class().unwrap()
}

/// Stacks of areas, the least that each has held in its period, and what is in nobody's hands.
struct Model {
    kept: Kept<usize>,
    links: Below,
    stacks: Vec<Vec<usize>>,
    low: Vec<usize>,
    next: usize,
}

impl Model {
    fn new(areas: usize) -> Self {
        Self {
            kept: Kept::new(),
            links: Below(vec![None; areas]),
            stacks: vec![Vec::new(); Class::COUNT + 1],
            low: vec![0; Class::COUNT + 1],
            next: 0,
        }
    }

    fn push(&mut self, pages: usize) {
        let id = self.next;
        self.next += 1;
        self.kept.push(&mut self.links, class(pages), id);
        self.stacks[pages].push(id);
    }

    fn pop(&mut self, pages: usize) {
        assert_eq!(
            self.kept.pop(&self.links, class(pages)),
            self.stacks[pages].pop()
        );
        self.low[pages] = self.low[pages].min(self.stacks[pages].len());
    }

    /// Takes a chain and puts back all of it but its first `used` areas.
    fn cycle(&mut self, pages: usize, max: usize, used: usize) {
        let mut chain = self.kept.take(&self.links, class(pages), max);
        let stack = &mut self.stacks[pages];
        assert_eq!(chain.len(), max.min(stack.len()));
        assert_eq!(chain.pages(), pages * chain.len());
        let mut taken = stack.split_off(stack.len() - chain.len());
        self.low[pages] = self.low[pages].min(stack.len());
        for _ in 0..used {
            assert_eq!(chain.pop(&self.links), taken.pop());
        }
        self.kept.put(&mut self.links, chain);
        stack.append(&mut taken);
    }

    fn largest(&mut self, pages: usize, max: usize) {
        let largest = self.stacks.iter().rposition(|stack| !stack.is_empty());
        let chain = self.kept.take_largest(&self.links, pages, max);
        let Some(size) = largest else {
            assert!(chain.is_none());
            return;
        };
        let mut chain = chain.unwrap();
        let stack = &mut self.stacks[size];
        assert_eq!(chain.len(), pages.div_ceil(size).min(max).min(stack.len()));
        for _ in 0..chain.len() {
            assert_eq!(chain.pop(&self.links), stack.pop());
        }
        self.low[size] = self.low[size].min(stack.len());
    }

    fn period(&mut self, pages: usize) {
        let idle = self.kept.begin_period(class(pages));
        assert_eq!(idle, self.low[pages].div_ceil(2));
        self.low[pages] = self.stacks[pages].len() - idle;
    }

    fn check(&self) {
        assert!(self.kept.validate(&self.links));
        assert_eq!(self.kept.areas(), self.stacks.iter().map(Vec::len).sum());
        let pages = self
            .stacks
            .iter()
            .enumerate()
            .map(|(size, stack)| size * stack.len());
        assert_eq!(self.kept.pages(), pages.sum());
        let first = self.stacks.iter().position(|stack| !stack.is_empty());
        assert_eq!(self.kept.next_used(Class::FIRST).map(Class::pages), first);
    }
}

/// What is done to kept areas; sizes are in pages.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Keeps an area of a size.
    Push(usize),
    /// Hands an area of a size out.
    Pop(usize),
    /// Takes up to so many areas of a size, and puts all back but some.
    Cycle(usize, usize, usize),
    /// Takes areas of the largest size out: so many pages, and so many areas at most.
    Largest(usize, usize),
    /// Begins a period of a size.
    Period(usize),
}

/// Reads the size of an area: few, so that stacks grow, and the two ends.
pub(crate) fn size(bytes: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match bytes.int_in_range(0..=15u8)? {
        15 => bytes.int_in_range(1..=Class::COUNT)?,
        12..=14 => bytes.int_in_range(Class::COUNT - 2..=Class::COUNT)?,
        small => usize::from(small) % 4 + 1,
    })
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=7u8)? {
            0..=2 => Self::Push(size(bytes)?),
            3 => Self::Pop(size(bytes)?),
            4 | 5 => Self::Cycle(
                size(bytes)?,
                bytes.int_in_range(0..=8)?,
                bytes.int_in_range(0..=3)?,
            ),
            6 => Self::Largest(bytes.int_in_range(0..=600)?, bytes.int_in_range(0..=4)?),
            _ => Self::Period(size(bytes)?),
        })
    }
}

/// What is done to a collection of no areas.
#[derive(Clone, Debug)]
pub(crate) struct Program(pub(crate) Vec<Step>);

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        super::steps(bytes).map(Self)
    }
}

impl Run for Program {
    fn run(self) {
        let mut model = Model::new(self.0.len());
        for step in self.0 {
            match step {
                Step::Push(pages) => model.push(pages),
                Step::Pop(pages) => model.pop(pages),
                Step::Cycle(pages, max, used) => {
                    let used = used.min(max).min(model.stacks[pages].len());
                    model.cycle(pages, max, used);
                }
                Step::Largest(pages, max) => model.largest(pages, max),
                Step::Period(pages) => model.period(pages),
            }
            model.check();
        }
    }
}
