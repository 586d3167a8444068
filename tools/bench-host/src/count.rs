// SPDX-License-Identifier: GPL-2.0

//! Counts of instructions, by callgrind.
//!
//! The program runs itself under valgrind, which counts inside [`quarry_bench_host_round`] only and
//! writes down and forgets what it has counted on each call of [`quarry_bench_host_next`]. What the
//! program prints says which arm each of these parts is of.

use crate::{arm::Entry, bench::Runner, work::Work};
use anyhow::{bail, Context};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    hint::black_box,
    io::{self, Write},
    process::{Command, Stdio},
};

/// Rounds that nobody counts, to get to a steady state.
pub const WARM_UP: usize = 2;
/// Rounds that are counted.
const ROUNDS: usize = 3;

const ROUND: &str = "quarry_bench_host_round";
const NEXT: &str = "quarry_bench_host_next";

/// What an arm did under callgrind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Done {
    arm: String,
    /// Operations that were counted, or why there are none.
    operations: Result<usize, String>,
}

/// An arm's instructions for each operation, or why there are none.
pub type Count = Result<f64, String>;

/// Does a round that counts. callgrind knows it by this name.
#[no_mangle]
#[inline(never)]
fn quarry_bench_host_round(runner: &mut dyn Runner) -> usize {
    // Not the last thing done here, so that it is no jump out of this function.
    black_box(runner.round())
}

/// Ends what is counted for one arm. callgrind knows it by this name.
#[no_mangle]
#[inline(never)]
fn quarry_bench_host_next() {
    black_box(());
}

fn count(entry: &Entry, work: &Work) -> Result<usize, String> {
    let mut runner = (entry.make)(work.shape)?;
    runner.prepare(work)?;
    let mut operations = 0;
    for round in 0..WARM_UP + ROUNDS {
        runner.before();
        if round < WARM_UP {
            runner.round();
        } else {
            operations += quarry_bench_host_round(&mut *runner);
        }
        runner.after();
    }
    quarry_bench_host_next();
    Ok(operations)
}

/// Does a work with each arm, under callgrind. Prints a line for each.
pub fn worker(entries: &[Entry], work: &Work) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for entry in entries {
        let done = Done {
            arm: entry.name.to_owned(),
            operations: count(entry, work),
        };
        writeln!(out, "{}", serde_json::to_string(&done)?)?;
        out.flush()?;
    }
    Ok(())
}

/// Returns the version of valgrind, or what to do to have one.
pub fn valgrind() -> Result<String, String> {
    match Command::new("valgrind").arg("--version").output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Err(format!(
            "valgrind --version ended with {}; run make bench-host, whose toolchain root has one that works",
            output.status
        )),
        Err(error) => Err(format!(
            "valgrind cannot be run ({error}); run make bench-host, whose toolchain root has it, \
             or apt-get install valgrind"
        )),
    }
}

/// Returns what was counted in each part that callgrind wrote, in their order.
fn parts(text: &str) -> anyhow::Result<Vec<u64>> {
    let sums = text
        .lines()
        .filter_map(|line| line.strip_prefix("summary:"));
    sums.map(|sum| {
        let sum = sum.trim();
        sum.parse()
            .with_context(|| format!("callgrind wrote 'summary: {sum}'"))
    })
    .collect()
}

/// Puts operations and instructions together.
fn per_operation(done: Vec<Done>, parts: &[u64]) -> anyhow::Result<Vec<(String, Count)>> {
    let mut parts = parts.iter();
    let mut counts = Vec::new();
    for Done { arm, operations } in done {
        let count = match operations {
            Err(reason) => Err(reason),
            Ok(operations) => match parts.next() {
                // CAST: Far below 2^53.
                Some(&sum) if sum > 0 => Ok(sum as f64 / operations as f64),
                Some(_) => bail!(
                    "callgrind counted nothing for {arm}: the program has no symbol {ROUND}; \
                     build it without stripping it"
                ),
                None => bail!("callgrind wrote no part for {arm}"),
            },
        };
        counts.push((arm, count));
    }
    Ok(counts)
}

/// Counts a work's instructions for each arm.
pub fn measure(work: &Work) -> anyhow::Result<Vec<(String, Count)>> {
    let directory = tempfile::tempdir().context("cannot make a directory for callgrind")?;
    let file = directory.path().join("parts");
    let program = std::env::current_exe().context("cannot find this program")?;
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--quiet",
            "--vgdb=no",
            "--combine-dumps=yes",
        ])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .args(["--collect-atstart=no", &format!("--toggle-collect={ROUND}")])
        .arg(format!("--dump-before={NEXT}"))
        .arg(program)
        .args(["count", work.name])
        .stdin(Stdio::null())
        .output()
        .context("cannot run valgrind")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("valgrind ended with {}: {}", output.status, errors.trim());
    }
    let mut done = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let context = || format!("cannot read the line '{line}' of {}", work.name);
        done.push(serde_json::from_str(line).with_context(context)?);
    }
    let text = fs::read_to_string(&file).context("callgrind wrote no counts")?;
    per_operation(done, &parts(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(arm: &str, operations: Result<usize, &str>) -> Done {
        Done {
            arm: arm.to_owned(),
            operations: operations.map_err(str::to_owned),
        }
    }

    #[test]
    fn parts_are_of_the_arms_that_did_something() {
        let text = "part: 1\nsummary: 300\nfn=(1) x\n1 300\npart: 2\nsummary: 50\nsummary: 0\n";
        let done = vec![
            done("a", Ok(100)),
            done("b", Err("cannot")),
            done("c", Ok(100)),
        ];
        let counts = per_operation(done, &parts(text).unwrap()).unwrap();
        let counts: Vec<_> = counts.into_iter().map(|(_, count)| count).collect();
        assert_eq!(counts, [Ok(3.0), Err("cannot".to_owned()), Ok(0.5)]);
    }

    #[test]
    fn what_was_not_counted_is_an_error() {
        let nothing = per_operation(vec![done("a", Ok(100))], &[0]).unwrap_err();
        assert!(nothing.to_string().contains("no symbol"), "{nothing}");
        let none = per_operation(vec![done("a", Ok(100))], &[]).unwrap_err();
        assert!(none.to_string().contains("no part"), "{none}");
        assert!(parts("summary: many\n").is_err());
    }
}
