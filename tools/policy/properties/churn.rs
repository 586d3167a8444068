// SPDX-License-Identifier: GPL-2.0

//! Long runs: what a zone looks like after much use.

use crate::{
    machines::zone::{
        Chunks,
        Model, //
    },
    pool::{
        Chunk,
        Order,
        Zone,
        FRAMES,
        NR_ORDERS, //
    }, //
};

/// SplitMix64, by Steele, Lea and Flood (OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// Returns how many halves of chunks the free pages would make up, and how many halves are whole.
fn halves(zone: &Zone<Chunks>, chunks: usize) -> (usize, usize) {
    let mut counts = [0; NR_ORDERS];
    for id in 0..chunks {
        zone.chunk(id).count_blocks(&mut counts);
    }
    (zone.nr_free() / 512, (counts[9] + 2 * counts[10]) as usize)
}

/// The experiment of LLFree (Wrenger et al., USENIX ATC 2023): fill 90 % with single
/// pages, free half of them at random, then free and allocate 10 % at random again and again.
/// Returns the share of the halves of chunks that could be whole and are.
fn fragmentation(chunks: usize, rounds: usize, seed: u64, single: bool) -> f64 {
    let mut random = Random(seed);
    let mut zone = Zone::new(Chunks((0..chunks).map(|_| Chunk::new()).collect()));
    for id in 0..chunks {
        zone.add(id, 0, Order::MAX);
    }
    let fill = chunks * FRAMES * 9 / 10;
    let mut live = Vec::with_capacity(fill);
    let take = |zone: &mut Zone<Chunks>, live: &mut Vec<(usize, usize)>, count: usize| {
        // In batches, as magazines are refilled.
        let mut left = count;
        while left > 0 {
            let batch = left.min(if single { 1 } else { 32 });
            let got = zone.take(Order::ZERO, batch, |at| live.push((at.chunk, at.frame)));
            assert_eq!(got, batch);
            left -= batch;
        }
    };
    let free = |zone: &mut Zone<Chunks>, live: &mut Vec<(usize, usize)>, count: usize| {
        for (chunk, frame) in live.drain(live.len() - count..) {
            zone.put_bits(chunk, frame / 64, 1 << (frame % 64), 1);
        }
    };
    take(&mut zone, &mut live, fill);
    random.shuffle(&mut live);
    free(&mut zone, &mut live, fill / 2);
    for _ in 0..rounds {
        random.shuffle(&mut live);
        let some = live.len() / 10;
        free(&mut zone, &mut live, some);
        take(&mut zone, &mut live, some);
    }
    zone.settle();
    zone.validate().unwrap();
    let (possible, whole) = halves(&zone, chunks);
    whole as f64 / possible as f64
}

#[test]
fn halves_become_whole_again() {
    for (chunks, seed) in [(32, 1), (32, 2), (128, 3)] {
        for single in [true, false] {
            let share = fragmentation(chunks, 100, seed, single);
            let how = if single { "one by one" } else { "32 at a time" };
            println!(
                "{chunks} chunks, taken {how}: {:.1} % of the halves are whole",
                100. * share
            );
            assert!(share >= 0.95, "{share}");
        }
    }
}

#[test]
fn a_long_churn_loses_nothing() {
    const CHUNKS: usize = 12;
    let mut random = Random(7);
    let mut model = Model::new(CHUNKS);
    for chunk in 0..CHUNKS {
        model.add(chunk, 0, Order::MAX);
    }
    for i in 0..60_000 {
        // The share that is in use swings, so that both ends of the lists are seen.
        let full = (i / 6_000) % 2 == 0;
        if random.below(100) < if full { 55 } else { 45 } {
            let order = Order::new((random.next().trailing_zeros() / 2).min(10)).unwrap();
            model.zone.settle();
            // `take` looks at every page if it fails: not each time here.
            if model.zone.nr_free() > 4 * order.pages() {
                model.take(order, 1 + random.below(4));
            }
        } else if !model.live.is_empty() {
            let index = random.below(model.live.len());
            model.put(index);
        }
        if i % 500 == 0 {
            model.check();
        }
        if i % 5_000 == 0 {
            if let Some(chunk) = model.remove_whole(2 * FRAMES) {
                model.check();
                model.add(chunk, 0, Order::MAX);
            }
            model.check_settled();
        }
    }
    while !model.live.is_empty() {
        model.put(model.live.len() - 1);
    }
    model.check_settled();
    assert_eq!(model.zone.nr_whole_pages(), CHUNKS * FRAMES);
}
