// SPDX-License-Identifier: GPL-2.0

//! `/sys/kernel/debug/quarry`: everything that there is to see, in files.
//!
//! A file is rendered when it is read, as a whole. What it shows is looked up under the locks that
//! protect it and printed after a spinlock is let go. Formats that other programs read are those of
//! the kernel's own files to the byte; the others begin with a line that states their version. See
//! `Documentation/debugfs.rst`.
//!
//! Without `CONFIG_DEBUG_FS` nothing of this is called.

use core::fmt;
use kernel::prelude::*;

mod caches;
mod chunks;
mod clients;
mod faults;
mod fragmentation;
mod fs;
mod meminfo;
mod name;
mod owners;
mod pools;
mod slabinfo;
mod states;
mod stats;
mod vmallocinfo;

/// A file: its name, and what it shows.
type File = (&'static CStr, fn(&mut fmt::Formatter<'_>) -> fmt::Result);

static FILES: [File; 11] = [
    (c"buddyinfo", fragmentation::buddyinfo),
    (c"chunks", chunks::show),
    (c"clients", clients::show),
    (c"extfrag_index", fragmentation::extfrag_index),
    (c"meminfo", meminfo::show),
    (c"owners", owners::show),
    (c"pools", pools::show),
    (c"slabinfo", slabinfo::show),
    (c"stats", stats::show),
    (c"unusable_index", fragmentation::unusable_index),
    (c"vmallocinfo", vmallocinfo::show),
];

/// The files in the root directory; a file's number is its place in [`FILES`].
enum Root {}

impl fs::Content for Root {
    fn show(number: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FILES.get(number).map_or(Ok(()), |(_, show)| show(f))
    }
}

/// The directory, until dropped.
pub(crate) struct Debugfs {
    _caches: Option<caches::Directories>,
    _faults: Option<fs::Dir>,
    _root: Option<fs::Dir>,
}

impl Debugfs {
    /// Makes the directory and all that is in it.
    ///
    /// Like everything in debugfs, what cannot be made is missing; nothing else depends on it.
    ///
    /// Context: Process context, once, after the layers are set up. May sleep.
    pub(crate) fn new() -> Result<Self> {
        if !cfg!(CONFIG_DEBUG_FS) {
            return Ok(Self {
                _caches: None,
                _faults: None,
                _root: None,
            });
        }
        let root = fs::Dir::new(c"quarry", None)?;
        for (number, (name, _)) in FILES.iter().enumerate() {
            root.file::<Root>(name, number);
        }
        let faults = faults::make(&root)?;
        // SAFETY: Called once.
        let caches = unsafe { caches::Directories::new(&root)? };
        Ok(Self {
            _caches: Some(caches),
            _faults: Some(faults),
            _root: Some(root),
        })
    }
}
