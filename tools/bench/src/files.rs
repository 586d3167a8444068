// SPDX-License-Identifier: GPL-2.0

//! Files and stdout, with errors that name them.

use anyhow::Context;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Returns what a file holds.
pub fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes to stdout.
pub fn print(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}
