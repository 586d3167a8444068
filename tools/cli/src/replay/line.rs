// SPDX-License-Identifier: GPL-2.0

//! One line of a trace.
//!
//! Lines look alike in all sources, and differ in all details:
//!
//! ```text
//! ftrace     comm-1977    [000] d..1.   284.993652: kmalloc: call_site=f+0x1a/0x40 ptr=00000000abcdef12 ...
//! perf       comm  1977 [000]   284.993652: kmem:kmalloc: call_site=ffffffff81234567 ptr=0xabcdef12 ...
//! trace-cmd  comm-1977  [000]   284.993652: kmalloc:  (f+0x1a) call_site=... ptr=0xabcdef12 ...
//! ```
//!
//! So an event is found by what surrounds its name, and its fields by their keys, never by position:
//! fields came, went and moved between kernel versions.

use memchr::{memchr, memchr_iter, memmem};

/// Events of the kernel that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// `kmalloc`.
    Kmalloc,
    /// `kmalloc_node`, before Linux 6.1.
    KmallocNode,
    /// `kmem_cache_alloc`.
    CacheAlloc,
    /// `kmem_cache_alloc_node`, before Linux 6.1.
    CacheAllocNode,
    /// `kfree`.
    Kfree,
    /// `kmem_cache_free`.
    CacheFree,
    /// `mm_page_alloc`.
    PageAlloc,
    /// `mm_page_free`.
    PageFree,
    /// `mm_page_free_batched`, which fires in addition to `mm_page_free`.
    PageFreeBatched,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kmalloc,
        Self::KmallocNode,
        Self::CacheAlloc,
        Self::CacheAllocNode,
        Self::Kfree,
        Self::CacheFree,
        Self::PageAlloc,
        Self::PageFree,
        Self::PageFreeBatched,
    ];

    /// Returns its name in a trace.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kmalloc => "kmalloc",
            Self::KmallocNode => "kmalloc_node",
            Self::CacheAlloc => "kmem_cache_alloc",
            Self::CacheAllocNode => "kmem_cache_alloc_node",
            Self::Kfree => "kfree",
            Self::CacheFree => "kmem_cache_free",
            Self::PageAlloc => "mm_page_alloc",
            Self::PageFree => "mm_page_free",
            Self::PageFreeBatched => "mm_page_free_batched",
        }
    }

    /// Returns the event of that name.
    fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|event| event.name().as_bytes() == name)
    }
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fields<'a> {
    /// An object was allocated.
    ObjectAlloc {
        /// Its address, 0 if the allocation failed.
        pointer: u64,
        /// Its cache, if the event names one.
        cache: Option<&'a [u8]>,
        /// Bytes asked for.
        requested: u64,
    },
    /// An object was freed.
    ObjectFree {
        /// Its address.
        pointer: u64,
    },
    /// A block was allocated.
    PageAlloc {
        /// Its first frame, if the allocation succeeded.
        frame: Option<u64>,
        /// Its order.
        order: u32,
    },
    /// A block, or a part of one, was freed.
    PageFree {
        /// Its first frame.
        frame: u64,
        /// Its order.
        order: u32,
    },
    /// A page was freed that `mm_page_free` names too.
    PageFreeBatched,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// Nothing, or a remark.
    Comment,
    /// The kernel's remark that events were lost there; how many, if it says so.
    Lost(u64),
    /// An event that is none of ours.
    Other,
    /// One of our events.
    Event {
        /// Which.
        event: EventType,
        /// The CPU that it happened on.
        cpu: u32,
        /// What it says.
        fields: Fields<'a>,
    },
    /// One of our events, but its fields are missing or cut off.
    Damaged,
    /// Nothing that can be recognised.
    Unknown,
}

/// Parses one line, without its line end.
pub fn parse(line: &[u8]) -> Line<'_> {
    let line = line.trim_ascii();
    match line.first() {
        None | Some(b'#') => return Line::Comment,
        // The head of a `trace-cmd report`.
        Some(b'c') if line.starts_with(b"cpus=") => return Line::Comment,
        Some(b'C') if line.starts_with(b"CPU:") => {
            if let Some(lost) = lost(line) {
                return Line::Lost(lost);
            }
        }
        _ => {}
    }
    let Some((cpu, name, rest)) = head(line).or_else(|| bare(line)) else {
        return Line::Unknown;
    };
    let Some(event) = EventType::from_name(name) else {
        return Line::Other;
    };
    match fields(event, rest) {
        Some(fields) => Line::Event { event, cpu, fields },
        None => Line::Damaged,
    }
}

/// Returns the number of lost events in `CPU:1 [LOST 123 EVENTS]` or `CPU:1 [123 EVENTS DROPPED]`.
fn lost(line: &[u8]) -> Option<u64> {
    let inside = &line[memchr(b'[', line)? + 1..];
    let marked = memmem::find(inside, b"LOST").or_else(|| memmem::find(inside, b"DROPPED"));
    marked?;
    inside
        .split(|byte| !byte.is_ascii_digit())
        .find(|digits| !digits.is_empty())
        .map_or(Some(0), decimal)
}

