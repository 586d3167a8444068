// SPDX-License-Identifier: GPL-2.0

//! The slabs of one cache, and those of `kmalloc` above the pool.

use super::cases;
use crate::{
    class::{
        LARGEST,
        SIZES, //
    },
    machines::{
        kmalloc,
        slab,
        zone::CHUNKS,
        Run, //
    },
    slab::Full, //
};
use proptest::prelude::*;

fn slab_step() -> impl Strategy<Value = slab::Step> {
    use slab::Step;
    prop_oneof![
        2 => any::<u16>().prop_map(Step::Add),
        8 => prop_oneof![1..4u32, 1..300u32].prop_map(Step::Take),
        8 => (any::<u16>(), 1..64usize).prop_map(|(n, count)| Step::Put(n, count)),
        1 => any::<u16>().prop_map(Step::PutWrong),
        2 => (0..4usize).prop_map(Step::Remove),
        1 => Just(Step::Period),
    ]
}

fn size() -> impl Strategy<Value = usize> {
    // Small, any, and at the ends of classes.
    let ends = (prop::sample::select(&SIZES[..]), 0..2usize);
    prop_oneof![
        3 => 1..200usize,
        2 => 1..=LARGEST,
        2 => ends.prop_map(|(size, more)| size as usize + more),
        1 => 1..=1usize << 22,
    ]
}

fn kmalloc_step() -> impl Strategy<Value = kmalloc::Step> {
    use kmalloc::Step;
    prop_oneof![
        6 => (size(), 1..64usize).prop_map(|(size, count)| Step::Alloc(size, count)),
        3 => any::<u16>().prop_map(Step::Free),
        3 => (any::<u16>(), 2..256usize).prop_map(|(n, count)| Step::FreeMany(n, count)),
        2 => (any::<u16>(), 0..=LARGEST).prop_map(|(n, bytes)| Step::Look(n, bytes)),
        1 => Just(Step::Reclaim),
    ]
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_cache_is_what_its_objects_are(
        size in prop_oneof![8..64usize, 64..8193usize],
        full in prop_oneof![Just(Full::Unlisted), Just(Full::Listed)],
        steps in prop::collection::vec(slab_step(), 1..80),
    ) {
        slab::Program { size, full, steps }.run();
    }
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn kmalloc_gives_each_byte_once_and_loses_no_page(
        chunks in 1..=CHUNKS,
        steps in prop::collection::vec(kmalloc_step(), 1..64),
    ) {
        kmalloc::Program { chunks, steps }.run();
    }
}
