// SPDX-License-Identifier: GPL-2.0

//! A run as tables for the terminal.

use crate::{
    number::{figure, ratio},
    run::{Row, Run, Verdict},
    section::sections,
    text::table,
};

/// The heads of the columns.
pub const HEADER: [&str; 11] = [
    "work",
    "parameter",
    "kernel",
    "quarry",
    "ratio",
    "goal",
    "p50",
    "p99",
    "max",
    "slow",
    "",
];

/// Returns how a row stands with its goal, in words.
fn verdict(row: &Row) -> Option<String> {
    Some(match (row.verdict, row.judged, row.goal) {
        (Verdict::None, ..) => return None,
        (Verdict::Met, ..) => "met".to_owned(),
        (Verdict::Missed, Some(ratio), Some(goal)) => {
            format!("MISSED, {:.2} times the goal", ratio / goal)
        }
        (Verdict::Missed, ..) => "MISSED".to_owned(),
        (Verdict::Skipped, ..) => "skipped".to_owned(),
    })
}

/// Returns what the ratio is over if it is not the kernel.
fn over(row: &Row) -> Option<String> {
    let over = row.over.as_ref()?;
    let mut text = if over.work == row.work {
        format!("over {}", over.parameter)
    } else {
        format!("over {}", over.work)
    };
    if over.kernel.is_some() {
        text.push_str(&format!("; the kernel's: {}", ratio(over.kernel)));
    }
    Some(text)
}

/// Returns why a figure is missing.
fn reason(row: &Row) -> Option<String> {
    let reason = row.skipped.as_ref()?;
    Some(match row.verdict {
        Verdict::Skipped => reason.clone(),
        _ => format!("skipped: {reason}"),
    })
}

/// Returns the cells of a row, as many as there are heads.
pub fn cells(row: &Row) -> [String; HEADER.len()] {
    let operations = row.quarry_operations.as_ref();
    let quantile = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let remarks: Vec<String> = [verdict(row), reason(row), over(row)]
        .into_iter()
        .flatten()
        .collect();
    [
        row.work.clone(),
        row.parameter.clone(),
        figure(row.kernel),
        figure(row.quarry),
        ratio(row.judged),
        row.goal.map_or("-".to_owned(), |goal| format!("{goal:.2}")),
        quantile(operations.map(|o| o.p50)),
        quantile(operations.map(|o| o.p99)),
        quantile(operations.map(|o| o.max)),
        quantile(operations.and_then(|o| o.slow_p50)),
        remarks.join("; "),
    ]
}

/// Returns the totals.
pub fn totals(run: &Run) -> String {
    let mut text = format!(
        "goals: {} met, {} missed, {} skipped\n",
        run.count(Verdict::Met),
        run.count(Verdict::Missed),
        run.count(Verdict::Skipped)
    );
    for goal in &run.unmeasured {
        text.push_str(&format!("not measured: {goal}\n"));
    }
    text
}

/// Returns all tables, and the totals. p50, p99 and max are of single operations of quarry's; slow is
/// the median of those that took more than twice the median.
pub fn render(run: &Run) -> String {
    let mut text = String::new();
    for section in sections(run) {
        let rows = section.rows.iter().map(|row| cells(row));
        let table = table(HEADER, rows, &[0, 1, HEADER.len() - 1]);
        text.push_str(&format!("{}\n\n{table}\n", section.title));
    }
    text.push_str(&totals(run));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        goals::Goal,
        raw::Arm,
        run::tests::{line, run},
    };

    fn goal(most: f64) -> Goal {
        Goal {
            work: "w".to_owned(),
            parameters: vec!["a".to_owned()],
            metric: "instructions".to_owned(),
            most,
            figure: false,
            over: None,
        }
    }

    #[test]
    fn a_missed_goal_says_by_how_much() {
        let text = render(&run(&[("a", 100.0, 50.0)], &[goal(0.4)]));
        assert!(text.contains("MISSED, 1.25 times the goal"), "{text}");
        assert!(text.contains("goals: 0 met, 1 missed, 0 skipped"), "{text}");
    }

    #[test]
    fn a_skipped_row_says_why() {
        let lines = vec![
            line("w", "a", Arm::Kernel, Some(1.0)),
            line("w", "a", Arm::Quarry, None),
        ];
        let text = render(&Run::of_lines(lines, &[goal(0.4)]).unwrap());
        assert!(text.contains("skipped; no memory"), "{text}");
    }
}
