// SPDX-License-Identifier: GPL-2.0

//! `owners`: who has what that is live.

use super::{
    name::Word,
    states, //
};
use crate::{
    cache,
    device::clients,
    kmalloc,
    track,
    vmalloc::State,
    vmap_alloc, //
};
use core::{
    fmt::{
        Display,
        Formatter,
        Result,
        Write, //
    },
    ops::ControlFlow, //
};
use kernel::page::PAGE_SIZE;

const HEADER: &str = "# quarry owners version 1\n\
    # What a client has is counted again where it comes from.\n\
    # kind   name                                  objects            bytes\n";

fn line(f: &mut Formatter<'_>, kind: &str, name: impl Display, objects: u64, bytes: u64) -> Result {
    writeln!(f, "{kind:<8} {name:<32} {objects:>12} {bytes:>16}")
}

/// Prints what is live of a call site, with the age of the oldest in seconds.
fn site(f: &mut Formatter<'_>, found: &track::Found) -> Result {
    f.write_str("site     ")?;
    for c in found.site().chars() {
        f.write_char(if c == ' ' { '_' } else { c })?;
    }
    let (objects, bytes, age) = (found.objects, found.bytes, found.age());
    writeln!(f, " {objects} {bytes} {age}")
}

/// Prints all owners.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    f.write_str(HEADER)?;
    let mut result = Ok(());
    cache::for_each(|cache| {
        // CAST: `u64` holds every `usize`.
        let live = cache.census().live() as u64;
        let kind = if kmalloc::is_class(cache) {
            "class"
        } else {
            "cache"
        };
        let name = Word::new(cache.name().bytes());
        result = line(
            f,
            kind,
            name,
            live,
            live * u64::from(cache.geometry().stride),
        );
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    result?;
    let page = PAGE_SIZE as u64;
    let direct = states::direct();
    line(
        f,
        "pages",
        "-",
        direct.pages.blocks,
        direct.pages.pages * page,
    )?;
    line(
        f,
        "large",
        "-",
        direct.large.blocks,
        direct.large.pages * page,
    )?;
    let (mut areas, mut pages) = (0, 0);
    vmap_alloc::for_each(|view| {
        if view.area().state() != State::Kept {
            areas += 1;
            pages += view.area().size().get() as u64;
        }
    });
    line(f, "areas", "-", areas, pages * page)?;
    let mut result = Ok(());
    clients::for_each(|client| {
        if result.is_ok() {
            result = line(f, "client", client.id, client.handles, client.bytes);
        }
    });
    result?;
    let mut result = Ok(());
    track::for_each(|found| {
        if result.is_ok() {
            result = site(f, found);
        }
    });
    result?;
    match track::lost() {
        0 => Ok(()),
        lost => line(f, "lost", "-", lost, 0),
    }
}
