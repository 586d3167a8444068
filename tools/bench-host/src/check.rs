// SPDX-License-Identifier: GPL-2.0

//! Whether arms do what they say: blocks are aligned, do not overlap, and lie in no block that is
//! live already.

use crate::{
    arm::Entry,
    bench::Runner,
    shape::Shape,
    work::{Phase, Work},
};
use anyhow::{bail, Context};

/// Rounds of which the blocks are looked at.
const ROUNDS: usize = 3;

/// Checks the addresses of live blocks.
fn check_blocks(mut blocks: Vec<usize>, shape: Shape) -> anyhow::Result<()> {
    blocks.sort_unstable();
    for block in &blocks {
        if block % shape.align() != 0 {
            bail!(
                "the block at {block:#x} is not aligned to {}",
                shape.align()
            );
        }
    }
    for pair in blocks.windows(2) {
        if pair[1] - pair[0] < shape.size() {
            bail!("the blocks at {:#x} and {:#x} overlap", pair[0], pair[1]);
        }
    }
    if let (Some(first), Some(last)) = (blocks.first(), blocks.last()) {
        if last - first + shape.size() > shape.region() {
            bail!("blocks at {first:#x} and {last:#x} are further apart than the memory goes");
        }
    }
    Ok(())
}

fn check_runner(runner: &mut dyn Runner, work: &Work) -> anyhow::Result<()> {
    for round in 0..ROUNDS {
        runner.before();
        if matches!(work.phase, Phase::Alloc) {
            runner.round();
        }
        check_blocks(runner.blocks(), work.shape).with_context(|| format!("round {round}"))?;
        if !matches!(work.phase, Phase::Alloc) {
            runner.round();
        }
        runner.after();
    }
    Ok(())
}

/// Does the work with an arm and looks at its blocks. Returns why the arm cannot do it.
pub fn check(entry: &Entry, work: &Work) -> anyhow::Result<Option<String>> {
    let mut runner = match (entry.make)(work.shape) {
        Ok(runner) => runner,
        Err(reason) => return Ok(Some(reason.to_owned())),
    };
    if let Err(reason) = runner.prepare(work) {
        return Ok(Some(reason));
    }
    check_runner(&mut *runner, work).with_context(|| format!("{}, {}", entry.name, work.name))?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        arm::{runner, OneByOne, Single},
        rivals,
        shape::PAGE,
        work::{by_name, WORKS},
    };

    /// Gives pages one after the other, every so many the same.
    struct Wrong {
        next: usize,
        step: usize,
        wrap: usize,
    }

    impl Single for Wrong {
        fn alloc(&mut self) -> Option<usize> {
            self.next += 1;
            Some(PAGE + self.next % self.wrap * self.step)
        }
        fn free(&mut self, _block: usize) {}
    }

    fn complaint(make: fn(Shape) -> Result<Box<dyn Runner>, &'static str>) -> String {
        let entry = Entry {
            name: "wrong",
            make,
        };
        let error = check(&entry, by_name("page-alloc").unwrap()).unwrap_err();
        format!("{error:#}")
    }

    fn wrong(step: usize, wrap: usize) -> Box<dyn Runner> {
        runner(OneByOne(Wrong {
            next: 0,
            step,
            wrap,
        }))
    }

    #[test]
    fn overlap_misalignment_and_foreign_memory_are_found() {
        let overlap = complaint(|_| Ok(wrong(PAGE, 4095)));
        assert!(overlap.contains("overlap"), "{overlap}");
        let align = complaint(|_| Ok(wrong(PAGE + 8, usize::MAX)));
        assert!(align.contains("not aligned"), "{align}");
        let far = complaint(|_| Ok(wrong(PAGE << 10, usize::MAX)));
        assert!(far.contains("further apart"), "{far}");
    }

    #[test]
    fn rivals_give_aligned_blocks_that_do_not_overlap() {
        // These walk through lists, which takes them seconds at 90 %.
        let walks = |entry: &Entry| ["linked_list", "buddy_system heap"].contains(&entry.name);
        let is_slow = |entry: &Entry, work: &Work| work.full && walks(entry);
        for entry in rivals::ALL {
            let mut done = 0;
            for work in WORKS.iter().filter(|work| !is_slow(&entry, work)) {
                // Blocks of a free or a bulk are those of an allocation.
                if matches!(work.phase, Phase::Pair | Phase::Shuffled) {
                    done += usize::from(check(&entry, work).unwrap().is_none());
                }
            }
            assert!(done > 0, "{} can do nothing", entry.name);
        }
    }
}
