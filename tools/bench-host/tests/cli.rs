// SPDX-License-Identifier: GPL-2.0

//! The program: what it measures, prints and refuses.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quarry-bench-host"))
}

/// Returns stdout and stderr of a success.
fn output(command: &mut Command) -> (String, String) {
    let output = command.assert().success().get_output().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Returns stderr of a failure with status 1.
fn refusal(arguments: &[&str]) -> String {
    let assert = program().args(arguments).assert().code(1).stdout("");
    String::from_utf8_lossy(&assert.get_output().stderr).into_owned()
}

/// Returns whether a cell is this number, as exactly as tables are.
fn shows(cell: &str, value: &Value) -> bool {
    match value.as_f64() {
        None => cell == "-",
        Some(value) => cell
            .parse()
            .is_ok_and(|cell: f64| (cell - value).abs() <= f64::max(0.051, value * 0.001)),
    }
}

/// Whether valgrind counts here; the toolchain root has it.
fn has_valgrind() -> bool {
    let version = std::process::Command::new("valgrind")
        .arg("--version")
        .output();
    version.is_ok_and(|output| output.status.success())
}

#[test]
fn the_tables_show_what_the_json_has() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.json");
    let run = ["run", "object-64-pair", "--samples", "6", "--output"];
    let (table, progress) = output(program().args(run).arg(&file));
    assert!(progress.contains("[ 1/1] object-64-pair"), "{progress}");

    let json: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(json["schema"], "quarry.bench-host/1");
    let rows = json["rows"].as_array().unwrap();
    assert!(rows.len() >= 8, "{json}");
    for row in rows {
        let arm = row["arm"].as_str().unwrap();
        let line = table.lines().find_map(|line| {
            let rest = line.strip_prefix(arm)?;
            rest.starts_with("  ").then_some(rest)
        });
        let cells: Vec<&str> = line.expect(arm).split_whitespace().collect();
        assert!(shows(cells[0], &row["instructions"]), "{arm}\n{table}");
        assert!(shows(cells[2], &row["ns"]["median"]), "{arm}\n{table}");
        assert!(
            shows(cells[3], &row["ns_ratio"]["median"]),
            "{arm}\n{table}"
        );
        let skipped = !row["skipped"].is_null();
        assert_eq!(row["ns"].is_null(), skipped, "{arm}\n{table}");
        assert_eq!(row["instructions"].is_null(), skipped || !has_valgrind());
    }
    let (again, _) = output(program().arg("table").arg(&file));
    assert_eq!(again, table);
}

#[test]
fn instructions_are_the_same_twice() {
    if !has_valgrind() {
        return;
    }
    let run = ["run", "object-64-bulk", "--samples", "0", "--json"];
    let (first, _) = output(program().args(run));
    let json: Value = serde_json::from_str(&first).unwrap();
    let quarry = json["rows"][0]["instructions"].as_f64().unwrap();
    assert!((10.0..100_000.0).contains(&quarry), "{quarry}");
    assert_eq!(output(program().args(run)).0, first);
}

#[test]
fn without_valgrind_there_is_time_and_a_reason() {
    let run = ["run", "object-64-pair", "--samples", "6", "--json"];
    let (json, errors) = output(program().args(run).env("PATH", ""));
    let json: Value = serde_json::from_str(&json).unwrap();
    let reason = json["uncounted"].as_str().unwrap();
    assert!(reason.contains("apt-get install valgrind"), "{reason}");
    assert!(errors.contains(reason), "{errors}");
    assert!(json["rows"][0]["instructions"].is_null());
    assert!(json["rows"][0]["ns"]["median"].as_f64().unwrap() > 0.0);
}

#[test]
fn quarrys_blocks_are_aligned_and_do_not_overlap() {
    let works = [
        "page-pair",
        "page-shuffled",
        "object-64-sh",
        "object-200-sh",
    ];
    let (verdicts, _) = output(program().arg("check").args(works));
    let quarry: Vec<&str> = verdicts
        .lines()
        .filter(|line| line.contains(" quarry"))
        .collect();
    assert_eq!(quarry.len(), 6 * 3, "{verdicts}");
    assert!(
        quarry.iter().all(|line| line.ends_with(" ok")),
        "{verdicts}"
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_the_next_step() {
    let unknown = refusal(&["run", "pages"]);
    assert!(unknown.contains("no work 'pages'") && unknown.contains("page-pair-0"));
    let missing = refusal(&["table", "/nonexistent/run.json"]);
    assert!(missing.contains("cannot read /nonexistent/run.json"));
    let few = program().args(["run", "--samples", "3"]).assert().code(2);
    let few = String::from_utf8_lossy(&few.get_output().stderr).into_owned();
    assert!(few.contains("at least 6"), "{few}");
}

#[test]
fn a_page_without_the_mark_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (run, page) = (
        directory.path().join("run.json"),
        directory.path().join("page.rst"),
    );
    let samples = ["run", "object-64-pair", "--samples", "6", "--no-count"];
    output(program().args(samples).arg("--output").arg(&run));
    fs::write(&page, "A page.\n").unwrap();
    let rst = |page| {
        let mut command = program();
        command.arg("rst").arg(&run).arg("--page").arg(page);
        command
    };
    rst(&page).assert().code(1);
    assert_eq!(fs::read_to_string(&page).unwrap(), "A page.\n");
    let mark = ".. tables follow, written by make bench-host-doc";
    fs::write(&page, format!("A page.\n\n{mark}\n")).unwrap();
    output(&mut rst(&page));
    let text = fs::read_to_string(&page).unwrap();
    assert!(
        text.starts_with(&format!("A page.\n\n{mark}\n\n- machine: ")),
        "{text}"
    );
    assert!(text.contains("instructions: none; not wanted"), "{text}");
}

#[test]
fn the_works_that_are_listed_can_be_measured() {
    let (works, _) = output(program().arg("works"));
    assert_eq!(works.lines().count(), 20);
    let help = output(program().args(["run", "--help"])).0;
    assert!(
        help.contains("--no-count") && help.contains("[default: 101]"),
        "{help}"
    );
}
