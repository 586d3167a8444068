// SPDX-License-Identifier: GPL-2.0

//! A run: every row with its figures.

use crate::{
    arm::Entry,
    bench::SEED,
    count::{self, Count},
    estimate::Estimate,
    machine::Machine,
    time,
    work::Work,
};
use anyhow::bail;
use serde::{Deserialize, Serialize};

const SCHEMA: &str = "quarry.bench-host/1";

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    schema: String,
    /// Where.
    pub machine: Machine,
    /// Seed of the order of frees.
    pub seed: u64,
    /// Samples of time of each row, but for arms that take too long.
    pub samples: usize,
    /// The version of what counted the instructions.
    pub valgrind: Option<String>,
    /// Why no instructions were counted.
    pub uncounted: Option<String>,
    /// All rows, work by work.
    pub rows: Vec<Row>,
}

/// A work with an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The work.
    pub work: String,
    /// What one figure is, in words.
    pub title: String,
    /// The arm.
    pub arm: String,
    /// Instructions for each operation.
    pub instructions: Option<f64>,
    /// quarry's, one by one, over this arm's.
    pub instructions_ratio: Option<f64>,
    /// Time for each operation, in ns.
    pub ns: Option<Estimate>,
    /// quarry's, one by one, over this arm's.
    pub ns_ratio: Option<Estimate>,
    /// Why the arm does not do the work.
    pub skipped: Option<String>,
}

/// What is to be measured.
pub struct Plan {
    /// Samples of time; 0: none.
    pub samples: usize,
    /// Whether instructions are counted.
    pub count: bool,
}

/// Returns the rows of a work. The first entry is quarry, one by one.
fn rows(
    work: &Work,
    entries: &[Entry],
    counts: Option<Vec<(String, Count)>>,
    times: &[time::Samples],
) -> anyhow::Result<Vec<Row>> {
    let names = |counts: &Vec<(String, Count)>| {
        counts
            .iter()
            .map(|(arm, _)| arm.as_str())
            .eq(entries.iter().map(|entry| entry.name))
    };
    if counts.as_ref().is_some_and(|counts| !names(counts)) {
        bail!("{}: other arms were counted than were timed", work.name);
    }
    let count = |arm: usize| counts.as_ref().map(|counts| counts[arm].1.clone());
    let instructions = |arm: usize| count(arm)?.ok();
    let samples = |arm: usize| times.get(arm)?.as_ref().ok();
    let row = |arm: usize| Row {
        work: work.name.to_owned(),
        title: work.title.to_owned(),
        arm: entries[arm].name.to_owned(),
        instructions: instructions(arm),
        instructions_ratio: instructions(0)
            .zip(instructions(arm))
            .map(|(over, under)| over / under),
        ns: samples(arm).and_then(|samples| Estimate::of(samples.clone())),
        ns_ratio: samples(0)
            .zip(samples(arm))
            .and_then(|(over, under)| Estimate::of_ratio(over, under)),
        skipped: count(arm)
            .and_then(Result::err)
            .or_else(|| times.get(arm)?.as_ref().err().cloned()),
    };
    Ok((0..entries.len()).map(row).collect())
}

impl Run {
    /// Measures works with all arms, the first of which is quarry, one by one. Says on stderr what it
    /// is doing.
    pub fn measure(works: &[&Work], entries: &[Entry], plan: &Plan) -> anyhow::Result<Self> {
        let valgrind = match plan.count {
            true => count::valgrind(),
            false => Err("not wanted: --no-count".to_owned()),
        };
        if let (true, Err(reason)) = (plan.count, &valgrind) {
            eprintln!("quarry-bench-host: no instructions: {reason}");
        }
        let mut run = Self::new(valgrind, plan.samples);
        for (at, work) in works.iter().enumerate() {
            eprintln!("[{:2}/{}] {}", at + 1, works.len(), work.name);
            let counts = match run.valgrind {
                Some(_) => Some(count::measure(work)?),
                None => None,
            };
            let times = match plan.samples {
                0 => Vec::new(),
                samples => time::measure(entries, work, samples),
            };
            run.rows.extend(rows(work, entries, counts, &times)?);
        }
        Ok(run)
    }

    fn new(valgrind: Result<String, String>, samples: usize) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            machine: Machine::here(),
            seed: SEED,
            samples,
            valgrind: valgrind.clone().ok(),
            uncounted: valgrind.err(),
            rows: Vec::new(),
        }
    }

    /// Returns the rows of each work.
    pub fn works(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|a, b| a.work == b.work)
    }

    /// Reads what [`Run::to_json`] wrote.
    pub fn from_json(text: &str) -> anyhow::Result<Self> {
        let run: Self = serde_json::from_str(text)?;
        if run.schema != SCHEMA {
            bail!(
                "the schema is {}, not {SCHEMA}; make bench-host writes it anew",
                run.schema
            );
        }
        Ok(run)
    }

    /// Returns the run as JSON.
    pub fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{bench::Runner, shape::Shape, work::WORKS};

    fn make(_: Shape) -> Result<Box<dyn Runner>, &'static str> {
        Err("is never made")
    }

    /// A run of one work: quarry's and another arm's instructions and ns, and an arm without.
    pub(crate) fn run(quarry: f64, other: f64) -> Run {
        let entries =
            ["quarry", "quarry by 32", "other", "lacking"].map(|name| Entry { name, make });
        let figures = [quarry, quarry / 2.0, other];
        let mut counts: Vec<Count> = figures.map(Ok).to_vec();
        counts.push(Err("cannot".to_owned()));
        let counts = entries
            .iter()
            .map(|entry| entry.name.to_owned())
            .zip(counts);
        let mut times: Vec<time::Samples> = figures.map(|ns| Ok(vec![ns / 4.0; 9])).to_vec();
        times.push(Err("cannot".to_owned()));
        let mut run = Run::new(Ok("valgrind-3".to_owned()), 9);
        run.rows = rows(&WORKS[0], &entries, Some(counts.collect()), &times).unwrap();
        run
    }

    #[test]
    fn ratios_are_of_quarry_over_the_arm() {
        let run = run(60.0, 120.0);
        assert_eq!(run.rows[0].instructions_ratio, Some(1.0));
        assert_eq!(run.rows[1].instructions_ratio, Some(2.0));
        assert_eq!(run.rows[2].instructions_ratio, Some(0.5));
        assert_eq!(run.rows[2].ns_ratio.unwrap().median, 0.5);
        let lacking = &run.rows[3];
        assert_eq!((lacking.instructions, lacking.ns), (None, None));
        assert_eq!(lacking.skipped.as_deref(), Some("cannot"));
    }

    #[test]
    fn counts_of_other_arms_are_refused() {
        let entries = [Entry {
            name: "quarry",
            make,
        }];
        let counts = vec![("other".to_owned(), Ok(1.0))];
        assert!(rows(&WORKS[0], &entries, Some(counts), &[]).is_err());
    }

    #[test]
    fn json_is_read_as_it_was_written() {
        let run = run(60.0, 120.5);
        let text = run.to_json().unwrap();
        assert_eq!(Run::from_json(&text).unwrap(), run);
        let error = Run::from_json(&text.replace("bench-host/1", "bench-host/9")).unwrap_err();
        assert!(error.to_string().contains("bench-host/9"), "{error}");
    }
}
