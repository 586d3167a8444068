// SPDX-License-Identifier: GPL-2.0

//! What reads what others wrote, as functions of bytes that panic where something is wrong.
//!
//! Who makes the bytes does not matter: libFuzzer does in `tools/fuzz`, whose corpus is run as a test.
//! What cannot be read is no failure; what is read must keep the laws of its type.

use crate::{
    args::{Cli, Level},
    kernel::{self, FreeBlocks},
    replay::{line, plan::Planner, source::Source, ASSUMED},
    size::{Size, SizeRange},
    stress::{
        mix::Mix,
        sizes::{Limits, Sizes},
    },
};
use clap::Parser;
use fastrand::Rng;
use quarry_uapi::Kind;
use std::io::Cursor;

/// A parser: its name, and what runs it.
pub type Target = (&'static str, fn(&[u8]));

/// All parsers.
pub const ALL: [Target; 7] = [
    ("arguments", arguments),
    ("buddyinfo", buddyinfo),
    ("mix", mix),
    ("size", size),
    ("source", source),
    ("trace", trace),
    ("vmstat", vmstat),
];

/// Most bytes that are taken of what an archive holds.
const MOST: u64 = 1 << 20;

/// The command line: a word on each line.
fn arguments(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Cli::try_parse_from(["quarry"].into_iter().chain(text.lines()));
    }
}

/// `/proc/buddyinfo`.
fn buddyinfo(bytes: &[u8]) {
    if let Ok(Ok(blocks)) = std::str::from_utf8(bytes).map(FreeBlocks::parse) {
        let pages: Vec<u64> = (0..65).map(|order| blocks.pages_from(order)).collect();
        assert!(pages.windows(2).all(|pair| pair[0] >= pair[1]), "{pages:?}");
    }
}

/// Weights of kinds.
fn mix(bytes: &[u8]) {
    let Ok(Ok(mix)) = std::str::from_utf8(bytes).map(str::parse::<Mix>) else {
        return;
    };
    assert_eq!(mix.to_string().parse(), Ok(mix.clone()));
    let mut rng = Rng::with_seed(1);
    for _ in 0..16 {
        let kind = mix.draw(&mut rng);
        assert!(mix.kinds().any(|known| known == kind), "{mix}: {kind}");
    }
}

/// Sizes, ranges and distributions.
fn size(bytes: &[u8]) {
    let Ok(word) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(Size(bytes)) = word.parse() {
        assert_eq!(bytes.to_string().parse(), Ok(Size(bytes)));
    }
    if let Ok(SizeRange { min, max }) = word.parse() {
        assert!(0 < min && min <= max, "{min}..{max}");
    }
    let Ok(sizes) = word.parse::<Sizes>() else {
        return;
    };
    assert_eq!(sizes.to_string().parse(), Ok(sizes));
    let limits = Limits {
        page_size: 4096,
        contiguous: 4 << 20,
        area: 16 << 20,
    };
    let mut rng = Rng::with_seed(1);
    for kind in Kind::ALL {
        let bytes = sizes.draw(kind, &limits, &mut rng);
        assert!((1..=16 << 20).contains(&bytes), "{sizes} {kind} {bytes}");
    }
}

/// A trace as it is stored: plain or compressed.
fn source(bytes: &[u8]) {
    let Ok(source) = Source::of(Cursor::new(bytes.to_vec()), MOST) else {
        return;
    };
    let is_plain = source.is_plain();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let read = source.for_each_line(|line| lines.push(line.to_vec()), |_| {});
    if read.is_ok() && is_plain {
        let text = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let expected: Vec<&[u8]> = match bytes {
            [] => Vec::new(),
            _ => text.split(|&byte| byte == b'\n').collect(),
        };
        assert_eq!(lines, expected);
    }
}

/// The text of a trace, and the plan that is made of it.
fn trace(bytes: &[u8]) {
    for level in [Level::Objects, Level::Pages] {
        let mut planner = Planner::new(level, ASSUMED);
        for line in bytes.split(|&byte| byte == b'\n') {
            planner.line(line::parse(line));
        }
        let plan = planner.finish();
        assert!(plan.adds_up(), "{plan:?}");
        plan.check_steps();
    }
}

/// `/proc/vmstat`.
fn vmstat(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = kernel::slab_pages_of(text);
    }
}
