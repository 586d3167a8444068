// SPDX-License-Identifier: GPL-2.0

//! What the presets cost: the instructions of each work beside those of `fast`.
//!
//! `hardened` clears what is freed, which takes an instruction for each word, whatever else it does. So it is
//! held to its goal where `fast` clears too: with the kernel's `init_on_free=1`.

use crate::{
    number::{figure, ratio},
    raw::{Arm, Line, Outcome},
    text::{simple_table, table},
};
use anyhow::bail;

/// Most instructions of `hardened` for one of `fast`, where both clear.
const GOAL: f64 = 1.5;

/// Where the table stands in a page.
const MARKS: [&str; 2] = [".. costs follow", ".. costs end"];

const HEADER: [&str; 10] = [
    "work", "with", "fast", "hardened", "ratio", "debug", "ratio", "fast", "hardened", "ratio",
];

/// A run of the same works with each preset.
pub struct Costs {
    rows: Vec<Row>,
}

struct Row {
    work: String,
    parameter: String,
    /// `fast`, `hardened`, `debug`, and the first two where both clear.
    counts: [f64; 5],
}

impl Row {
    /// Returns `hardened` to `fast`, `debug` to `fast`, and the first where both clear.
    fn ratios(&self) -> [f64; 3] {
        let [fast, hardened, debug, fast_clearing, hardened_clearing] = self.counts;
        [
            hardened / fast,
            debug / fast,
            hardened_clearing / fast_clearing,
        ]
    }

    fn cells(&self) -> [String; 10] {
        let [fast, hardened, debug, fast_clearing, hardened_clearing] =
            self.counts.map(|count| figure(Some(count)));
        let [of_hardened, of_debug, clearing] = self.ratios().map(|value| ratio(Some(value)));
        [
            self.work.clone(),
            self.parameter.clone(),
            fast,
            hardened,
            of_hardened,
            debug,
            of_debug,
            fast_clearing,
            hardened_clearing,
            clearing,
        ]
    }
}

/// Returns what quarry took for the same as `like`.
fn count(run: &[Line], like: &Line) -> anyhow::Result<f64> {
    let same = |line: &&Line| {
        (line.arm, &line.work, &line.parameter) == (Arm::Quarry, &like.work, &like.parameter)
    };
    match run.iter().find(same).map(|line| &line.outcome) {
        Some(Outcome::Value(value, _)) => Ok(*value),
        _ => bail!(
            "{} {} was not counted in each run",
            like.work,
            like.parameter
        ),
    }
}

/// Returns quarry's lines, of which there are some.
fn of_quarry(run: &[Line]) -> anyhow::Result<Vec<&Line>> {
    let lines: Vec<_> = run.iter().filter(|line| line.arm == Arm::Quarry).collect();
    if lines.is_empty() {
        bail!("nothing of quarry's was counted");
    }
    Ok(lines)
}

/// Returns a line for each work that says whether `hardened` is within the goal, and the totals; and whether
/// all are.
pub fn gate(fast: &[Line], hardened: &[Line]) -> anyhow::Result<(String, bool)> {
    let (mut text, mut passed, mut failed) = (String::new(), 0, 0);
    for line in of_quarry(fast)? {
        let ratio = count(hardened, line)? / count(fast, line)?;
        let name = format!("hardened {} {}", line.work, line.parameter);
        if ratio <= GOAL {
            passed += 1;
            text.push_str(&format!("ok      {name}\n"));
        } else {
            failed += 1;
            text.push_str(&format!(
                "not ok  {name}: {ratio:.2} times fast, {GOAL} allowed\n"
            ));
        }
    }
    text.push_str(&format!("{passed} passed, {failed} failed\n"));
    Ok((text, failed == 0))
}

impl Costs {
    /// Joins what was counted, in the order of a row's counts. Each run must have the rows of the first.
    pub fn join(runs: &[Vec<Line>; 5]) -> anyhow::Result<Self> {
        let row = |line: &Line| {
            let mut counts = [0.0; 5];
            for (slot, run) in counts.iter_mut().zip(runs) {
                *slot = count(run, line)?;
            }
            Ok(Row {
                work: line.work.clone(),
                parameter: line.parameter.clone(),
                counts,
            })
        };
        let rows = of_quarry(&runs[0])?.into_iter().map(row);
        Ok(Self {
            rows: rows.collect::<anyhow::Result<_>>()?,
        })
    }

    /// Returns a table for the terminal.
    pub fn table(&self) -> String {
        table(HEADER, self.rows.iter().map(Row::cells), &[0, 1])
    }

    /// Returns a page with the table in place of the one that it has.
    pub fn put_into(&self, page: &str) -> anyhow::Result<String> {
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let parts = page
            .split_once(MARKS[0])
            .and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
        let Some((before, after)) = parts else {
            bail!(
                "the page has no place for the table: `{}` and `{}`",
                MARKS[0],
                MARKS[1]
            );
        };
        let table = simple_table(HEADER, &rows);
        Ok(format!(
            "{before}{}\n\n{table}\n{}{after}",
            MARKS[0], MARKS[1]
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::parse;

    fn run(values: &[(&str, f64)]) -> Vec<Line> {
        let mut text = r#"{"schema":"quarry.bench-raw/1","metric":"instructions","release":"7.3.4","cpus":1,"kernel_init_on_alloc":false,"empty":4}"#.to_owned();
        for (parameter, value) in values {
            text.push_str(&format!(
                "\n{{\"work\":\"w\",\"parameter\":\"{parameter}\",\"arm\":\"quarry\",\"value\":{value}}}"
            ));
        }
        parse(&text).unwrap()
    }

    fn costs(clearing: f64) -> Costs {
        let plain = run(&[("a", 10.0), ("b", 20.0)]);
        let cleared = run(&[("a", clearing), ("b", 20.0)]);
        Costs::join(&[plain.clone(), plain.clone(), plain.clone(), plain, cleared]).unwrap()
    }

    #[test]
    fn what_costs_too_much_fails() {
        let fast = run(&[("a", 10.0), ("b", 20.0)]);
        assert!(gate(&fast, &run(&[("a", 15.0), ("b", 30.0)])).unwrap().1);
        let (text, good) = gate(&fast, &run(&[("a", 15.1), ("b", 20.0)])).unwrap();
        assert!(
            !good && text.contains("not ok  hardened w a: 1.51 times fast"),
            "{text}"
        );
        assert!(text.ends_with("1 passed, 1 failed\n"), "{text}");
        assert!(gate(&fast, &run(&[("a", 15.0)])).is_err());
    }

    #[test]
    fn a_row_that_a_run_lacks_is_an_error() {
        let (whole, part) = (run(&[("a", 1.0), ("b", 2.0)]), run(&[("a", 1.0)]));
        let runs = [whole.clone(), whole.clone(), whole.clone(), whole, part];
        assert!(Costs::join(&runs).is_err());
    }

    #[test]
    fn a_page_keeps_what_is_around_the_table() {
        let page = "before\n.. costs follow\n\nold\n\n.. costs end\nafter\n";
        let once = costs(15.0).put_into(page).unwrap();
        assert!(once.starts_with("before\n") && once.ends_with("after\n"));
        assert!(once.contains("1.50") && !once.contains("old"), "{once}");
        assert_eq!(costs(15.0).put_into(&once).unwrap(), once);
        assert!(costs(15.0).put_into("nothing").is_err());
    }
}
