// SPDX-License-Identifier: GPL-2.0

//! The sections of `quarry stat`, and where each comes from.

use clap::ValueEnum;

/// A section of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Section {
    /// Pages of the pool, by what they are used for
    Pool,
    /// Free blocks of each order
    Blocks,
    /// Caches and kmalloc classes
    Caches,
    /// Areas of vmalloc
    Areas,
    /// Open files of the device
    Clients,
    /// Live bytes by owner
    Owners,
    /// Free blocks by node and order, in the format of /proc/buddyinfo
    Buddyinfo,
    /// External fragmentation index by order
    Extfrag,
    /// Unusable free space index by order
    Unusable,
    /// Caches, in the format of /proc/slabinfo
    Slabinfo,
    /// Areas, in the format of /proc/vmallocinfo
    Vmallocinfo,
    /// Memory, in the manner of /proc/meminfo
    Meminfo,
    /// Chunks of the pool
    Chunks,
    /// All counters
    Counters,
}

/// Where a section comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The ioctls.
    Ioctl,
    /// A file of debugfs.
    File(&'static str),
    /// The ioctls, and a file.
    Both(&'static str),
}

impl Section {
    /// All sections, in the order in which they are shown.
    pub const ALL: [Self; 14] = [
        Self::Pool,
        Self::Blocks,
        Self::Caches,
        Self::Areas,
        Self::Clients,
        Self::Owners,
        Self::Buddyinfo,
        Self::Extfrag,
        Self::Unusable,
        Self::Slabinfo,
        Self::Vmallocinfo,
        Self::Meminfo,
        Self::Chunks,
        Self::Counters,
    ];

    /// Returns where it comes from.
    pub fn source(self) -> Source {
        match self {
            Self::Pool | Self::Blocks | Self::Caches | Self::Areas => Source::Ioctl,
            Self::Clients => Source::Both("clients"),
            Self::Owners => Source::File("owners"),
            Self::Buddyinfo => Source::File("buddyinfo"),
            Self::Extfrag => Source::File("extfrag_index"),
            Self::Unusable => Source::File("unusable_index"),
            Self::Slabinfo => Source::File("slabinfo"),
            Self::Vmallocinfo => Source::File("vmallocinfo"),
            Self::Meminfo => Source::File("meminfo"),
            Self::Chunks => Source::File("chunks"),
            Self::Counters => Source::File("stats"),
        }
    }

    /// Returns its name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// Returns what it shows.
    pub fn title(self) -> String {
        let value = self.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        help.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sections_are_listed_once() {
        assert_eq!(Section::ALL.as_slice(), Section::value_variants());
        assert_eq!(Section::Pool.name(), "pool");
        assert!(Section::ALL.iter().all(|s| !s.title().is_empty()));
    }
}
