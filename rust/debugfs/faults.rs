// SPDX-License-Identifier: GPL-2.0

//! `fail_requests/`: the knobs of faults by chance, one in each file, called as the kernel calls its own.

use super::fs::Dir;
use crate::requests::{
    FAULTS,
    KNOBS,
    VERBOSE, //
};
use kernel::prelude::*;

/// Makes the directory.
pub(super) fn make(root: &Dir) -> Result<Dir> {
    let dir = Dir::new(c"fail_requests", Some(root))?;
    dir.number(c"probability", &KNOBS.probability);
    dir.number(c"interval", &KNOBS.interval);
    dir.signed(c"times", &KNOBS.times);
    dir.signed(c"space", &KNOBS.space);
    dir.number(c"verbose", &VERBOSE);
    dir.number(c"faults", &FAULTS);
    Ok(dir)
}
