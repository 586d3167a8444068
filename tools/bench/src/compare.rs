// SPDX-License-Identifier: GPL-2.0

//! A run beside an earlier one.

use crate::{
    expected::{is_expected, Expected, ExpectedRow},
    number::{figure, ratio},
    run::{Row, Run, Verdict},
};

/// How much worse a figure may be than expected.
const TOLERANCE: f64 = 0.02;

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether all is well.
    pub good: bool,
    /// What is to be printed.
    pub text: String,
}

/// Compares a run with what is expected: a line for each row, and the totals.
pub fn gate(run: &Run, expected: &Expected) -> Report {
    let measured = || run.rows.iter().filter(|row| is_expected(row));
    let mut text = String::new();
    let (mut passed, mut failed, mut better) = (0, 0, 0);
    let mut verdict = |name: String, complaint: Option<String>| match complaint {
        None => {
            passed += 1;
            text.push_str(&format!("ok      {name}\n"));
        }
        Some(complaint) => {
            failed += 1;
            text.push_str(&format!("not ok  {name}: {complaint}\n"));
        }
    };
    for want in &expected.rows {
        let name = format!("{} {}", want.work, want.parameter);
        let row = measured().find(|row| row.work == want.work && row.parameter == want.parameter);
        if row.is_some_and(|row| {
            row.quarry
                .is_some_and(|quarry| quarry < want.quarry * (1.0 - TOLERANCE))
        }) {
            better += 1;
        }
        verdict(name, complaint(row, want));
    }
    for row in measured() {
        let known = |want: &&ExpectedRow| row.work == want.work && row.parameter == want.parameter;
        if !expected.rows.iter().any(|want| known(&want)) {
            verdict(
                format!("{} {}", row.work, row.parameter),
                Some("not in the table of what is expected; make bench-accept".to_owned()),
            );
        }
    }
    // Shares of memory are not compared: they are what they should be, or not.
    for row in run.rows.iter().filter(|row| !is_expected(row)) {
        let complaint = match row.verdict {
            Verdict::Missed | Verdict::Skipped => Some(format!(
                "{} {}, at most {} wanted; {}",
                figure(row.quarry),
                row.metric,
                figure(row.goal),
                row.skipped.as_deref().unwrap_or("missed")
            )),
            Verdict::Met | Verdict::None => None,
        };
        verdict(format!("{} {}", row.work, row.parameter), complaint);
    }
    if better > 0 {
        text.push_str(&format!(
            "{better} rows are better by more than {} %: make bench-accept keeps them so\n",
            TOLERANCE * 100.0
        ));
    }
    text.push_str(&format!("{passed} passed, {failed} failed\n"));
    Report {
        good: failed == 0 && passed > 0,
        text,
    }
}

/// Up to here quarry needs what it needed, so that a worse ratio is the kernel's doing.
const SAME: f64 = 1.01;

/// Returns what is wrong with a row.
fn complaint(row: Option<&Row>, want: &ExpectedRow) -> Option<String> {
    let Some(row) = row else {
        return Some("not measured".to_owned());
    };
    let missing = || {
        let reason = row.skipped.as_deref().unwrap_or("no figure");
        Some(format!("skipped: {reason}"))
    };
    let Some(quarry) = row.quarry else {
        return missing();
    };
    let percent = |now: f64, then: f64| (now / then - 1.0) * 100.0;
    if worse(quarry, want.quarry) {
        return Some(format!(
            "{} instructions, {} expected: {:.1} % worse",
            figure(Some(quarry)),
            figure(Some(want.quarry)),
            percent(quarry, want.quarry)
        ));
    }
    match (row.ratio, want.ratio) {
        // The kernel's own counts depend on where a guest's image leaves its memory.
        (Some(now), Some(then)) if worse(now, then) && quarry > want.quarry * SAME => {
            Some(format!(
                "ratio {}, {} expected: {:.1} % worse; the kernel needs {}, {} expected",
                ratio(Some(now)),
                ratio(Some(then)),
                percent(now, then),
                figure(row.kernel),
                figure(want.kernel)
            ))
        }
        (None, Some(_)) => missing(),
        _ => None,
    }
}

/// Returns whether a figure is larger than it may be.
fn worse(now: f64, then: f64) -> bool {
    now > then * (1.0 + TOLERANCE)
}

