// SPDX-License-Identifier: GPL-2.0

//! EXPLAIN.

use crate::{
    alloc::LARGEST,
    ktap::tests,
    memory::PAGE,
    raw::{new, user_preset, Device},
};
use libc::EFAULT;
use quarry_uapi::{
    sys::{self, quarry_explain, quarry_frame},
    Preset,
};
use std::collections::HashSet;

tests! {
    a_block_is_contiguous_and_aligned,
    a_small_object_lies_in_a_slab,
    a_large_object_is_a_block,
    an_area_has_pages_of_its_own,
    kvmalloc_is_one_or_the_other,
    an_object_of_a_cache,
    frames_can_be_left_out,
    frames_must_be_memory,
    no_page_belongs_to_two,
}

fn explain(device: &Device, handle: u64) -> (quarry_explain, Vec<quarry_frame>) {
    let mut frames = vec![quarry_frame::default(); 4096];
    let found = device.explain(handle, &mut frames).expect("an explanation");
    assert_eq!(found.handle, handle);
    frames.truncate(found.nr_frames as usize);
    assert!(frames.iter().all(|frame| frame.frame < 1024));
    (found, frames)
}

fn is_run(frames: &[quarry_frame]) -> bool {
    frames
        .windows(2)
        .all(|w| w[0].chunk == w[1].chunk && w[0].frame + 1 == w[1].frame)
}

fn name_of(found: &quarry_explain) -> String {
    let bytes = found
        .cache_name
        .iter()
        .map(|&c| c as u8)
        .take_while(|&byte| byte != 0);
    String::from_utf8(bytes.collect()).unwrap()
}

fn a_block_is_contiguous_and_aligned() {
    let device = Device::open();
    for order in 0..=10u32 {
        let got = device.alloc(sys::QUARRY_KIND_PAGES, (PAGE << order) as u64);
        let (found, frames) = explain(&device, got.handle);
        assert_eq!(found.kind, sys::QUARRY_KIND_PAGES);
        assert_eq!(found.layer, sys::QUARRY_LAYER_PAGES);
        assert_ne!(found.traits & sys::QUARRY_TRAIT_CONTIGUOUS, 0);
        assert_eq!((found.order, found.nr_pages), (order, 1 << order));
        assert_eq!((found.requested, found.usable), (got.usable, got.usable));
        assert_eq!(name_of(&found), "");
        assert_eq!(frames.len(), 1 << order);
        assert!(is_run(&frames) && frames[0].frame % (1 << order) == 0);
    }
}

fn a_small_object_lies_in_a_slab() {
    let device = Device::open();
    for (bytes, name, size) in [
        (1, "user:kmalloc-8", 8),
        (64, "user:kmalloc-64", 64),
        (65, "user:kmalloc-96", 96),
        (150, "user:kmalloc-192", 192),
        (1000, "user:kmalloc-1k", 1024),
        (4096, "user:kmalloc-4k", 4096),
    ] {
        let got = device.alloc(sys::QUARRY_KIND_KMALLOC, bytes);
        let (found, frames) = explain(&device, got.handle);
        assert_eq!(found.kind, sys::QUARRY_KIND_KMALLOC);
        assert_eq!(found.layer, sys::QUARRY_LAYER_SLAB);
        assert_eq!(name_of(&found), name);
        match user_preset() {
            // With what is around it.
            Preset::Debug => assert!(found.object_size > size),
            _ => assert_eq!(found.object_size, size),
        }
        assert_eq!((found.requested, found.usable), (bytes, got.usable));
        assert!(found.object_index < found.objects);
        assert!(found.objects_used >= 1 && found.objects_used <= found.objects);
        assert_eq!(found.nr_pages, 1 << found.order);
        assert_ne!(found.traits & sys::QUARRY_TRAIT_CONTIGUOUS, 0);
        assert!(!frames.is_empty() && is_run(&frames));
    }
}

fn a_large_object_is_a_block() {
    let device = Device::open();
    for bytes in [8193, 16_384, 100_000, LARGEST] {
        let got = device.alloc(sys::QUARRY_KIND_KMALLOC, bytes);
        let (found, frames) = explain(&device, got.handle);
        assert_eq!(found.kind, sys::QUARRY_KIND_KMALLOC);
        assert_eq!(found.layer, sys::QUARRY_LAYER_PAGES);
        assert_eq!(found.usable, got.usable);
        assert!(is_run(&frames));
        let bytes = frames.len() as u64 * PAGE as u64;
        match user_preset() {
            // Behind it lies a zone.
            Preset::Debug => assert!(bytes >= got.usable),
            _ => assert_eq!(bytes, got.usable),
        }
    }
}

