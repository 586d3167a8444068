// SPDX-License-Identifier: GPL-2.0

//! What syzkaller is told of the device (`tools/syzkaller`) is what the header says: each command
//! with its number and structure, each member with its name and width, each flag with its value,
//! and no other.
//!
//! The syntax is that of syzkaller's `docs/syscall_descriptions_syntax.md`, as far as it is used.

use quarry_uapi::opcode;
use std::{
    collections::{BTreeMap, BTreeSet},
    mem::size_of,
};

const HEADER: &str = include_str!("../../../include/uapi/linux/quarry.h");
/// What bindgen makes of [`HEADER`].
const BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/sys.rs"));
const DESCRIPTION: &str = include_str!("../../syzkaller/quarry.txt");
const NUMBERS: &str = include_str!("../../syzkaller/quarry.txt.const");

/// Constants of the header that no argument takes: what commands and arrays are made of.
const NOT_ARGUMENTS: [&str; 2] = ["QUARRY_IOC_TYPE", "QUARRY_ABI_VERSION"];

/// Members of a structure in order, with their bytes.
type Members = Vec<(String, u64)>;

/// The header, as bindgen read it.
struct Header {
    constants: BTreeMap<String, i64>,
    structures: BTreeMap<String, Members>,
}

impl Header {
    fn read() -> Self {
        let mut constants = BTreeMap::new();
        let mut structures = BTreeMap::new();
        let mut lines = BINDINGS.lines();
        while let Some(line) = lines.next() {
            if let Some(constant) = line.strip_prefix("pub const QUARRY_") {
                let (name, rest) = constant.split_once(": ").expect("a constant has a type");
                let (_, value) = rest.split_once(" = ").expect("a constant has a value");
                if let Ok(value) = value.trim_end_matches(';').parse() {
                    constants.insert(format!("QUARRY_{name}"), value);
                }
            } else if let Some(name) = line.strip_prefix("pub struct ") {
                let name = name.trim_end_matches(" {").to_owned();
                let members = lines
                    .by_ref()
                    .take_while(|line| *line != "}")
                    .map(|line| {
                        let member = line.trim().trim_start_matches("pub ");
                        let (name, kind) = member.split_once(": ").expect("a member has a type");
                        (name.to_owned(), bytes_of(kind.trim_end_matches(',')))
                    })
                    .collect();
                structures.insert(name, members);
            }
        }
        Self {
            constants,
            structures,
        }
    }

    /// Returns each command with its number and the structure that the header names for it.
    fn commands(&self) -> BTreeMap<String, (u32, String)> {
        self.constants
            .iter()
            .filter_map(|(name, value)| {
                let command = name.strip_prefix("QUARRY_CMD_")?;
                let (_, text) = HEADER
                    .split_once(&format!("@{name}: "))
                    .expect("the header tells of each command");
                let (_, text) = text.split_once("&struct ").expect("with its structure");
                let structure = text.split_once('\n').expect("a line").0;
                let number = opcode(u32::try_from(*value).expect("a command"));
                Some((command.to_owned(), (number, structure.to_owned())))
            })
            .collect()
    }

    /// Returns the value of a constant that an argument takes.
    fn constant(&self, name: &str) -> Option<i64> {
        if let Some(command) = name.strip_prefix("QUARRY_IOC_") {
            let (number, _) = self.commands().remove(command)?;
            return Some(number.into());
        }
        self.constants.get(name).copied()
    }
}

/// Returns the bytes of a type, as bindgen writes it.
fn bytes_of(kind: &str) -> u64 {
    if let Some(array) = kind.strip_prefix('[') {
        let (element, length) = array.split_once("; ").expect("an array has a length");
        let length: u64 = length
            .trim_end_matches("usize]")
            .parse()
            .expect("the length is a number");
        return bytes_of(element) * length;
    }
    match kind {
        "__u32" | "__s32" => 4,
        "__u64" => 8,
        "::std::os::raw::c_char" => 1,
        _ => panic!("the interface has no members of type {kind}"),
    }
}

/// The description.
#[derive(Default)]
struct Description {
    /// Names of calls with their arguments.
    calls: Vec<(String, String)>,
    /// Types that stand for integers.
    resources: BTreeMap<String, String>,
    /// Lists of flags.
    flags: BTreeMap<String, Vec<String>>,
    /// Structures, with the types of their members.
    structures: BTreeMap<String, Vec<(String, String)>>,
    /// Unions, likewise.
    unions: BTreeMap<String, Vec<(String, String)>>,
}

