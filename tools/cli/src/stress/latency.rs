// SPDX-License-Identifier: GPL-2.0

//! How long calls of the module take.
//!
//! A call is timed from before the system call until after it, with whatever interrupts it: that is
//! what a caller waits. Calls that fail count too. Each thread records for itself, and the records
//! are added at the end.

use clap::ValueEnum;
use hdrhistogram::Histogram;
use serde_json::{json, Map, Value};
use std::{collections::BTreeMap, time::Instant};

/// Significant decimal digits of a recorded value: it is off by 1 % at most.
const DIGITS: u8 = 2;

/// What calls are timed with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// The monotonic clock, in nanoseconds
    #[default]
    Ns,
    /// The time stamp counter, which counts instructions under icount
    #[cfg(target_arch = "x86_64")]
    Tsc,
}

impl Clock {
    /// Runs `call`, and returns what it returns and how long it took.
    pub fn time<T>(self, call: impl FnOnce() -> T) -> (T, u64) {
        match self {
            Self::Ns => {
                let start = Instant::now();
                let result = call();
                let taken = start.elapsed().as_nanos();
                (result, u64::try_from(taken).unwrap_or(u64::MAX))
            }
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => {
                let start = time_stamp();
                let result = call();
                // A thread that was moved may find the other CPU's counter behind.
                (result, time_stamp().saturating_sub(start))
            }
        }
    }

    /// Returns what a recorded value counts.
    fn unit(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => "cycles",
        }
    }

    /// Returns the line above the table.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Ns => "latency of calls, in µs",
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => {
                "latency of calls, in cycles of the time stamp counter; instructions under icount"
            }
        }
    }

    /// Returns a recorded value as the table shows it, without blanks.
    fn shown(self, value: u64) -> String {
        match self {
            // CAST: For reading.
            Self::Ns => format!("{:.1}", value as f64 / 1000.0),
            #[cfg(target_arch = "x86_64")]
            Self::Tsc => value.to_string(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn time_stamp() -> u64 {
    // SAFETY: Every x86-64 CPU has the instruction, and it touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// A call of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    Alloc,
    Realloc,
    Free,
    Read,
    Write,
    Fill,
    Verify,
    Batch,
}

impl Call {
    /// Returns its name in the header.
    fn name(self) -> &'static str {
        match self {
            Self::Alloc => "ALLOC",
            Self::Realloc => "REALLOC",
            Self::Free => "FREE",
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::Fill => "FILL",
            Self::Verify => "VERIFY",
            Self::Batch => "BATCH",
        }
    }
}

/// What a row says of a call.
struct Summary {
    count: u64,
    p50: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

/// How long calls took, of a thread or of all of them.
#[derive(Debug, Default)]
pub struct Latencies {
    calls: BTreeMap<Call, Histogram<u64>>,
}

impl Latencies {
    /// Records a call.
    pub fn record(&mut self, call: Call, taken: u64) {
        *self.histogram(call) += taken;
    }

    /// Adds what another thread has recorded.
    pub fn add(&mut self, other: &Self) {
        for (call, histogram) in &other.calls {
            *self.histogram(*call) += histogram;
        }
    }

    fn histogram(&mut self, call: Call) -> &mut Histogram<u64> {
        self.calls.entry(call).or_insert_with(|| {
            // PANIC: It fails for more than 5 digits. It grows with what is recorded.
            Histogram::new(DIGITS).expect("two digits are few enough")
        })
    }

    fn summaries(&self) -> impl Iterator<Item = (&'static str, Summary)> + '_ {
        self.calls.iter().map(|(call, histogram)| {
            let summary = Summary {
                count: histogram.len(),
                p50: histogram.value_at_quantile(0.5),
                p99: histogram.value_at_quantile(0.99),
                p999: histogram.value_at_quantile(0.999),
                max: histogram.max(),
            };
            (call.name(), summary)
        })
    }

    /// Returns the rows of the table: call, count, p50, p99, p99.9, max.
    pub fn rows(&self, clock: Clock) -> Vec<[String; 6]> {
        let row = |(name, summary): (&str, Summary)| {
            [
                name.to_owned(),
                summary.count.to_string(),
                clock.shown(summary.p50),
                clock.shown(summary.p99),
                clock.shown(summary.p999),
                clock.shown(summary.max),
            ]
        };
        self.summaries().map(row).collect()
    }

    /// Returns the same as JSON.
    pub fn as_json(&self, clock: Clock) -> Value {
        let member = |(name, summary): (&str, Summary)| {
            let value = json!({
                "count": summary.count,
                "p50": summary.p50,
                "p99": summary.p99,
                "p99.9": summary.p999,
                "max": summary.max,
            });
            (name.to_owned(), value)
        };
        json!({
            "unit": clock.unit(),
            "calls": self.summaries().map(member).collect::<Map<_, _>>(),
        })
    }

    /// Returns how many calls of a kind were recorded.
    #[cfg(test)]
    pub fn count(&self, call: Call) -> u64 {
        self.calls.get(&call).map_or(0, Histogram::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{thread, time::Duration};

    /// Two threads' records of 1 to 10 000 µs, odd and even.
    fn of_two_threads() -> Latencies {
        let mut sum = Latencies::default();
        for first in [1, 2] {
            let mut one = Latencies::default();
            for us in (first..=10_000).step_by(2) {
                one.record(Call::Alloc, us * 1000);
            }
            one.record(Call::Batch, 7);
            sum.add(&one);
        }
        sum
    }

    #[test]
    fn sums_have_the_quantiles_of_all_threads() {
        let value = of_two_threads().as_json(Clock::Ns);
        let alloc = &value["calls"]["ALLOC"];
        assert_eq!(alloc["count"], 10_000);
        assert_eq!(value["calls"]["BATCH"]["count"], 2);
        for (name, expected) in [
            ("p50", 5e6),
            ("p99", 9.9e6),
            ("p99.9", 9.99e6),
            ("max", 1e7),
        ] {
            let found = alloc[name].as_f64().unwrap();
            assert!((found / expected - 1.0).abs() < 0.01, "{name}: {found}");
        }
    }

    #[test]
    fn rows_are_in_microseconds_and_have_no_blanks() {
        let rows = of_two_threads().rows(Clock::Ns);
        assert_eq!(rows[1], ["BATCH", "2", "0.0", "0.0", "0.0", "0.0"]);
        assert_eq!(rows[0][..2], ["ALLOC", "10000"]);
        let max: f64 = rows[0][5].parse().unwrap();
        assert!((10_000.0..10_100.0).contains(&max), "{max}");
    }

    #[test]
    fn one_long_call_is_the_maximum() {
        let mut latencies = Latencies::default();
        for _ in 0..100_000 {
            latencies.record(Call::Free, 1000);
        }
        latencies.record(Call::Free, 60_000_000_000);
        let value = latencies.as_json(Clock::Ns);
        let free = &value["calls"]["FREE"];
        assert!(free["p99.9"].as_u64().unwrap() < 1010);
        assert!(free["max"].as_u64().unwrap() >= 60_000_000_000);
    }

    #[test]
    fn clocks_measure_what_they_run() {
        let pause = Duration::from_millis(5);
        for clock in Clock::value_variants() {
            let (result, taken) = clock.time(|| {
                thread::sleep(pause);
                3
            });
            assert_eq!(result, 3);
            // No counter is slower than 1 GHz by far.
            assert!(taken > 1_000_000, "{clock:?}: {taken}");
        }
        assert!(Clock::Ns.time(|| thread::sleep(pause)).1 >= 5_000_000);
    }
}
