// SPDX-License-Identifier: GPL-2.0

//! Objects of a cache's slabs, one by one and in batches.
//!
//! The slabs lie one behind the other, from address 0 on, and are all there from the beginning. A
//! batch goes back by the words of the slabs' bitmaps, as a magazine does.

use crate::{
    bins::{Arena, Link, Linked},
    slab::{index, Full, Geometry, Listed, Objects, Partial},
};
use quarry_bench_host::{runner, Arm, Runner, Shape, PAGE};

/// Objects that one word of a slab's bitmap stands for.
const WORD: u32 = 64;

/// A slab of at most 64 objects.
struct Slab {
    link: Link<usize>,
    words: [u64; 1],
    free: u32,
    place: Option<u8>,
    leaves_at: u32,
}

impl Slab {
    fn new(geometry: &Geometry) -> Self {
        let mut slab = Self {
            link: Link::new(),
            words: [0],
            free: 0,
            place: None,
            leaves_at: 1,
        };
        slab.objects().fill(geometry);
        slab
    }

    #[inline]
    fn objects(&mut self) -> Objects<'_> {
        Objects::new(&mut self.words, &mut self.free)
    }
}

impl Linked<usize> for Slab {
    #[inline]
    fn link(&self) -> &Link<usize> {
        &self.link
    }
    #[inline]
    fn link_mut(&mut self) -> &mut Link<usize> {
        &mut self.link
    }
}

impl Listed for Slab {
    #[inline]
    fn free(&self) -> u32 {
        self.free
    }
    #[inline]
    fn place(&self) -> Option<u8> {
        self.place
    }
    #[inline]
    fn set_place(&mut self, place: Option<u8>, leaves_at: u32) {
        self.place = place;
        self.leaves_at = leaves_at;
    }
    #[inline]
    fn leaves_at(&self) -> u32 {
        self.leaves_at
    }
    #[inline]
    fn put_bits(&mut self, word: usize, bits: u64, count: u32) -> bool {
        self.objects().put_bits(word, bits, count)
    }
}

/// Slabs in a vector.
struct Slabs(Vec<Slab>);

impl Arena for Slabs {
    type Id = usize;
    type Node = Slab;
    #[inline]
    fn node(&self, id: usize) -> &Slab {
        &self.0[id]
    }
    #[inline]
    fn node_mut(&mut self, id: usize) -> &mut Slab {
        &mut self.0[id]
    }
}

struct Cache<const BATCH: usize> {
    partial: Partial<Slabs>,
    geometry: Geometry,
    /// Binary logarithm of the bytes of a slab.
    shift: u32,
}

impl<const BATCH: usize> Cache<BATCH> {
    /// Returns the slab and the object at an address.
    #[inline]
    fn find(&self, block: usize) -> Option<(usize, u32)> {
        // CAST: Below the bytes of a slab.
        let offset = (block & ((1 << self.shift) - 1)) as u32;
        let index = index(self.geometry.reciprocal(), offset)?;
        Some((block >> self.shift, index))
    }

    #[inline]
    fn put_together(&mut self, blocks: &[usize]) {
        let mut blocks = blocks.iter();
        let mut next = blocks.next().and_then(|&block| self.find(block));
        while let Some((slab, first)) = next {
            let word = first / WORD;
            let (mut bits, mut count) = (1u64 << (first % WORD), 1);
            loop {
                next = blocks.next().and_then(|&block| self.find(block));
                match next {
                    Some((other, index)) if other == slab && index / WORD == word => {
                        bits |= 1 << (index % WORD);
                    }
                    _ => break,
                }
                count += 1;
            }
            // CAST: Lossless.
            self.partial.put_bits(slab, word as usize, bits, count);
        }
    }
}

impl<const BATCH: usize> Arm for Cache<BATCH> {
    const BATCH: usize = BATCH;

    #[inline]
    fn take(&mut self, slots: &mut [usize]) -> usize {
        let (stride, shift) = (self.geometry.stride as usize, self.shift);
        let mut taken = 0;
        for slots in slots.chunks_mut(BATCH) {
            let (most, mut free, mut got) = (slots.len(), slots.iter_mut(), 0);
            while got < most {
                let Some(id) = self.partial.best() else {
                    return taken + got;
                };
                // CAST: At most `BATCH`; lossless below.
                let want = (most - got) as u32;
                let (some, _) = self.partial.change(id, |slab| {
                    slab.objects().take_runs(want, |first, count| {
                        let first = (id << shift) + first as usize * stride;
                        for (object, slot) in free.by_ref().take(count as usize).enumerate() {
                            *slot = first + object * stride;
                        }
                    })
                });
                got += some as usize;
            }
            taken += got;
        }
        taken
    }

    #[inline]
    fn put(&mut self, blocks: &[usize]) {
        for blocks in blocks.chunks(BATCH) {
            self.put_together(blocks);
        }
    }
}

/// Returns the arm for objects of a size.
pub(super) fn make<const BATCH: usize>(
    shape: Shape,
    size: usize,
) -> Result<Box<dyn Runner>, &'static str> {
    let geometry = Geometry::new(size, 0, PAGE).ok_or("has no objects of this size")?;
    if geometry.words() > 1 {
        return Err("has more objects a slab than this arm has bits for");
    }
    let bytes = geometry.order.pages() * PAGE;
    let slabs = shape.region() / bytes;
    let arena = Slabs((0..slabs).map(|_| Slab::new(&geometry)).collect());
    let mut partial = Partial::new(arena, geometry.objects, Full::Unlisted);
    for id in 0..slabs {
        partial.add(id);
    }
    Ok(runner(Cache::<BATCH> {
        partial,
        geometry,
        shift: bytes.trailing_zeros(),
    }))
}
