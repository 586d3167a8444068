// SPDX-License-Identifier: GPL-2.0

//! A run as tables in reStructuredText.

use crate::{
    number::ratio,
    run::{Run, Verdict},
    section::sections,
    table::{cells, totals, HEADER},
    text::{simple_table, title},
};

/// Returns a table of the rows whose goal is not met.
fn not_met(run: &Run) -> String {
    let missed = run
        .rows
        .iter()
        .filter(|row| matches!(row.verdict, Verdict::Missed | Verdict::Skipped));
    let rows: Vec<_> = missed
        .map(|row| {
            [
                row.work.clone(),
                row.parameter.clone(),
                row.metric.clone(),
                ratio(row.judged),
                ratio(row.goal),
                row.skipped.clone().unwrap_or_default(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "Every goal is met.\n".to_owned();
    }
    simple_table(["work", "parameter", "counted", "is", "goal", "why"], &rows)
}

/// Returns the totals, what is not met, and all tables, each below its title.
pub fn render(run: &Run) -> String {
    let mut text = String::new();
    for line in totals(run).lines() {
        text.push_str(&format!("| {line}\n"));
    }
    text.push('\n');
    text.push_str(&title("Goals that are not met"));
    text.push_str(&not_met(run));
    for section in sections(run) {
        let mut header = HEADER;
        header[HEADER.len() - 1] = "goal is";
        let rows: Vec<_> = section.rows.iter().map(|row| cells(row)).collect();
        text.push('\n');
        text.push_str(&title(&section.title));
        text.push_str(&simple_table(header, &rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goals::Goal, run::tests::run};

    #[test]
    fn what_is_missed_stands_in_a_table_of_its_own() {
        let goal = Goal {
            work: "w".to_owned(),
            parameters: Vec::new(),
            metric: "instructions".to_owned(),
            most: 0.4,
            figure: false,
            over: None,
        };
        let goals = [goal];
        let text = render(&run(&[("a", 10.0, 3.0), ("b", 10.0, 5.0)], &goals));
        let missed = text.lines().filter(|line| line.contains("0.50 0.40"));
        assert_eq!(missed.count(), 1, "{text}");
        let text = render(&run(&[("a", 10.0, 3.0)], &goals));
        assert!(text.contains("Every goal is met."), "{text}");
    }

    #[test]
    fn every_line_of_a_table_keeps_to_its_columns() {
        let text = render(&run(
            &[("a long parameter", 100.0, 50.5), ("b", 1.0, 2.0)],
            &[],
        ));
        let ruler = text.lines().find(|line| line.starts_with('=')).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("w ")).collect();
        assert_eq!(rows.len(), 2);
        for (at, mark) in ruler.char_indices() {
            if mark == ' ' {
                assert!(
                    rows.iter().all(|row| row.as_bytes().get(at) == Some(&b' ')),
                    "{text}"
                );
            }
        }
    }
}
