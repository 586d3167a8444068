// SPDX-License-Identifier: GPL-2.0

//! What a pool does against misuse.

use crate::sys;
use serde::Serialize;

/// A preset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Wrong frees are found.
    #[default]
    Fast,
    /// And memory comes in random order, is cleared when it is freed, and not given out again at once.
    Hardened,
    /// And memory is filled with what shows when it is overwritten, and checked.
    Debug,
}

impl Preset {
    /// Returns what it is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Hardened => "hardened",
            Self::Debug => "debug",
        }
    }

    pub(crate) fn flags(self) -> u32 {
        match self {
            Self::Fast => 0,
            Self::Hardened => sys::QUARRY_POOL_HARDENED,
            Self::Debug => sys::QUARRY_POOL_DEBUG,
        }
    }

    pub(crate) fn of_traits(traits: u32) -> Self {
        if traits & sys::QUARRY_POOL_IS_HARDENED != 0 {
            Self::Hardened
        } else if traits & sys::QUARRY_POOL_IS_DEBUG != 0 {
            Self::Debug
        } else {
            Self::Fast
        }
    }
}
