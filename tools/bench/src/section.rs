// SPDX-License-Identifier: GPL-2.0

//! Which rows stand in one table.

use crate::run::{Row, Run};

/// Beginnings of the names of works, and what such works are about.
const TITLES: [(&[&str], &str); 6] = [
    (
        &["full-"],
        "Flat cost: while the pool or a cache is full to some level",
    ),
    (
        &["churn-", "decay-"],
        "Flat cost: after churn, and while memory is given back by decay",
    ),
    (&["burst-"], "Giving back: what is kept of a burst of 1 GiB"),
    (
        &["local-", "remote-"],
        "Freed on the CPU that allocated, and on another",
    ),
    (&["together", "handed"], "Several CPUs at once"),
    (&[""], "Works"),
];

/// Rows that are shown together.
pub struct Section<'a> {
    /// What they are about, what is counted, and who clears.
    pub title: String,
    /// In their order.
    pub rows: Vec<&'a Row>,
}

fn title(row: &Row) -> String {
    let what = TITLES
        .iter()
        .find(|(works, _)| works.iter().any(|work| row.work.starts_with(work)))
        .map_or("Works", |(_, title)| *title);
    let plural = if row.cpus == 1 { "" } else { "s" };
    let clearing = match (row.metric.as_str(), row.init_on_alloc) {
        ("percent", _) => "",
        (_, true) => ", both clear what they allocate",
        (_, false) => ", nobody clears",
    };
    format!(
        "{what} ({}, {} CPU{plural}{clearing})",
        row.metric, row.cpus
    )
}

/// Returns the rows of a run in sections, each where its first row was measured.
pub fn sections(run: &Run) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for row in &run.rows {
        let title = title(row);
        match sections.iter_mut().find(|section| section.title == title) {
            Some(section) => section.rows.push(row),
            None => sections.push(Section {
                title,
                rows: vec![row],
            }),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{raw::Arm, run::tests::line};

    #[test]
    fn rows_of_one_kind_stand_together() {
        let works = ["kmalloc-pair", "full-page-pair", "page-pair", "burst-kept"];
        let lines = works.map(|work| line(work, "p", Arm::Quarry, Some(1.0)));
        let run = Run::of_lines(lines.to_vec(), &[]).unwrap();
        let sizes: Vec<usize> = sections(&run).iter().map(|s| s.rows.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
        assert!(sections(&run)[0]
            .title
            .starts_with("Works (instructions, 1 CPU, nobody"));
    }
}
