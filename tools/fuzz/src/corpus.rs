// SPDX-License-Identifier: GPL-2.0

//! The inputs of the targets that are kept in the tree.
//!
//! # Layout
//!
//! `corpus/TARGET/` has files that are inputs as they are, and a file `packed`, each line of which is
//! an input: a name, and the bytes in hexadecimal digits. Lines with a `#` are remarks. What fuzzing
//! finds is small and not text, so that a file for each would be thousands of files.

use anyhow::{bail, ensure, Context};
use std::{
    fs,
    path::{Path, PathBuf}, //
};

/// The file with many inputs.
const PACKED: &str = "packed";

/// The first line of such a file.
const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0\n";

/// An input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: of the file, or in the packed file.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// Returns where the corpus of the tree is.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Returns the inputs of a target, in the order of their names.
pub fn load(root: &Path, target: &str) -> anyhow::Result<Vec<Entry>> {
    crate::target(target)?;
    let dir = root.join(target);
    let mut entries = Vec::new();
    let listed = fs::read_dir(&dir).with_context(|| {
        format!(
            "{}: no corpus; run make fuzz TARGET={target}, then make fuzz-corpus",
            dir.display()
        )
    })?;
    for file in listed {
        let path = file?.path();
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let name = path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        if name == PACKED {
            let text = String::from_utf8(bytes).with_context(|| path.display().to_string())?;
            entries.append(&mut unpack(&text).with_context(|| path.display().to_string())?);
        } else {
            entries.push(Entry { name, bytes });
        }
    }
    ensure!(
        !entries.is_empty(),
        "{}: the corpus is empty; run make fuzz TARGET={target}, then make fuzz-corpus",
        dir.display()
    );
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// Fails if there is a directory of the corpus that belongs to no target.
pub fn check_names(root: &Path) -> anyhow::Result<()> {
    for dir in fs::read_dir(root).with_context(|| root.display().to_string())? {
        let dir = dir?;
        if dir.file_type()?.is_dir() {
            crate::target(&dir.file_name().to_string_lossy())
                .with_context(|| format!("{}: remove or rename it", dir.path().display()))?;
        }
    }
    Ok(())
}

/// Puts the inputs of a directory, but for those that are files of the corpus already, into the
/// packed file of a target: the smallest first, up to so many bytes of text. Returns how many are
/// in the file, and how many are not for want of room.
pub fn pack(root: &Path, target: &str, from: &Path, most: usize) -> anyhow::Result<(usize, usize)> {
    crate::target(target)?;
    let dir = root.join(target);
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    let mut plain = Vec::new();
    for file in fs::read_dir(&dir)? {
        let file = file?;
        if file.file_name() != PACKED {
            plain.push(fs::read(file.path())?);
        }
    }
    let mut inputs = Vec::new();
    for file in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let bytes = fs::read(file?.path())?;
        if !plain.contains(&bytes) {
            inputs.push(bytes);
        }
    }
    inputs.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    inputs.dedup();
    let mut text = HEAD.to_owned();
    let mut kept = Vec::new();
    for bytes in &inputs {
        let line = line(bytes);
        if text.len() + line.len() > most {
            break;
        }
        text.push_str(&line);
        kept.push(bytes);
    }
    let left = inputs.len() - kept.len();
    ensure!(
        !(kept.is_empty() && plain.is_empty()),
        "{}: no input to pack; run make fuzz TARGET={target} first",
        from.display()
    );
    if !kept.is_empty() {
        fs::write(dir.join(PACKED), text)?;
    }
    Ok((kept.len(), left))
}

/// Returns the line of an input.
fn line(bytes: &[u8]) -> String {
    let mut line = name(bytes) + " ";
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            line.extend(char::from_digit(digit.into(), 16));
        }
    }
    line + "\n"
}

/// Returns a name that hardly another input has: FNV-1a of its bytes.
fn name(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// Returns the inputs of a packed file.
fn unpack(text: &str) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let Some((name, digits)) = line.split_once(' ') else {
            bail!("line {number}: not a name and digits");
        };
        let bytes = bytes(digits)
            .with_context(|| format!("line {number}: not an even number of hexadecimal digits"))?;
        entries.push(Entry {
            name: name.to_owned(),
            bytes,
        });
    }
    Ok(entries)
}

/// Returns the bytes that digits stand for.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                u8::try_from((digit(high)? << 4) | digit(low)?).ok()
            }
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a directory of that name with those files.
    fn directory(name: &str, files: &[(&str, &[u8])]) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("quarry-corpus-{}-{name}", std::process::id()));
        for (file, bytes) in files {
            let path = dir.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        dir
    }

    #[test]
    fn what_was_packed_is_loaded_the_smallest_kept() {
        let root = directory("pack", &[("root/mix/plain", b"seed")]);
        let from = directory(
            "pack",
            &[("in/a", &[0, 255]), ("in/b", b"seed"), ("in/c", &[7; 99])],
        );
        let counts = pack(&from.join("root"), "mix", &from.join("in"), 100).unwrap();
        let entries = load(&root.join("root"), "mix");
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(counts, (1, 1));
        let inputs: Vec<_> = entries.unwrap().into_iter().map(|e| e.bytes).collect();
        assert_eq!(inputs, [vec![0, 255], b"seed".to_vec()]);
    }

    #[test]
    fn what_is_missing_or_unknown_is_an_error_with_a_next_step() {
        let root = directory("wrong", &[("mix/packed", HEAD.as_bytes()), ("what/x", b"")]);
        let empty = load(&root, "mix").unwrap_err().to_string();
        let missing = load(&root, "size").unwrap_err().to_string();
        let unknown = check_names(&root).unwrap_err();
        fs::remove_dir_all(&root).unwrap();
        assert!(
            empty.contains("empty") && empty.contains("make fuzz TARGET=mix"),
            "{empty}"
        );
        assert!(missing.contains("make fuzz TARGET=size"), "{missing}");
        assert!(format!("{unknown:#}").contains("'what'"), "{unknown:#}");
    }

    #[test]
    fn damaged_lines_are_errors_of_their_line() {
        for wrong in ["name", "name 0", "name 0g"] {
            let error = unpack(&format!("{HEAD}{wrong}\n")).unwrap_err();
            assert!(error.to_string().starts_with("line 2: "), "{error}");
        }
    }
}
