// SPDX-License-Identifier: GPL-2.0

//! `clients`: open files of `/dev/quarry`.

use super::name::Word;
use crate::device::clients;
use core::fmt::{
    Formatter,
    Result, //
};

const HEADER: &str = "# quarry clients version 1\n\
    # id pid comm handles bytes peak_bytes caches quota_handles quota_bytes quota_caches \
    allocs frees failures\n";

/// Prints all open files, in the order in which they were opened.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    f.write_str(HEADER)?;
    let mut result = Ok(());
    clients::for_each(|client| {
        if result.is_err() {
            return;
        }
        result = writeln!(
            f,
            "{} {} {} {} {} {} {} {} {} {} {} {} {}",
            client.id,
            client.pid,
            Word::new(&client.comm),
            client.handles,
            client.bytes,
            client.peak_bytes,
            client.caches,
            client.quota_handles,
            client.quota_bytes,
            client.quota_caches,
            client.allocs,
            client.frees,
            client.failures,
        );
    });
    result
}
