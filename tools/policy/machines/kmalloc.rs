// SPDX-License-Identifier: GPL-2.0

//! What `kmalloc` makes of a size, down to the page: classes, their slabs, large blocks, one zone.
//!
//! The model is a map from the addresses that were given out to their sizes. It knows nothing of
//! classes and slabs: what it wants is that nothing overlaps, that all is large enough and aligned,
//! and that after all was freed no page is missing.

use super::{
    pick,
    slab::{
        Slab,
        Slabs, //
    },
    zone::{
        Block,
        Model as Zone,
        CHUNKS, //
    },
    Run, //
};
use crate::{
    class::{
        self,
        LARGEST,
        SIZES, //
    },
    pool::{
        Order,
        FRAMES, //
    },
    slab::{
        index,
        Change,
        Full,
        Geometry,
        Partial, //
    }, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};
use std::collections::BTreeMap;

const PAGE: usize = 4096;

/// Slabs that a class may have.
const SLABS: usize = 8;

/// Largest size.
const LARGEST_BLOCK: usize = FRAMES * PAGE;

/// What is asked of `kmalloc`.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Allocates so many bytes, so many times.
    Alloc(usize, usize),
    /// Frees what was allocated.
    Free(u16),
    /// Frees so many, beginning with one.
    FreeMany(u16, usize),
    /// Looks up an address that is so many bytes into an allocation, or in no slab's object.
    Look(u16, usize),
    /// Gives empty slabs back.
    Reclaim,
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=9u8)? {
            0..=2 => Self::Alloc(
                bytes.int_in_range(1..=LARGEST)?,
                bytes.int_in_range(1..=64)?,
            ),
            // Just below and beyond the end of a class.
            3 => {
                // CAST: Lossless.
                let size = SIZES[bytes.choose_index(SIZES.len())?] as usize;
                Self::Alloc(
                    size + bytes.int_in_range(0..=1)?,
                    bytes.int_in_range(1..=64)?,
                )
            }
            4 => Self::Alloc(bytes.int_in_range(1..=LARGEST_BLOCK + 1)?, 1),
            5 => Self::Free(bytes.arbitrary()?),
            6 | 7 => Self::FreeMany(bytes.arbitrary()?, bytes.int_in_range(1..=255)?),
            8 => Self::Look(bytes.arbitrary()?, bytes.int_in_range(0..=LARGEST)?),
            _ => Self::Reclaim,
        })
    }
}

/// How many chunks there are, and what is asked.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) chunks: usize,
    pub(crate) steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            chunks: bytes.int_in_range(1..=CHUNKS)?,
            steps: super::steps(bytes)?,
        })
    }
}

/// The slabs of one class, and the block of each.
struct Class {
    geometry: Geometry,
    partial: Partial<Slabs>,
    blocks: [Option<Block>; SLABS],
}

impl Class {
    fn new(size: u32) -> Self {
        // CAST: Lossless.
        let geometry = Geometry::new(size as usize, 0, PAGE).expect("a class has no layout");
        let slabs = (0..SLABS).map(|_| Slab::new(&geometry)).collect();
        Self {
            geometry,
            partial: Partial::new(Slabs(slabs), geometry.objects, Full::Unlisted),
            blocks: [None; SLABS],
        }
    }
}

/// Where an address lies.
enum Place {
    /// In a large block, or in none.
    Block,
    /// In a slab of a class, so many bytes from its start.
    Slab(usize, usize, u32),
}

struct Model {
    zone: Zone,
    classes: Vec<Class>,
    /// Sizes by address, and blocks of those that are large.
    live: BTreeMap<usize, (usize, Option<Block>)>,
}

fn start_of(block: &Block) -> usize {
    (block.chunk * FRAMES + block.frame) * PAGE
}

fn bytes_of(block: &Block) -> usize {
    block.order.pages() * PAGE
}

impl Model {
    fn new(chunks: usize) -> Self {
        let mut zone = Zone::new(CHUNKS);
        for chunk in 0..chunks {
            zone.add(chunk, 0, Order::MAX);
        }
        Self {
            zone,
            classes: SIZES.iter().map(|&size| Class::new(size)).collect(),
            live: BTreeMap::new(),
        }
    }

    fn block(&mut self, order: Order) -> Option<Block> {
        (self.zone.take(order, 1) == 1).then(|| self.zone.live[self.zone.live.len() - 1])
    }

    /// Adds a slab to a class, if there is a block for it.
    fn grow(&mut self, class: usize) -> bool {
        let order = self.classes[class].geometry.order;
        let Some(slot) = self.classes[class].blocks.iter().position(Option::is_none) else {
            return false;
        };
        let Some(block) = self.block(order) else {
            return false;
        };
        let class = &mut self.classes[class];
        class.blocks[slot] = Some(block);
        class.partial.add(slot);
        true
    }

    /// Allocates up to so many objects of a size.
    fn alloc(&mut self, size: usize, count: usize) {
        if size > LARGEST {
            return self.alloc_large(size);
        }
        let class = class::class(size - 1);
        let mut left = count;
        while left > 0 {
            let Some(id) = self.classes[class].partial.best() else {
                if self.grow(class) {
                    continue;
                }
                return;
            };
            let Class {
                geometry,
                partial,
                blocks,
            } = &mut self.classes[class];
            let start = start_of(&blocks[id].expect("a slab without a block"));
            let stride = geometry.stride as usize;
            let mut got = Vec::new();
            // CAST: At most 64.
            let (taken, _) = partial.change(id, |slab| {
                let objects = &mut slab.objects();
                objects.take_runs(left as u32, |first, count| {
                    got.extend((first..first + count).map(|at| start + at as usize * stride));
                })
            });
            assert!(taken > 0, "the best slab had no object");
            left -= taken as usize;
            for address in got {
                // No smaller class would do.
                assert!(
                    stride >= size
                        && SIZES
                            .iter()
                            .all(|&other| { (other as usize) < size || other as usize >= stride })
                );
                if stride.is_power_of_two() {
                    assert_eq!(address % stride, 0, "not aligned to its size");
                }
                self.add(address, size, None);
            }
        }
    }

