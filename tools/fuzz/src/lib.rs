// SPDX-License-Identifier: GPL-2.0

//! What is fuzzed: the machines of the policy code, and the parsers of the tools.
//!
//! A target is a name and a function of bytes that panics where something is wrong. libFuzzer drives
//! it in `quarry-fuzz`; the tests drive it with the corpus.

pub mod corpus;

use anyhow::Context;

/// A function of bytes that panics where something is wrong.
pub type Run = fn(&[u8]);

/// Returns all targets, with their names.
pub fn targets() -> impl Iterator<Item = (&'static str, Run)> {
    quarry_policy::machines::ALL
        .into_iter()
        .chain(quarry_cli::parsers::ALL)
        .chain(quarry_bench::parsers::ALL)
}

/// Returns the target of that name, or says which there are.
pub fn target(name: &str) -> anyhow::Result<Run> {
    targets()
        .find_map(|(known, run)| (known == name).then_some(run))
        .with_context(|| {
            let names: Vec<_> = targets().map(|(name, _)| name).collect();
            format!("no target '{name}'; there are {}", names.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<_> = targets().map(|(name, _)| name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }

    #[test]
    fn an_unknown_target_is_an_error_that_names_the_others() {
        let error = target("nothing").unwrap_err().to_string();
        assert!(
            error.contains("'nothing'") && error.contains("zone"),
            "{error}"
        );
        assert!(target("zone").is_ok());
    }
}
