// SPDX-License-Identifier: GPL-2.0

//! Tables as text: for the terminal, and in reStructuredText.

use comfy_table::{presets, CellAlignment, Table};

/// Returns a table whose columns, but for the `left` ones, are numbers.
pub fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    left: &[usize],
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if !left.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines();
    lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// Returns a simple table: columns as wide as their longest cell.
pub fn simple_table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| quoted(&row[column]).chars().count());
        cells
            .chain([header[column].chars().count(), 1])
            .max()
            .unwrap_or(1)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |cells: Vec<String>| {
        let cells = cells
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join(" ").trim_end().to_owned() + "\n"
    };
    let ruler = line(widths.iter().map(|&width| "=".repeat(width)).collect());
    let mut text = ruler.clone();
    text.push_str(&line(header.map(str::to_owned).to_vec()));
    text.push_str(&ruler);
    for row in rows {
        text.push_str(&line(row.iter().map(|cell| quoted(cell)).collect()));
    }
    text.push_str(&ruler);
    text
}

/// Returns a cell that is not taken for the mark of a list, or for nothing at all.
fn quoted(cell: &str) -> String {
    match cell {
        "-" | "" => "\\-".to_owned(),
        cell => cell.to_owned(),
    }
}

/// Returns a title.
pub fn title(text: &str) -> String {
    format!("{text}\n{}\n\n", "-".repeat(text.chars().count()))
}
