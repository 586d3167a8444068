// SPDX-License-Identifier: GPL-2.0

//! Medians, and between what they lie.

use serde::{Deserialize, Serialize};

/// Fewer samples than these do not tell 95 %.
pub const LEAST: usize = 6;

/// The median of samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The median.
    pub median: f64,
    /// The lower end of its confidence interval of 95 %.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// Returns the median of samples, if there are enough.
    ///
    /// The interval is that between two of the samples, which needs no assumption on how they are
    /// distributed: the number of samples below the true median is binomial.
    pub fn of(mut samples: Vec<f64>) -> Option<Self> {
        let nr = samples.len();
        if nr < LEAST {
            return None;
        }
        samples.sort_unstable_by(f64::total_cmp);
        // CAST: Small numbers; at least 0.
        let rank = (nr as f64 / 2.0 - 0.98 * (nr as f64).sqrt()).max(0.0) as usize;
        Some(Self {
            median: (samples[(nr - 1) / 2] + samples[nr / 2]) / 2.0,
            low: samples[rank],
            high: samples[nr - 1 - rank],
        })
    }

    /// Returns the median of one set of samples over another, sample by sample: what disturbs both
    /// falls out.
    pub fn of_ratio(over: &[f64], under: &[f64]) -> Option<Self> {
        Self::of(
            over.iter()
                .zip(under)
                .map(|(over, under)| over / under)
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_outliers_do_not_move_it() {
        let mut samples: Vec<f64> = (1..=101).map(f64::from).collect();
        samples[100] = 1e9;
        let estimate = Estimate::of(samples).unwrap();
        // Ranks 41 and 61 of 101, as tables of the sign test have them.
        assert_eq!(
            (estimate.low, estimate.median, estimate.high),
            (41.0, 51.0, 61.0)
        );
        assert_eq!(Estimate::of(vec![1.0; LEAST - 1]), None);
        let six = Estimate::of((1..=6).map(f64::from).collect()).unwrap();
        assert_eq!((six.low, six.median, six.high), (1.0, 3.5, 6.0));
    }

    #[test]
    fn a_ratio_is_not_moved_by_what_slows_both() {
        let slow = |sample: f64| if sample % 3.0 == 0.0 { 10.0 } else { 1.0 };
        let under: Vec<f64> = (1..30).map(|i| slow(f64::from(i))).collect();
        let over: Vec<f64> = under.iter().map(|time| time * 0.5).collect();
        let ratio = Estimate::of_ratio(&over, &under).unwrap();
        assert_eq!((ratio.low, ratio.high), (0.5, 0.5));
    }
}
