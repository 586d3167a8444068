// SPDX-License-Identifier: GPL-2.0

//! A run as tables for the terminal.

use crate::{
    estimate::Estimate,
    run::{Row, Run},
    summary::{self, summaries},
};
use quarry_bench::{
    number::{figure, ratio},
    text::table,
};

/// The heads of the columns.
pub const HEADER: [&str; 6] = ["arm", "instructions", "ratio", "ns", "ratio", "95 %"];

/// Returns the cells of a row, as many as there are heads.
pub fn cells(row: &Row) -> [String; HEADER.len()] {
    [
        row.arm.clone(),
        figure(row.instructions),
        ratio(row.instructions_ratio),
        figure(row.ns.map(|ns| ns.median)),
        ratio(row.ns_ratio.map(|ratio| ratio.median)),
        interval(row.ns_ratio),
    ]
}

/// Returns the interval of a ratio.
fn interval(value: Option<Estimate>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) => format!("{}..{}", ratio(Some(value.low)), ratio(Some(value.high))),
    }
}

/// Returns which arms do not do the work, and why, a line each.
pub fn remarks(rows: &[Row]) -> Vec<String> {
    let remark = |row: &Row| Some(format!("{}: {}", row.arm, row.skipped.as_ref()?));
    rows.iter().filter_map(remark).collect()
}

/// Returns all tables and the summaries. Ratios are quarry's, one by one, over the arm's.
pub fn render(run: &Run) -> String {
    let mut text = String::new();
    for rows in run.works() {
        text.push_str(&format!("{}: {}\n\n", rows[0].work, rows[0].title));
        text.push_str(&table(HEADER, rows.iter().map(cells), &[0]));
        for remark in remarks(rows) {
            text.push_str(&format!("- {remark}\n"));
        }
        text.push('\n');
    }
    for summary in summaries(run) {
        text.push_str(&format!("{}\n\n", summary.title));
        text.push_str(&table(summary::HEADER, summary.lines.into_iter(), &[0, 4]));
        text.push('\n');
    }
    text.push_str(
        "ratio: quarry's figure, one by one, over the arm's; below 1 quarry needs less\n",
    );
    if let Some(reason) = &run.uncounted {
        text.push_str(&format!("no instructions: {reason}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::run;

    #[test]
    fn an_interval_has_two_ratios() {
        let estimate = Estimate {
            median: 0.5,
            low: 0.09,
            high: 1.0,
        };
        assert_eq!(interval(Some(estimate)), "0.090..1.00");
    }

    #[test]
    fn what_an_arm_cannot_do_is_a_dash_with_a_reason() {
        let text = render(&run(60.0, 120.0));
        let lacking = text
            .lines()
            .find(|line| line.starts_with("lacking"))
            .unwrap();
        let cells: Vec<&str> = lacking.split_whitespace().collect();
        assert_eq!(cells, ["lacking", "-", "-", "-", "-", "-"]);
        assert!(text.contains("- lacking: cannot"), "{text}");
    }

    #[test]
    fn a_row_has_its_figures_and_ratios() {
        let text = render(&run(60.0, 120.0));
        let other = text.lines().find(|line| line.starts_with("other")).unwrap();
        let cells: Vec<&str> = other.split_whitespace().collect();
        assert_eq!(cells, ["other", "120", "0.50", "30", "0.50", "0.50..0.50"]);
    }

    #[test]
    fn without_valgrind_the_tables_say_why() {
        let mut run = run(60.0, 120.0);
        run.uncounted = Some("no such program".to_owned());
        assert!(render(&run).contains("no instructions: no such program"));
    }
}
