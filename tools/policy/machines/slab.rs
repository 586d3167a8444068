// SPDX-License-Identifier: GPL-2.0

//! The slabs of a cache: a bitmap for each against a set of the objects that are out.

use super::{
    pick,
    Run, //
};
use crate::{
    bins::{
        Arena,
        Link,
        Linked, //
    },
    pool::Violation,
    slab::{
        Change,
        Full,
        Geometry,
        Listed,
        Objects,
        Partial, //
    }, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};
use std::collections::BTreeSet;

/// A slab, without its memory.
pub(crate) struct Slab {
    link: Link<usize>,
    words: Vec<u64>,
    free: u32,
    place: Option<u8>,
    leaves_at: u32,
}

impl Slab {
    /// Returns a slab that is in no list and whose objects are free.
    pub(crate) fn new(geometry: &Geometry) -> Self {
        let mut slab = Self {
            link: Link::new(),
            words: vec![0; geometry.words()],
            free: 0,
            place: None,
            leaves_at: 1,
        };
        slab.objects().fill(geometry);
        slab
    }

    /// Checks the laws of the slab.
    pub(crate) fn validate(&self, geometry: &Geometry) -> std::result::Result<(), Violation> {
        let (mut words, mut free) = (self.words.clone(), self.free);
        Objects::new(&mut words, &mut free).validate(geometry)
    }

    /// Returns a view of the free objects.
    pub(crate) fn objects(&mut self) -> Objects<'_> {
        Objects::new(&mut self.words, &mut self.free)
    }
}

impl Linked<usize> for Slab {
    fn link(&self) -> &Link<usize> {
        &self.link
    }
    fn link_mut(&mut self) -> &mut Link<usize> {
        &mut self.link
    }
}

impl Listed for Slab {
    fn free(&self) -> u32 {
        self.free
    }
    fn place(&self) -> Option<u8> {
        self.place
    }
    fn set_place(&mut self, place: Option<u8>, leaves_at: u32) {
        self.place = place;
        self.leaves_at = leaves_at;
    }
    fn leaves_at(&self) -> u32 {
        self.leaves_at
    }
    fn put_bits(&mut self, word: usize, bits: u64, count: u32) -> bool {
        self.objects().put_bits(word, bits, count)
    }
}

/// Slabs in a vector.
pub(crate) struct Slabs(pub(crate) Vec<Slab>);

impl Arena for Slabs {
    type Id = usize;
    type Node = Slab;
    fn node(&self, id: usize) -> &Slab {
        &self.0[id]
    }
    fn node_mut(&mut self, id: usize) -> &mut Slab {
        &mut self.0[id]
    }
}

struct Model {
    geometry: Geometry,
    partial: Partial<Slabs>,
    /// Slabs that are in the cache.
    slabs: BTreeSet<usize>,
    live: Vec<(usize, u32)>,
    full: Full,
    /// The fewest slabs without used objects in this period.
    low: usize,
}

impl Model {
    fn new(geometry: Geometry, slabs: usize, full: Full) -> Self {
        let arena = Slabs((0..slabs).map(|_| Slab::new(&geometry)).collect());
        Self {
            geometry,
            partial: Partial::new(arena, geometry.objects, full),
            slabs: BTreeSet::new(),
            live: Vec::new(),
            full,
            low: 0,
        }
    }

    fn used(&self, id: usize) -> u32 {
        self.live.iter().filter(|(slab, _)| *slab == id).count() as u32
    }

    fn take(&mut self, max: u32) {
        let some = self
            .slabs
            .iter()
            .any(|&id| self.used(id) < self.geometry.objects);
        let Some(id) = self.partial.best() else {
            assert!(!some, "there was a free object");
            return;
        };
        assert!(some);
        // The slab that is used is the fullest, to an eighth of its objects.
        let share = |used: u32| (self.geometry.objects - used) * 8 / self.geometry.objects;
        let open = |id: &usize| self.used(*id) < self.geometry.objects;
        let best = self
            .slabs
            .iter()
            .filter(|id| open(id))
            .map(|&id| share(self.used(id)))
            .min();
        assert_eq!(Some(share(self.used(id))), best);

        let before = self.used(id);
        let mut got = Vec::new();
        let (taken, change) = self.partial.change(id, |slab| {
            slab.objects().take_runs(max, |i, n| got.extend(i..i + n))
        });
        assert_eq!(taken as usize, got.len());
        assert_eq!(taken, max.min(self.geometry.objects - before));
        assert_eq!(change, Change::Used);
        // Lowest first.
        let taken: BTreeSet<_> = self.live.iter().filter(|(slab, _)| *slab == id).collect();
        let lowest = (0..self.geometry.objects).filter(|&index| !taken.contains(&(id, index)));
        assert!(got.iter().copied().eq(lowest.take(got.len())));
        for index in got {
            assert!(index < self.geometry.objects);
            assert!(!self.live.contains(&(id, index)), "given twice");
            self.live.push((id, index));
        }
        self.low = self.low.min(self.nr_empty());
    }

    fn nr_empty(&self) -> usize {
        self.slabs.iter().filter(|&&id| self.used(id) == 0).count()
    }

