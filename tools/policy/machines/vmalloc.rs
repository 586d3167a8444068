// SPDX-License-Identifier: GPL-2.0

//! Areas from beginning to end: handed out, freed, kept on a CPU, moved to its node, unmapped.
//!
//! Three CPUs on two nodes do what `rust/area_keep.rs` does. The model has a vector of areas for each
//! size and place, and knows of each area where it is.

use super::{
    kept::{
        class,
        size,
        Below, //
    },
    pick, Run,
};
use crate::vmalloc::{
    Bounds,
    Chain,
    Class,
    Kept,
    Pages,
    Plan,
    Refusal,
    State, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};
use std::collections::BTreeMap;

/// The node of each CPU.
const CPUS: [usize; 3] = [0, 0, 1];
const NODES: usize = 2;

/// Most areas that are moved at once.
const AT_ONCE: usize = 32;

/// What is asked of vmalloc. Each first number is a CPU; sizes are in pages.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Allocates so many areas of a size.
    Alloc(usize, usize, usize),
    /// Frees so many areas, beginning with one.
    Free(usize, u16, usize),
    /// Frees something so many bytes into an area, whosoever it is.
    FreeWrong(u16, usize),
    /// Reallocates an area; somebody frees it meanwhile.
    Resize(usize, u16, usize),
    /// Unmaps so many pages.
    Evict(usize),
    /// Ends a period.
    Decay,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let kind = bytes.int_in_range(0..=9u8)?;
        let cpu = bytes.choose_index(CPUS.len())?;
        Ok(match kind {
            0..=2 => Self::Alloc(cpu, size(bytes)?, bytes.int_in_range(1..=40)?),
            3 => Self::Alloc(cpu, bytes.int_in_range(1..=300)?, 1),
            4 | 5 => Self::Free(cpu, bytes.arbitrary()?, bytes.int_in_range(1..=80)?),
            6 => Self::FreeWrong(bytes.arbitrary()?, bytes.int_in_range(0..=5)?),
            7 => Self::Resize(cpu, bytes.arbitrary()?, bytes.int_in_range(1..=300)?),
            8 => Self::Evict(bytes.int_in_range(0..=600)?),
            _ => Self::Decay,
        })
    }
}

/// How many pages may be kept, and what is asked.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) limit: usize,
    pub(crate) steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            limit: bytes.int_in_range(0..=4095)?,
            steps: super::steps(bytes)?,
        })
    }
}

/// Where an area is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Out,
    Kept,
    Gone,
}

struct Area {
    pages: usize,
    node: usize,
    /// The word that CPUs share.
    code: u32,
    place: Where,
}

fn pages(pages: usize) -> Pages {
    Pages::for_bytes(pages, 0, usize::MAX).expect("an area has pages")
}

/// The areas of one CPU or node, and what they should be.
struct Place {
    kept: Kept<usize>,
    /// By size, the last one freed last.
    stacks: BTreeMap<usize, Vec<usize>>,
    /// By size, the fewest in this period.
    low: BTreeMap<usize, usize>,
}

impl Place {
    fn new() -> Self {
        Self {
            kept: Kept::new(),
            stacks: BTreeMap::new(),
            low: BTreeMap::new(),
        }
    }

    fn stack(&mut self, pages: usize) -> &mut Vec<usize> {
        self.stacks.entry(pages).or_default()
    }

    fn pages(&self) -> usize {
        self.stacks
            .iter()
            .map(|(pages, ids)| pages * ids.len())
            .sum()
    }

    fn fell(&mut self, pages: usize) {
        let len = self.stack(pages).len();
        let low = self.low.entry(pages).or_default();
        *low = len.min(*low);
    }

    fn push(&mut self, links: &mut Below, pages: usize, id: usize) {
        self.kept.push(links, class(pages), id);
        self.stack(pages).push(id);
    }

    fn pop(&mut self, links: &Below, pages: usize) -> Option<usize> {
        let id = self.stack(pages).pop();
        assert_eq!(self.kept.pop(links, class(pages)), id);
        self.fell(pages);
        id
    }

    /// Takes a chain, and the areas that it should be, the top one last.
    fn take(&mut self, links: &Below, pages: usize, max: usize) -> Moving {
        let chain = self.kept.take(links, class(pages), max);
        let stack = self.stack(pages);
        let ids = stack.split_off(stack.len().saturating_sub(max));
        self.fell(pages);
        Moving { chain, ids }
    }

    fn put(&mut self, links: &mut Below, pages: usize, mut moving: Moving) {
        assert_eq!(moving.chain.len(), moving.ids.len());
        self.kept.put(links, moving.chain);
        self.stack(pages).append(&mut moving.ids);
    }

