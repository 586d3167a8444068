// SPDX-License-Identifier: GPL-2.0

//! The lines that the module prints.

use anyhow::{bail, Context};
use serde::{Deserialize, Serialize};

/// The version of the lines that is understood.
const SCHEMA: &str = "quarry.bench-raw/1";

/// What the line tells that begins a run of the module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Header {
    schema: String,
    metric: String,
    release: String,
    cpus: u32,
    kernel_init_on_alloc: bool,
}

/// Which allocator was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// The kernel's own.
    Kernel,
    /// quarry's.
    Quarry,
}

/// Single operations of one arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// The quickest.
    pub min: u64,
    /// The median.
    pub p50: u64,
    /// Nine in ten are no slower.
    pub p90: u64,
    /// 99 in 100 are no slower.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
    /// How many were measured.
    pub samples: u64,
    /// How many more were interrupted, and left out.
    pub interrupted: u64,
    /// How many took more than twice the median: those that took a slow path, where most do not.
    #[serde(default)]
    pub slow: u64,
    /// The median of those.
    pub slow_p50: Option<u64>,
    /// 99 in 100 of those are no slower.
    pub slow_p99: Option<u64>,
}

/// What became of one arm of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Measured: the figure of the row, and single operations if there are any.
    Value(f64, Option<Distribution>),
    /// Not measured, and why.
    Skipped(String),
}

/// One line, with what its run's first line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What is done.
    pub work: String,
    /// With what.
    pub parameter: String,
    /// What is counted.
    pub metric: String,
    /// The kernel's version.
    pub release: String,
    /// CPUs of the guest.
    pub cpus: u32,
    /// Whether both arms clear what they allocate.
    pub clearing: bool,
    /// By whom.
    pub arm: Arm,
    /// What came out.
    pub outcome: Outcome,
}

#[derive(Deserialize)]
struct Result {
    work: String,
    parameter: String,
    arm: Arm,
    metric: Option<String>,
    skipped: Option<String>,
    value: Option<f64>,
    #[serde(flatten)]
    distribution: Option<Distribution>,
}

/// Returns the results in `text`, in its order. Lines that are not JSON objects are comments.
pub fn parse(text: &str) -> anyhow::Result<Vec<Line>> {
    let mut header: Option<Header> = None;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if !line.starts_with('{') {
            continue;
        }
        let place = || format!("line {}: {line}", number + 1);
        if line.starts_with("{\"schema\"") {
            let read: Header = serde_json::from_str(line).with_context(place)?;
            if read.schema != SCHEMA {
                bail!("{}: the schema is not {SCHEMA}", place());
            }
            header = Some(read);
            continue;
        }
        let result: Result = serde_json::from_str(line).with_context(place)?;
        let Some(header) = &header else {
            bail!("{}: no line with a schema before it", place());
        };
        let outcome = match (result.skipped, result.value, result.distribution) {
            (Some(reason), None, _) => Outcome::Skipped(reason),
            (None, Some(value), distribution) => Outcome::Value(value, distribution),
            _ => bail!("{}: neither measured nor skipped", place()),
        };
        lines.push(Line {
            work: result.work,
            parameter: result.parameter,
            metric: result.metric.unwrap_or_else(|| header.metric.clone()),
            release: header.release.clone(),
            cpus: header.cpus,
            clearing: header.kernel_init_on_alloc,
            arm: result.arm,
            outcome,
        });
    }
    if lines.is_empty() {
        bail!("there is no result: the module did not run, or its lines were lost");
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r#"{"schema":"quarry.bench-raw/1","metric":"instructions","release":"7.3.4","cpus":1,"kernel_init_on_alloc":false,"empty":4}"#;
    const RESULT: &str = r#"{"work":"w","parameter":"8 B","arm":"quarry","value":83.50,"min":83,"p50":83,"p90":84,"p99":85,"max":90,"samples":4095,"interrupted":1}"#;

    #[test]
    fn a_result_has_what_its_header_says() {
        let lines = parse(&format!("# note\n{HEADER}\n{RESULT}\n")).unwrap();
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].metric.as_str(), lines[0].arm),
            ("instructions", Arm::Quarry)
        );
        let Outcome::Value(value, distribution) = &lines[0].outcome else {
            panic!("{lines:?}");
        };
        assert_eq!(*value, 83.5);
        let distribution = distribution.as_ref().unwrap();
        assert_eq!((distribution.max, distribution.slow), (90, 0));
    }

    #[test]
    fn a_line_may_have_a_metric_of_its_own() {
        let line = r#"{"work":"w","parameter":"p","arm":"quarry","metric":"percent","value":0.39}"#;
        let lines = parse(&format!("{HEADER}\n{line}\n")).unwrap();
        assert_eq!(lines[0].metric, "percent");
        assert_eq!(lines[0].outcome, Outcome::Value(0.39, None));
    }

    #[test]
    fn a_skipped_row_keeps_its_reason() {
        let skipped = r#"{"work":"w","parameter":"p","arm":"kernel","skipped":"no memory"}"#;
        let lines = parse(&format!("{HEADER}\n{skipped}\n")).unwrap();
        assert_eq!(lines[0].outcome, Outcome::Skipped("no memory".to_owned()));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse(RESULT).is_err());
        assert!(parse(&format!("{}\n{RESULT}", HEADER.replace("raw/1", "raw/2"))).is_err());
        assert!(parse(&format!("{HEADER}\n{}", &RESULT[..60])).is_err());
        assert!(parse(&format!(
            "{HEADER}\n{{\"work\":\"w\",\"parameter\":\"p\",\"arm\":\"kernel\"}}"
        ))
        .is_err());
    }
}
