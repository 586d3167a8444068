// SPDX-License-Identifier: GPL-2.0

//! Numbers of bytes and ranges of them, as people write them.

use std::str::FromStr;

/// A number of bytes, with an optional suffix K, M or G for powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let number = word.strip_suffix("iB").unwrap_or(word);
        let (digits, shift) = match number.as_bytes().last() {
            Some(b'K' | b'k') => (&number[..number.len() - 1], 10),
            Some(b'M' | b'm') => (&number[..number.len() - 1], 20),
            Some(b'G' | b'g') => (&number[..number.len() - 1], 30),
            _ => (word, 0),
        };
        digits
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(1 << shift))
            .filter(|&number| number > 0)
            .map(Self)
            .ok_or_else(|| format!("'{word}' is not a size such as 100, 16K or 4M"))
    }
}

/// A range of sizes, both ends included, written MIN..MAX.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeRange {
    /// The smallest.
    pub min: u64,
    /// The largest.
    pub max: u64,
}

impl FromStr for SizeRange {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let (min, max) = word
            .split_once("..")
            .ok_or_else(|| format!("'{word}' is not a range such as 8..64K"))?;
        let (Size(min), Size(max)) = (min.parse()?, max.trim_start_matches('=').parse()?);
        if min > max {
            return Err(format!("'{word}': {min} is more than {max}"));
        }
        Ok(Self { min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes() {
        assert_eq!("100".parse(), Ok(Size(100)));
        assert_eq!("16K".parse(), Ok(Size(16384)));
        assert_eq!("4MiB".parse(), Ok(Size(4 << 20)));
        assert_eq!("1g".parse(), Ok(Size(1 << 30)));
        for wrong in ["", "K", "0", "-1", "1.5K", "iB", "20000000000G"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_have_two_ends_in_order() {
        assert_eq!("8..64K".parse(), Ok(SizeRange { min: 8, max: 65536 }));
        assert_eq!("8..8".parse(), Ok(SizeRange { min: 8, max: 8 }));
        for wrong in ["8", "9..8", "..8", "8..", "0..8"] {
            assert!(wrong.parse::<SizeRange>().is_err(), "{wrong}");
        }
    }
}