    fn alloc_large(&mut self, size: usize) {
        let Some(order) = Order::for_pages(size.div_ceil(PAGE)) else {
            assert!(size > LARGEST_BLOCK);
            return;
        };
        if let Some(block) = self.block(order) {
            assert!(bytes_of(&block) >= size && bytes_of(&block) < 2 * size.next_multiple_of(PAGE));
            self.add(start_of(&block), size, Some(block));
        }
    }

    /// Takes note of an allocation, which must overlap with no other.
    fn add(&mut self, address: usize, size: usize, block: Option<Block>) {
        let below = self.live.range(..address + size).next_back();
        if let Some((other, (length, _))) = below {
            assert!(other + length <= address, "given twice");
        }
        self.live.insert(address, (size, block));
    }

    /// Returns where an address lies.
    fn place(&self, address: usize) -> Place {
        for (number, class) in self.classes.iter().enumerate() {
            for (id, block) in class.blocks.iter().enumerate() {
                let Some(offset) = block.and_then(|block| {
                    let offset = address.checked_sub(start_of(&block))?;
                    (offset < bytes_of(&block)).then_some(offset)
                }) else {
                    continue;
                };
                // CAST: A slab is small.
                return Place::Slab(number, id, offset as u32);
            }
        }
        Place::Block
    }

    fn free(&mut self, address: usize) {
        let Some((_, block)) = self.live.remove(&address) else {
            return;
        };
        if let Some(block) = block {
            return self.zone.put_block(block);
        }
        let Place::Slab(number, id, offset) = self.place(address) else {
            panic!("the object lies in no slab");
        };
        let class = &mut self.classes[number];
        let at = index(class.geometry.reciprocal(), offset).expect("no object begins there");
        let (word, bit) = (at as usize / 64, 1 << (at % 64));
        let change = class.partial.put_bits(id, word, bit, 1);
        // Freed twice: nothing happens.
        assert_eq!(class.partial.put_bits(id, word, bit, 1), Change::Used);
        let keep = class.partial.nr_slabs() / 4 + 1;
        if change == Change::Emptied {
            self.shrink(number, keep);
        }
    }

    /// Gives empty slabs of a class back, all but some.
    fn shrink(&mut self, number: usize, keep: usize) {
        let class = &mut self.classes[number];
        while let Some(id) = class.partial.remove_empty(keep) {
            let block = class.blocks[id].take().expect("a slab without a block");
            let bytes = start_of(&block)..start_of(&block) + bytes_of(&block);
            assert!(self.live.range(bytes).next().is_none(), "it is in use");
            self.zone.put_block(block);
        }
    }

    /// Whether an object begins at an address is known from the address alone.
    fn look(&self, address: usize) {
        let Place::Slab(number, _, offset) = self.place(address) else {
            return;
        };
        let geometry = &self.classes[number].geometry;
        let begins = offset % geometry.stride == 0;
        let expected = begins.then_some(offset / geometry.stride);
        assert_eq!(index(geometry.reciprocal(), offset), expected);
        assert_eq!(geometry.nearest(offset), offset / geometry.stride);
    }

    fn check(&self) {
        let mut objects = 0;
        for class in &self.classes {
            let check = |slab: &Slab| slab.validate(&class.geometry);
            class.partial.validate(check).unwrap();
            let slabs = class.blocks.iter().flatten().count();
            assert_eq!(class.partial.nr_slabs(), slabs);
            objects += slabs * class.geometry.objects as usize - class.partial.nr_free();
        }
        let live = self.live.values().filter(|(_, block)| block.is_none());
        assert_eq!(objects, live.count());
        self.zone.check();
    }

    fn nth(&self, number: u16) -> Option<usize> {
        let at = pick(number, self.live.len())?;
        self.live.keys().nth(at).copied()
    }
}

impl Run for Program {
    fn run(self) {
        let mut model = Model::new(self.chunks);
        for step in self.steps {
            match step {
                Step::Alloc(size, count) => model.alloc(size, count),
                Step::Free(number) => {
                    if let Some(address) = model.nth(number) {
                        model.free(address);
                    }
                }
                Step::FreeMany(number, count) => {
                    for _ in 0..count {
                        if let Some(address) = model.nth(number) {
                            model.free(address);
                        }
                    }
                }
                Step::Look(number, bytes) => {
                    if let Some(address) = model.nth(number) {
                        model.look(address + bytes);
                    }
                }
                Step::Reclaim => (0..SIZES.len()).for_each(|class| model.shrink(class, 0)),
            }
            model.check();
        }
        while let Some(address) = model.nth(0) {
            model.free(address);
        }
        (0..SIZES.len()).for_each(|class| model.shrink(class, 0));
        model.zone.check_settled();
        assert_eq!(model.zone.nr_free(), self.chunks * FRAMES, "pages are lost");
        assert_eq!(model.zone.zone.nr_whole_pages(), self.chunks * FRAMES);
    }
}
