// SPDX-License-Identifier: GPL-2.0

//! `quarry pool`: named pools.

use crate::{
    args::{Global, Limit, PoolCommand, Switch},
    exit::Status,
    output::{self, bytes, grouped},
    size::Size,
    CommandResult,
};
use anyhow::{anyhow, bail};
use quarry_uapi::{Cause, Device, PoolStats, PoolTerms};
use serde_json::json;

/// Runs one of the commands.
pub fn run(global: &Global, command: &PoolCommand) -> CommandResult {
    let device = Device::open_path(&global.device)?;
    match command {
        PoolCommand::Stat { pools } => stat(global, &device, pools),
        PoolCommand::Create {
            name,
            limit,
            reserve,
            nodes,
            wait,
            preset,
        } => {
            let terms = PoolTerms {
                limit: limit.map_or(0, |Size(bytes)| bytes),
                reserve: reserve.map_or(0, |Size(bytes)| bytes),
                nodes: nodes.iter().fold(0, |mask, node| mask | (1 << node)),
                waits: *wait,
                preset: preset.preset(),
            };
            create(global, &device, name, &terms)
        }
        PoolCommand::Destroy { pool, purge } => {
            let id = find(&device.pools()?, pool)?.id;
            device.pool_destroy(id, *purge).map_err(|error| {
                let advice = match error.cause {
                    Cause::Busy if *purge => "; something of it is mapped: see dmesg",
                    Cause::Busy => "; dmesg says what is in use, and --purge frees it",
                    _ => "",
                };
                anyhow!("pool '{pool}' is not destroyed: {error}{advice}")
            })?;
            Ok(Status::Success)
        }
        PoolCommand::Limit { pool, limit } => {
            let Limit(limit) = *limit;
            device.pool_limit(id_or_all(&device, pool)?, limit)?;
            Ok(Status::Success)
        }
        PoolCommand::Track { pool, what } => {
            device.pool_track(id_or_all(&device, pool)?, *what == Switch::On)?;
            Ok(Status::Success)
        }
    }
}

/// Returns the number of a pool; `all` is number 0.
fn id_or_all(device: &Device, word: &str) -> anyhow::Result<u32> {
    match word {
        "all" => Ok(0),
        word => Ok(find(&device.pools()?, word)?.id),
    }
}

fn create(global: &Global, device: &Device, name: &str, terms: &PoolTerms) -> CommandResult {
    let id = device.pool_create(name, terms).map_err(|error| {
        let advice = match error.cause {
            Cause::Invalid => {
                "; a name has 1 to 15 of A-Z a-z 0-9 _ . -, a reserve is at most the limit, and one of \
                 the nodes has memory"
            }
            Cause::NoMemory => "; there is not enough memory for its reserve",
            _ => "",
        };
        anyhow!("pool '{name}' is not made: {error}{advice}")
    })?;
    if global.json {
        output::print_json("pool-create", 1, &json!({ "pool": id }))?;
    } else {
        output::print(&format!("{id}\n"))?;
    }
    Ok(Status::Success)
}

fn stat(global: &Global, device: &Device, wanted: &[String]) -> CommandResult {
    let all = device.pools()?;
    let chosen = if wanted.is_empty() {
        all
    } else {
        let one = |word: &String| find(&all, word).cloned();
        wanted.iter().map(one).collect::<anyhow::Result<_>>()?
    };
    if global.json {
        output::print_json("pool-stat", 1, &json!({ "pools": chosen }))?;
    } else {
        output::print(&table(&chosen))?;
    }
    Ok(Status::Success)
}

/// Returns the pool with a name, or a number if none has that name.
fn find<'a>(pools: &'a [PoolStats], word: &str) -> anyhow::Result<&'a PoolStats> {
    let named = pools.iter().find(|pool| pool.name == word);
    let numbered = || {
        let id = word.parse::<u32>().ok()?;
        pools.iter().find(|pool| pool.id == id)
    };
    match named.or_else(numbered) {
        Some(pool) => Ok(pool),
        None => {
            let names: Vec<&str> = pools.iter().map(|pool| pool.name.as_str()).collect();
            bail!("there is no pool '{word}'; there are: {}", names.join(" "))
        }
    }
}

fn table(pools: &[PoolStats]) -> String {
    let mut table = output::table(&[
        "pool", "id", "whose", "limit", "reserve", "used", "peak", "failures", "waits", "longest",
        "tracked", "preset",
    ]);
    for pool in pools {
        table.add_row([
            pool.name.clone(),
            pool.id.to_string(),
            (if pool.kernels { "kernel" } else { "user" }).to_owned(),
            pool.limit.map_or_else(|| "none".to_owned(), bytes),
            bytes(pool.reserve),
            bytes(pool.used),
            bytes(pool.peak),
            grouped(pool.failures),
            grouped(pool.waits),
            // CAST: For reading.
            format!("{:.1} ms", pool.longest_wait as f64 / 1e6),
            (if pool.tracked { "yes" } else { "no" }).to_owned(),
            pool.preset.as_str().to_owned(),
        ]);
    }
    output::render(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_uapi::Preset;

    fn pool(id: u32, name: &str) -> PoolStats {
        PoolStats {
            id,
            name: name.to_owned(),
            kernels: id == 1,
            tracked: id == 2,
            preset: if id == 2 { Preset::Debug } else { Preset::Fast },
            limit: Some(8 << 20).filter(|_| id != 1),
            reserve: 0,
            used: 4096,
            peak: 8192,
            stashed: 0,
            failures: 1234,
            waits: 0,
            longest_wait: 1_500_000,
        }
    }

    #[test]
    fn a_pool_is_found_by_name_before_number() {
        let pools = [pool(1, "user"), pool(2, "ring"), pool(3, "2")];
        assert_eq!(find(&pools, "ring").unwrap().id, 2);
        assert_eq!(find(&pools, "1").unwrap().name, "user");
        assert_eq!(find(&pools, "2").unwrap().id, 3);
        let error = find(&pools, "rings").unwrap_err().to_string();
        assert_eq!(error, "there is no pool 'rings'; there are: user ring 2");
    }

    #[test]
    fn the_table_can_be_read() {
        let text = table(&[pool(1, "user"), pool(2, "ring")]);
        assert_eq!(
            text,
            "pool  id   whose    limit  reserve     used     peak  failures  waits  longest  tracked  preset\n\
             user   1  kernel     none      0 B  4.0 KiB  8.0 KiB     1 234      0   1.5 ms       no    fast\n\
             ring   2    user  8.0 MiB      0 B  4.0 KiB  8.0 KiB     1 234      0   1.5 ms      yes   debug\n"
        );
    }
}
