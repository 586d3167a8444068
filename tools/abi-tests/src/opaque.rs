// SPDX-License-Identifier: GPL-2.0

//! Memory that is only held: quarry's, and the kernel's own.

use crate::{
    alloc::{KINDS, LARGEST},
    ktap::tests,
    memory::{Mapping, PAGE},
    raw::{alloc, new, Allocation, Device, Errno},
};
use libc::{EBUSY, EINVAL, EOPNOTSUPP};
use quarry_uapi::sys;

tests! {
    opaque_memory_is_only_held,
    the_kernel_serves_every_kind,
    the_kernel_takes_nothing_from_the_pool,
    the_kernel_serves_objects,
    objects_may_be_opaque,
    a_closed_file_frees_what_the_kernel_gave,
    the_kernel_has_no_other_limits,
}

/// Asserts that nothing but EXPLAIN and FREE works.
fn assert_opaque(device: &Device, got: Allocation) {
    let handle = got.handle;
    assert_eq!(device.read(handle, 0, &mut [0; 8]), EOPNOTSUPP);
    assert_eq!(device.read(handle, 0, &mut []), EOPNOTSUPP);
    assert_eq!(device.write(handle, 0, &[1; 8]), EOPNOTSUPP);
    assert_eq!(device.fill(handle, 0, 8, 1), EOPNOTSUPP);
    assert_eq!(device.verify(handle, 0, 8, 1).0, EOPNOTSUPP);
    assert_eq!(device.realloc(handle, 100), Err(EOPNOTSUPP));
    assert_eq!(device.map(handle), Err(EOPNOTSUPP));
    let op = |op, bytes| sys::quarry_op {
        op,
        handle,
        bytes,
        ..Default::default()
    };
    let mut ops = [
        op(sys::QUARRY_OP_FILL, 0),
        op(sys::QUARRY_OP_VERIFY, 0),
        op(sys::QUARRY_OP_VERIFY, 8),
        op(sys::QUARRY_OP_REALLOC, 100),
    ];
    assert_eq!(device.batch(&mut ops, 0), (0, 4, 4));
    assert!(ops.iter().all(|op| op.result == -EOPNOTSUPP));
}

fn opaque_memory_is_only_held() {
    let device = Device::open();
    for kind in KINDS {
        for bytes in [1, 100, 4096, 100_000, LARGEST] {
            let plain = device.alloc(kind, bytes);
            let got = device.try_alloc(kind, bytes, sys::QUARRY_ALLOC_OPAQUE);
            let got = got.expect("memory");
            assert_eq!(got.usable, plain.usable);
            assert_opaque(&device, got);
            let found = device.explain(got.handle, &mut []).unwrap();
            assert_ne!(found.layer, sys::QUARRY_LAYER_KERNEL);
            // The offset of a mapping follows from that of another.
            if let Ok((offset, length)) = device.map(plain.handle) {
                assert!(Mapping::new(&device, offset, length as usize, libc::MAP_SHARED).is_ok());
            }
            assert_eq!(device.free(got.handle), 0);
            assert_eq!(device.free(plain.handle), 0);
        }
    }
    assert_eq!(device.query().used_bytes, 0);
}

fn the_kernel_serves_every_kind() {
    let device = Device::open();
    for kind in KINDS {
        for bytes in [1, 100, 4096, 8193, 100_000, LARGEST] {
            for more in [0, sys::QUARRY_ALLOC_OPAQUE] {
                let got = device.try_alloc(kind, bytes, sys::QUARRY_ALLOC_KERNEL | more);
                let got = got.expect("memory");
                assert!(got.usable >= bytes);
                assert_opaque(&device, got);
                let mut frames = vec![sys::quarry_frame::default(); 4];
                let found = device.explain(got.handle, &mut frames).unwrap();
                assert_eq!((found.layer, found.kind), (sys::QUARRY_LAYER_KERNEL, kind));
                assert_eq!((found.requested, found.usable), (bytes, got.usable));
                if kind == sys::QUARRY_KIND_PAGES {
                    assert_eq!(u64::from(found.nr_pages) * PAGE as u64, got.usable);
                    assert_eq!(found.nr_frames, found.nr_pages.min(4));
                    assert_eq!(frames[0].frame % found.nr_pages, 0);
                } else {
                    assert_eq!(found.nr_frames, 0);
                }
                assert_eq!(device.query().used_bytes, got.usable);
                assert_eq!(device.free(got.handle), 0);
                assert_eq!(device.query().used_bytes, 0);
            }
        }
    }
    device.assert_valid();
}