impl Description {
    fn read() -> Self {
        let mut read = Self::default();
        let mut lines = DESCRIPTION.lines().filter(|line| !line.starts_with('#'));
        while let Some(line) = lines.next() {
            if let Some(name) = line.strip_suffix(" {") {
                let members = members(&mut lines, "}");
                assert!(
                    read.structures.insert(name.to_owned(), members).is_none(),
                    "{name} is there once"
                );
            } else if let Some(name) = line.strip_suffix(" [") {
                read.unions
                    .insert(name.to_owned(), members(&mut lines, "]"));
            } else if let Some(resource) = line.strip_prefix("resource ") {
                let (name, base) = resource.split_once('[').expect("a resource has a base");
                let base = base.split_once(']').expect("a bracket").0;
                read.resources.insert(name.to_owned(), base.to_owned());
            } else if let Some((name, list)) = line.split_once(" = ") {
                let list = list.split(", ").map(str::to_owned).collect();
                read.flags.insert(name.to_owned(), list);
            } else if let Some((name, arguments)) = line.split_once('(') {
                read.calls.push((name.to_owned(), arguments.to_owned()));
            } else {
                assert!(
                    line.is_empty() || line.starts_with("include ") || line.starts_with("meta "),
                    "a line of a kind that is known: {line}"
                );
            }
        }
        read
    }

    /// Returns the bytes of a type, and fails for one that is not known.
    fn bytes_of(&self, kind: &str, header: &Header) -> u64 {
        if let Some(base) = self.resources.get(kind) {
            return self.bytes_of(base, header);
        }
        if let Some(members) = self.unions.get(kind) {
            let sizes = members.iter().map(|(_, kind)| self.bytes_of(kind, header));
            return sizes.max().expect("a union has members");
        }
        let (name, options) = kind.split_once('[').unwrap_or((kind, "]"));
        let options = options.strip_suffix(']').expect("brackets are closed");
        match name {
            "int8" => 1,
            "int32" => 4,
            "int64" | "ptr64" => 8,
            "string" | "array" => {
                let (first, length) = options.rsplit_once(", ").expect("with a length");
                let length = header.constant(length).expect("of the header");
                let element = if name == "string" { "int8" } else { first };
                self.bytes_of(element, header) * u64::try_from(length).expect("a length")
            }
            "flags" | "const" | "len" | "bytesize" => {
                let (what, base) = options.rsplit_once(", ").expect("with a base");
                assert!(
                    name != "flags" || self.flags.contains_key(what),
                    "{what} is a list of flags"
                );
                self.bytes_of(base, header)
            }
            _ => panic!("no member is of type {kind}"),
        }
    }

    /// Returns every constant of the header that is named.
    fn constants(&self) -> BTreeSet<String> {
        DESCRIPTION
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')))
            .filter(|word| word.starts_with("QUARRY_"))
            // What follows the `$` of a call is a name of syzkaller's.
            .filter(|word| {
                !self
                    .calls
                    .iter()
                    .any(|(call, _)| call == &format!("ioctl${word}"))
            })
            .map(str::to_owned)
            .collect()
    }
}

/// Returns names and types up to the line that ends them.
fn members<'a>(lines: &mut impl Iterator<Item = &'a str>, end: &str) -> Vec<(String, String)> {
    lines
        .take_while(|line| *line != end)
        .map(|line| {
            let mut columns = line.split('\t').filter(|column| !column.is_empty());
            let name = columns.next().expect("a member has a name");
            let kind = columns.next().expect("a member has a type");
            assert!(
                columns.all(|way| ["(in)", "(out)", "(inout)"].contains(&way)),
                "{line}"
            );
            (name.to_owned(), kind.to_owned())
        })
        .collect()
}

