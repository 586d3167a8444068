// SPDX-License-Identifier: GPL-2.0

//! What is said when memory was overwritten, in the shape of SLUB's reports.
//!
//! Addresses are not shown: places are offsets in the object, the block or the area.

use super::who::Who;
use crate::{
    bindings,
    report::loud,
    slab::Wrong, //
};
use core::{
    ffi::{
        c_void,
        CStr, //
    },
    sync::atomic::{
        AtomicU64,
        Ordering::Relaxed, //
    }, //
};
use kernel::prelude::*;

/// Most bytes that a dump shows.
const SHOWN: usize = 128;

static FOUND: AtomicU64 = AtomicU64::new(0);

/// Returns how many times memory was found overwritten.
pub(crate) fn nr_found() -> u64 {
    // ORDERING: Statistics.
    FOUND.load(Relaxed)
}

/// Whose memory it is.
pub(crate) struct Subject<'a> {
    /// The cache, or the kind of memory.
    pub(crate) name: &'a str,
    /// Where the object, block or area begins.
    pub(crate) start: usize,
    /// Bytes that its owner may, or might, use.
    pub(crate) bytes: usize,
    /// Who allocated and freed it last, if that is noted.
    pub(crate) who: Option<[&'a Who; 2]>,
}

/// Says what was found in a zone that lies at `at`, which should hold `value`.
///
/// Context: Any but NMI.
#[cold]
#[inline(never)]
pub(crate) fn found(
    subject: &Subject<'_>,
    what: &str,
    at: usize,
    zone: &[u8],
    wrong: Wrong,
    value: u8,
) {
    // ORDERING: Statistics.
    let before = FOUND.fetch_add(1, Relaxed);
    let loud = loud();
    if before >= loud {
        return;
    }
    let name = subject.name;
    // CAST: Both lie in one object, block or area.
    let offset = |index: usize| (at + index).wrapping_sub(subject.start) as isize;
    let (first, last) = (offset(wrong.first), offset(wrong.end - 1));
    let byte = zone.get(wrong.first).copied().unwrap_or(0);
    pr_err!("=============================================================================\n");
    pr_err!("BUG {name}: {what}\n");
    pr_err!("-----------------------------------------------------------------------------\n");
    pr_err!("{first}..{last} @offset={first}. First byte {byte:#x} instead of {value:#x}\n");
    if let Some([allocated, freed]) = subject.who {
        allocated.tell("Allocated");
        freed.tell("Freed");
    }
    let shown = subject.bytes.min(SHOWN);
    // SAFETY: The object, the block or the area has so many bytes, and is mapped.
    unsafe { dump(c"quarry: Object   ", subject.start, shown) };
    let from = wrong.first / 16 * 16;
    let shown = (zone.len() - from).min(SHOWN);
    // SAFETY: A part of the zone.
    unsafe { dump(c"quarry: Found    ", at + from, shown) };
    pr_err!("FIX {name}: Restoring {first}..{last}\n");
    if before + 1 == loud {
        pr_err!("more of them are only counted, in stats\n");
    }
}

/// # Safety
///
/// So many bytes can be read there.
unsafe fn dump(prefix: &CStr, at: usize, count: usize) {
    /// `KERN_ERR`.
    const LEVEL: &CStr = c"\x013";
    let at: *const c_void = core::ptr::with_exposed_provenance(at);
    let offsets = bindings::DUMP_PREFIX_OFFSET as i32;
    // SAFETY: By the contract of this function.
    unsafe {
        bindings::print_hex_dump(
            LEVEL.as_char_ptr(),
            prefix.as_char_ptr(),
            offsets,
            16,
            1,
            at,
            count,
            true,
        )
    };
}
