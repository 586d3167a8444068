// SPDX-License-Identifier: GPL-2.0

//! Small pictures of where something lies.

use quarry_uapi::Frame;
use std::collections::BTreeMap;

/// Characters of a picture.
const WIDTH: usize = 64;

/// Frames of a chunk.
const CHUNK: u32 = 1024;

/// Frames that follow each other in a chunk, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub chunk: u32,
    pub first: u32,
    pub last: u32,
}

/// Returns the runs of frames, in the order of the allocation.
pub fn runs(frames: &[Frame]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some(run) if run.chunk == frame.chunk && run.last + 1 == frame.frame => {
                run.last = frame.frame;
            }
            _ => runs.push(Run {
                chunk: frame.chunk,
                first: frame.frame,
                last: frame.frame,
            }),
        }
    }
    runs
}

/// Returns a line of `total` places of which `marked` are marked; a character stands for more than
/// one place if there are many.
fn line(total: u32, marked: impl Iterator<Item = u32>) -> String {
    let per_character = (total as usize).div_ceil(WIDTH).max(1);
    let mut line = vec!['.'; (total as usize).div_ceil(per_character)];
    for place in marked {
        if let Some(character) = line.get_mut(place as usize / per_character) {
            *character = '#';
        }
    }
    line.into_iter().collect()
}

/// Returns a slab of `objects` objects with one of them marked.
pub fn slab(objects: u32, index: u32) -> String {
    format!("[{}]", line(objects, std::iter::once(index)))
}

/// Returns each chunk with the frames of an allocation marked.
pub fn chunks(frames: &[Frame]) -> Vec<(u32, String)> {
    let mut by_chunk: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for frame in frames {
        by_chunk.entry(frame.chunk).or_default().push(frame.frame);
    }
    by_chunk
        .into_iter()
        .map(|(chunk, frames)| (chunk, format!("[{}]", line(CHUNK, frames.into_iter()))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(chunk: u32, frame: u32) -> Frame {
        Frame { chunk, frame }
    }

    #[test]
    fn runs_end_where_frames_or_chunks_do_not_follow() {
        let frames = [
            frame(0, 5),
            frame(0, 6),
            frame(0, 8),
            frame(1, 9),
            frame(1, 8),
        ];
        let found: Vec<_> = runs(&frames)
            .iter()
            .map(|run| (run.chunk, run.first, run.last))
            .collect();
        assert_eq!(found, [(0, 5, 6), (0, 8, 8), (1, 9, 9), (1, 8, 8)]);
    }

    #[test]
    fn pictures_are_never_wider_than_a_line() {
        assert_eq!(slab(4, 1), "[.#..]");
        let large = slab(500, 499);
        assert_eq!(large.len(), 65);
        assert!(large.ends_with("#]"));
        let chunk = &chunks(&[frame(3, 0), frame(3, 1023), frame(2, 512)]);
        assert_eq!(chunk[0].0, 2);
        assert!(chunk[1].1.starts_with("[#.") && chunk[1].1.ends_with(".#]"));
        assert_eq!(slab(0, 0), "[]");
    }
}
