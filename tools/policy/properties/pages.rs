// SPDX-License-Identifier: GPL-2.0

//! A zone of a few chunks, some of which have only some of their pages.

use super::{
    cases,
    model::Model, //
};
use crate::pool::Order;
use proptest::prelude::*;

const CHUNKS: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    Take(Order, usize),
    Put(prop::sample::Index),
    PutMany(prop::sample::Index, usize),
    Settle,
    Remove(usize),
    RemoveSmall,
    Add(prop::sample::Index, Order, usize),
}

fn order() -> impl Strategy<Value = Order> {
    (0..11u32).prop_map(|order| Order::new(order).unwrap())
}

fn step() -> impl Strategy<Value = Step> {
    let max = prop_oneof![4 => 1..8usize, 2 => 8..64usize, 1 => 64..2048usize];
    let keep = prop_oneof![Just(0usize), 0..4096usize];
    prop_oneof![
        5 => (order(), max).prop_map(|(order, max)| Step::Take(order, max)),
        4 => any::<prop::sample::Index>().prop_map(Step::Put),
        4 => (any::<prop::sample::Index>(), 2..256usize).prop_map(|(i, n)| Step::PutMany(i, n)),
        1 => Just(Step::Settle),
        1 => keep.prop_map(Step::Remove),
        1 => Just(Step::RemoveSmall),
        2 => (any::<prop::sample::Index>(), order(), 0..1024usize)
            .prop_map(|(index, order, at)| Step::Add(index, order, at)),
    ]
}

fn run(model: &mut Model, step: Step) {
    match step {
        Step::Take(order, max) => {
            model.take(order, max);
        }
        Step::Put(index) => {
            if !model.live.is_empty() {
                model.put(index.index(model.live.len()));
            }
        }
        Step::PutMany(index, count) => {
            for _ in 0..count.min(model.live.len()) {
                model.put(index.index(model.live.len()));
            }
        }
        Step::Settle => model.check_settled(),
        Step::Remove(keep) => {
            model.remove_whole(keep);
        }
        Step::RemoveSmall => {
            model.remove_small();
        }
        Step::Add(index, order, at) => {
            let (chunk, frame) = (index.index(CHUNKS), at & !(order.pages() - 1));
            if model.lacks(chunk, frame, order) {
                model.add(chunk, frame, order);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn a_zone_is_what_its_pages_are(
        whole in 0..=CHUNKS,
        steps in prop::collection::vec(step(), 1..64),
    ) {
        let mut model = Model::new(CHUNKS);
        for chunk in 0..whole {
            model.add(chunk, 0, Order::MAX);
        }
        for step in steps {
            run(&mut model, step);
            model.check();
        }
        model.check_settled();
    }

    #[test]
    fn all_that_is_put_back_can_leave(
        takes in prop::collection::vec((order(), 1..64usize), 1..32),
        puts in prop::collection::vec(any::<prop::sample::Index>(), 1..64),
    ) {
        let mut model = Model::new(CHUNKS);
        for chunk in 0..CHUNKS {
            model.add(chunk, 0, Order::MAX);
        }
        for (order, max) in takes {
            model.take(order, max);
        }
        for index in puts.into_iter().cycle() {
            if model.live.is_empty() {
                break;
            }
            model.put(index.index(model.live.len()));
        }
        model.check_settled();
        while model.remove_whole(0).is_some() {}
        model.check_settled();
        prop_assert_eq!(model.zone.nr_chunks(), 0);
    }
}
