// SPDX-License-Identifier: GPL-2.0

//! What the debug preset puts around an object and into it.
//!
//! The bytes are those of SLUB, see `include/linux/poison.h` of the kernel, so that a dump says the same to
//! who knows that. The zone on the left is as long as the alignment, so that the object stays aligned.

/// A byte of a zone around a live object.
pub(crate) const REDZONE_LIVE: u8 = 0xcc;
/// A byte of a zone around a free object.
pub(crate) const REDZONE_FREE: u8 = 0xbb;
/// A byte of a free object.
pub(crate) const POISON: u8 = 0x6b;
/// The last byte of a free object.
pub(crate) const POISON_END: u8 = 0xa5;

/// Fewest bytes on the right.
const LEAST: usize = 8;
/// Largest zone on the left; what is aligned to more is aligned to this.
const MOST: usize = 4096;

/// How the place of an object is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Padding {
    /// Bytes before the object.
    pub(crate) left: u32,
    /// Bytes of the object.
    pub(crate) object: u32,
    /// Bytes behind it.
    pub(crate) right: u32,
}

impl Padding {
    /// Returns the padding of objects of `size` bytes that are aligned to `align`, a power of two; with
    /// zones or without.
    pub(crate) fn new(size: usize, align: usize, zones: bool) -> Option<Self> {
        let align = align.clamp(LEAST, MOST);
        let (left, right) = if zones { (align, LEAST) } else { (0, 0) };
        let whole = left.checked_add(size)?.checked_add(right)?;
        let whole = whole.checked_next_multiple_of(align)?;
        Some(Self {
            left: u32::try_from(left).ok()?,
            object: u32::try_from(size).ok()?,
            right: u32::try_from(whole - left - size).ok()?,
        })
    }

    /// Returns the bytes from one object to the next.
    pub(crate) fn stride(self) -> usize {
        // CAST: Lossless.
        self.left as usize + self.object as usize + self.right as usize
    }
}

/// Bytes that are not what they should be: the first, and the one behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The first.
    pub(crate) first: usize,
    /// The one behind the last.
    pub(crate) end: usize,
}

/// Returns whether all bytes have a value. By words: it is asked of all memory that is handed out and freed.
fn is_full_of(bytes: &[u8], value: u8) -> bool {
    const WORD: usize = size_of::<u64>();
    let word = [value; WORD];
    let mut words = bytes.chunks_exact(WORD);
    words.all(|bytes| *bytes == word) && words.remainder().iter().all(|&byte| byte == value)
}

/// Returns which of some bytes are not what a zone should hold.
pub(crate) fn wrong_in_zone(bytes: &[u8], value: u8) -> Option<Wrong> {
    if is_full_of(bytes, value) {
        return None;
    }
    let is_wrong = |byte: &u8| *byte != value;
    Some(Wrong {
        first: bytes.iter().position(is_wrong)?,
        end: bytes.iter().rposition(is_wrong)? + 1,
    })
}

/// Returns which bytes of a free object are not what they should be.
pub(crate) fn wrong_in_poison(bytes: &[u8]) -> Option<Wrong> {
    let (last, all) = bytes.split_last()?;
    let wrong = wrong_in_zone(all, POISON);
    if *last == POISON_END {
        return wrong;
    }
    Some(Wrong {
        first: wrong.map_or(all.len(), |wrong| wrong.first),
        end: bytes.len(),
    })
}

/// Makes an object's bytes those of a free one.
pub(crate) fn poison(bytes: &mut [u8]) {
    if let Some((last, all)) = bytes.split_last_mut() {
        all.fill(POISON);
        *last = POISON_END;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stay_aligned_and_have_zones() {
        for size in 1..=8192 {
            for align in [1, 8, 64, 4096] {
                let padding = Padding::new(size, align, true).unwrap();
                let align = align.max(LEAST);
                assert_eq!(padding.left as usize % align, 0);
                assert_eq!(padding.stride() % align, 0);
                assert!(padding.left as usize >= LEAST && padding.right as usize >= LEAST);
                assert_eq!(padding.object as usize, size);
            }
        }
        assert_eq!(Padding::new(64, 64, false).unwrap().stride(), 64);
    }

    #[test]
    fn each_wrong_byte_is_found() {
        for len in 1..40 {
            let mut bytes = vec![0; len];
            poison(&mut bytes);
            assert_eq!(wrong_in_poison(&bytes), None);
            for at in 0..len {
                let right = core::mem::replace(&mut bytes[at], 0x41);
                let wrong = Wrong {
                    first: at,
                    end: at + 1,
                };
                assert_eq!(wrong_in_poison(&bytes), Some(wrong));
                bytes[at] = right;
            }
        }
        let zone = [0xcc, 1, 0xcc, 2, 0xcc];
        let wrong = wrong_in_zone(&zone, REDZONE_LIVE);
        assert_eq!(wrong, Some(Wrong { first: 1, end: 4 }));
        assert_eq!(wrong_in_zone(&[], REDZONE_LIVE), None);
    }
}
