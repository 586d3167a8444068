// SPDX-License-Identifier: GPL-2.0

//! The page pool: a zone of a few chunks, some of which have only some of their pages.

use super::cases;
use crate::{
    machines::{
        zone::{
            Program,
            Step,
            CHUNKS, //
        },
        Run, //
    },
    pool::Order, //
};
use proptest::prelude::*;

pub(super) fn order() -> impl Strategy<Value = Order> {
    (0..11u32).prop_map(|order| Order::new(order).unwrap())
}

fn step() -> impl Strategy<Value = Step> {
    let max = prop_oneof![4 => 1..8usize, 2 => 8..64usize, 1 => 64..2048usize];
    let keep = prop_oneof![Just(0usize), 0..4096usize];
    prop_oneof![
        5 => (order(), max).prop_map(|(order, max)| Step::Take(order, max)),
        4 => any::<u16>().prop_map(Step::Put),
        3 => (any::<u16>(), 2..256usize).prop_map(|(n, count)| Step::PutMany(n, count)),
        2 => any::<u16>().prop_map(Step::PutWord),
        1 => Just(Step::Settle),
        1 => keep.prop_map(Step::Remove),
        1 => Just(Step::RemoveSmall),
        2 => (any::<u16>(), order(), 0..1024usize)
            .prop_map(|(chunk, order, at)| Step::Add(chunk, order, at)),
        1 => Just(Step::Period),
    ]
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn a_zone_is_what_its_pages_are(
        whole in 0..=CHUNKS,
        steps in prop::collection::vec(step(), 1..64),
    ) {
        Program { whole, steps }.run();
    }
}
