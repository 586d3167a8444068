// SPDX-License-Identifier: GPL-2.0

//! A line for each work: quarry, and the best of the others.

use crate::run::{Row, Run};
use quarry_bench::number::{figure, ratio};

/// The heads of the columns.
pub const HEADER: [&str; 7] = [
    "work",
    "quarry",
    "in batches",
    "best other",
    "",
    "quarry/other",
    "batches/other",
];

/// Returns the arm with the smallest figure.
fn best(rows: &[(&Row, f64)]) -> Option<(String, f64)> {
    let best = rows.iter().min_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map(|(row, value)| (row.arm.clone(), *value))
}

/// Returns the cells of a work, if it has figures.
fn line(rows: &[Row], value: fn(&Row) -> Option<f64>) -> Option<[String; HEADER.len()]> {
    let figures = rows.iter().filter_map(|row| Some((row, value(row)?)));
    let (quarry, others): (Vec<_>, Vec<_>) =
        figures.partition(|(row, _)| row.arm.starts_with("quarry"));
    let (batches, single): (Vec<_>, Vec<_>) = quarry
        .into_iter()
        .partition(|(row, _)| row.arm.contains(" by "));
    let (_, single) = best(&single)?;
    let batches = best(&batches).map(|(_, value)| value);
    let other = best(&others);
    let name = other
        .as_ref()
        .map_or("-".to_owned(), |(name, _)| name.clone());
    let other = other.map(|(_, value)| value);
    let over = |value: f64| other.map(|other| value / other);
    Some([
        rows[0].work.clone(),
        figure(Some(single)),
        figure(batches),
        figure(other),
        name,
        ratio(over(single)),
        ratio(batches.and_then(over)),
    ])
}

/// What a summary is about.
pub struct Summary {
    /// The figures.
    pub title: &'static str,
    /// A line for each work.
    pub lines: Vec<[String; HEADER.len()]>,
}

/// Returns the summaries of what was measured.
pub fn summaries(run: &Run) -> Vec<Summary> {
    let of = |title, value: fn(&Row) -> Option<f64>| Summary {
        title,
        lines: run.works().filter_map(|rows| line(rows, value)).collect(),
    };
    let instructions = of("Instructions of an operation", |row| row.instructions);
    let ns = of("Time of an operation, ns", |row| row.ns.map(|ns| ns.median));
    let all = [instructions, ns].into_iter();
    all.filter(|summary| !summary.lines.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::run;

    #[test]
    fn the_best_of_the_others_is_what_quarry_is_over() {
        let mut run = run(60.0, 120.0);
        let mut better = run.rows[2].clone();
        better.arm = "better".to_owned();
        better.instructions = Some(40.0);
        run.rows.push(better);
        let summaries = summaries(&run);
        assert_eq!(summaries.len(), 2);
        let line = &summaries[0].lines[0];
        assert_eq!(line[1..], ["60", "30", "40", "better", "1.50", "0.75"]);
    }

    #[test]
    fn what_was_not_measured_has_no_summary() {
        let mut run = run(60.0, 120.0);
        run.rows.iter_mut().for_each(|row| row.ns = None);
        assert_eq!(summaries(&run).len(), 1);
    }
}
