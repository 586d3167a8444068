// SPDX-License-Identifier: GPL-2.0

//! What is to be reached. `goals.json` is the table.

use serde::Deserialize;

/// The most that quarry may need, as a share of what something else needs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goal {
    /// The work of a row.
    pub work: String,
    /// The parameters of the rows that have this goal; none: all.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// What is counted.
    pub metric: String,
    /// The largest ratio, or figure.
    pub most: f64,
    /// Whether the goal is about quarry's figure itself.
    #[serde(default)]
    pub figure: bool,
    /// The row whose quarry arm is the measure. Without, it is the kernel's arm of the same row.
    #[serde(default)]
    pub over: Option<Measure>,
}

/// Another row.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Its work.
    pub work: String,
    /// Its parameter; none: the same as that of the row with the goal.
    pub parameter: Option<String>,
}

impl Goal {
    /// Returns whether a row has this goal.
    pub fn is_of(&self, work: &str, parameter: &str, metric: &str) -> bool {
        self.work == work
            && self.metric == metric
            && (self.parameters.is_empty() || self.parameters.iter().any(|p| p == parameter))
    }
}

/// Returns all goals.
pub fn load() -> Vec<Goal> {
    // PANIC: A test reads the same text.
    serde_json::from_str(include_str!("goals.json")).expect("goals.json is as the types want it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_names_no_row_twice() {
        let goals = load();
        for (index, goal) in goals.iter().enumerate() {
            assert!(goal.most > 0.0, "{goal:?}");
            for parameter in &goal.parameters {
                let others = goals[index + 1..].iter();
                let twice = others.filter(|other| {
                    other.is_of(&goal.work, parameter, &goal.metric) && other.over == goal.over
                });
                assert_eq!(twice.count(), 0, "{goal:?}");
            }
        }
    }

    #[test]
    fn a_goal_without_parameters_is_of_all() {
        let goal = Goal {
            work: "w".to_owned(),
            parameters: Vec::new(),
            metric: "instructions".to_owned(),
            most: 0.5,
            figure: false,
            over: None,
        };
        assert!(goal.is_of("w", "8 B", "instructions"));
        assert!(!goal.is_of("w", "8 B", "ns"));
        assert!(!goal.is_of("v", "8 B", "instructions"));
    }
}
