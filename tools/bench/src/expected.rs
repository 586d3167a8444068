// SPDX-License-Identifier: GPL-2.0

//! The committed counts of instructions.

use crate::run::{Row, Run};
use anyhow::bail;
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "quarry.bench-expected/1";

/// What a run is compared with.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Expected {
    schema: String,
    /// In the order of the first run that was accepted.
    pub rows: Vec<ExpectedRow>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectedRow {
    /// What is done.
    pub work: String,
    /// With what.
    pub parameter: String,
    /// The kernel's instructions, where it was measured.
    pub kernel: Option<f64>,
    /// quarry's instructions.
    pub quarry: f64,
    /// quarry's over the kernel's.
    pub ratio: Option<f64>,
}

/// Returns whether a row is one that is expected: a count of instructions.
pub fn is_expected(row: &Row) -> bool {
    row.metric == "instructions"
}

/// Returns what to expect after `runs` in guests whose memory is laid out differently, on which a few rows
/// depend by a percent or two: the most of all.
pub fn of_runs(runs: &[Run]) -> Expected {
    let (first, others) = runs
        .split_first()
        .map_or((None, runs), |(f, o)| (Some(f), o));
    let rows = first
        .iter()
        .flat_map(|run| &run.rows)
        .filter(|row| is_expected(row))
        .filter_map(|row| {
            let same = others
                .iter()
                .filter_map(|run| run.rows.iter().find(|other| other.is_same(row)));
            let all = || std::iter::once(row).chain(same.clone());
            let most = |figure: fn(&Row) -> Option<f64>| all().filter_map(figure).reduce(f64::max);
            Some(ExpectedRow {
                work: row.work.clone(),
                parameter: row.parameter.clone(),
                kernel: most(|row| row.kernel),
                quarry: most(|row| row.quarry)?,
                // So that a difference of a file is a difference of figures.
                ratio: most(|row| row.ratio).map(|ratio| (ratio * 10000.0).round() / 10000.0),
            })
        });
    Expected {
        schema: SCHEMA.to_owned(),
        rows: rows.collect(),
    }
}

impl Expected {
    /// Reads what `to_json` wrote.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let expected: Self = serde_json::from_str(text)?;
        if expected.schema != SCHEMA {
            bail!("the schema is {}, not {SCHEMA}", expected.schema);
        }
        Ok(expected)
    }

    /// Returns JSON with a line for each row.
    pub fn to_json(&self) -> anyhow::Result<String> {
        let rows: Result<Vec<String>, _> = self.rows.iter().map(serde_json::to_string).collect();
        Ok(format!(
            "{{\"schema\":\"{}\",\"rows\":[\n{}\n]}}\n",
            self.schema,
            rows?.join(",\n")
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::run;

    #[test]
    fn the_most_of_all_runs_is_expected() {
        let one = run(&[("a", 204.0, 83.0), ("b", 3.0, 1.0)], &[]);
        let other = run(&[("a", 204.0, 84.0), ("b", 3.0, 0.5)], &[]);
        let expected = of_runs(&[one, other]);
        let quarry: Vec<f64> = expected.rows.iter().map(|row| row.quarry).collect();
        assert_eq!(quarry, [84.0, 1.0]);
        assert_eq!(expected.rows[0].ratio, Some(0.4118));
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let expected = of_runs(&[run(&[("a", 204.0, 83.0), ("b", 3.0, 1.0)], &[])]);
        let text = expected.to_json().unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(Expected::from_json(&text).unwrap(), expected);
        assert!(Expected::from_json(&text.replace("expected/1", "expected/9")).is_err());
    }
}