/// Says which figures of two runs differ.
pub fn same(first: &Run, second: &Run) -> Report {
    let mut text = String::new();
    let mut nr = 0;
    for row in &first.rows {
        let name = format!("{} {}", row.work, row.parameter);
        match second.rows.iter().find(|other| other.is_same(row)) {
            None => text.push_str(&format!("{name}: only in the first run\n")),
            Some(other) if (row.kernel, row.quarry) != (other.kernel, other.quarry) => {
                text.push_str(&format!(
                    "{name}: kernel {} and {}, quarry {} and {}\n",
                    figure(row.kernel),
                    figure(other.kernel),
                    figure(row.quarry),
                    figure(other.quarry)
                ));
            }
            Some(_) => nr += 1,
        }
    }
    for row in &second.rows {
        if !first.rows.iter().any(|other| other.is_same(row)) {
            text.push_str(&format!(
                "{} {}: only in the second run\n",
                row.work, row.parameter
            ));
        }
    }
    let good = text.is_empty() && nr > 0;
    text.push_str(&format!("{nr} rows are the same in both runs\n"));
    Report { good, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        expected::of_runs,
        goals::Goal,
        raw::Arm,
        run::tests::{line, run},
    };

    #[test]
    fn two_percent_more_pass_and_three_do_not() {
        let expected = of_runs(&[run(&[("a", 200.0, 100.0)], &[])]);
        assert!(gate(&run(&[("a", 200.0, 102.0)], &[]), &expected).good);
        let report = gate(&run(&[("a", 200.0, 103.0)], &[]), &expected);
        assert!(!report.good);
        assert!(report.text.contains("3.0 % worse"), "{}", report.text);
        assert!(
            report.text.contains("0 passed, 1 failed"),
            "{}",
            report.text
        );
    }

    #[test]
    fn a_worse_ratio_fails_unless_the_count_is_the_same() {
        let expected = of_runs(&[run(&[("a", 200.0, 100.0)], &[])]);
        assert!(gate(&run(&[("a", 180.0, 100.0)], &[]), &expected).good);
        let report = gate(&run(&[("a", 180.0, 101.5)], &[]), &expected);
        assert!(
            !report.good && report.text.contains("ratio"),
            "{}",
            report.text
        );
    }

    #[test]
    fn rows_of_one_side_only_fail() {
        let expected = of_runs(&[run(&[("a", 200.0, 100.0), ("b", 2.0, 1.0)], &[])]);
        let report = gate(
            &run(&[("a", 200.0, 100.0), ("c", 2.0, 1.0)], &[]),
            &expected,
        );
        assert!(
            report.text.contains("not ok  w b: not measured"),
            "{}",
            report.text
        );
        assert!(report.text.contains("not ok  w c"), "{}", report.text);
        assert!(
            report.text.contains("1 passed, 2 failed"),
            "{}",
            report.text
        );
    }

    #[test]
    fn a_skipped_row_fails() {
        let expected = of_runs(&[run(&[("a", 200.0, 100.0)], &[])]);
        let lines = vec![
            line("w", "a", Arm::Kernel, Some(200.0)),
            line("w", "a", Arm::Quarry, None),
        ];
        let report = gate(&Run::of_lines(lines, &[]).unwrap(), &expected);
        assert!(
            report.text.contains("skipped: no memory"),
            "{}",
            report.text
        );
        assert!(!report.good);
    }

    #[test]
    fn other_figures_pass_when_their_goal_is_met() {
        let goal = Goal {
            work: "kept".to_owned(),
            parameters: Vec::new(),
            metric: "percent".to_owned(),
            most: 1.0,
            figure: true,
            over: None,
        };
        let figures = |kept: f64| {
            let mut line = line("kept", "pages", Arm::Quarry, Some(kept));
            line.metric = "percent".to_owned();
            Run::of_lines(vec![line], &[goal.clone()]).unwrap()
        };
        let expected = of_runs(&[figures(0.5)]);
        assert_eq!(expected.rows, []);
        assert!(gate(&figures(0.5), &expected).good);
        let report = gate(&figures(1.5), &expected);
        assert!(
            !report.good && report.text.contains("1.5 percent"),
            "{}",
            report.text
        );
    }

    #[test]
    fn what_is_better_is_said() {
        let expected = of_runs(&[run(&[("a", 200.0, 100.0)], &[])]);
        let report = gate(&run(&[("a", 200.0, 50.0)], &[]), &expected);
        assert!(
            report.good && report.text.contains("1 rows are better"),
            "{}",
            report.text
        );
    }

    #[test]
    fn runs_are_the_same_to_the_last_digit_or_not_at_all() {
        let first = run(&[("a", 200.0, 100.0)], &[]);
        assert!(same(&first, &first).good);
        assert!(!same(&first, &run(&[("a", 200.0, 100.01)], &[])).good);
        assert!(!same(&first, &run(&[("a", 200.0, 100.0), ("b", 1.0, 1.0)], &[])).good);
    }
}
