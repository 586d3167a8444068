// SPDX-License-Identifier: GPL-2.0

//! The command line as a program: help texts, exit statuses, streams. Needs no module.

use assert_cmd::Command;
use std::path::PathBuf;

/// A device that is not there, whatever the machine has loaded.
const NO_DEVICE: &str = "--device=/nonexistent/quarry";

fn quarry() -> Command {
    Command::new(env!("CARGO_BIN_EXE_quarry"))
}

/// A trace of six events, in which everything but one line is used.
fn trace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/trace.txt")
}

#[test]
fn help_texts_are_what_the_golden_files_say() {
    trycmd::TestCases::new().case("tests/cmd/*.toml");
}

#[test]
fn without_the_module_commands_exit_with_4_and_say_what_to_do() {
    let trace = trace();
    let replay = ["replay", trace.to_str().unwrap_or_default()];
    let commands: [&[&str]; 7] = [
        &["info"],
        &["stat"],
        &["stress"],
        &replay,
        &["check"],
        &["explain", "kmalloc", "100"],
        &["--json", "info"],
    ];
    for command in commands {
        let assert = quarry().arg(NO_DEVICE).args(command).assert();
        let output = assert.code(4).stdout("").get_output().clone();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains("modprobe quarry"), "{message}");
    }
}

#[test]
fn doctor_without_the_module_says_what_fails() {
    let assert = quarry().args([NO_DEVICE, "doctor"]).assert().code(4);
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(output.contains("FAIL  device"), "{output}");
    assert!(output.contains("ok    kernel"), "{output}");
}

#[test]
fn wrong_usage_exits_with_2() {
    let wrong: [&[&str]; 11] = [
        &[],
        &["frobnicate"],
        &["stress", "--mix", "slab:1"],
        &["stress", "--sizes", "9..8"],
        &["stress", "--ops", "1", "--duration", "1"],
        &["stat", "nothing"],
        &["stat", "--watch", "0"],
        &["replay"],
        &["replay", "--verify", "--arm", "both", "trace"],
        &["bench", "frag", "--arm", "kernel", "--at-least", "95"],
        &["explain", "kmalloc"],
    ];
    for args in wrong {
        quarry().args(args).assert().code(2).stdout("");
    }
}

#[test]
fn a_device_that_is_not_quarrys_is_an_error() {
    quarry()
        .args(["--device=/dev/null", "info"])
        .assert()
        .code(1);
}

#[test]
fn a_dry_run_accounts_for_a_trace() {
    let assert = quarry()
        .args(["--json", "replay", "--dry-run"])
        .arg(trace())
        .assert()
        .success()
        .stderr("");
    let json: serde_json::Value =
        serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
    assert_eq!(json["schema"], "quarry.replay/2");
    let replay = &json["replays"][0];
    assert_eq!(replay["adds_up"], true);
    assert_eq!(replay["allocations"]["in_trace"], 3);
    assert_eq!(replay["allocations"]["live_at_end"], 1);
    assert_eq!(replay["frees"]["skipped_without_allocation"], 1);
    assert_eq!(replay["lines"]["damaged"], 1);
    assert_eq!(replay["replays"], serde_json::json!([]));
}

#[test]
fn a_recorded_trace_is_understood_to_the_last_line() {
    let recorded =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/traces/small.txt.xz");
    for level in ["objects", "pages"] {
        let assert = quarry()
            .args(["--json", "replay", "--dry-run", "--level", level])
            .arg(&recorded)
            .assert()
            .success();
        let json: serde_json::Value =
            serde_json::from_slice(&assert.get_output().stdout).expect("JSON");
        let replay = &json["replays"][0];
        assert_eq!(replay["adds_up"], true);
        let lines = &replay["lines"];
        assert_eq!(lines["total"], 57_541);
        assert_eq!(
            (&lines["damaged"], &lines["unknown"]),
            (&0.into(), &0.into())
        );
        assert_eq!(replay["lost_events"], 0);
    }
}

#[test]
fn a_trace_may_come_from_standard_input() {
    let text = std::fs::read(trace()).expect("the trace");
    let assert = quarry()
        .args(["replay", "--dry-run", "-"])
        .write_stdin(text)
        .assert()
        .success();
    let output = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
    assert!(
        output.contains("every line, allocation and free is accounted for"),
        "{output}"
    );
}

#[test]
fn a_file_that_is_no_trace_is_an_error() {
    let assert = quarry()
        .args(["replay", "--dry-run", "-"])
        .write_stdin("hello\nworld\n")
        .assert()
        .code(1)
        .stdout("");
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("nothing to replay: 2 lines"), "{message}");
}

#[test]
fn a_missing_trace_is_an_error_that_names_it() {
    let assert = quarry()
        .args(["replay", "--dry-run", "/nonexistent/trace"])
        .assert()
        .code(1)
        .stdout("");
    let message = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(message.contains("/nonexistent/trace"), "{message}");
}
