// SPDX-License-Identifier: GPL-2.0

//! How often each kind of allocation is chosen.

use fastrand::Rng;
use quarry_uapi::Kind;
use std::{fmt, str::FromStr};

/// Weights of the kinds, written `pages:1,kmalloc:6`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mix {
    weights: Vec<(Kind, u32)>,
    total: u32,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            weights: vec![
                (Kind::Pages, 1),
                (Kind::Kmalloc, 6),
                (Kind::Cache, 3),
                (Kind::Vmalloc, 1),
                (Kind::Kvmalloc, 1),
            ],
            total: 12,
        }
    }
}

impl Mix {
    /// Returns the kinds that can be chosen.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.weights.iter().map(|(kind, _)| *kind)
    }

    /// Chooses a kind.
    pub fn draw(&self, rng: &mut Rng) -> Kind {
        let mut at = rng.u32(0..self.total);
        for &(kind, weight) in &self.weights {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        // The weights add up to `total`, so the loop has returned.
        Kind::Kmalloc
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, weight)) in self.weights.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{kind}:{weight}")?;
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut weights: Vec<(Kind, u32)> = Vec::new();
        let mut total: u32 = 0;
        for part in text.split(',') {
            let (kind, weight) = part.split_once(':').unwrap_or((part, "1"));
            let kind: Kind = kind.parse().map_err(|error| format!("{error}"))?;
            let weight: u32 = weight
                .parse()
                .map_err(|_| format!("'{part}': the weight is not a number"))?;
            if weights.iter().any(|(known, _)| *known == kind) {
                return Err(format!("{kind} is named twice"));
            }
            total = total
                .checked_add(weight)
                .ok_or_else(|| "the weights are too large".to_owned())?;
            if weight > 0 {
                weights.push((kind, weight));
            }
        }
        if total == 0 {
            return Err("all weights are 0".to_owned());
        }
        Ok(Self { weights, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_what_it_prints() {
        let mix = Mix::default();
        assert_eq!(mix.to_string().parse(), Ok(mix.clone()));
        assert_eq!(
            mix.to_string(),
            "pages:1,kmalloc:6,cache:3,vmalloc:1,kvmalloc:1"
        );
    }

    #[test]
    fn weights_may_be_left_out_or_zero() {
        let mix: Mix = "kmalloc,pages:0".parse().unwrap();
        assert_eq!(mix.kinds().collect::<Vec<_>>(), [Kind::Kmalloc]);
        let mut rng = Rng::with_seed(1);
        assert!((0..100).all(|_| mix.draw(&mut rng) == Kind::Kmalloc));
    }

    #[test]
    fn draws_follow_the_weights() {
        let mix: Mix = "pages:1,cache:3".parse().unwrap();
        let mut rng = Rng::with_seed(1);
        let pages = (0..4000).filter(|_| mix.draw(&mut rng) == Kind::Pages);
        assert!((800..1200).contains(&pages.count()));
    }

    #[test]
    fn nonsense_is_refused() {
        for wrong in [
            "",
            "slab:1",
            "pages:x",
            "pages:0",
            "pages,pages",
            "pages:-1",
            ",",
        ] {
            assert!(wrong.parse::<Mix>().is_err(), "{wrong}");
        }
        assert!("pages:4294967295,cache:1".parse::<Mix>().is_err());
    }
}
