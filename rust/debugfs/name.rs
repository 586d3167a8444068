// SPDX-License-Identifier: GPL-2.0

//! Names of caches and processes, as one word.

use core::fmt;

/// A name of which everything that a table or a path cannot have is `_`.
pub(super) struct Word {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Word {
    const ROOM: usize = 32;

    /// Makes a word of a name that ends with a NUL or with the slice.
    pub(super) fn new(name: &[u8]) -> Self {
        let mut word = Self {
            bytes: [b'_'; Self::ROOM],
            length: 0,
        };
        let name = name.iter().take_while(|byte| **byte != 0);
        for (to, from) in word.bytes.iter_mut().zip(name) {
            // A path must not begin with a dot: it could be one of the two special ones.
            let hidden = word.length == 0 && *from == b'.';
            if from.is_ascii_graphic() && *from != b'/' && !hidden {
                *to = *from;
            }
            word.length += 1;
        }
        word.length = word.length.max(1);
        word
    }

    /// Returns the word.
    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or("_")
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kernel::macros::kunit_tests(quarry_debugfs_name)]
mod tests {
    use super::*;

    #[test]
    fn words_have_no_blanks_and_no_slashes() {
        assert!(Word::new(b"a b/c\td\0e").as_str() == "a_b_c_d");
        assert!(Word::new(b"user:x.y-z\0").as_str() == "user:x.y-z");
        assert!(Word::new(b"caf\xc3\xa9").as_str() == "caf__");
    }

    #[test]
    fn words_are_never_empty_or_special() {
        assert!(Word::new(b"").as_str() == "_");
        assert!(Word::new(b".").as_str() == "_");
        assert!(Word::new(b"..").as_str() == "_.");
        assert!(Word::new(&[b'x'; 40]).as_str().len() == Word::ROOM);
    }
}
