// SPDX-License-Identifier: GPL-2.0

//! Names of things in the interface: kinds, layers, handles, caches.

use crate::sys;
use serde::Serialize;
use std::{fmt, str::FromStr};
use thiserror::Error;

/// What an allocation comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A block of the page pool.
    Pages,
    /// Physically contiguous memory of any size up to the largest block.
    Kmalloc,
    /// Virtually contiguous memory over scattered pages.
    Vmalloc,
    /// Contiguous if that is to be had, otherwise mapped.
    Kvmalloc,
    /// An object of a named cache.
    Cache,
}

impl Kind {
    /// All kinds, in the order of the header.
    pub const ALL: [Self; 5] = [
        Self::Pages,
        Self::Kmalloc,
        Self::Vmalloc,
        Self::Kvmalloc,
        Self::Cache,
    ];

    /// Returns the number that the header gives this kind.
    pub fn as_raw(self) -> u32 {
        match self {
            Self::Pages => sys::QUARRY_KIND_PAGES,
            Self::Kmalloc => sys::QUARRY_KIND_KMALLOC,
            Self::Vmalloc => sys::QUARRY_KIND_VMALLOC,
            Self::Kvmalloc => sys::QUARRY_KIND_KVMALLOC,
            Self::Cache => sys::QUARRY_KIND_CACHE,
        }
    }

    /// Returns the kind with that number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_raw() == raw)
    }

    /// Returns its name, as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pages => "pages",
            Self::Kmalloc => "kmalloc",
            Self::Vmalloc => "vmalloc",
            Self::Kvmalloc => "kvmalloc",
            Self::Cache => "cache",
        }
    }

    /// Returns whether REALLOC exists for this kind.
    pub fn can_realloc(self) -> bool {
        matches!(self, Self::Kmalloc | Self::Vmalloc | Self::Kvmalloc)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A word that names no kind.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("'{0}' is none of pages, kmalloc, vmalloc, kvmalloc, cache")]
pub struct ParseKindError(String);

impl FromStr for Kind {
    type Err = ParseKindError;

    fn from_str(word: &str) -> Result<Self, ParseKindError> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == word)
            .ok_or_else(|| ParseKindError(word.to_owned()))
    }
}

/// Layer that serves an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The page pool, as a block.
    Pages,
    /// A slab, as an object.
    Slab,
    /// An area: a mapping of pages.
    Vmalloc,
    /// One of the kernel's own allocators.
    Kernel,
}

impl Layer {
    /// Returns the layer with that number.
    pub fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            sys::QUARRY_LAYER_PAGES => Some(Self::Pages),
            sys::QUARRY_LAYER_SLAB => Some(Self::Slab),
            sys::QUARRY_LAYER_VMALLOC => Some(Self::Vmalloc),
            sys::QUARRY_LAYER_KERNEL => Some(Self::Kernel),
            _ => None,
        }
    }
}

/// How an allocation may get its memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Context {
    /// May sleep and grow the pool.
    #[default]
    Kernel,
    /// Never sleeps.
    NoWait,
    /// Never sleeps and may use the reserve.
    Atomic,
}

impl Context {
    /// Returns the flag of the header.
    pub fn as_raw(self) -> u32 {
        match self {
            Self::Kernel => 0,
            Self::NoWait => sys::QUARRY_ALLOC_NOWAIT,
            Self::Atomic => sys::QUARRY_ALLOC_ATOMIC,
        }
    }
}

/// Whose allocators serve an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// quarry's.
    Quarry,
    /// The kernel's own.
    Kernel,
}

impl Arm {
    /// Returns its name, as it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quarry => "quarry",
            Self::Kernel => "kernel",
        }
    }
}

/// Name of an allocation in the open file that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Handle(u64);

impl Handle {
    /// Returns the handle with that number; the module says whether it names something.
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// Returns its number.
    pub const fn as_raw(self) -> u64 {
        self.0
    }
}

/// Name of a cache in the open file that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheId(u32);

impl CacheId {
    /// Returns the cache with that number; the module says whether it names something.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// Returns its number.
    pub const fn as_raw(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_come_back_from_number_and_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_raw(kind.as_raw()), Some(kind));
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!(Kind::from_raw(0), None);
        assert!("slab".parse::<Kind>().is_err());
    }
}
