// SPDX-License-Identifier: GPL-2.0

//! How large allocations are.

use crate::size::SizeRange;
use fastrand::Rng;
use quarry_uapi::{Kind, Query};
use std::{fmt, str::FromStr};

/// A distribution of sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sizes {
    /// For each kind what it is good for, rarely up to the largest.
    #[default]
    Mixed,
    /// 8 to 256 bytes.
    Small,
    /// 16 KiB to 1 MiB.
    Large,
    /// What a kernel asks of kmalloc while it boots and while it handles files.
    Kernel,
    /// Each power of two between both ends as likely as another.
    Range(SizeRange),
}

/// Bytes that recorded traces of a kernel ask of kmalloc most often, without the largest peak, and
/// how often in a thousand.
const KERNEL: [(u64, u32); 15] = [
    (8, 130),
    (16, 40),
    (24, 80),
    (32, 30),
    (40, 40),
    (48, 130),
    (64, 180),
    (88, 100),
    (96, 140),
    (128, 30),
    (216, 20),
    (512, 30),
    (1024, 20),
    (2592, 25),
    (4096, 5),
];

/// Limits of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a page.
    pub page_size: u64,
    /// Bytes of the largest block or kmalloc.
    pub contiguous: u64,
    /// Bytes of the largest area.
    pub area: u64,
}

impl Limits {
    /// Returns the limits, the quota being shared by `threads` threads.
    pub fn new(query: &Query, threads: usize) -> Self {
        let page_size = u64::from(query.page_size);
        let largest = page_size << query.max_order.min(20);
        // CAST: A number of threads fits into 64 bits.
        let share = query.quota_bytes / (4 * threads.max(1) as u64);
        Self {
            page_size,
            contiguous: largest.min(query.max_kmalloc).min(share).max(page_size),
            area: (4 * largest).min(share).max(page_size),
        }
    }

    fn of(&self, kind: Kind) -> u64 {
        match kind {
            Kind::Pages | Kind::Kmalloc => self.contiguous,
            Kind::Vmalloc | Kind::Kvmalloc => self.area,
            Kind::Cache => self.page_size,
        }
    }
}

/// One in so many allocations of the mixed distribution may be as large as anything.
const RARELY: u32 = 2000;

impl Sizes {
    /// Chooses a number of bytes for an allocation of that kind.
    pub fn draw(&self, kind: Kind, limits: &Limits, rng: &mut Rng) -> u64 {
        let page = limits.page_size;
        let bytes = match self {
            Self::Small => even(8, 256, rng),
            Self::Large => even(16 << 10, 1 << 20, rng),
            Self::Range(range) => even(range.min, range.max, rng),
            Self::Kernel => kernel(rng),
            Self::Mixed if rng.u32(0..RARELY) == 0 => even(1, limits.of(kind), rng),
            Self::Mixed => match kind {
                // Each order half as often as the one below.
                Kind::Pages => page << rng.u32(..).trailing_ones().min(6),
                Kind::Kmalloc | Kind::Cache if rng.u8(0..32) == 0 => even(8, 8 * page, rng),
                Kind::Kmalloc | Kind::Cache => even(1, page / 2, rng),
                Kind::Vmalloc => even(page / 2, 16 * page, rng),
                Kind::Kvmalloc => even(page / 4, 16 * page, rng),
            },
        };
        bytes.clamp(1, limits.of(kind))
    }
}

/// Returns a number between both ends whose logarithm is evenly spread.
fn even(min: u64, max: u64, rng: &mut Rng) -> u64 {
    // CAST: A size above 2^53 loses its last bits, and the result is clamped.
    let (low, high) = ((min as f64).log2(), (max as f64 + 1.0).log2());
    let drawn = (low + (high - low) * rng.f64()).exp2() as u64;
    drawn.clamp(min, max)
}

/// Returns a size from [`KERNEL`], or a little less.
fn kernel(rng: &mut Rng) -> u64 {
    let total = KERNEL.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.u32(0..total);
    for (bytes, weight) in KERNEL {
        if at < weight {
            return bytes - rng.u64(0..bytes / 8);
        }
        at -= weight;
    }
    8
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mixed => f.write_str("mixed"),
            Self::Small => f.write_str("small"),
            Self::Large => f.write_str("large"),
            Self::Kernel => f.write_str("kernel"),
            Self::Range(SizeRange { min, max }) => write!(f, "{min}..{max}"),
        }
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "mixed" => Ok(Self::Mixed),
            "small" => Ok(Self::Small),
            "large" => Ok(Self::Large),
            "kernel" => Ok(Self::Kernel),
            _ if word.contains("..") => word.parse().map(Self::Range),
            _ => Err(format!(
                "'{word}' is neither a range such as 8..64K nor one of mixed, small, large, kernel"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        page_size: 4096,
        contiguous: 4 << 20,
        area: 16 << 20,
    };

    #[test]
    fn names_and_ranges_are_what_they_print() {
        for word in ["mixed", "small", "large", "kernel", "8..65536"] {
            assert_eq!(word.parse::<Sizes>().unwrap().to_string(), word);
        }
        assert_eq!("8..64K".parse::<Sizes>().unwrap().to_string(), "8..65536");
        for wrong in ["", "huge", "64", "9..8", "a..b"] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_stay_within_the_limits_of_their_kind() {
        let mut rng = Rng::with_seed(3);
        for word in [
            "mixed",
            "small",
            "large",
            "kernel",
            "1..1G",
            "7..7",
            "8..18446744073709551615",
        ] {
            let sizes: Sizes = word.parse().unwrap();
            for kind in Kind::ALL {
                for _ in 0..2000 {
                    let bytes = sizes.draw(kind, &LIMITS, &mut rng);
                    assert!(
                        (1..=LIMITS.of(kind)).contains(&bytes),
                        "{word} {kind} {bytes}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_range_is_used_from_end_to_end() {
        let mut rng = Rng::with_seed(5);
        let sizes: Sizes = "8..10".parse().unwrap();
        let mut seen = [false; 3];
        for _ in 0..1000 {
            seen[sizes.draw(Kind::Kmalloc, &LIMITS, &mut rng) as usize - 8] = true;
        }
        assert_eq!(seen, [true; 3]);
    }

    #[test]
    fn the_same_seed_gives_the_same_sizes() {
        let draw = || {
            let mut rng = Rng::with_seed(9);
            (0..100)
                .map(|_| Sizes::Mixed.draw(Kind::Kvmalloc, &LIMITS, &mut rng))
                .collect::<Vec<_>>()
        };
        assert_eq!(draw(), draw());
    }
}