fn an_area_has_pages_of_its_own() {
    let device = Device::open();
    for pages in [1, 2, 17, 300] {
        let got = device.alloc(sys::QUARRY_KIND_VMALLOC, pages * PAGE as u64 - 5);
        let (found, frames) = explain(&device, got.handle);
        assert_eq!(found.kind, sys::QUARRY_KIND_VMALLOC);
        assert_eq!(found.layer, sys::QUARRY_LAYER_VMALLOC);
        assert_eq!((found.order, u64::from(found.nr_pages)), (0, pages));
        assert_eq!(frames.len() as u64, pages);
        let contiguous = found.traits & sys::QUARRY_TRAIT_CONTIGUOUS != 0;
        // Frames of two chunks that follow each other in memory would look scattered.
        assert!(contiguous || !is_run(&frames), "{pages} pages");
        assert_eq!(
            (found.requested, found.usable),
            (pages * PAGE as u64 - 5, got.usable)
        );
    }
}

fn kvmalloc_is_one_or_the_other() {
    let device = Device::open();
    for (bytes, layer) in [
        (100, sys::QUARRY_LAYER_SLAB),
        match user_preset() {
            // With a guard page.
            Preset::Hardened => (100_000, sys::QUARRY_LAYER_VMALLOC),
            _ => (100_000, sys::QUARRY_LAYER_PAGES),
        },
        (LARGEST + 1, sys::QUARRY_LAYER_VMALLOC),
    ] {
        let got = device.alloc(sys::QUARRY_KIND_KVMALLOC, bytes);
        let (found, _) = explain(&device, got.handle);
        assert_eq!(
            (found.kind, found.layer),
            (sys::QUARRY_KIND_KVMALLOC, layer)
        );
    }
}

fn an_object_of_a_cache() {
    let device = Device::open();
    let cache = device.cache_create("explained", 200, 64).unwrap();
    let mut places = HashSet::new();
    for _ in 0..60 {
        let got = device.alloc_object(cache);
        let (found, frames) = explain(&device, got.handle);
        assert_eq!(found.kind, sys::QUARRY_KIND_CACHE);
        assert_eq!(found.layer, sys::QUARRY_LAYER_SLAB);
        assert_eq!(name_of(&found), "user:explained");
        match user_preset() {
            Preset::Debug => assert_eq!(found.object_size % 64, 0),
            _ => assert_eq!(found.object_size, 256),
        }
        assert!(!frames.is_empty());
        let page = (frames[0].chunk, frames[0].frame >> found.order);
        assert!(
            places.insert((page, found.object_index)),
            "one place for two objects"
        );
    }
}

fn frames_can_be_left_out() {
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_VMALLOC, 10 * PAGE as u64);
    let (handle, frames) = (got.handle, 0);
    let mut found = quarry_explain {
        handle,
        frames,
        max_frames: 100,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_EXPLAIN, &mut found), 0);
    assert_eq!((found.nr_frames, found.nr_pages), (0, 10));
    let mut some = [quarry_frame {
        chunk: 7,
        frame: 7777,
    }; 4];
    let found = device.explain(handle, &mut some[..3]).unwrap();
    assert_eq!(found.nr_frames, 3);
    assert!(some[..3].iter().all(|frame| frame.frame < 1024));
    assert_eq!(some[3].frame, 7777, "written beyond its end");
}

fn frames_must_be_memory() {
    let device = Device::open();
    let handle = device
        .alloc(sys::QUARRY_KIND_VMALLOC, 10 * PAGE as u64)
        .handle;
    for frames in [8, 0xffff_8880_0000_0000, u64::MAX - 8] {
        let mut wrong = quarry_explain {
            handle,
            frames,
            max_frames: 10,
            ..new()
        };
        assert_eq!(
            device.call(sys::QUARRY_CMD_EXPLAIN, &mut wrong),
            EFAULT,
            "{frames:#x}"
        );
    }
}

fn no_page_belongs_to_two() {
    let device = Device::open();
    let mut seen = HashSet::new();
    for round in 0..60u64 {
        for (kind, bytes) in [
            (sys::QUARRY_KIND_PAGES, PAGE as u64 * (1 + round % 7)),
            (sys::QUARRY_KIND_VMALLOC, PAGE as u64 * (1 + round % 9)),
            (sys::QUARRY_KIND_KMALLOC, 9000 + 3000 * round),
        ] {
            let got = device.alloc(kind, bytes);
            for frame in explain(&device, got.handle).1 {
                assert!(seen.insert((frame.chunk, frame.frame)), "{frame:?} twice");
            }
        }
    }
}