/// Splits a line with a CPU in brackets and a time stamp: CPU, name of the event, fields.
fn head(line: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    for open in memchr_iter(b'[', line) {
        let inside = &line[open + 1..];
        let digits = inside.iter().take_while(|b| b.is_ascii_digit()).count();
        // A task may be called "[1]" too: the real one is followed by a time stamp.
        if digits == 0 || !inside[digits..].starts_with(b"] ") {
            continue;
        }
        let Some(cpu) = decimal(&inside[..digits]).and_then(|cpu| u32::try_from(cpu).ok()) else {
            continue;
        };
        let after = &inside[digits + 2..];
        let Some(colon) = memchr(b':', after) else {
            continue;
        };
        if colon == 0 || !after[colon - 1].is_ascii_digit() {
            continue;
        }
        if let Some((name, rest)) = name(&after[colon + 1..]) {
            return Some((cpu, name, rest));
        }
    }
    None
}

/// Returns the name of the event that `text` starts with, and what follows. perf may print a period
/// before the name, and prints the subsystem with it.
fn name(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = text;
    for _ in 0..2 {
        rest = rest.trim_ascii_start();
        let end = memchr(b' ', rest).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if let Some(full) = word.strip_suffix(b":") {
            let start = full.iter().rposition(|&b| b == b':').map_or(0, |at| at + 1);
            return Some((&full[start..], after));
        }
        rest = after;
    }
    None
}

/// Finds one of our events in a line that has no CPU, and takes CPU 0 for it.
fn bare(line: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let mut start = 0;
    for end in memchr_iter(b' ', line).chain([line.len()]) {
        if let Some(full) = line[start..end].strip_suffix(b":") {
            let from = full.iter().rposition(|&b| b == b':').map_or(0, |at| at + 1);
            let name = &full[from..];
            if EventType::from_name(name).is_some() {
                return Some((0, name, &line[end..]));
            }
        }
        start = end + 1;
    }
    None
}

/// The values of the keys that matter, as text.
#[derive(Default)]
struct Values<'a> {
    pointer: Option<&'a [u8]>,
    page: Option<&'a [u8]>,
    frame: Option<&'a [u8]>,
    order: Option<&'a [u8]>,
    requested: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
}

impl<'a> Values<'a> {
    /// Collects them from `key=value key=value ...`, between which anything may stand.
    fn new(text: &'a [u8]) -> Self {
        let mut values = Self::default();
        let mut from = 0;
        while let Some(found) = memchr(b'=', &text[from..]) {
            let equals = from + found;
            let key = text[from..equals]
                .rsplit(|&b| b == b' ')
                .next()
                .unwrap_or_default();
            let value = &text[equals + 1..];
            let length = memchr(b' ', value).unwrap_or(value.len());
            let value = &value[..length];
            match key {
                b"ptr" => values.pointer = Some(value),
                b"page" => values.page = Some(value),
                b"pfn" => values.frame = Some(value),
                b"order" => values.order = Some(value),
                b"bytes_req" => values.requested = Some(value),
                b"name" => values.name = Some(value),
                _ => {}
            }
            from = equals + 1 + length;
        }
        values
    }
}

/// Returns what an event of that type says, unless something needed is missing.
fn fields(event: EventType, text: &[u8]) -> Option<Fields<'_>> {
    let values = Values::new(text);
    Some(match event {
        EventType::Kmalloc
        | EventType::KmallocNode
        | EventType::CacheAlloc
        | EventType::CacheAllocNode => {
            let named = matches!(event, EventType::CacheAlloc | EventType::CacheAllocNode);
            Fields::ObjectAlloc {
                pointer: address(values.pointer?)?,
                // Without a name, as before Linux 6.19, all objects of a size share a cache.
                cache: named.then(|| values.name.unwrap_or_default()),
                requested: decimal(values.requested?)?,
            }
        }
        EventType::Kfree | EventType::CacheFree => Fields::ObjectFree {
            pointer: address(values.pointer?)?,
        },
        EventType::PageAlloc => {
            let frame = values.frame();
            let failed = values.page.and_then(address) == Some(0);
            Fields::PageAlloc {
                frame: if failed { None } else { Some(frame?) },
                order: values.order()?,
            }
        }
        EventType::PageFree => Fields::PageFree {
            frame: values.frame()?,
            order: values.order()?,
        },
        EventType::PageFreeBatched => Fields::PageFreeBatched,
    })
}

impl Values<'_> {
    /// Returns the number of the first frame: hexadecimal with 0x, or decimal on older kernels.
    fn frame(&self) -> Option<u64> {
        let text = self.frame?;
        match text.strip_prefix(b"0x") {
            Some(digits) => hexadecimal(digits),
            None => decimal(text),
        }
    }

    /// Returns the order, unless no memory has so many pages.
    fn order(&self) -> Option<u32> {
        let order = u32::try_from(decimal(self.order?)?).ok()?;
        (order < u64::BITS).then_some(order)
    }
}

/// Returns a pointer: hexadecimal with or without 0x, or a word for none.
fn address(text: &[u8]) -> Option<u64> {
    match text {
        b"(null)" | b"(nil)" | b"NULL" => Some(0),
        _ => hexadecimal(text.strip_prefix(b"0x").unwrap_or(text)),
    }
}

/// Returns a hexadecimal number.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let mut number = 0;
    for &digit in digits {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        number = (number << 4) | u64::from(value);
    }
    Some(number)
}

/// Returns a decimal number.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let value = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(value)
    })
}

#[cfg(test)]
mod tests;
