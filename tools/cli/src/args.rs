// SPDX-License-Identifier: GPL-2.0

//! The arguments of every command. Help and the man page are made from this file.

use crate::{
    size::Size,
    stat::section::Section,
    stress::{latency::Clock, mix::Mix, sizes::Sizes},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use quarry_uapi::{Arm, Kind, Preset, DEFAULT_PATH};
use std::path::PathBuf;

/// Shows, exercises and checks quarry, a memory allocator stack that lives in a kernel module.
///
/// Data goes to stdout, progress and errors to stderr.
#[derive(Debug, Parser)]
#[command(name = "quarry", version, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What applies to every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Printed below the help.
pub const EXIT_STATUS: &str = "\
Exit status: 0 all is well, 1 errors were found or the operation failed, 2 wrong usage,
4 the module is not loaded.";

/// What applies to every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print JSON, whose member "schema" names its version
    #[arg(long, global = true)]
    pub json: bool,

    /// The module's device
    #[arg(long, global = true, value_name = "PATH", default_value = DEFAULT_PATH)]
    pub device: PathBuf,

    /// Show progress also where stderr is not a terminal
    #[arg(long, global = true)]
    pub progress: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what the module offers: versions, limits, quotas
    Info,
    /// Show the state of every layer: pool, blocks, caches, areas, clients, owners
    Stat(StatArgs),
    /// Exercise all allocators at once and verify all contents
    ///
    /// Each thread allocates, fills, verifies, reallocates and frees in an order that the seed
    /// decides, in batches. A share of what it frees, another thread frees on another CPU; a share of
    /// all memory is read and compared in user space. Running out of memory or quota is counted and
    /// no error; corruption, any other errno and a violated invariant are. With several threads, when
    /// a thread frees what another hands to it is not repeatable.
    ///
    /// The second table says how long calls of the module took, whatever interrupted them: BATCH those of
    /// many operations, the others those of one.
    Stress(StressArgs),
    /// Replay recorded kmem traces of a kernel
    ///
    /// A trace is the text of the kernel's kmem events, plain or compressed by gzip or xz, as read
    /// from tracefs or printed by 'perf script' or 'trace-cmd report'. It is read as a whole, then
    /// replayed allocation by allocation, each on the CPU that made it; the report says what was
    /// skipped and why. The module is told to give free memory back first, so that the peak of the
    /// pool is the trace's own. At the end all is freed and the module validated.
    ///
    /// With '--arm both', the kernel's own allocators replay the trace too, and the footprints are
    /// compared: all pages of quarry's pool with those that the kernel's slabs have beyond what they had
    /// before (at the level of pages: the blocks). Nothing else should run then. Memory is held and not
    /// cleared, unless --verify is given. Times are those of calls of the module, which include what it
    /// does for each operation beside allocating.
    Replay(ReplayArgs),
    /// Measure what quarry and the kernel's own allocators make of the same work
    Bench {
        /// What to measure.
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Make, end, limit and show named pools
    ///
    /// A pool has a limit of its own, counted in pages, and may have a reserve for those who cannot wait. It
    /// stays until it is destroyed or the module is unloaded. What programs allocate without naming a pool is
    /// charged to the pool 'user'.
    Pool {
        /// What to do.
        #[command(subcommand)]
        command: PoolCommand,
    },
    /// Give free memory back to the kernel
    ///
    /// Magazines are emptied, empty slabs and kept areas freed, and every chunk that is then wholly free
    /// goes back, but for the reserve of each node. Of itself, what is not used goes back within seconds.
    Shrink,
    /// Check the invariants of every structure of the module
    Check,
    /// Allocate something and say where it came from and where it lies
    Explain(ExplainArgs),
    /// Check that quarry works here, and say what to do if not
    Doctor,
    /// Print the man page
    #[command(hide = true)]
    Man,
}

/// Arguments of `quarry stat`.
#[derive(Debug, Args)]
pub struct StatArgs {
    /// What to show; everything if none is named
    #[arg(value_enum, value_name = "SECTION")]
    pub sections: Vec<Section>,

    /// Show it again every SECONDS seconds, until interrupted
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    pub watch: Option<f64>,

    /// Where the module's debugfs files are
    #[arg(long, value_name = "DIR", default_value = "/sys/kernel/debug/quarry")]
    pub debugfs: PathBuf,
}

/// Arguments of `quarry stress`.
#[derive(Debug, Args)]
pub struct StressArgs {
    /// Threads, each bound to a CPU; one for each CPU if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,

    /// Operations in all: each alloc, fill, verify, realloc and free is one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200_000,
        conflicts_with = "duration"
    )]
    pub ops: u64,

    /// Run for so many seconds instead of a number of operations
    #[arg(long, value_name = "SECONDS", value_parser = positive_seconds)]
    pub duration: Option<f64>,

    /// Start of all random choices; printed, so that a run can be repeated
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Share of each kind of allocation
    #[arg(long, value_name = "KIND:WEIGHT,...", default_value_t = Mix::default())]
    pub mix: Mix,

    /// Sizes: MIN..MAX in bytes (suffixes K, M, G), or one of mixed, small, large, kernel
    #[arg(long, value_name = "SIZES", default_value_t = Sizes::default())]
    pub sizes: Sizes,

    /// Live allocations that each thread tends towards
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub live: u32,

    /// Frees, in percent, that another thread on another CPU does
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub remote: u8,

    /// Actions, in per mille, whose memory is also read and compared in user space
    #[arg(long, value_name = "PER_MILLE", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub readback: u16,

    /// Operations in one call of the module
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(8..))]
    pub batch: u32,

    /// What calls of the module are timed with
    #[arg(long, value_enum, value_name = "CLOCK", default_value_t)]
    pub latency: Clock,
}