    /// Takes areas of the largest size.
    fn take_largest(&mut self, links: &Below, wanted: usize) -> Option<Moving> {
        let chain = self.kept.take_largest(links, wanted, AT_ONCE);
        let mut used = self.stacks.iter().rev().filter(|(_, ids)| !ids.is_empty());
        let Some(pages) = used.next().map(|(pages, _)| *pages) else {
            assert!(chain.is_none());
            return None;
        };
        let stack = self.stack(pages);
        let count = wanted.div_ceil(pages).min(AT_ONCE).min(stack.len());
        let ids = stack.split_off(stack.len() - count);
        self.fell(pages);
        let chain = chain.expect("there were areas");
        Some(Moving { chain, ids })
    }

    fn check(&self, links: &Below) {
        assert!(self.kept.validate(links));
        assert_eq!(self.kept.pages(), self.pages());
        assert_eq!(self.kept.areas(), self.stacks.values().map(Vec::len).sum());
        let mut used = self.stacks.iter().filter(|(_, ids)| !ids.is_empty());
        let first = used.next().map(|(pages, _)| *pages);
        assert_eq!(self.kept.next_used(Class::FIRST).map(Class::pages), first);
    }
}

/// A chain, and the areas that it should be.
struct Moving {
    chain: Chain<usize>,
    ids: Vec<usize>,
}

struct Model {
    bounds: Bounds,
    limit: usize,
    links: Below,
    areas: Vec<Area>,
    cpus: Vec<Place>,
    nodes: Vec<Place>,
}

impl Model {
    fn new(limit: usize) -> Self {
        Self {
            bounds: Bounds::new(limit, CPUS.len(), NODES),
            limit,
            links: Below(Vec::new()),
            areas: Vec::new(),
            cpus: CPUS.iter().map(|_| Place::new()).collect(),
            nodes: (0..NODES).map(|_| Place::new()).collect(),
        }
    }

    /// Maps an area that nobody had.
    fn map(&mut self, cpu: usize, pages: usize) -> usize {
        self.areas.push(Area {
            pages,
            node: CPUS[cpu],
            code: State::Live.code(),
            place: Where::Out,
        });
        self.links.0.push(None);
        self.areas.len() - 1
    }

    /// Takes a kept area, from the CPU or else with some more from its node.
    fn take(&mut self, cpu: usize, size: usize) -> Option<usize> {
        let class = pages(size).class()?;
        if let Some(id) = self.cpus[cpu].pop(&self.links, size) {
            return Some(id);
        }
        let node = &mut self.nodes[CPUS[cpu]];
        let mut moving = node.take(&self.links, size, class.batch());
        let id = moving.ids.pop();
        assert_eq!(moving.chain.pop(&self.links), id);
        let has_room = self
            .bounds
            .cpu_has_room(self.cpus[cpu].kept.pages(), moving.chain.pages());
        let to = match has_room {
            true => &mut self.cpus[cpu],
            false => &mut self.nodes[CPUS[cpu]],
        };
        to.put(&mut self.links, size, moving);
        id
    }

    fn alloc(&mut self, cpu: usize, size: usize) -> usize {
        let Some(id) = self.take(cpu, size) else {
            return self.map(cpu, size);
        };
        let area = &mut self.areas[id];
        assert_eq!((area.pages, area.node), (size, CPUS[cpu]), "another area");
        assert_eq!(area.place, Where::Kept, "given twice");
        assert_eq!(State::from_code(area.code), State::Kept);
        area.place = Where::Out;
        area.code = State::Live.code();
        id
    }

    /// Frees an area from `offset` bytes into it. Returns why not.
    fn free(&mut self, cpu: usize, id: usize, offset: usize) -> Option<Refusal> {
        let area = &mut self.areas[id];
        let refusal = Refusal::of(offset, State::from_code(area.code));
        if refusal.is_some() {
            return refusal;
        }
        assert_eq!(area.place, Where::Out, "the area is nobody's");
        area.code = State::Kept.code();
        self.give(cpu, id);
        None
    }

    /// Keeps an area, or unmaps it, with some of its size, if there is no room.
    fn give(&mut self, cpu: usize, id: usize) {
        let Area {
            pages: size, node, ..
        } = self.areas[id];
        self.areas[id].place = Where::Kept;
        let Some(class) = pages(size).class() else {
            self.areas[id].place = Where::Gone;
            return;
        };
        let place = &mut self.cpus[cpu];
        let is_home = node == CPUS[cpu];
        if is_home && self.bounds.cpu_has_room(place.kept.pages(), size) {
            return place.push(&mut self.links, size, id);
        }
        let mut moving = match is_home {
            true => place.take(&self.links, size, class.batch() - 1),
            false => Moving {
                chain: Chain::new(class),
                ids: Vec::new(),
            },
        };
        moving.chain.push(&mut self.links, id);
        moving.ids.push(id);
        let place = &mut self.nodes[node];
        if self
            .bounds
            .node_has_room(place.kept.pages(), moving.chain.pages())
        {
            place.put(&mut self.links, size, moving);
        } else {
            self.unmap(moving);
        }
    }

