// SPDX-License-Identifier: GPL-2.0

//! Runs each input of the corpus, and names those that fail.

use quarry_fuzz::{
    corpus,
    targets, //
};
use std::panic;

#[test]
fn every_input_of_the_corpus_passes() {
    let root = corpus::root();
    corpus::check_names(&root).unwrap_or_else(|error| panic!("{error:#}"));
    let mut failed = Vec::new();
    for (target, run) in targets() {
        let entries = match corpus::load(&root, target) {
            Ok(entries) => entries,
            Err(error) => {
                failed.push(format!("{target}: {error:#}"));
                continue;
            }
        };
        for entry in entries {
            if panic::catch_unwind(|| run(&entry.bytes)).is_err() {
                failed.push(format!("{target}/{}", entry.name));
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{} failed, what they say is above:\n{}",
        failed.len(),
        failed.join("\n")
    );
}