    /// Objects that are free, together with one that is not: nothing of that happens.
    fn put_wrong(&mut self, at: usize) {
        let (id, index) = self.live[at];
        let word = index as usize / 64;
        let is_live = |&other: &u32| self.live.contains(&(id, other));
        let first = index / 64 * 64;
        let mut others = first..(first + 64).min(self.geometry.objects);
        let Some(free) = others.find(|other| !is_live(other)) else {
            return;
        };
        let bits = (1 << (index % 64)) | (1 << (free % 64));
        assert_eq!(self.partial.put_bits(id, word, bits, 2), Change::Used);
        // A word that the slab does not have.
        let change = self.partial.put_bits(id, self.geometry.words(), 1, 1);
        assert_eq!(change, Change::Used);
    }

    fn period(&mut self) {
        assert_eq!(self.partial.begin_period(), self.low);
        self.low = self.nr_empty();
    }

    fn add(&mut self, number: u16) {
        let absent: Vec<_> = (0..SLABS).filter(|id| !self.slabs.contains(id)).collect();
        if let Some(index) = pick(number, absent.len()) {
            self.partial.add(absent[index]);
            self.slabs.insert(absent[index]);
        }
    }

    fn put(&mut self, at: usize) {
        // Together with its neighbours, as far as one word of the bitmap goes.
        let (id, index) = self.live[at];
        let near = |&(slab, other): &(usize, u32)| {
            slab == id && other / 64 == index / 64 && index.abs_diff(other) < 3
        };
        let together = self.live.iter().filter(|object| near(object));
        let bits = together.fold(0u64, |bits, (_, other)| bits | (1 << (other % 64)));
        self.live.retain(|object| !near(object));
        let word = index as usize / 64;
        let mut put = || self.partial.put_bits(id, word, bits, bits.count_ones());
        let (change, again) = (put(), put());
        assert_eq!(change == Change::Emptied, self.used(id) == 0);
        // Objects that are taken back twice change nothing.
        assert_eq!(again, Change::Used);
    }

    fn remove(&mut self, keep: usize) {
        let empty = self.nr_empty();
        match self.partial.remove_empty(keep) {
            Some(id) => {
                assert!(empty > keep);
                assert_eq!(self.used(id), 0);
                assert!(self.slabs.remove(&id));
            }
            None => assert!(empty <= keep),
        }
        self.low = self.low.min(self.nr_empty());
    }

    fn check(&self) {
        let check = |slab: &Slab| slab.validate(&self.geometry);
        let listed = self.partial.validate(check).unwrap();
        let open = self
            .slabs
            .iter()
            .filter(|&&id| self.used(id) < self.geometry.objects);
        match self.full {
            Full::Unlisted => assert_eq!(listed, open.count()),
            Full::Listed => {
                let mut found = BTreeSet::new();
                self.partial.for_each(|id| assert!(found.insert(id)));
                assert_eq!((listed, &found), (self.slabs.len(), &self.slabs));
            }
        }
        assert_eq!(self.partial.nr_empty(), self.nr_empty());
        assert_eq!(self.partial.nr_slabs(), self.slabs.len());
        let all = self.slabs.len() * self.geometry.objects as usize;
        assert_eq!(self.partial.nr_free(), all - self.live.len());
    }
}

/// What is done to a cache.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Adds a slab.
    Add(u16),
    /// Takes up to so many objects.
    Take(u32),
    /// Puts so many objects back, with their neighbours.
    Put(u16, usize),
    /// Puts objects back that are free already.
    PutWrong(u16),
    /// Takes out a slab without used objects, if there are more than so many.
    Remove(usize),
    /// Begins a period.
    Period,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=8u8)? {
            0 => Self::Add(u8::arbitrary(bytes)?.into()),
            1 => Self::Take(bytes.int_in_range(1..=600)?),
            2 | 3 => Self::Take(bytes.int_in_range(1..=8)?),
            4 => Self::Put(u16::arbitrary(bytes)?, bytes.int_in_range(1..=255)?),
            5 => Self::Put(u16::arbitrary(bytes)?, 1),
            6 => Self::PutWrong(u16::arbitrary(bytes)?),
            7 => Self::Remove(bytes.int_in_range(0..=3)?),
            _ => Self::Period,
        })
    }
}

const SLABS: usize = 6;

/// A cache, and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) size: usize,
    pub(crate) full: Full,
    pub(crate) steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let full = match bool::arbitrary(bytes)? {
            true => Full::Listed,
            false => Full::Unlisted,
        };
        Ok(Self {
            size: bytes.int_in_range(8..=8192)?,
            full,
            steps: super::steps(bytes)?,
        })
    }
}

impl Run for Program {
    fn run(self) {
        let Some(geometry) = Geometry::new(self.size, 0, 4096) else {
            panic!("{} bytes have no layout", self.size);
        };
        let mut model = Model::new(geometry, SLABS, self.full);
        for step in self.steps {
            match step {
                Step::Add(number) => model.add(number),
                Step::Take(max) => model.take(max),
                Step::Put(number, count) => {
                    for _ in 0..count {
                        if let Some(index) = pick(number, model.live.len()) {
                            model.put(index);
                        }
                    }
                }
                Step::PutWrong(number) => {
                    if let Some(index) = pick(number, model.live.len()) {
                        model.put_wrong(index);
                    }
                }
                Step::Remove(keep) => model.remove(keep),
                Step::Period => model.period(),
            }
            model.check();
        }
    }
}
