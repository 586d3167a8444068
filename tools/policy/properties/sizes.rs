// SPDX-License-Identifier: GPL-2.0

//! Arithmetic of sizes: layouts of slabs, classes, orders, areas.

use super::cases;
use crate::{
    class,
    pool::{
        Order,
        Urgency,
        Watermark, //
    },
    slab::{
        Geometry,
        MAX_OBJECT, //
    },
    vmalloc::{
        Bounds,
        Pages,
        Plan, //
    }, //
};
use proptest::prelude::*;

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn a_layout_fits_and_finds_each_object(
        size in 1..=MAX_OBJECT,
        shift in 0..17u32,
        page_shift in prop_oneof![Just(12u32), Just(14), Just(16)],
        offsets in prop::collection::vec(any::<prop::sample::Index>(), 32),
    ) {
        let align = if shift == 0 { 0 } else { 1usize << shift };
        let page_size = 1usize << page_shift;
        let Some(g) = Geometry::new(size, align, page_size) else {
            prop_assert!(align > page_size);
            return Ok(());
        };
        let (stride, objects) = (g.stride as usize, g.objects as usize);
        let bytes = g.order.pages() * page_size;
        prop_assert!(align <= page_size);
        prop_assert!(stride >= size && stride % align.max(8) == 0);
        prop_assert!(objects >= 1 && objects * stride <= bytes);
        prop_assert!((4..=64).contains(&g.rounds));
        prop_assert_eq!(g.words(), objects.div_ceil(64));
        for offset in offsets {
            // The reciprocal is exact in all of the slab, its unused end included.
            let offset = offset.index(bytes);
            prop_assert_eq!(g.nearest(offset as u32) as usize, offset / stride);
            // The unused end may look like the object behind the last.
            let index = (offset % stride == 0).then_some((offset / stride) as u32);
            prop_assert!(offset / stride <= objects);
            prop_assert_eq!(crate::slab::index(g.reciprocal(), offset as u32), index);
        }
    }

    #[test]
    fn a_class_is_the_smallest_that_holds_the_size(
        size in 1..=class::LARGEST,
    ) {
        let first = class::SIZES.iter().position(|&holds| holds as usize >= size);
        prop_assert_eq!(Some(class::class(size - 1)), first);
    }

    #[test]
    fn an_order_is_the_smallest_that_holds_the_pages(
        pages in prop_oneof![0..2048usize, any::<usize>()],
    ) {
        let first = (0..11).find(|order| pages <= 1 << order).filter(|_| pages != 0);
        prop_assert_eq!(Order::for_pages(pages).map(Order::get), first);
    }

    #[test]
    fn a_reserve_is_never_eaten_by_others(
        reserve in 0..1000usize,
        present in 0..100_000usize,
        free in 0..2000usize,
    ) {
        for mark in [Watermark::Fixed(reserve), Watermark::Share] {
            let normal = mark.available(present, free, Urgency::Normal);
            prop_assert!(normal == 0 || free - normal >= mark.pages(present));
            prop_assert_eq!(mark.available(present, free, Urgency::Atomic), free);
        }
    }

    #[test]
    fn areas_round_up_and_end_at_the_limit(
        bytes in any::<usize>(),
        shift in prop_oneof![Just(12u32), Just(14), Just(16)],
        limit in any::<usize>(),
    ) {
        let want = bytes.div_ceil(1 << shift);
        let pages = Pages::for_bytes(bytes, shift, limit).map(Pages::get);
        prop_assert_eq!(pages, Some(want).filter(|&want| want != 0 && want <= limit));
    }

    #[test]
    fn kept_areas_stay_below_their_limit(
        limit in 0..1usize << 22,
        cpus in 1..513usize,
        nodes in 1..9usize,
    ) {
        let bounds = Bounds::new(limit, cpus, nodes);
        let most = |room: &dyn Fn(usize) -> bool| {
            let (mut low, mut high) = (0, limit + 1);
            while low + 1 < high {
                let middle = (low + high) / 2;
                if room(middle) { low = middle } else { high = middle }
            }
            low
        };
        let cpu = most(&|n| bounds.cpu_has_room(0, n));
        let node = most(&|n| bounds.node_has_room(0, n));
        prop_assert!(cpu * cpus + node * nodes <= limit);
        prop_assert!(!bounds.cpu_has_room(usize::MAX, 1) && !bounds.node_has_room(1, usize::MAX));
    }

    #[test]
    fn a_plan_never_stays_where_there_is_no_room(have in 1..5000usize, want in 1..5000usize) {
        let pages = |n: usize| Pages::for_bytes(n << 12, 12, usize::MAX).unwrap();
        let stay = Plan::new(pages(have), pages(want)) == Plan::Stay;
        prop_assert_eq!(stay, want <= have && want * 2 >= have);
    }
}
