// SPDX-License-Identifier: GPL-2.0

//! The knobs that make requests fail, against their description in numbers that cannot overflow.

use super::Run;
use crate::fault::{
    Knobs,
    Nth, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Debug)]
enum Step {
    Probability(u32),
    Interval(u32),
    Times(i32),
    Space(i32),
    Request(usize, u32),
    Set(u64, u32, u32),
    Unset(u64),
    Hit(u32),
}

impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=12u8)? {
            0 => Self::Probability(bytes.int_in_range(0..=100)?),
            1 => Self::Interval(bytes.int_in_range(0..=5)?),
            2 => match bytes.int_in_range(0..=7u8)? {
                0 => Self::Times(bytes.arbitrary()?),
                _ => Self::Times(bytes.int_in_range(-2..=6)?),
            },
            3 => Self::Space(bytes.int_in_range(-2..=3000)?),
            4 => Self::Space(bytes.arbitrary()?),
            5 => Self::Request(bytes.arbitrary()?, bytes.int_in_range(0..=99)?),
            6 | 7 => Self::Request(bytes.int_in_range(0..=255)?, bytes.int_in_range(0..=99)?),
            8 => Self::Set(
                bytes.int_in_range(1..=3)?,
                bytes.int_in_range(1..=3)?,
                bytes.int_in_range(0..=5)?,
            ),
            9 => Self::Unset(bytes.int_in_range(1..=3)?),
            _ => Self::Hit(bytes.int_in_range(1..=3)?),
        })
    }
}

/// What is done to knobs, and to the wish for the n-th request to fail.
#[derive(Clone, Debug)]
pub(crate) struct Program(Vec<Step>);

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        super::steps(bytes).map(Self)
    }
}

/// What the kernel's description says, step by step.
struct Model {
    probability: u32,
    interval: u32,
    times: i64,
    space: i64,
    count: u64,
    /// Owner, thread, requests that are left.
    nth: Option<(u64, u32, u32)>,
}

impl Model {
    fn request(&mut self, bytes: usize, percent: u32) -> bool {
        if self.probability == 0 || self.times == 0 {
            return false;
        }
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        // No request is larger than the largest number of a knob.
        let bytes = bytes.min(i32::MAX.into());
        if self.space > bytes {
            self.space -= bytes;
            return false;
        }
        if self.interval > 1 {
            self.count += 1;
            if self.count % u64::from(self.interval) != 0 {
                return false;
            }
        }
        if percent >= self.probability {
            return false;
        }
        if self.times > 0 {
            self.times -= 1;
        }
        true
    }

    fn hit(&mut self, by: u32) -> bool {
        match &mut self.nth {
            Some((_, thread, left)) if *thread == by && *left > 0 => {
                *left -= 1;
                *left == 0
            }
            _ => false,
        }
    }
}

impl Run for Program {
    fn run(self) {
        let (knobs, nth) = (Knobs::new(), Nth::new());
        let mut model = Model {
            probability: 0,
            interval: 1,
            times: 1,
            space: 0,
            count: 0,
            nth: None,
        };
        for step in self.0 {
            match step {
                Step::Probability(value) => {
                    knobs.probability.store(value, Relaxed);
                    model.probability = value;
                }
                Step::Interval(value) => {
                    knobs.interval.store(value, Relaxed);
                    model.interval = value;
                }
                Step::Times(value) => {
                    knobs.times.store(value, Relaxed);
                    model.times = value.into();
                }
                Step::Space(value) => {
                    knobs.space.store(value, Relaxed);
                    model.space = value.into();
                }
                Step::Request(bytes, percent) => {
                    let fails = knobs.hit(bytes, || percent);
                    assert_eq!(fails, model.request(bytes, percent));
                }
                Step::Set(owner, thread, left) => {
                    let may = model.nth.is_none_or(|(other, _, _)| other == owner);
                    assert_eq!(nth.set(owner, thread, left), may);
                    if may {
                        model.nth = Some((owner, thread, left));
                    }
                }
                Step::Unset(owner) => {
                    let mine = model.nth.filter(|(other, _, _)| *other == owner);
                    assert_eq!(nth.unset(owner), mine.map_or(0, |(_, _, left)| left));
                    if mine.is_some() {
                        model.nth = None;
                    }
                }
                Step::Hit(thread) => assert_eq!(nth.hit(thread), model.hit(thread)),
            }
            assert_eq!(i64::from(knobs.times.load(Relaxed)), model.times);
            assert_eq!(i64::from(knobs.space.load(Relaxed)), model.space);
            let is_set = model.nth.is_some_and(|(_, _, left)| left > 0);
            assert_eq!(nth.is_set(), is_set);
        }
    }
}
