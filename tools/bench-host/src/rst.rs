// SPDX-License-Identifier: GPL-2.0

//! A run as tables in reStructuredText, at the end of a page.

use crate::{
    run::Run,
    summary::{self, summaries},
    table::{cells, remarks, HEADER},
};
use anyhow::bail;
use quarry_bench::text::{simple_table, title};

/// The line of a page that the tables follow.
const MARK: &str = ".. tables follow, written by make bench-host-doc";

/// Returns the machine, the summaries and all tables, each below its title.
pub fn render(run: &Run) -> String {
    let mut text = format!("- machine: {}\n", run.machine);
    match (&run.valgrind, &run.uncounted) {
        (Some(version), _) => text.push_str(&format!("- instructions: {version}, callgrind\n")),
        (None, Some(reason)) => text.push_str(&format!("- instructions: none; {reason}\n")),
        (None, None) => {}
    }
    text.push_str(&format!("- samples of time: {}\n\n", run.samples));
    for summary in summaries(run) {
        text.push_str(&title(summary.title));
        text.push_str(&simple_table(summary::HEADER, &summary.lines));
        text.push('\n');
    }
    for rows in run.works() {
        text.push_str(&title(&format!("{}: {}", rows[0].work, rows[0].title)));
        let cells: Vec<_> = rows.iter().map(cells).collect();
        text.push_str(&simple_table(HEADER, &cells));
        text.push('\n');
        let remarks = remarks(rows);
        for remark in &remarks {
            text.push_str(&format!("- {remark}\n"));
        }
        if !remarks.is_empty() {
            text.push('\n');
        }
    }
    text.trim_end().to_owned() + "\n"
}

/// Returns the page with the run's tables in place of those that it had.
pub fn rewrite(page: &str, run: &Run) -> anyhow::Result<String> {
    let Some((text, _)) = page.split_once(MARK) else {
        bail!("the page has no line '{MARK}'; put it where the tables should begin");
    };
    Ok(format!("{text}{MARK}\n\n{}", render(run)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::tests::run;

    #[test]
    fn every_line_of_a_table_keeps_to_its_columns() {
        let text = render(&run(60.0, 1200.0));
        let ruler = text.lines().rfind(|line| line.starts_with('=')).unwrap();
        let rows: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("other ") || line.starts_with("quarry by 32"))
            .collect();
        assert_eq!(rows.len(), 2);
        for (at, mark) in ruler.char_indices().filter(|(_, mark)| *mark == ' ') {
            let is_blank = |row: &&str| row.as_bytes().get(at) == Some(&b' ');
            assert!(rows.iter().all(is_blank), "{at} {mark}\n{text}");
        }
    }

    #[test]
    fn a_page_keeps_its_text_and_gets_new_tables() {
        let page = format!("Text.\n\n{MARK}\n\nold tables\n");
        let new = rewrite(&page, &run(60.0, 120.0)).unwrap();
        assert!(
            new.starts_with(&format!("Text.\n\n{MARK}\n\n- machine")),
            "{new}"
        );
        assert!(
            !new.contains("old tables") && new.contains("- lacking: cannot"),
            "{new}"
        );
        assert_eq!(rewrite(&new, &run(60.0, 120.0)).unwrap(), new);
        assert!(rewrite("no mark\n", &run(60.0, 120.0)).is_err());
    }
}
