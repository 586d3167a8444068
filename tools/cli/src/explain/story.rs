// SPDX-License-Identifier: GPL-2.0

//! The story of an allocation, in words.

use super::picture;
use crate::output::{bytes, grouped, pairs, percent};
use quarry_uapi::{Explanation, Layer};

/// Runs that are listed; of the rest only the number is.
const LISTED: usize = 6;

/// Chunks that are drawn.
const DRAWN: usize = 4;

/// Returns the story.
pub fn tell(it: &Explanation, page_size: u64) -> String {
    let kind = it.kind.map_or("unknown kind", |kind| kind.name());
    let mut rows = vec![("served by", served_by(it, page_size))];
    rows.push(("usable", usable(it)));
    if it.layer == Some(Layer::Slab) {
        rows.push((
            "slab",
            format!(
                "order {} ({}), {} objects of {} bytes, {} not free, this is object {}",
                it.order,
                bytes(page_size << it.order.min(32)),
                it.objects,
                it.object_size,
                it.objects_used,
                it.object_index
            ),
        ));
        rows.push(("", picture::slab(it.objects, it.object_index)));
    }
    rows.push(("pages", pages(it)));
    let runs = picture::runs(&it.frames);
    for run in runs.iter().take(LISTED) {
        let frames = if run.first == run.last {
            format!("frame {}", run.first)
        } else {
            format!("frames {} to {}", run.first, run.last)
        };
        rows.push(("", format!("chunk {}, {frames}", run.chunk)));
    }
    if runs.len() > LISTED {
        rows.push(("", format!("and {} more runs", runs.len() - LISTED)));
    }
    let chunks = picture::chunks(&it.frames);
    for (chunk, line) in chunks.iter().take(DRAWN) {
        rows.push(("", format!("{line} chunk {chunk}")));
    }
    if chunks.len() > DRAWN {
        rows.push(("", format!("and {} more chunks", chunks.len() - DRAWN)));
    }
    if it.mapped {
        rows.push(("mapped", "into a process".to_owned()));
    }
    format!("{kind}, {} asked for\n{}", size(it.requested), pairs(&rows))
}

/// Returns a size with its exact bytes.
fn size(number: u64) -> String {
    if number < 1024 {
        format!("{number} bytes")
    } else {
        format!("{} bytes ({})", grouped(number), bytes(number))
    }
}

fn served_by(it: &Explanation, page_size: u64) -> String {
    match it.layer {
        Some(Layer::Slab) => format!("the slab layer, from {}", it.cache_name),
        Some(Layer::Pages) => format!(
            "the page pool, as a block of order {} ({})",
            it.order,
            bytes(page_size << it.order.min(32))
        ),
        Some(Layer::Vmalloc) => "vmalloc, as an area of mapped pages".to_owned(),
        Some(Layer::Kernel) => "one of the kernel's own allocators".to_owned(),
        None => "a layer that this program does not know".to_owned(),
    }
}

fn usable(it: &Explanation) -> String {
    let more = it.usable.saturating_sub(it.requested);
    let mut text = size(it.usable);
    if more > 0 {
        text += &format!(
            ", {} ({:.1} %) more than asked for",
            grouped(more),
            percent(more, it.usable)
        );
    }
    text
}

fn pages(it: &Explanation) -> String {
    if it.layer == Some(Layer::Slab) {
        let pages = match it.nr_pages {
            1 => "in the one page of its slab".to_owned(),
            n => format!("in the {n} pages of its slab, physically contiguous"),
        };
        return format!("{pages}, on node {}", it.node);
    }
    let contiguity = match (it.nr_pages, it.contiguous) {
        (1, _) => "one page".to_owned(),
        (n, true) => format!("{} pages, physically contiguous", grouped(n.into())),
        (n, false) => {
            let runs = picture::runs(&it.frames).len();
            let shown = it.frames.len() as u64;
            let of = if shown < u64::from(n) {
                format!(" (of the first {})", grouped(shown))
            } else {
                String::new()
            };
            let where_to = match runs {
                1 => "mapped one by one, in one run by chance".to_owned(),
                runs => format!("scattered over {runs} runs"),
            };
            format!(
                "{} pages, {where_to}{of}, virtually contiguous",
                grouped(n.into())
            )
        }
    };
    format!("{contiguity}, on node {}", it.node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quarry_uapi::{Frame, Kind};

    fn explanation() -> Explanation {
        Explanation {
            kind: Some(Kind::Kmalloc),
            layer: Some(Layer::Slab),
            contiguous: true,
            mapped: false,
            node: 0,
            requested: 100,
            usable: 128,
            cache_name: "kmalloc-128".to_owned(),
            object_size: 128,
            objects: 32,
            objects_used: 5,
            object_index: 4,
            order: 0,
            nr_pages: 1,
            frames: vec![Frame {
                chunk: 3,
                frame: 17,
            }],
        }
    }

    #[test]
    fn an_object_is_shown_in_its_slab() {
        let text = tell(&explanation(), 4096);
        assert_eq!(
            text,
            "kmalloc, 100 bytes asked for\n  \
             served by  the slab layer, from kmalloc-128\n  \
             usable     128 bytes, 28 (21.9 %) more than asked for\n  \
             slab       order 0 (4.0 KiB), 32 objects of 128 bytes, 5 not free, this is object 4\n  \
             \u{20}          [....#...........................]\n  \
             pages      in the one page of its slab, on node 0\n  \
             \u{20}          chunk 3, frame 17\n  \
             \u{20}          [.#..............................................................] chunk 3\n"
        );
    }

    #[test]
    fn an_area_is_told_by_its_runs() {
        let text = tell(
            &Explanation {
                kind: Some(Kind::Vmalloc),
                layer: Some(Layer::Vmalloc),
                contiguous: false,
                nr_pages: 40,
                frames: (0..20)
                    .map(|i| Frame {
                        chunk: i % 7,
                        frame: i,
                    })
                    .collect(),
                ..explanation()
            },
            4096,
        );
        assert!(text.contains("40 pages, scattered over 20 runs (of the first 20)"));
        assert!(text.contains("and 14 more runs"));
        assert!(text.contains("and 3 more chunks"));
    }
}
