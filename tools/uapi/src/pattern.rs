// SPDX-License-Identifier: GPL-2.0

//! The pattern of FILL and VERIFY, computed in user space.
//!
//! A second implementation, from the header's words: that the module's FILL agrees with its own
//! VERIFY would not show an error that both share.

/// Multiplier of the pattern: 2^64 divided by the golden ratio.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Returns bytes `8 * word` to `8 * word + 7` of the pattern of `seed`.
fn word(seed: u64, word: u64) -> [u8; 8] {
    let x = seed.wrapping_add(word).wrapping_mul(STEP);
    (x ^ (x >> 29)).to_le_bytes()
}

/// Calls `visit` with each run of pattern bytes and the range of `length` bytes that it covers, of
/// which the first is byte `offset` of the allocation, until it returns false.
fn runs(seed: u64, offset: u64, length: usize, mut visit: impl FnMut(usize, &[u8]) -> bool) {
    let mut done = 0;
    while done < length {
        // CAST: A buffer's length fits into 64 bits; a remainder of 8 fits into anything.
        let at = offset + done as u64;
        let skip = (at % 8) as usize;
        let count = (8 - skip).min(length - done);
        if !visit(done, &word(seed, at / 8)[skip..skip + count]) {
            return;
        }
        done += count;
    }
}

/// Writes the pattern of `seed` to `buffer`, whose first byte is byte `offset` of the allocation.
pub fn fill(seed: u64, offset: u64, buffer: &mut [u8]) {
    let length = buffer.len();
    runs(seed, offset, length, |at, bytes| {
        buffer[at..at + bytes.len()].copy_from_slice(bytes);
        true
    });
}

/// Returns the index in `buffer` of the first byte that differs from the pattern of `seed`.
pub fn first_difference(seed: u64, offset: u64, buffer: &[u8]) -> Option<usize> {
    let mut found = None;
    runs(seed, offset, buffer.len(), |at, bytes| {
        let held = &buffer[at..at + bytes.len()];
        if held == bytes {
            return true;
        }
        found = held.iter().zip(bytes).position(|(a, b)| a != b);
        found = found.map(|index| at + index);
        false
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's definition, byte by byte.
    fn byte(seed: u64, i: u64) -> u8 {
        let x = seed.wrapping_add(i / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x ^ (x >> 29)) >> (8 * (i % 8))) as u8
    }

    #[test]
    fn every_offset_agrees_with_the_definition() {
        for seed in [0, 1, 0xdead_beef, u64::MAX] {
            for offset in 0..20 {
                let mut buffer = [0; 37];
                fill(seed, offset, &mut buffer);
                for (index, held) in buffer.iter().enumerate() {
                    assert_eq!(*held, byte(seed, offset + index as u64));
                }
                assert_eq!(first_difference(seed, offset, &buffer), None);
            }
        }
    }

    #[test]
    fn the_first_wrong_byte_is_found() {
        let mut buffer = [0; 64];
        fill(7, 3, &mut buffer);
        buffer[41] ^= 0x10;
        buffer[50] ^= 1;
        assert_eq!(first_difference(7, 3, &buffer), Some(41));
        assert_eq!(first_difference(8, 3, &[0; 0]), None);
    }
}
