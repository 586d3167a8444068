// SPDX-License-Identifier: GPL-2.0

//! A run: each row with both arms, their ratio, and its goal.

use crate::{
    goals::Goal,
    raw::{Arm, Distribution, Line, Outcome},
};
use anyhow::bail;
use serde::{Deserialize, Serialize};

/// The version of the JSON that `collect` writes.
const SCHEMA: &str = "quarry.bench/1";

/// A run of the benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    schema: String,
    /// In the order in which they were measured.
    pub rows: Vec<Row>,
    /// Goals of which no row was measured.
    pub unmeasured: Vec<String>,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What is done.
    pub work: String,
    /// With what.
    pub parameter: String,
    /// What is counted: instructions or ns.
    pub metric: String,
    /// Whether both arms clear what they allocate.
    pub init_on_alloc: bool,
    /// CPUs of the guest.
    pub cpus: u32,
    /// The guest's kernel.
    pub release: String,
    /// The kernel's figure.
    pub kernel: Option<f64>,
    /// quarry's figure.
    pub quarry: Option<f64>,
    /// quarry's over the kernel's.
    pub ratio: Option<f64>,
    /// Both figures over those of another row, where the goal is about that.
    pub over: Option<Over>,
    /// What the goal is about: the ratio, that over another row, or quarry's figure itself.
    pub judged: Option<f64>,
    /// The largest that is wanted.
    pub goal: Option<f64>,
    /// How it stands with the goal.
    pub verdict: Verdict,
    /// Why an arm was not measured.
    pub skipped: Option<String>,
    /// Single operations of the kernel's.
    pub kernel_operations: Option<Distribution>,
    /// Single operations of quarry's.
    pub quarry_operations: Option<Distribution>,
}

/// A row compared with another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Over {
    /// The other row's work.
    pub work: String,
    /// The other row's parameter.
    pub parameter: String,
    /// The kernel's figure over its figure there.
    pub kernel: Option<f64>,
    /// quarry's figure over its figure there.
    pub quarry: Option<f64>,
}

/// How a row stands with its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// There is none.
    None,
    /// The ratio is no larger.
    Met,
    /// The ratio is larger.
    Missed,
    /// There is a goal, and no ratio.
    Skipped,
}

impl Row {
    /// Returns whether `other` is the same row of another run.
    pub fn is_same(&self, other: &Self) -> bool {
        self.work == other.work
            && self.parameter == other.parameter
            && self.metric == other.metric
            && self.init_on_alloc == other.init_on_alloc
    }

    /// Returns the row without figures that a line belongs to.
    fn of_line(line: &Line) -> Self {
        Self {
            work: line.work.clone(),
            parameter: line.parameter.clone(),
            metric: line.metric.clone(),
            init_on_alloc: line.clearing,
            cpus: line.cpus,
            release: line.release.clone(),
            kernel: None,
            quarry: None,
            ratio: None,
            over: None,
            judged: None,
            goal: None,
            verdict: Verdict::None,
            skipped: None,
            kernel_operations: None,
            quarry_operations: None,
        }
    }

    /// Adds an arm. Returns whether it is the first line of that arm.
    fn add(&mut self, arm: Arm, outcome: Outcome) -> bool {
        let (figure, operations) = match arm {
            Arm::Kernel => (&mut self.kernel, &mut self.kernel_operations),
            Arm::Quarry => (&mut self.quarry, &mut self.quarry_operations),
        };
        if figure.is_some() {
            return false;
        }
        match outcome {
            Outcome::Value(value, distribution) => {
                *figure = Some(value);
                *operations = distribution;
            }
            Outcome::Skipped(reason) => {
                self.skipped = Some(reason);
            }
        }
        true
    }

    /// Sets what follows from both arms.
    fn close(&mut self) {
        self.ratio = quotient(self.quarry, self.kernel);
        self.judged = self.ratio;
        if self.quarry.is_none() {
            self.say_missing("quarry");
        }
    }

    /// Says why there is no figure, where nothing else does.
    fn say_missing(&mut self, of: &str) {
        if self.skipped.is_none() {
            self.skipped = Some(format!("nothing was measured of {of}"));
        }
    }
}

/// Returns `part` over `whole`.
fn quotient(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    let (part, whole) = (part?, whole?);
    (whole > 0.0).then(|| part / whole)
}