/// Returns the numbers of `quarry.txt.const` that are the same for all machines, and the names of
/// the others.
fn numbers() -> (BTreeMap<String, i64>, BTreeSet<String>) {
    let mut same = BTreeMap::new();
    let mut others = BTreeSet::new();
    for line in NUMBERS.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once(" = ").expect("name = value");
        match value.parse::<u64>() {
            // CAST: Negative numbers are written as if they had no sign.
            Ok(value) => assert!(
                same.insert(name.to_owned(), value as i64).is_none(),
                "{name}"
            ),
            Err(_) => assert!(others.insert(name.to_owned()), "{name}"),
        }
    }
    (same, others)
}

#[test]
fn each_command_is_described_with_its_structure() {
    let mut described: BTreeMap<_, _> = Description::read().calls.into_iter().collect();
    assert!(described.remove("openat$quarry").is_some());
    assert!(described.remove("mmap$quarry").is_some());
    let expected: BTreeMap<_, _> = Header::read()
        .commands()
        .into_iter()
        .map(|(command, (_, structure))| {
            (
                format!("ioctl$QUARRY_{command}"),
                format!(
                    "fd fd_quarry, cmd const[QUARRY_IOC_{command}], arg ptr[inout, {structure}])"
                ),
            )
        })
        .collect();
    assert_eq!(described, expected);
}

#[test]
fn each_member_has_its_name_and_width() {
    let header = Header::read();
    let description = Description::read();
    let described: BTreeMap<String, Members> = description
        .structures
        .iter()
        .map(|(name, members)| {
            let members = members
                .iter()
                .map(|(member, kind)| (member.clone(), description.bytes_of(kind, &header)))
                .collect();
            (name.clone(), members)
        })
        .collect();
    assert!(!described.is_empty());
    assert_eq!(described, header.structures);
}

#[test]
fn each_constant_is_named_and_has_its_value() {
    let header = Header::read();
    let (numbers, others) = numbers();
    let ours: BTreeMap<String, i64> = numbers
        .into_iter()
        .filter(|(name, _)| name.starts_with("QUARRY_"))
        .collect();

    let mut expected: BTreeMap<String, i64> = header
        .constants
        .iter()
        .filter(|(name, _)| !name.starts_with("QUARRY_CMD_"))
        .filter(|(name, _)| !NOT_ARGUMENTS.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), *value))
        .collect();
    for (command, (number, _)) in header.commands() {
        expected.insert(format!("QUARRY_IOC_{command}"), number.into());
    }
    assert_eq!(ours, expected);
    let named: BTreeSet<String> = expected.into_keys().collect();
    assert_eq!(Description::read().constants(), named);
    assert_eq!(
        others,
        ["arches", "__NR_ioctl", "__NR_mmap", "__NR_openat"]
            .map(str::to_owned)
            .into()
    );
}

/// Which list a flag is in matters as much as its value: the names of the header say it.
#[test]
fn each_list_has_all_flags_of_its_kind() {
    let header = Header::read();
    let lists = Description::read().flags;
    for (list, prefix) in [
        ("quarry_kinds", "QUARRY_KIND_"),
        ("quarry_alloc_flags", "QUARRY_ALLOC_"),
        ("quarry_layers", "QUARRY_LAYER_"),
        ("quarry_traits", "QUARRY_TRAIT_"),
        ("quarry_cache_flags", "QUARRY_CACHE_"),
        ("quarry_batch_flags", "QUARRY_BATCH_"),
    ] {
        let listed: BTreeSet<_> = lists[list].iter().cloned().collect();
        let all = header.constants.keys();
        let expected: BTreeSet<_> = all
            .filter(|name| name.starts_with(prefix))
            .cloned()
            .collect();
        assert_eq!(listed, expected, "{list}");
    }
    let listed: BTreeSet<_> = lists.values().flatten().collect();
    for name in header.constants.keys() {
        let other = [
            "QUARRY_CMD_",
            "QUARRY_NR_",
            "QUARRY_NAME_",
            "QUARRY_MESSAGE_",
        ];
        assert!(
            listed.contains(name)
                || NOT_ARGUMENTS.contains(&name.as_str())
                || other.iter().any(|prefix| name.starts_with(prefix)),
            "{name} is in a list"
        );
    }
}

#[test]
fn an_operation_has_the_size_that_a_batch_says() {
    let members = &Description::read().structures["quarry_batch"];
    let size = size_of::<quarry_uapi::sys::quarry_op>();
    assert!(members.contains(&("op_size".to_owned(), format!("const[{size}, int32]"))));
}
