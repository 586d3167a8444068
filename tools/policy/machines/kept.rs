// SPDX-License-Identifier: GPL-2.0

//! Freed areas that are kept: a stack for each size.

use super::cases;
use crate::vmalloc::{
    Class,
    Kept,
    Links,
    Pages, //
};
use proptest::prelude::*;

struct Below(Vec<Option<usize>>);

impl Links for Below {
    type Id = usize;
    fn below(&self, id: usize) -> Option<usize> {
        self.0[id]
    }
    fn set_below(&mut self, id: usize, below: Option<usize>) {
        self.0[id] = below;
    }
}

fn class(pages: usize) -> Class {
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

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Pop(usize),
    Cycle(usize, usize, usize),
    Largest(usize, usize),
    Period(usize),
}

fn step() -> impl Strategy<Value = Step> {
    // Few sizes, so that stacks grow, and the two ends.
    let size = || prop_oneof![3 => 1..5usize, 1 => 254..257usize];
    prop_oneof![
        8 => size().prop_map(Step::Push),
        3 => size().prop_map(Step::Pop),
        3 => (size(), 0..9usize, 0..4usize).prop_map(|(s, m, u)| Step::Cycle(s, m, u)),
        1 => (0..600usize, 0..5usize).prop_map(|(p, m)| Step::Largest(p, m)),
        1 => size().prop_map(Step::Period),
    ]
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn kept_areas_are_stacks(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new(steps.len());
        for step in steps {
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
