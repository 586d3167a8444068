// SPDX-License-Identifier: GPL-2.0

//! Lists targets, and moves inputs in and out of the corpus. For `scripts/fuzz`.

use anyhow::{bail, Context};
use quarry_fuzz::{
    corpus,
    targets, //
};
use std::{
    fs,
    path::Path, //
};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["targets"] => targets().for_each(|(name, _)| println!("{name}")),
        ["unpack", target, dir] => {
            fs::create_dir_all(dir).context(dir.to_owned())?;
            for entry in corpus::load(&corpus::root(), target)? {
                fs::write(Path::new(dir).join(entry.name), entry.bytes)?;
            }
        }
        ["pack", target, dir, most] => {
            let most = most.parse().context("the bytes are not a number")?;
            let (kept, left) = corpus::pack(&corpus::root(), target, Path::new(dir), most)?;
            println!("{target}: {kept} packed, {left} left out for want of room");
        }
        ["run", target, file] => quarry_fuzz::target(target)?(&fs::read(file)?),
        _ => bail!("usage: quarry-corpus targets | unpack TARGET DIR | pack TARGET DIR BYTES | run TARGET FILE"),
    }
    Ok(())
}