    fn unmap(&mut self, mut moving: Moving) {
        assert_eq!(moving.chain.len(), moving.ids.len());
        while let Some(id) = moving.ids.pop() {
            assert_eq!(moving.chain.pop(&self.links), Some(id));
            assert_eq!(self.areas[id].place, Where::Kept);
            self.areas[id].place = Where::Gone;
        }
        assert_eq!(moving.chain.pop(&self.links), None);
    }

    fn resize(&mut self, cpu: usize, id: usize, want: usize) {
        self.areas[id].code = State::Moving.code();
        // Two at a time do not get it.
        assert_eq!(self.free(cpu, id, 0), Some(Refusal::Busy));
        match Plan::new(pages(self.areas[id].pages), pages(want)) {
            Plan::Stay => {
                assert!(want <= self.areas[id].pages, "there is no room");
                self.areas[id].code = State::Live.code();
            }
            Plan::Copy => {
                self.alloc(cpu, want);
                self.areas[id].code = State::Kept.code();
                self.give(cpu, id);
            }
            Plan::Remap => {
                self.map(cpu, want);
                self.areas[id].place = Where::Gone;
            }
        }
    }

    fn evict(&mut self, wanted: usize) {
        let mut places = self.nodes.iter_mut().chain(&mut self.cpus);
        let moving = places.find_map(|place| place.take_largest(&self.links, wanted));
        if let Some(moving) = moving {
            self.unmap(moving);
        }
    }

    fn decay(&mut self) {
        let mut idle = Vec::new();
        for place in self.cpus.iter_mut().chain(&mut self.nodes) {
            let mut from = Some(Class::FIRST);
            while let Some(class) = from.and_then(|from| place.kept.next_used(from)) {
                let size = class.pages();
                let low = place.low.get(&size).copied().unwrap_or(0);
                let count = place.kept.begin_period(class);
                assert_eq!(count, low.div_ceil(2));
                let left = place.stack(size).len() - count;
                place.low.insert(size, left);
                idle.push(place.take(&self.links, size, count));
                from = class.larger();
            }
        }
        idle.into_iter().for_each(|moving| self.unmap(moving));
    }

    fn check(&self) {
        let mut seen = vec![false; self.areas.len()];
        for place in self.cpus.iter().chain(&self.nodes) {
            place.check(&self.links);
            for &id in place.stacks.values().flatten() {
                assert_eq!(self.areas[id].place, Where::Kept);
                assert!(!std::mem::replace(&mut seen[id], true), "kept twice");
            }
        }
        for (area, is_kept) in self.areas.iter().zip(seen) {
            assert_eq!(area.place == Where::Kept, is_kept, "an area is lost");
        }
        for place in &self.cpus {
            assert!(self.bounds.cpu_has_room(place.kept.pages(), 0));
        }
        for place in &self.nodes {
            assert!(self.bounds.node_has_room(place.kept.pages(), 0));
        }
        let places = self.cpus.iter().chain(&self.nodes);
        assert!(places.map(Place::pages).sum::<usize>() <= self.limit);
    }

    /// Picks an area that somebody has.
    fn out(&self, number: u16) -> Option<usize> {
        let out: Vec<_> = (0..self.areas.len())
            .filter(|&id| self.areas[id].place == Where::Out)
            .collect();
        pick(number, out.len()).map(|index| out[index])
    }
}

impl Run for Program {
    fn run(self) {
        let mut model = Model::new(self.limit);
        for step in self.steps {
            match step {
                Step::Alloc(cpu, size, count) => {
                    for _ in 0..count {
                        model.alloc(cpu, size);
                    }
                }
                Step::Free(cpu, number, count) => {
                    for _ in 0..count {
                        if let Some(id) = model.out(number) {
                            assert_eq!(model.free(cpu, id, 0), None);
                        }
                    }
                }
                Step::FreeWrong(number, offset) => {
                    let Some(id) = pick(number, model.areas.len()) else {
                        continue;
                    };
                    let expected = match (offset, model.areas[id].place) {
                        (0, Where::Out) => continue,
                        (0, Where::Kept) => Some(Refusal::Freed),
                        // Nobody looks up what is gone.
                        (_, Where::Gone) => continue,
                        (offset, _) => Some(Refusal::Interior(offset)),
                    };
                    assert_eq!(model.free(0, id, offset), expected);
                }
                Step::Resize(cpu, number, want) => {
                    if let Some(id) = model.out(number) {
                        model.resize(cpu, id, want);
                    }
                }
                Step::Evict(wanted) => model.evict(wanted),
                Step::Decay => model.decay(),
            }
            model.check();
        }
        while let Some(id) = model.out(0) {
            assert_eq!(model.free(0, id, 0), None);
        }
        model.check();
    }
}
