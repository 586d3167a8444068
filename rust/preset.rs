// SPDX-License-Identifier: GPL-2.0

//! How much is done against misuse: the presets of pools.
//!
//! A pool has one preset from its beginning to its end. What is charged to no pool has that which the
//! module was loaded with, and so has the pool of user space.

#![deny(unsafe_code)]

/// A preset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preset {
    /// Wrong frees are found, and nothing is done for it that costs an instruction.
    Fast,
    /// Memory is given out in random order, cleared when it is freed, and not given out again at once.
    Hardened,
    /// Memory is written full of what shows when it is overwritten, and checked.
    Debug(Checks),
}

impl Preset {
    /// Returns the preset with a number, as the module's parameter has it.
    pub(crate) fn from_number(number: u8, checks: Checks) -> Option<Self> {
        match number {
            0 => Some(Self::Fast),
            1 => Some(Self::Hardened),
            2 => Some(Self::Debug(checks)),
            _ => None,
        }
    }

    /// Returns whether nothing is done for it.
    pub(crate) fn is_fast(self) -> bool {
        self == Self::Fast
    }

    /// Returns whether it is the hardened one.
    pub(crate) fn is_hardened(self) -> bool {
        self == Self::Hardened
    }

    /// Returns the checks of the debug preset, if it is that.
    pub(crate) fn checks(self) -> Option<Checks> {
        match self {
            Self::Debug(checks) => Some(checks),
            _ => None,
        }
    }

    /// Returns what it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Hardened => "hardened",
            Self::Debug(_) => "debug",
        }
    }
}

/// What is checked in the debug preset, by the letters of SLUB's `slab_debug`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checks(u32);

impl Checks {
    /// `F`: what follows is checked, when memory is handed out, when it is freed, and by `validate`.
    pub(crate) const SANITY: Self = Self(1);
    /// `Z`: bytes before and behind an object that nobody may write.
    pub(crate) const REDZONE: Self = Self(2);
    /// `P`: free memory is full of bytes that nobody may change.
    pub(crate) const POISON: Self = Self(4);
    /// `U`: who allocated and who freed an object last.
    pub(crate) const USER: Self = Self(8);
    /// `T`: each allocation and each free is told in the log.
    pub(crate) const TRACE: Self = Self(16);

    /// Returns the checks whose bits are set, if there are no others.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        (bits < 32).then_some(Self(bits))
    }

    /// Returns whether one of `other` is among them.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bits_out_of_range_are_refused() {
        let checks = Checks::from_bits(31).unwrap();
        assert_eq!(Preset::from_number(2, checks), Some(Preset::Debug(checks)));
        assert_eq!(Preset::from_number(3, checks), None);
        assert_eq!(Checks::from_bits(32), None);
        assert!(checks.has(Checks::TRACE) && !Checks::SANITY.has(Checks::POISON));
    }
}