impl Run {
    /// Joins the arms of each row, and rows with their goals.
    pub fn of_lines(lines: Vec<Line>, goals: &[Goal]) -> anyhow::Result<Self> {
        let mut rows: Vec<Row> = Vec::new();
        for line in lines {
            let new = Row::of_line(&line);
            let index = match rows.iter().position(|row| row.is_same(&new)) {
                Some(index) => index,
                None => {
                    rows.push(new);
                    rows.len() - 1
                }
            };
            if !rows[index].add(line.arm, line.outcome) {
                bail!(
                    "{} {}: measured twice on the same arm; give the lines of one run",
                    line.work,
                    line.parameter
                );
            }
        }
        rows.iter_mut().for_each(Row::close);
        let mut run = Self {
            schema: SCHEMA.to_owned(),
            rows,
            unmeasured: Vec::new(),
        };
        run.judge(goals);
        Ok(run)
    }

    /// Gives rows their goals.
    fn judge(&mut self, goals: &[Goal]) {
        for goal in goals {
            let indices: Vec<usize> = (0..self.rows.len())
                .filter(|&index| {
                    let row = &self.rows[index];
                    goal.is_of(&row.work, &row.parameter, &row.metric)
                })
                .collect();
            for &index in &indices {
                self.judge_row(index, goal);
            }
            let found = |parameter: &&String| {
                indices
                    .iter()
                    .any(|&i| self.rows[i].parameter == **parameter)
            };
            let mut missing: Vec<String> = goal
                .parameters
                .iter()
                .filter(|parameter| !found(parameter))
                .map(|parameter| format!("{} {parameter} ({})", goal.work, goal.metric))
                .collect();
            if goal.parameters.is_empty() && indices.is_empty() {
                missing.push(format!("{} ({})", goal.work, goal.metric));
            }
            self.unmeasured.append(&mut missing);
        }
    }

    fn judge_row(&mut self, index: usize, goal: &Goal) {
        let row = &self.rows[index];
        let over = goal.over.as_ref().map(|measure| {
            let parameter = measure.parameter.as_ref().unwrap_or(&row.parameter);
            let other = self.rows.iter().find(|other| {
                other.work == measure.work
                    && other.parameter == *parameter
                    && other.metric == row.metric
                    && other.init_on_alloc == row.init_on_alloc
            });
            Over {
                work: measure.work.clone(),
                parameter: parameter.clone(),
                kernel: quotient(row.kernel, other.and_then(|other| other.kernel)),
                quarry: quotient(row.quarry, other.and_then(|other| other.quarry)),
            }
        });
        let row = &mut self.rows[index];
        row.judged = match (&over, goal.figure) {
            (Some(over), _) => over.quarry,
            (None, true) => row.quarry,
            (None, false) => row.ratio,
        };
        if row.judged.is_none() {
            row.say_missing(over.as_ref().map_or("the kernel", |over| &over.parameter));
        }
        row.over = over;
        row.goal = Some(goal.most);
        row.verdict = match row.judged {
            Some(judged) if judged <= goal.most => Verdict::Met,
            Some(_) => Verdict::Missed,
            None => Verdict::Skipped,
        };
    }

