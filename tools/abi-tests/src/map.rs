// SPDX-License-Identifier: GPL-2.0

//! MAP and mmap.

use crate::{
    ktap::tests,
    memory::{fork, wait, Mapping, PAGE},
    raw::{eventually, pattern, Device},
};
use libc::{EBUSY, EOPNOTSUPP, MAP_PRIVATE, MAP_SHARED};
use quarry_uapi::sys;

tests! {
    a_mapping_shows_the_allocation,
    a_mapped_allocation_stays,
    small_objects_cannot_be_mapped,
    private_and_executable_mappings_are_refused,
    a_mapping_is_no_longer_than_the_allocation,
    offsets_name_one_allocation,
    a_child_has_no_mapping,
    a_mapping_keeps_the_file_open,
}

const MAPPABLE: [u32; 3] = [
    sys::QUARRY_KIND_PAGES,
    sys::QUARRY_KIND_KMALLOC,
    sys::QUARRY_KIND_VMALLOC,
];

const SIZE: u64 = 65_536;

fn a_mapping_shows_the_allocation() {
    let device = Device::open();
    for kind in MAPPABLE {
        let got = device.alloc(kind, SIZE);
        assert_eq!(device.fill(got.handle, 0, SIZE, 4), 0);
        let (offset, length) = device.map(got.handle).expect("a mapping");
        assert_eq!(length, got.usable);
        let mut mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
        for (i, &byte) in mapping.bytes().iter().enumerate() {
            assert_eq!(byte, pattern(4, i as u64), "{kind}: {i}");
        }
        mapping.bytes()[4090..4100].copy_from_slice(b"0123456789");
        assert_eq!(device.bytes(got.handle, 4090, 10), b"0123456789");
        assert_eq!(device.write(got.handle, 9000, b"back"), 0);
        assert_eq!(mapping.bytes()[9000..9004], *b"back");
        // A second one, of a part.
        let mut part = Mapping::new(&device, offset, PAGE, MAP_SHARED).unwrap();
        assert_eq!(part.bytes()[4090..4096], *b"012345");
        drop((mapping, part));
        assert_eq!(device.free(got.handle), 0);
    }
}

fn a_mapped_allocation_stays() {
    let device = Device::open();
    for kind in MAPPABLE {
        let got = device.alloc(kind, SIZE);
        let (offset, length) = device.map(got.handle).unwrap();
        // To prepare a mapping is not to make it.
        if kind != sys::QUARRY_KIND_PAGES {
            assert!(device.realloc(got.handle, SIZE).is_ok());
        }
        let mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
        assert_eq!(device.free(got.handle), EBUSY);
        if kind != sys::QUARRY_KIND_PAGES {
            assert_eq!(device.realloc(got.handle, 2 * SIZE), Err(EBUSY));
        }
        let found = device.explain(got.handle, &mut []).unwrap();
        assert_ne!(found.traits & sys::QUARRY_TRAIT_MAPPED, 0);
        drop(mapping);
        let found = device.explain(got.handle, &mut []).unwrap();
        assert_eq!(found.traits & sys::QUARRY_TRAIT_MAPPED, 0);
        assert_eq!(device.free(got.handle), 0);
    }
    device.assert_valid();
}

fn small_objects_cannot_be_mapped() {
    let device = Device::open();
    for bytes in [1, 100, 4000, 4096] {
        let got = device.alloc(sys::QUARRY_KIND_KMALLOC, bytes);
        assert_eq!(device.map(got.handle), Err(EOPNOTSUPP), "{bytes}");
    }
    let cache = device.cache_create("pages", 4096, 4096).unwrap();
    let object = device.alloc_object(cache);
    assert_eq!(device.map(object.handle), Err(EOPNOTSUPP));
}

fn private_and_executable_mappings_are_refused() {
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_PAGES, SIZE);
    let (offset, length) = device.map(got.handle).unwrap();
    assert!(Mapping::new(&device, offset, length as usize, MAP_PRIVATE).is_err());
    let prot = libc::PROT_READ | libc::PROT_EXEC;
    let executable = Mapping::with(device.fd(), offset, length as usize, prot, MAP_SHARED);
    assert!(executable.is_err());
    let mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
    assert_ne!(mapping.protect(0, PAGE, prot), 0);
    drop(mapping);
    assert_eq!(device.free(got.handle), 0);
}

fn a_mapping_is_no_longer_than_the_allocation() {
    let device = Device::open();
    for kind in MAPPABLE {
        let got = device.alloc(kind, SIZE);
        let (offset, length) = device.map(got.handle).unwrap();
        let longer = length as usize + PAGE;
        assert!(
            Mapping::new(&device, offset, longer, MAP_SHARED).is_err(),
            "kind {kind}"
        );
        let mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
        assert_ne!(mapping.grow(longer), 0, "kind {kind}");
        drop(mapping);
        // What failed has left no reference.
        assert_eq!(device.free(got.handle), 0);
    }
}

fn offsets_name_one_allocation() {
    let (device, other) = (Device::open(), Device::open());
    let got = device.alloc(sys::QUARRY_KIND_PAGES, SIZE);
    let (offset, _) = device.map(got.handle).unwrap();
    let page = PAGE as u64;
    for wrong in [
        offset + page,
        offset ^ (1 << 32),
        (offset ^ (1 << 40)) & !(page - 1),
    ] {
        assert!(
            Mapping::new(&device, wrong, PAGE, MAP_SHARED).is_err(),
            "{wrong:#x}"
        );
    }
    assert!(Mapping::new(&other, offset, PAGE, MAP_SHARED).is_err());
    assert_eq!(device.free(got.handle), 0);
    assert!(
        Mapping::new(&device, offset, PAGE, MAP_SHARED).is_err(),
        "freed"
    );
    let next = device.alloc(sys::QUARRY_KIND_PAGES, SIZE);
    assert!(
        Mapping::new(&device, offset, PAGE, MAP_SHARED).is_err(),
        "of the one before"
    );
    assert_eq!(device.free(next.handle), 0);
}

fn a_child_has_no_mapping() {
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_VMALLOC, SIZE);
    let (offset, length) = device.map(got.handle).unwrap();
    let mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
    let child = fork(|| {
        // mincore fails where nothing is mapped.
        let mut resident = 0u8;
        // SAFETY: One byte for one page.
        unsafe { libc::mincore(mapping.at(0).cast(), PAGE, &mut resident) != 0 }
    });
    assert_eq!(wait(child), 0, "the child has the mapping");
    assert_eq!(device.free(got.handle), EBUSY);
    drop(mapping);
    assert_eq!(device.free(got.handle), 0);
}

fn a_mapping_keeps_the_file_open() {
    let watch = Device::open();
    let before = watch.stats();
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_PAGES, SIZE);
    let (offset, length) = device.map(got.handle).unwrap();
    let mut mapping = Mapping::new(&device, offset, length as usize, MAP_SHARED).unwrap();
    drop(device);
    mapping.bytes().fill(0x42);
    assert!(mapping.bytes().iter().all(|&byte| byte == 0x42));
    assert_eq!(watch.stats().clients, before.clients + 1);
    drop(mapping);
    assert!(eventually(|| watch.stats().clients == before.clients));
    assert!(eventually(
        || watch.stats().client_bytes == before.client_bytes
    ));
    watch.assert_valid();
}
