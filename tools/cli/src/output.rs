// SPDX-License-Identifier: GPL-2.0

//! Text, tables and JSON on stdout.

use comfy_table::{presets, CellAlignment, Table};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::{self, Write};

/// Writes text to stdout. A reader that has gone away is an error of the kind `BrokenPipe`.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes `value`, which must serialize to an object, as JSON with its schema as first member.
pub fn print_json(command: &str, version: u32, value: &impl Serialize) -> anyhow::Result<()> {
    let mut object = Map::new();
    object.insert(
        "schema".to_owned(),
        Value::from(format!("quarry.{command}/{version}")),
    );
    match serde_json::to_value(value)? {
        Value::Object(members) => object.extend(members),
        other => drop(object.insert("value".to_owned(), other)),
    }
    let mut text = serde_json::to_string_pretty(&object)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// Returns a structure of the interface as JSON, without what is only there for the call.
pub fn counters(raw: &impl Serialize) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(raw)?;
    if let Value::Object(members) = &mut value {
        for name in ["size", "flags", "reserved"] {
            members.remove(name);
        }
    }
    Ok(value)
}

/// Returns a number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Returns a number of bytes in the unit that suits it.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if number < 1024 {
        return format!("{number} B");
    }
    // CAST: For reading: the loss of digits beyond the 15th does not show.
    let mut scaled = number as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{scaled:.1} {}", UNITS[unit])
}

/// Returns what share of `whole` `part` is, in percent.
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        // CAST: For reading.
        part as f64 * 100.0 / whole as f64
    }
}

/// Returns an empty table: first column to the left, all others to the right, no frame.
pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header.iter().copied());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Returns a table as text without blanks at the ends of lines.
pub fn render(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns names and values as two columns, indented by two.
pub fn pairs<N: AsRef<str>>(rows: &[(N, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.as_ref().len()).max();
    let width = width.unwrap_or(0);
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("  {:width$}  {value}\n", name.as_ref()))
        .collect();
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(837_657), "837 657");
        assert_eq!(grouped(1_000_000), "1 000 000");
    }

    #[test]
    fn bytes_have_a_unit_that_suits_them() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(4 << 20), "4.0 MiB");
    }

    #[test]
    fn percent_of_nothing_is_nothing() {
        assert_eq!(percent(1, 0), 0.0);
        assert_eq!(percent(1, 4), 25.0);
    }

    #[test]
    fn tables_align_numbers_to_the_right() {
        let mut table = table(&["name", "n"]);
        table.add_row(["a", "1"]);
        table.add_row(["bcd", "1000"]);
        assert_eq!(render(&table), "name     n\na        1\nbcd   1000\n");
    }
}
