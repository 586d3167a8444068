// SPDX-License-Identifier: GPL-2.0

//! What is done with each arm.

use crate::shape::Shape;
use anyhow::bail;

/// Blocks that are live at a time, and pairs in a round.
pub const LIVE: usize = 4096;
/// Blocks of the work `bulk`.
pub const BULK: usize = 32;

/// What a round does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Allocations and their frees, at once.
    Pair,
    /// Allocations while [`LIVE`] blocks become live, after frees in random order.
    Alloc,
    /// Their free in the order of allocation.
    Free,
    /// Their free in random order.
    Shuffled,
    /// [`BULK`] blocks allocated, then freed.
    Bulk,
}

/// A work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// Its name.
    pub name: &'static str,
    /// What one figure is, in words.
    pub title: &'static str,
    /// The blocks.
    pub shape: Shape,
    /// What a round does with them.
    pub phase: Phase,
    /// Whether all that fit were taken before, and a tenth of them freed in random order.
    pub full: bool,
}

const fn pages(name: &'static str, title: &'static str, order: u32, phase: Phase) -> Work {
    Work {
        name,
        title,
        shape: Shape::Pages { order },
        phase,
        full: false,
    }
}

const fn full(name: &'static str, title: &'static str, phase: Phase) -> Work {
    Work {
        full: true,
        ..pages(name, title, 0, phase)
    }
}

const fn object(name: &'static str, title: &'static str, size: usize, phase: Phase) -> Work {
    Work {
        name,
        title,
        shape: Shape::Object { size },
        phase,
        full: false,
    }
}

/// All works, in the order of the tables.
pub const WORKS: [Work; 20] = [
    pages("page-pair-0", "a page allocated and freed", 0, Phase::Pair),
    pages(
        "page-pair-4",
        "a block of order 4 allocated and freed",
        4,
        Phase::Pair,
    ),
    pages(
        "page-pair-9",
        "a block of order 9 allocated and freed",
        9,
        Phase::Pair,
    ),
    pages(
        "page-alloc",
        "a page allocated while 4096 become live",
        0,
        Phase::Alloc,
    ),
    pages(
        "page-free",
        "one of 4096 live pages freed, in the order of allocation",
        0,
        Phase::Free,
    ),
    pages(
        "page-shuffled",
        "one of 4096 live pages freed, in random order",
        0,
        Phase::Shuffled,
    ),
    full(
        "full-page-pair",
        "at 90 %: a page allocated and freed",
        Phase::Pair,
    ),
    full(
        "full-page-alloc",
        "at 90 %: a page allocated while 4096 become live",
        Phase::Alloc,
    ),
    full(
        "full-page-free",
        "at 90 %: one of 4096 live pages freed, in the order of allocation",
        Phase::Free,
    ),
    full(
        "full-page-shuffled",
        "at 90 %: one of 4096 live pages freed, in random order",
        Phase::Shuffled,
    ),
    object(
        "object-64-pair",
        "64 B allocated and freed",
        64,
        Phase::Pair,
    ),
    object(
        "object-64-alloc",
        "64 B allocated while 4096 become live",
        64,
        Phase::Alloc,
    ),
    object(
        "object-64-free",
        "one of 4096 live objects of 64 B freed, in the order of allocation",
        64,
        Phase::Free,
    ),
    object(
        "object-64-shuffled",
        "one of 4096 live objects of 64 B freed, in random order",
        64,
        Phase::Shuffled,
    ),
    object(
        "object-64-bulk",
        "32 times 64 B allocated, then freed; per object",
        64,
        Phase::Bulk,
    ),
    object(
        "object-200-pair",
        "200 B allocated and freed",
        200,
        Phase::Pair,
    ),
    object(
        "object-200-alloc",
        "200 B allocated while 4096 become live",
        200,
        Phase::Alloc,
    ),
    object(
        "object-200-free",
        "one of 4096 live objects of 200 B freed, in the order of allocation",
        200,
        Phase::Free,
    ),
    object(
        "object-200-shuffled",
        "one of 4096 live objects of 200 B freed, in random order",
        200,
        Phase::Shuffled,
    ),
    object(
        "object-200-bulk",
        "32 times 200 B allocated, then freed; per object",
        200,
        Phase::Bulk,
    ),
];

/// Returns the work of this name.
pub fn by_name(name: &str) -> Option<&'static Work> {
    WORKS.iter().find(|work| work.name == name)
}

/// Returns the works whose names begin with one of `wanted`; all, if none is wanted.
pub fn select(wanted: &[String]) -> anyhow::Result<Vec<&'static Work>> {
    let begins = |want: &String| {
        WORKS
            .iter()
            .any(|work| work.name.starts_with(want.as_str()))
    };
    if let Some(unknown) = wanted.iter().find(|want| want.is_empty() || !begins(want)) {
        let names: Vec<&str> = WORKS.iter().map(|work| work.name).collect();
        bail!(
            "there is no work '{unknown}'; there are {}",
            names.join(", ")
        );
    }
    let is_wanted = |work: &&Work| {
        wanted.is_empty()
            || wanted
                .iter()
                .any(|want| work.name.starts_with(want.as_str()))
    };
    Ok(WORKS.iter().filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_find_their_work() {
        for work in &WORKS {
            assert_eq!(by_name(work.name), Some(work));
        }
    }

    #[test]
    fn a_beginning_selects_all_works_that_have_it() {
        let names = |wanted: &[&str]| -> Vec<&str> {
            let wanted: Vec<String> = wanted.iter().map(|&want| want.to_owned()).collect();
            select(&wanted)
                .unwrap()
                .iter()
                .map(|work| work.name)
                .collect()
        };
        assert_eq!(
            names(&["page-pair"]),
            ["page-pair-0", "page-pair-4", "page-pair-9"]
        );
        assert_eq!(
            names(&["object-64-bulk", "page-free"]),
            ["page-free", "object-64-bulk"]
        );
        assert_eq!(names(&[]).len(), WORKS.len());
    }

    #[test]
    fn what_is_unknown_is_named_with_what_there_is() {
        let error = select(&["pages".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("'pages'") && error.contains("page-pair-0"),
            "{error}"
        );
    }
}