/// Which events of a trace are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// kmalloc, kmem_cache_alloc, kfree, kmem_cache_free
    Objects,
    /// mm_page_alloc, mm_page_free
    Pages,
}

/// Whose allocators are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arms {
    /// quarry's
    Quarry,
    /// The kernel's own
    Kernel,
    /// Each of them
    Both,
}

impl Arms {
    /// Returns each of them. The kernel's come first, so that what they hold is measured before quarry
    /// has taken any memory.
    pub fn list(self) -> &'static [Arm] {
        match self {
            Self::Quarry => &[Arm::Quarry],
            Self::Kernel => &[Arm::Kernel],
            Self::Both => &[Arm::Kernel, Arm::Quarry],
        }
    }
}

/// Arguments of `quarry replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Files to replay, one after the other; - is standard input
    #[arg(required = true, value_name = "TRACE")]
    pub traces: Vec<PathBuf>,

    /// Which events to replay: objects fire page events too, so one or the other
    #[arg(long, value_enum, default_value_t = Level::Objects)]
    pub level: Level,

    /// Threads, each bound to a CPU; one for each CPU of the trace if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,

    /// Whose allocators to replay on; with both, one after the other, and compared
    #[arg(long, value_enum, default_value_t = Arms::Quarry)]
    pub arm: Arms,

    /// Fill each allocation with a pattern and verify it before it is freed; only quarry's
    #[arg(long)]
    pub verify: bool,

    /// Read and account for the trace, but do not replay it; needs no module
    #[arg(long)]
    pub dry_run: bool,

    /// Operations between two points at which all threads meet and the statistics are sampled
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    pub window: u32,
}

/// What `quarry bench` measures.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Fragment memory with single pages, and count the free blocks of 2 MiB that are left
    ///
    /// The experiment of LLFree (Wrenger et al., USENIX ATC 2023): all threads together fill most of the
    /// memory with single pages, free half of them at random, then free and take some at random for many
    /// rounds. What is free could make so many blocks of 2 MiB; as many as there are is the share. quarry's
    /// memory is what its limit lets the pool have, the kernel's all that is free. Nothing else should run
    /// meanwhile. The picture has a character for each block of 2 MiB.
    Frag(FragArgs),
}

/// Arguments of `quarry bench frag`.
#[derive(Debug, Args)]
pub struct FragArgs {
    /// Whose allocators
    #[arg(long, value_enum, default_value_t = Arms::Both)]
    pub arm: Arms,

    /// Percent of the memory to fill
    #[arg(long, value_name = "PERCENT", default_value_t = 90, value_parser = clap::value_parser!(u8).range(1..=95))]
    pub fill: u8,

    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub rounds: u32,

    /// Percent of its pages that each thread frees and takes in a round
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub churn: u8,

    /// Threads, each bound to a CPU; one for each CPU if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Option<u32>,

    /// Start of all random choices; printed, so that a run can be repeated
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Fail, with exit status 1, if quarry's share is less
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub at_least: Option<f64>,
}

