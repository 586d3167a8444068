// SPDX-License-Identifier: GPL-2.0

//! Where a run was made, as far as figures depend on it.

use serde::{Deserialize, Serialize};
use std::{env::consts::ARCH, fmt, fs, thread::available_parallelism};

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its instruction set.
    pub arch: String,
    /// The model of its CPUs, if it says so.
    pub cpu: Option<String>,
    /// How many of them there are.
    pub cpus: usize,
}

/// Returns the model from the text of `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

impl Machine {
    /// Returns this machine.
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").ok();
        Self {
            arch: ARCH.to_owned(),
            cpu: cpuinfo.as_deref().and_then(model),
            cpus: available_parallelism().map_or(1, usize::from),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu.as_deref().unwrap_or("an unnamed model");
        write!(f, "{}, {} CPUs of {cpu}", self.arch, self.cpus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_what_stands_behind_the_colon() {
        let cpuinfo = "processor\t: 0\nmodel name\t: A CPU: 9 @ 2 GHz\nflags\t: x\n";
        assert_eq!(model(cpuinfo).as_deref(), Some("A CPU: 9 @ 2 GHz"));
        assert_eq!(model("processor : 0\n"), None);
    }
}
