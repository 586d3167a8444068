// SPDX-License-Identifier: GPL-2.0

//! Arithmetic of sizes: layouts of slabs, classes, orders, areas.

use super::{
    cases,
    pages::order, //
};
use crate::{
    class,
    machines::{
        sizes::Claim,
        Run, //
    },
    slab::MAX_OBJECT, //
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn a_layout_fits_and_finds_each_object(
        size in 1..=2 * MAX_OBJECT,
        shift in 0..17u32,
        page_shift in prop_oneof![Just(12u32), Just(14), Just(16)],
        offsets in prop::collection::vec(any::<u32>(), 32),
    ) {
        let align = if shift == 0 { 0 } else { 1usize << shift };
        Claim::Layout(size, align, page_shift, offsets).run();
    }

    #[test]
    fn a_class_is_the_smallest_that_holds_the_size(size in 1..=class::LARGEST) {
        Claim::Class(size).run();
    }

    #[test]
    fn an_order_is_the_smallest_that_holds_the_pages(
        pages in prop_oneof![0..2048usize, any::<usize>()],
    ) {
        Claim::Order(pages).run();
    }

    #[test]
    fn a_reserve_is_never_eaten_by_others(
        reserve in 0..1000usize,
        present in 0..100_000usize,
        free in 0..2000usize,
    ) {
        Claim::Reserve(reserve, present, free).run();
    }

    #[test]
    fn a_pool_grows_by_a_share(
        present in prop_oneof![0..100_000usize, any::<usize>()],
        free in 0..10_000usize,
        wanted in order(),
    ) {
        Claim::Growth(present, free, wanted).run();
    }

    #[test]
    fn areas_round_up_and_end_at_the_limit(
        bytes in any::<usize>(),
        shift in prop_oneof![Just(12u32), Just(14), Just(16)],
        limit in any::<usize>(),
    ) {
        Claim::Area(bytes, shift, limit).run();
    }

    #[test]
    fn kept_areas_stay_below_their_limit(
        limit in 0..1usize << 22,
        cpus in 1..513usize,
        nodes in 1..9usize,
    ) {
        Claim::Kept(limit, cpus, nodes).run();
    }

    #[test]
    fn a_plan_never_stays_where_there_is_no_room(have in 1..5000usize, want in 1..5000usize) {
        Claim::Plan(have, want).run();
    }

    #[test]
    fn an_object_lies_between_its_zones(
        size in 1..=MAX_OBJECT,
        shift in 0..13u32,
        zones in any::<bool>(),
    ) {
        Claim::Padding(size, 1 << shift, zones).run();
    }

    #[test]
    fn what_was_written_after_its_free_is_found(
        len in 0..64usize,
        writes in prop::collection::vec(any::<(u8, u8)>(), 0..4),
    ) {
        Claim::Poison(len, writes).run();
    }
}