    /// Reads what `to_json` wrote.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let run: Self = serde_json::from_str(text)?;
        if run.schema != SCHEMA {
            bail!("the schema is {}, not {SCHEMA}", run.schema);
        }
        Ok(run)
    }

    /// Returns the run as JSON.
    pub fn to_json(&self) -> anyhow::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Returns how many rows have a verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rows
            .iter()
            .filter(|row| row.verdict == verdict)
            .count()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::goals::Measure;

    /// A line of a run that counts instructions.
    pub fn line(work: &str, parameter: &str, arm: Arm, value: Option<f64>) -> Line {
        Line {
            work: work.to_owned(),
            parameter: parameter.to_owned(),
            metric: "instructions".to_owned(),
            release: "7.3.4".to_owned(),
            cpus: 1,
            clearing: false,
            arm,
            outcome: match value {
                Some(value) => Outcome::Value(value, None),
                None => Outcome::Skipped("no memory".to_owned()),
            },
        }
    }

    /// Both arms of rows `("w", parameter, kernel, quarry)`.
    pub fn run(rows: &[(&str, f64, f64)], goals: &[Goal]) -> Run {
        let lines = rows.iter().flat_map(|&(parameter, kernel, quarry)| {
            [
                line("w", parameter, Arm::Kernel, Some(kernel)),
                line("w", parameter, Arm::Quarry, Some(quarry)),
            ]
        });
        Run::of_lines(lines.collect(), goals).unwrap()
    }

    fn goal(parameter: &str, most: f64) -> Goal {
        Goal {
            work: "w".to_owned(),
            parameters: vec![parameter.to_owned()],
            metric: "instructions".to_owned(),
            most,
            figure: false,
            over: None,
        }
    }

    #[test]
    fn a_ratio_up_to_its_goal_is_met() {
        let run = run(
            &[("a", 100.0, 40.0), ("b", 100.0, 41.0)],
            &[goal("a", 0.4), goal("b", 0.4)],
        );
        assert_eq!(run.rows[0].verdict, Verdict::Met);
        assert_eq!(run.rows[1].verdict, Verdict::Missed);
        assert_eq!(run.rows[1].ratio, Some(0.41));
    }

    #[test]
    fn what_was_not_measured_is_never_met() {
        let lines = vec![
            line("w", "a", Arm::Kernel, Some(100.0)),
            line("w", "a", Arm::Quarry, None),
            line("w", "b", Arm::Kernel, Some(100.0)),
        ];
        let goals = [goal("a", 0.4), goal("b", 0.4), goal("c", 0.4)];
        let run = Run::of_lines(lines, &goals).unwrap();
        assert_eq!(run.count(Verdict::Skipped), 2);
        assert_eq!(run.rows[0].skipped.as_deref(), Some("no memory"));
        assert_eq!(
            run.rows[1].skipped.as_deref(),
            Some("nothing was measured of quarry")
        );
        assert_eq!(run.unmeasured, ["w c (instructions)"]);
    }

    #[test]
    fn a_goal_may_be_over_another_row() {
        let over = Measure {
            work: "w".to_owned(),
            parameter: Some("a".to_owned()),
        };
        let goal = Goal {
            over: Some(over),
            ..goal("b", 1.3)
        };
        let run = run(&[("a", 100.0, 50.0), ("b", 400.0, 60.0)], &[goal]);
        let over = run.rows[1].over.as_ref().unwrap();
        assert_eq!((over.kernel, over.quarry), (Some(4.0), Some(1.2)));
        assert_eq!(run.rows[1].verdict, Verdict::Met);
        assert_eq!(run.rows[0].verdict, Verdict::None);
    }

    #[test]
    fn a_goal_may_be_about_the_figure() {
        let lines = vec![line("w", "a", Arm::Quarry, Some(0.5))];
        let goal = Goal {
            figure: true,
            ..goal("a", 1.0)
        };
        let run = Run::of_lines(lines, &[goal]).unwrap();
        assert_eq!(run.rows[0].verdict, Verdict::Met);
        assert_eq!(run.rows[0].skipped, None);
    }

    #[test]
    fn a_ratio_over_a_row_that_is_missing_is_skipped() {
        let over = Measure {
            work: "w".to_owned(),
            parameter: Some("empty".to_owned()),
        };
        let goal = Goal {
            over: Some(over),
            ..goal("a", 1.3)
        };
        let run = run(&[("a", 100.0, 50.0)], &[goal]);
        assert_eq!(run.rows[0].verdict, Verdict::Skipped);
        assert_eq!(
            run.rows[0].skipped.as_deref(),
            Some("nothing was measured of empty")
        );
    }

    #[test]
    fn a_line_that_comes_twice_is_an_error() {
        let twice = vec![
            line("w", "a", Arm::Kernel, Some(1.0)),
            line("w", "a", Arm::Kernel, Some(1.0)),
        ];
        assert!(Run::of_lines(twice, &[]).is_err());
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let run = run(&[("a", 100.0, 40.5)], &[goal("a", 0.4)]);
        assert_eq!(Run::from_json(&run.to_json().unwrap()).unwrap(), run);
        let other = run.to_json().unwrap().replace("bench/1", "bench/2");
        assert!(Run::from_json(&other).is_err());
    }
}
