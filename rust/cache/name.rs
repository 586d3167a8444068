// SPDX-License-Identifier: GPL-2.0

//! Names of caches.

use crate::bindings;
use core::ffi::CStr;

/// A name of at most 31 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Name([u8; bindings::QUARRY_NAME_LEN as usize]);

impl Name {
    /// Copies a name, cutting it if it is too long.
    pub(crate) fn new(name: &CStr) -> Self {
        let mut copy = [0; bindings::QUARRY_NAME_LEN as usize];
        let room = copy.len() - 1;
        for (to, from) in copy.iter_mut().take(room).zip(name.to_bytes()) {
            *to = *from;
        }
        Self(copy)
    }

    /// Returns the name.
    pub(crate) fn as_str(&self) -> &str {
        CStr::from_bytes_until_nul(&self.0)
            .ok()
            .and_then(|name| name.to_str().ok())
            .unwrap_or("?")
    }

    /// Returns the name, filled up with NULs.
    pub(crate) fn bytes(&self) -> &[u8; bindings::QUARRY_NAME_LEN as usize] {
        &self.0
    }
}
