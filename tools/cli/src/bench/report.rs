// SPDX-License-Identifier: GPL-2.0

//! What fragmentation looks like.

use super::frag::{Outcome, Plan};
use crate::output::{self, grouped};
use serde_json::{json, Value};
use std::collections::BTreeMap;

/// Huge blocks in one line of the picture.
const COLUMNS: u64 = 64;

/// Returns the report as text.
pub fn text(plan: &Plan, outcomes: &[Outcome]) -> String {
    let mut table = output::table(&[
        "",
        "MiB",
        "filled",
        "failed",
        "live",
        "free",
        "2 MiB blocks free",
        "possible",
        "share",
        "ns each",
    ]);
    for outcome in outcomes {
        // CAST: For reading.
        let mib = (outcome.pages * outcome.page_size) >> 20;
        table.add_row([
            outcome.arm.name().to_owned(),
            grouped(mib),
            grouped(outcome.filled),
            grouped(outcome.failed),
            grouped(outcome.live),
            grouped(outcome.free),
            grouped(outcome.whole),
            grouped(outcome.possible),
            format!("{:.1} %", outcome.percent()),
            format!("{:.0}", outcome.nanos_per_op()),
        ]);
    }
    let mut text = format!(
        "fragmentation: {} % filled with single pages, half freed, {} rounds of {} %; threads {}, seed {}\n",
        plan.fill, plan.rounds, plan.churn, plan.threads, plan.seed
    );
    text += &output::render(&table);
    for outcome in outcomes {
        text += &format!(
            "\n{}: 2 MiB blocks by what is held of them: ' ' nothing, . : + # a quarter more each\n",
            outcome.arm.name()
        );
        text += &picture(&outcome.blocks, outcome.pages_per_block());
    }
    text
}

/// Draws blocks, of `full` pages each, from the first to the last that is held.
fn picture(blocks: &BTreeMap<u64, u64>, full: u64) -> String {
    let mut lines = BTreeMap::<u64, Vec<char>>::new();
    for (block, held) in blocks {
        let line = lines.entry(block / COLUMNS);
        let line = line.or_insert_with(|| vec![' '; COLUMNS as usize]);
        line[(block % COLUMNS) as usize] = shade(*held, full);
    }
    let mut text = String::new();
    let mut next = lines.keys().next().copied().unwrap_or(0);
    for (number, line) in &lines {
        if *number > next {
            text += &format!("  {:>7} ... nothing\n", next * COLUMNS);
        }
        let line: String = line.iter().collect();
        text += &format!("  {:>7} |{line}|\n", number * COLUMNS);
        next = number + 1;
    }
    text
}

/// Returns how a block is drawn.
fn shade(held: u64, full: u64) -> char {
    match held * 4 / full.max(1) {
        _ if held == 0 => ' ',
        0 => '.',
        1 => ':',
        2 => '+',
        _ => '#',
    }
}

/// Returns the report as JSON.
pub fn json(plan: &Plan, outcomes: &[Outcome]) -> Value {
    let arm = |outcome: &Outcome| {
        let blocks = outcome.blocks.iter();
        json!({
            "arm": outcome.arm,
            "page_size": outcome.page_size,
            "memory_pages": outcome.pages,
            "filled_pages": outcome.filled,
            "allocations_failed": outcome.failed,
            "live_pages": outcome.live,
            "free_pages": outcome.free,
            "whole_blocks": outcome.whole,
            "possible_blocks": outcome.possible,
            "whole_percent": outcome.percent(),
            "operations": outcome.operations,
            "nanoseconds_per_operation": outcome.nanos_per_op(),
            "block_bytes": outcome.pages_per_block() * outcome.page_size,
            "blocks": blocks.map(|(block, held)| json!([block, held])).collect::<Vec<_>>(),
        })
    };
    json!({
        "seed": plan.seed,
        "threads": plan.threads,
        "fill_percent": plan.fill,
        "rounds": plan.rounds,
        "churn_percent": plan.churn,
        "arms": outcomes.iter().map(arm).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_drawn_where_they_lie() {
        let blocks = BTreeMap::from([(64, 1), (65, 128), (66, 300), (127, 512), (256, 511)]);
        let expected = format!(
            "       64 |.:+{}#|\n      128 ... nothing\n      256 |#{}|\n",
            " ".repeat(60),
            " ".repeat(63)
        );
        assert_eq!(picture(&blocks, 512), expected);
    }

    #[test]
    fn memory_without_pages_has_no_picture() {
        assert_eq!(picture(&BTreeMap::new(), 512), "");
    }
}
