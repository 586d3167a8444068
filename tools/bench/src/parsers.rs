// SPDX-License-Identifier: GPL-2.0

//! What reads what the module printed, and what an earlier run wrote, as functions of bytes that panic
//! where something is wrong. See the file of that name of the command line.

use crate::{compare, expected::Expected, goals, raw, rst, run::Run, table};

/// A parser: its name, and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// All parsers.
pub const ALL: [Target; 3] = [
    ("bench_expected", expected),
    ("bench_lines", lines),
    ("bench_run", run),
];

/// What a run is compared with.
fn expected(bytes: &[u8]) {
    let Ok(Ok(expected)) = std::str::from_utf8(bytes).map(Expected::from_json) else {
        return;
    };
    let written = expected.to_json().map(|text| Expected::from_json(&text));
    assert!(matches!(written, Ok(Ok(_))), "{expected:?}");
}

/// What the module prints.
fn lines(bytes: &[u8]) {
    let Ok(Ok(lines)) = std::str::from_utf8(bytes).map(raw::parse) else {
        return;
    };
    let arms = lines.len();
    if let Ok(run) = Run::of_lines(lines, &goals::load()) {
        assert!(run.rows.len() <= arms);
        show(&run);
    }
}

/// A run that was kept.
fn run(bytes: &[u8]) {
    if let Ok(Ok(run)) = std::str::from_utf8(bytes).map(Run::from_json) {
        show(&run);
    }
}

/// Shows a run in every way, and compares it with itself.
fn show(run: &Run) {
    table::render(run);
    rst::render(run);
    compare::same(run, run);
}
