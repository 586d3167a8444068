// SPDX-License-Identifier: GPL-2.0

//! quarry's arms: the zone for pages, the slabs of a cache for objects.

mod objects;
mod pages;

use quarry_bench_host::{Entry, Runner, Shape};

fn make<const BATCH: usize>(shape: Shape) -> Result<Box<dyn Runner>, &'static str> {
    match shape {
        Shape::Pages { order } => pages::make::<BATCH>(shape, order),
        Shape::Object { size } => objects::make::<BATCH>(shape, size),
    }
}

/// One by one, by half a magazine of pages, and by a whole one.
pub(crate) const ARMS: [Entry; 3] = [
    Entry {
        name: "quarry",
        make: make::<1>,
    },
    Entry {
        name: "quarry by 32",
        make: make::<32>,
    },
    Entry {
        name: "quarry by 63",
        make: make::<63>,
    },
];
