// SPDX-License-Identifier: GPL-2.0

//! `chunks`: every chunk, and a picture of its pages.

use crate::{
    pool::{
        Order,
        FRAMES, //
    },
    stats,
    window::{
        self,
        ABSENT, //
    }, //
};
use core::{
    fmt::{
        Formatter,
        Result,
        Write, //
    },
    sync::atomic::Ordering::Relaxed, //
};

/// Characters of a picture.
const WIDTH: usize = 64;
/// Pages that a character stands for.
const GROUP: usize = FRAMES / WIDTH;

/// What is copied under the lock.
struct Row {
    node: u32,
    present: usize,
    free: usize,
    largest: Option<Order>,
    /// Free pages of each group.
    groups: [u8; WIDTH],
}

/// Prints all chunks.
pub(super) fn show(f: &mut Formatter<'_>) -> Result {
    f.write_str("# quarry chunks version 1\n")?;
    f.write_str("# number node present free largest picture\n")?;
    for index in 0..window::nr_windows() {
        let row = stats::with_chunk(index, |node, chunk| Row {
            node,
            present: chunk.nr_present(),
            free: chunk.nr_free(),
            largest: chunk.largest(),
            groups: core::array::from_fn(|group| {
                let frames = group * GROUP..(group + 1) * GROUP;
                // CAST: At most `GROUP`.
                frames.filter(|&frame| chunk.is_free(frame)).count() as u8
            }),
        });
        if let Some(row) = row {
            line(f, index, &row)?;
        }
    }
    Ok(())
}

fn line(f: &mut Formatter<'_>, index: usize, row: &Row) -> Result {
    write!(
        f,
        "{index:>8} {:>4} {:>7} {:>4} ",
        row.node, row.present, row.free
    )?;
    match row.largest {
        Some(order) => write!(f, "{:>7} ", order.get())?,
        None => write!(f, "{:>7} ", "-")?,
    }
    for (group, &free) in row.groups.iter().enumerate() {
        f.write_char(match picture(free) {
            '#' if row.present != FRAMES && is_absent(index, group) => '-',
            other => other,
        })?;
    }
    f.write_char('\n')
}

/// Returns the character for a group of which so many pages are free.
fn picture(free: u8) -> char {
    match free {
        0 => '#',
        1..=9 => char::from(b'0' + free),
        10..=15 => '+',
        _ => '.',
    }
}

/// Returns whether the chunk has none of the group's pages.
fn is_absent(index: usize, group: usize) -> bool {
    // ORDERING: A look; nothing follows from it.
    window::window(index).is_some_and(|window| {
        (group * GROUP..(group + 1) * GROUP)
            .all(|frame| window.state(frame).load(Relaxed) == ABSENT)
    })
}

const _: () = assert!(GROUP == 16);

#[cfg(CONFIG_QUARRY_KUNIT_TEST)]
#[kernel::macros::kunit_tests(quarry_debugfs_chunks)]
mod tests {
    use super::*;

    #[test]
    fn picture_tells_full_partial_and_free() {
        assert!(picture(0) == '#' && picture(16) == '.');
        assert!(picture(1) == '1' && picture(9) == '9');
        assert!(picture(10) == '+' && picture(15) == '+');
    }
}
