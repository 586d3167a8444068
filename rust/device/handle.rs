// SPDX-License-Identifier: GPL-2.0

//! Names of allocations.

/// The name of an allocation: the index of its slot, and which of the slot's allocations it is.
///
/// # Invariants
///
/// The generation is not 0, so that no handle is 0.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle {
    index: u32,
    generation: u32,
}

/// Bits of an index: more slots than this can name do not exist.
const INDEX_BITS: u32 = 24;

impl Handle {
    /// Slots that can have a name.
    pub(super) const MAX: u32 = 1 << INDEX_BITS;

    /// Names the allocation in a slot.
    pub(super) fn new(index: u32, generation: u32) -> Self {
        debug_assert!(generation != 0 && index < Self::MAX);
        Self { index, generation }
    }

    /// Reads a handle as user space gives it.
    pub(super) fn from_raw(raw: u64) -> Option<Self> {
        // CAST: Takes the two halves apart.
        let (index, generation) = (raw as u32, (raw >> 32) as u32);
        (generation != 0 && index < Self::MAX).then_some(Self { index, generation })
    }

    /// Returns the handle as user space sees it.
    pub(super) fn into_raw(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// Returns the index of the slot.
    pub(super) fn index(self) -> u32 {
        self.index
    }

    /// Returns the generation of the allocation.
    pub(super) fn generation(self) -> u32 {
        self.generation
    }

    /// Returns the page offset that names the allocation in mmap.
    ///
    /// It fits 32 bits, all that a 32-bit caller can pass, so it holds only the lowest bits of the
    /// generation: enough to notice most offsets that are out of date, which can name only the
    /// caller's own memory anyway.
    pub(super) fn map_offset(self) -> u32 {
        self.generation << INDEX_BITS | self.index
    }

    /// Whether `offset` is the one that [`map_offset`](Self::map_offset) returns for a slot and
    /// generation.
    pub(super) fn from_map_offset(
        offset: usize,
        generation_of: impl Fn(u32) -> Option<u32>,
    ) -> Option<Self> {
        let offset = u32::try_from(offset).ok()?;
        let index = offset & (Self::MAX - 1);
        let handle = Self::new(index, generation_of(index)?);
        (handle.map_offset() == offset).then_some(handle)
    }
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(quarry_device_handle)]
mod tests {
    use super::*;

    #[test]
    fn raw_form_is_reversible_and_never_zero() {
        let handle = Handle::new(Handle::MAX - 1, u32::MAX);
        assert!(Handle::from_raw(handle.into_raw()) == Some(handle));
        assert!(Handle::new(0, 1).into_raw() != 0);
        assert!(Handle::from_raw(0).is_none());
        assert!(Handle::from_raw(u64::from(Handle::MAX) | 1 << 32).is_none());
    }

    #[test]
    fn map_offset_of_another_generation_names_nothing() {
        let handle = Handle::new(77, 0x305);
        let offset = handle.map_offset() as usize;
        assert!(Handle::from_map_offset(offset, |_| Some(0x305)) == Some(handle));
        assert!(Handle::from_map_offset(offset, |_| Some(0x306)).is_none());
        assert!(Handle::from_map_offset(offset, |_| None).is_none());
    }
}
