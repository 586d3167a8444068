// SPDX-License-Identifier: GPL-2.0

//! Freed areas that are kept: a stack for each size, and those of several CPUs and nodes.

use super::cases;
use crate::machines::{
    kept,
    vmalloc,
    Run, //
};
use proptest::prelude::*;

fn size() -> impl Strategy<Value = usize> {
    // Few sizes, so that stacks grow, and the two ends.
    prop_oneof![3 => 1..5usize, 1 => 254..257usize]
}

fn kept_step() -> impl Strategy<Value = kept::Step> {
    use kept::Step;
    prop_oneof![
        8 => size().prop_map(Step::Push),
        3 => size().prop_map(Step::Pop),
        3 => (size(), 0..9usize, 0..4usize).prop_map(|(s, m, u)| Step::Cycle(s, m, u)),
        1 => (0..600usize, 0..5usize).prop_map(|(p, m)| Step::Largest(p, m)),
        1 => size().prop_map(Step::Period),
    ]
}

fn vmalloc_step() -> impl Strategy<Value = vmalloc::Step> {
    use vmalloc::Step;
    let cpu = || 0..3usize;
    let any_size = || prop_oneof![4 => size(), 1 => 1..300usize];
    prop_oneof![
        6 => (cpu(), any_size(), 1..40usize).prop_map(|(cpu, size, n)| Step::Alloc(cpu, size, n)),
        6 => (cpu(), any::<u16>(), 1..80usize).prop_map(|(cpu, at, n)| Step::Free(cpu, at, n)),
        1 => (any::<u16>(), 0..5usize).prop_map(|(at, offset)| Step::FreeWrong(at, offset)),
        3 => (cpu(), any::<u16>(), any_size()).prop_map(|(cpu, at, n)| Step::Resize(cpu, at, n)),
        1 => (0..600usize).prop_map(Step::Evict),
        2 => Just(Step::Decay),
    ]
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn kept_areas_are_stacks(steps in prop::collection::vec(kept_step(), 1..120)) {
        kept::Program(steps).run();
    }
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn an_area_is_in_one_place(
        limit in prop_oneof![Just(0usize), 1..200usize, 200..4096usize],
        steps in prop::collection::vec(vmalloc_step(), 1..80),
    ) {
        vmalloc::Program { limit, steps }.run();
    }
}