fn the_kernel_takes_nothing_from_the_pool() {
    let device = Device::open();
    // In pages.
    let used = || device.stats().object_bytes / PAGE as u64 + device.stats().block_pages;
    let before = used();
    let flags = sys::QUARRY_ALLOC_KERNEL;
    for kind in [sys::QUARRY_KIND_PAGES, sys::QUARRY_KIND_KMALLOC] {
        let held: Vec<_> = (0..100)
            .map(|_| device.try_alloc(kind, 4096, flags).expect("memory"))
            .collect();
        // Others may use quarry too, but hardly 100 pages of it in this moment.
        assert!(used() < before + 100);
        assert!(held.iter().all(|got| device.free(got.handle) == 0));
    }
}

/// Makes a cache of the kernel's own.
fn kernel_cache(device: &Device, name: &str, flags: u32) -> Result<u32, Errno> {
    let mut argument = sys::quarry_cache_create {
        flags,
        object_size: 200,
        ..new()
    };
    for (to, from) in argument.name.iter_mut().zip(name.bytes()) {
        *to = from as _;
    }
    match device.call(sys::QUARRY_CMD_CACHE_CREATE, &mut argument) {
        0 => Ok(argument.cache),
        errno => Err(errno),
    }
}

fn the_kernel_serves_objects() {
    let (device, other) = (Device::open(), Device::open());
    assert_eq!(kernel_cache(&device, "x", 2), Err(EINVAL));
    let cache = kernel_cache(&device, "same", sys::QUARRY_CACHE_KERNEL).unwrap();
    let theirs = kernel_cache(&other, "same", sys::QUARRY_CACHE_KERNEL).unwrap();
    let objects: Vec<_> = (0..100).map(|_| device.alloc_object(cache)).collect();
    let object = objects[0];
    assert_eq!(object.usable, 200);
    assert_opaque(&device, object);
    let found = device.explain(object.handle, &mut []).unwrap();
    assert_eq!(found.layer, sys::QUARRY_LAYER_KERNEL);
    assert_eq!(device.cache_destroy(cache), EBUSY);
    assert!(objects.iter().all(|object| device.free(object.handle) == 0));
    assert_eq!(device.cache_destroy(cache), 0);
    // It is the cache that says whose objects are.
    let argument = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_CACHE,
        flags: sys::QUARRY_ALLOC_KERNEL,
        cache: theirs,
        ..alloc()
    };
    assert_eq!(other.try_alloc_like(argument), Err(EINVAL));
    assert_eq!(other.query().used_bytes, 0);
}

fn objects_may_be_opaque() {
    let device = Device::open();
    let cache = device.cache_create("opaque", 200, 0).unwrap();
    let argument = sys::quarry_alloc {
        kind: sys::QUARRY_KIND_CACHE,
        flags: sys::QUARRY_ALLOC_OPAQUE,
        cache,
        ..alloc()
    };
    let got = device.try_alloc_like(argument).expect("an object");
    assert_opaque(&device, got);
    assert_eq!(device.free(got.handle), 0);
    // What was opaque is clear when somebody may read it.
    let object = device.alloc_object(cache);
    assert!(device.bytes(object.handle, 0, 200).iter().all(|&b| b == 0));
}

fn a_closed_file_frees_what_the_kernel_gave() {
    let device = Device::open();
    for kind in KINDS {
        let got = device.try_alloc(kind, 10_000, sys::QUARRY_ALLOC_KERNEL);
        assert!(got.is_ok());
    }
    let cache = kernel_cache(&device, "left", sys::QUARRY_CACHE_KERNEL).unwrap();
    device.alloc_object(cache);
    // What is left shows as a leak in the log of the debug kernel.
    drop(device);
}

fn the_kernel_has_no_other_limits() {
    let device = Device::open();
    let flags = sys::QUARRY_ALLOC_KERNEL;
    for kind in KINDS {
        assert_eq!(device.try_alloc(kind, 0, flags), Err(EINVAL));
        let more = device.query().quota_bytes + 1;
        let large = device.try_alloc(kind, more, flags);
        assert!(matches!(large, Err(EINVAL | libc::EDQUOT)));
    }
    let nowait = flags | sys::QUARRY_ALLOC_NOWAIT;
    let areas = device.try_alloc(sys::QUARRY_KIND_VMALLOC, 8, nowait);
    assert_eq!(areas, Err(EINVAL));
    let got = device.try_alloc(sys::QUARRY_KIND_KMALLOC, 8, nowait);
    assert_eq!(device.free(got.expect("memory").handle), 0);
}
