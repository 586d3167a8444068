// SPDX-License-Identifier: GPL-2.0

//! Samples of time.
//!
//! The arms take turns, a round at a time, so that what disturbs the machine meets all of them.

use crate::{arm::Entry, bench::Runner, count::WARM_UP, estimate::LEAST, work::Work};
use std::time::{Duration, Instant};

/// An arm that has taken so long has no more samples than it needs.
const BUDGET: Duration = Duration::from_secs(2);

/// An arm's samples, in ns for each operation, or why there are none.
pub type Samples = Result<Vec<f64>, String>;

/// An arm while it is measured.
struct Timed {
    runner: Box<dyn Runner>,
    spent: Duration,
    samples: Vec<f64>,
}

impl Timed {
    fn new(entry: &Entry, work: &Work) -> Result<Self, String> {
        let mut runner = (entry.make)(work.shape)?;
        runner.prepare(work)?;
        let mut timed = Self {
            runner,
            spent: Duration::ZERO,
            samples: Vec::new(),
        };
        for _ in 0..WARM_UP {
            timed.sample();
        }
        timed.samples.clear();
        Ok(timed)
    }

    fn sample(&mut self) {
        let begin = Instant::now();
        self.runner.before();
        let before = Instant::now();
        let operations = self.runner.round();
        let taken = before.elapsed();
        self.runner.after();
        self.spent += begin.elapsed();
        // CAST: Far below 2^53.
        self.samples
            .push(taken.as_nanos() as f64 / operations as f64);
    }
}

/// Measures a work with each arm.
pub fn measure(entries: &[Entry], work: &Work, samples: usize) -> Vec<Samples> {
    let mut arms: Vec<_> = entries
        .iter()
        .map(|entry| Timed::new(entry, work))
        .collect();
    for sample in 0..samples {
        for arm in arms.iter_mut().flatten() {
            if sample < LEAST || arm.spent < BUDGET {
                arm.sample();
            }
        }
    }
    arms.into_iter()
        .map(|arm| arm.map(|arm| arm.samples))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{rivals, work::by_name};

    #[test]
    fn arms_have_a_sample_a_turn_or_a_reason() {
        let work = by_name("object-64-pair").unwrap();
        let samples = measure(&rivals::ALL, work, 7);
        for (entry, samples) in rivals::ALL.iter().zip(samples) {
            match samples {
                Ok(samples) => assert!(samples.len() == 7 && samples.iter().all(|&ns| ns > 0.0)),
                Err(reason) => assert!(reason.contains("page"), "{}: {reason}", entry.name),
            }
        }
    }
}
