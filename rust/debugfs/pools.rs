// SPDX-License-Identifier: GPL-2.0

//! `pools`: named pools, what they may have and what they have.

use super::name::Word;
use crate::{
    grow,
    guard,
    pools, //
};
use core::fmt::{
    Formatter,
    Result, //
};

const HEADER: &str = "# quarry pools version 1\n\
    # Pages; a limit of - is none of its own. Pool 0 is all that the module has taken from the kernel.\n\
    # id name limit reserve used peak stashed failures waits longest_wait_us preset\n";

/// Prints all pools, in the order in which they were made.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    f.write_str(HEADER)?;
    let all = grow::growth();
    f.write_str("0 - ")?;
    limit(f, all.limit)?;
    writeln!(
        f,
        " {} {} {} 0 {} 0 0 {}",
        grow::reserved(),
        all.pages,
        all.peak,
        crate::page_alloc::failed(),
        guard::default().name(),
    )?;
    let mut result = Ok(());
    pools::for_each(|pool| {
        if result.is_ok() {
            result = line(f, pool);
        }
    });
    result
}

fn limit(f: &mut Formatter<'_>, pages: usize) -> Result {
    match pages {
        usize::MAX => f.write_str("-"),
        pages => write!(f, "{pages}"),
    }
}

fn line(f: &mut Formatter<'_>, pool: &pools::Pool) -> Result {
    let (state, name) = (pool.account().state(), Word::new(pool.name().bytes()));
    write!(f, "{} {name} ", pool.id())?;
    limit(f, state.usage.limit)?;
    writeln!(
        f,
        " {} {} {} {} {} {} {} {}",
        state.usage.reserve,
        state.usage.used,
        state.usage.peak,
        state.stashed,
        state.usage.refused,
        state.waits,
        state.longest_wait / 1000,
        pool.account().preset().name(),
    )
}
