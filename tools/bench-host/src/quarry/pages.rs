// SPDX-License-Identifier: GPL-2.0

//! Blocks of a zone, one by one and in batches.
//!
//! Page numbers stand for addresses from 0 on. A batch of pages goes back by the words of the chunks'
//! bitmaps, as a magazine does.

use crate::{
    bins::Arena,
    pool::{Chunk, Order, Zone, FRAMES},
};
use quarry_bench_host::{runner, Arm, Runner, Shape, PAGE};

/// Pages that one word of a chunk's bitmap stands for.
const WORD: usize = 64;

/// Chunks in a vector.
struct Chunks(Vec<Chunk<usize>>);

impl Arena for Chunks {
    type Id = usize;
    type Node = Chunk<usize>;
    #[inline]
    fn node(&self, id: usize) -> &Chunk<usize> {
        &self.0[id]
    }
    #[inline]
    fn node_mut(&mut self, id: usize) -> &mut Chunk<usize> {
        &mut self.0[id]
    }
}

struct Pages<const BATCH: usize> {
    zone: Zone<Chunks>,
    order: Order,
}

impl<const BATCH: usize> Pages<BATCH> {
    #[inline]
    fn put_block(&mut self, block: usize) {
        let page = block / PAGE;
        self.zone.put(page / FRAMES, page % FRAMES, self.order);
    }

    #[inline]
    fn put_pages(&mut self, blocks: &[usize]) {
        let mut pages = blocks.iter().map(|block| block / PAGE).peekable();
        while let Some(page) = pages.next() {
            let (mut bits, mut count) = (1u64 << (page % WORD), 1);
            while let Some(next) = pages.next_if(|next| next / WORD == page / WORD) {
                bits |= 1 << (next % WORD);
                count += 1;
            }
            let word = page % FRAMES / WORD;
            self.zone.put_bits(page / FRAMES, word, bits, count);
        }
    }
}

impl<const BATCH: usize> Arm for Pages<BATCH> {
    const BATCH: usize = BATCH;

    #[inline]
    fn take(&mut self, slots: &mut [usize]) -> usize {
        let (order, mut taken) = (self.order, 0);
        for slots in slots.chunks_mut(BATCH) {
            let (most, mut free) = (slots.len(), slots.iter_mut());
            let got = self.zone.take_runs(order, most, |first, count| {
                let page = first.chunk * FRAMES + first.frame;
                for (block, slot) in free.by_ref().take(count).enumerate() {
                    *slot = (page + (block << order.get())) * PAGE;
                }
            });
            taken += got;
            if got < most {
                break;
            }
        }
        taken
    }

    #[inline]
    fn put(&mut self, blocks: &[usize]) {
        if BATCH == 1 || self.order != Order::ZERO {
            for &block in blocks {
                self.put_block(block);
            }
        } else {
            for blocks in blocks.chunks(BATCH) {
                self.put_pages(blocks);
            }
        }
    }
}

/// Returns the arm for blocks of an order.
pub(super) fn make<const BATCH: usize>(
    shape: Shape,
    order: u32,
) -> Result<Box<dyn Runner>, &'static str> {
    let order = Order::new(order).ok_or("has no blocks of this order")?;
    let chunks = shape.region() / PAGE / FRAMES;
    let mut zone = Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect()));
    for chunk in 0..chunks {
        zone.add(chunk, 0, Order::MAX);
    }
    Ok(runner(Pages::<BATCH> { zone, order }))
}
