// SPDX-License-Identifier: GPL-2.0

//! The slabs of a cache: a bitmap for each against a set of the objects that are out.

use super::cases;
use crate::{
    bins::{
        Arena,
        Link,
        Linked, //
    },
    slab::{
        Change,
        Full,
        Geometry,
        Listed,
        Objects,
        Partial, //
    }, //
};
use proptest::prelude::*;
use std::collections::BTreeSet;

struct Slab {
    link: Link<usize>,
    words: Vec<u64>,
    free: u32,
    place: Option<u8>,
    leaves_at: u32,
}

impl Slab {
    fn objects(&mut self) -> Objects<'_> {
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

struct Slabs(Vec<Slab>);

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
    full: Full,
    /// Slabs that are in the cache.
    slabs: BTreeSet<usize>,
    live: Vec<(usize, u32)>,
}

impl Model {
    fn new(geometry: Geometry, slabs: usize, full: Full) -> Self {
        let slab = |_| {
            let mut slab = Slab {
                link: Link::new(),
                words: vec![0; geometry.words()],
                free: 0,
                place: None,
                leaves_at: 1,
            };
            slab.objects().fill(&geometry);
            slab
        };
        let arena = Slabs((0..slabs).map(slab).collect());
        Self {
            geometry,
            partial: Partial::new(arena, geometry.objects, full),
            slabs: BTreeSet::new(),
            live: Vec::new(),
            full,
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
        for index in got {
            assert!(index < self.geometry.objects);
            assert!(!self.live.contains(&(id, index)), "given twice");
            self.live.push((id, index));
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
        let empty = self.slabs.iter().filter(|&&id| self.used(id) == 0).count();
        match self.partial.remove_empty(keep) {
            Some(id) => {
                assert!(empty > keep);
                assert_eq!(self.used(id), 0);
                assert!(self.slabs.remove(&id));
            }
            None => assert!(empty <= keep),
        }
    }

    fn check(&self) {
        let geometry = self.geometry;
        let check = |slab: &Slab| {
            let (mut words, mut free) = (slab.words.clone(), slab.free);
            Objects::new(&mut words, &mut free).validate(&geometry)
        };
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
        let empty = self.slabs.iter().filter(|&&id| self.used(id) == 0);
        assert_eq!(self.partial.nr_empty(), empty.count());
        assert_eq!(self.partial.nr_slabs(), self.slabs.len());
        let all = self.slabs.len() * self.geometry.objects as usize;
        assert_eq!(self.partial.nr_free(), all - self.live.len());
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(prop::sample::Index),
    Take(u32),
    Put(prop::sample::Index, usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => any::<prop::sample::Index>().prop_map(Step::Add),
        4 => prop_oneof![1..4u32, 1..300u32].prop_map(Step::Take),
        4 => (any::<prop::sample::Index>(), 1..64usize).prop_map(|(i, n)| Step::Put(i, n)),
        1 => (0..4usize).prop_map(Step::Remove),
    ]
}

const SLABS: usize = 6;

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_cache_is_what_its_objects_are(
        size in prop_oneof![8..64usize, 64..8193usize],
        full in prop_oneof![Just(Full::Unlisted), Just(Full::Listed)],
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let geometry = Geometry::new(size, 0, 4096).unwrap();
        let mut model = Model::new(geometry, SLABS, full);
        for step in steps {
            match step {
                Step::Add(index) => {
                    let absent: Vec<_> = (0..SLABS).filter(|id| !model.slabs.contains(id)).collect();
                    if !absent.is_empty() {
                        let id = *index.get(&absent);
                        model.partial.add(id);
                        model.slabs.insert(id);
                    }
                }
                Step::Take(max) => model.take(max),
                Step::Put(index, count) => {
                    for _ in 0..count {
                        if !model.live.is_empty() {
                            model.put(index.index(model.live.len()));
                        }
                    }
                }
                Step::Remove(keep) => model.remove(keep),
            }
            model.check();
        }
    }
}
