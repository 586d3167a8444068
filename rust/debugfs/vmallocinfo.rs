// SPDX-License-Identifier: GPL-2.0

//! `vmallocinfo`: all areas, as `/proc/vmallocinfo` has them, mm/vmalloc.c.
//!
//! Areas that are kept for reuse come last, and are called what the kernel calls those that it has
//! not unmapped yet. Addresses are hashed whoever asks.

use crate::{
    area::View,
    bindings,
    page_alloc::pool,
    requests::KVec,
    vmalloc::State,
    vmap_alloc::{
        self,
        AreaInfo, //
    }, //
};
use core::{
    ffi::CStr,
    fmt::{
        Formatter,
        Result, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// More than the longest that the kernel says of an address.
const SYMBOL_ROOM: usize = 1024;

/// Prints all areas.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    // Without memory for them, callers are left out.
    let mut room = KVec::from_elem(0, SYMBOL_ROOM, GFP_KERNEL).unwrap_or_default();
    each(|view, info| match info.state {
        State::Kept => Ok(()),
        _ => live(f, view, info, &mut room),
    })?;
    each(|_, info| match info.state {
        State::Kept => {
            range(f, info)?;
            f.write_str(" unpurged vm_area\n")
        }
        _ => Ok(()),
    })
}

/// Calls `show` for each area until one fails.
fn each(mut show: impl FnMut(View<'_>, &AreaInfo) -> Result) -> Result {
    let mut result = Ok(());
    vmap_alloc::for_each(|view| {
        if result.is_ok() {
            result = show(view, &AreaInfo::of(view.area()));
        }
    });
    result
}

/// Prints the addresses, hashed, and the bytes with the guard page.
fn range(f: &mut Formatter<'_>, info: &AreaInfo) -> Result {
    let bytes = (info.pages + 1) * PAGE_SIZE;
    let start: *const u8 = core::ptr::without_provenance(info.start);
    let end = start.wrapping_add(bytes);
    // Only the kernel's `fmt!` hashes pointers.
    f.write_fmt(fmt!("{:p}-{:p} {:>7}", start, end, bytes))
}

fn live(f: &mut Formatter<'_>, view: View<'_>, info: &AreaInfo, room: &mut [u8]) -> Result {
    range(f, info)?;
    if let Some(symbol) = symbol(info.caller, room) {
        write!(f, " {symbol}")?;
    }
    write!(f, " pages={} vmalloc", info.pages)?;
    for node in 0..pool().zones().len() {
        // CAST: Node numbers are small.
        match view.pages_on(node as i32) {
            0 => {}
            pages => write!(f, " N{node}={pages}")?,
        }
    }
    f.write_str("\n")
}

/// Returns the name of the function that an address lies in, if it has one.
fn symbol(address: usize, room: &mut [u8]) -> Option<&str> {
    if address == 0 || room.len() < SYMBOL_ROOM {
        return None;
    }
    // SAFETY: There is room for the longest name of a symbol, of a module, and numbers.
    unsafe { bindings::sprint_symbol(room.as_mut_ptr().cast(), address) };
    let symbol = CStr::from_bytes_until_nul(room).ok()?.to_str().ok()?;
    // An address without a name would be printed as it is.
    (!symbol.starts_with("0x")).then_some(symbol)
}
