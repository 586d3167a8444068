// SPDX-License-Identifier: GPL-2.0

//! Names of caches.

use crate::bindings;
use core::ffi::CStr;
use kernel::prelude::*;

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

    /// Copies a name that has its final NUL and nothing behind it. Fails with `EINVAL` for others.
    pub(crate) fn from_user(raw: &[kernel::ffi::c_char]) -> Result<Self> {
        let mut copy = [0; bindings::QUARRY_NAME_LEN as usize];
        for (to, from) in copy.iter_mut().zip(raw) {
            *to = *from;
        }
        let end = copy.iter().position(|&byte| byte == 0).ok_or(EINVAL)?;
        let rest = copy.get(end..).unwrap_or_default();
        if rest.iter().any(|&byte| byte != 0) {
            return Err(EINVAL);
        }
        Ok(Self(copy))
    }

    /// Returns two names with a colon between them, cut if they are too long.
    pub(crate) fn joined(first: &str, second: &CStr) -> Self {
        let mut copy = [0; bindings::QUARRY_NAME_LEN as usize];
        let room = copy.len() - 1;
        let mut slots = copy.iter_mut().take(room);
        for part in [first.as_bytes(), b":", second.to_bytes()] {
            // The names come first: a slot that is taken for a byte that is not there would be lost.
            for (from, to) in part.iter().zip(&mut slots) {
                *to = *from;
            }
        }
        Self(copy)
    }

    /// Returns the name as C has it.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
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