/// What `quarry pool` does.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Show all pools, or those that are named
    Stat {
        /// Names or numbers
        #[arg(value_name = "POOL")]
        pools: Vec<String>,
    },
    /// Make a pool, and print its number
    Create {
        /// 1 to 15 of A-Z a-z 0-9 _ . -
        name: String,

        /// The most that it may have (suffixes K, M, G); no limit of its own if not given
        #[arg(long, value_name = "BYTES")]
        limit: Option<Size>,

        /// What of the limit to set aside for callers who cannot wait
        #[arg(long, value_name = "BYTES")]
        reserve: Option<Size>,

        /// NUMA nodes that its memory may come from, as 0,2; all if not given
        #[arg(long, value_name = "NODE,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(0..64))]
        nodes: Vec<u32>,

        /// Have callers wait for memory who find the pool full and may sleep
        #[arg(long)]
        wait: bool,

        /// What is done against misuse
        #[arg(long, value_name = "PRESET", default_value = "fast")]
        preset: PresetArg,
    },
    /// End a pool of which nothing is in use
    Destroy {
        /// Name or number
        #[arg(value_name = "POOL")]
        pool: String,

        /// Free what programs have of it first, whosever it is; what is mapped stays, and the pool with it
        #[arg(long)]
        purge: bool,
    },
    /// Change how much a pool may have; what it has beyond that stays until it is freed
    Limit {
        /// Name or number; 'all' for all that the module takes from the kernel
        #[arg(value_name = "POOL")]
        pool: String,

        /// The new limit (suffixes K, M, G), or 'none'
        #[arg(value_name = "BYTES", value_parser = limit)]
        limit: Limit,
    },
    /// Record in the kernel where memory is allocated, with its stack, until it is freed
    ///
    /// The file owners in debugfs shows it, and the kernel log does if a cache or a pool cannot be destroyed.
    /// Each allocation then takes thousands of instructions more. What was allocated before has no record.
    Track {
        /// Name or number; 'all' for everything that is allocated
        #[arg(value_name = "POOL")]
        pool: String,

        /// Begin, or end and drop the records
        #[arg(value_name = "WHAT")]
        what: Switch,
    },
}

/// A preset of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PresetArg {
    /// Wrong frees are found
    Fast,
    /// Random order, cleared when freed, not given out again at once
    Hardened,
    /// Filled with what shows when it is overwritten, and checked; slow
    Debug,
}

impl PresetArg {
    /// Returns the preset.
    pub fn preset(self) -> Preset {
        match self {
            Self::Fast => Preset::Fast,
            Self::Hardened => Preset::Hardened,
            Self::Debug => Preset::Debug,
        }
    }
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// Begin
    On,
    /// End
    Off,
}

/// The limit of a pool: a number of bytes, or 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub u64);

/// Parses the limit of a pool.
fn limit(word: &str) -> Result<Limit, String> {
    match word {
        "none" => Ok(Limit(0)),
        word => word.parse().map(|Size(bytes)| Limit(bytes)),
    }
}

/// Arguments of `quarry explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Kind of allocation: pages, kmalloc, vmalloc, kvmalloc or cache; a tour of all if not given
    #[arg(value_name = "KIND")]
    pub what: Option<Kind>,

    /// Bytes to allocate (suffixes K, M, G); for a cache, the size of its objects
    #[arg(value_name = "BYTES")]
    pub sizes: Vec<Size>,

    /// The same as KIND
    #[arg(long, value_name = "KIND", conflicts_with = "what")]
    pub kind: Option<Kind>,

    /// The same as BYTES; may be given more than once
    #[arg(long, value_name = "BYTES", requires = "kind")]
    pub bytes: Vec<Size>,

    /// Allocate so many of each size
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub count: u32,
}

/// Parses a number of seconds greater than 0.
fn positive_seconds(word: &str) -> Result<f64, String> {
    word.parse::<f64>()
        .ok()
        .filter(|seconds| (0.001..=1e9).contains(seconds))
        .ok_or_else(|| format!("'{word}' is not a number of seconds"))
}

/// Parses a share in percent, of which one can be less.
fn percent(word: &str) -> Result<f64, String> {
    word.parse::<f64>()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("'{word}' is not a number of percent from 0 to 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_are_refused() {
        for word in ["nan", "inf", "-1", "100.1", "1e9", ""] {
            assert!(percent(word).is_err(), "{word}");
        }
        assert_eq!(percent("97.5"), Ok(97.5));
        for word in ["nan", "inf", "0", "-1", "1e10"] {
            assert!(positive_seconds(word).is_err(), "{word}");
        }
        assert_eq!(positive_seconds("0.5"), Ok(0.5));
    }
}
