// SPDX-License-Identifier: GPL-2.0

//! READ, WRITE, FILL, VERIFY.

use crate::{
    alloc::KINDS,
    ktap::tests,
    memory::{Mapping, PAGE},
    raw::{new, pattern, Device},
};
use libc::{EBADMSG, EFAULT, ERANGE};
use quarry_uapi::sys;

tests! {
    what_is_written_is_read,
    ranges_must_lie_within,
    buffers_must_be_memory,
    fill_writes_the_pattern_of_the_header,
    verify_finds_the_first_bad_byte,
    one_allocation_does_not_reach_into_another,
}

fn what_is_written_is_read() {
    let device = Device::open();
    for kind in KINDS {
        let got = device.alloc(kind, 200_000);
        let text: Vec<u8> = (0..got.usable).map(|i| (i * 31 + i / 255) as u8).collect();
        assert_eq!(device.write(got.handle, 0, &text), 0);
        let last = got.usable - 1;
        for (offset, length) in [
            (0, got.usable),
            (1, 1),
            (4095, 2),
            (4097, 12_287),
            (65_535, 65_537),
            (last, 1),
        ] {
            let held = device.bytes(got.handle, offset, length);
            assert_eq!(
                held,
                text[offset as usize..][..length as usize],
                "{kind}: {offset}"
            );
        }
        assert_eq!(device.write(got.handle, 5000, b"between"), 0);
        assert_eq!(device.bytes(got.handle, 4999, 9)[1..8], *b"between");
        assert_eq!(device.bytes(got.handle, 4999, 1)[0], text[4999]);
        assert_eq!(device.bytes(got.handle, 5007, 1)[0], text[5007]);
        assert_eq!(device.free(got.handle), 0);
    }
}

fn ranges_must_lie_within() {
    let device = Device::open();
    for kind in KINDS {
        let got = device.alloc(kind, 100);
        let usable = got.usable;
        let mut buffer = vec![0; usable as usize + 1];
        assert_eq!(device.read(got.handle, usable, &mut []), 0);
        assert_eq!(device.write(got.handle, 0, &[]), 0);
        assert_eq!(device.fill(got.handle, usable, 0, 1), 0);
        assert_eq!(device.verify(got.handle, usable, 0, 1).0, 0);
        assert_eq!(device.read(got.handle, 0, &mut buffer), ERANGE);
        assert_eq!(device.write(got.handle, 0, &buffer), ERANGE);
        for (offset, length) in [
            (0, usable + 1),
            (usable, 1),
            (usable + 1, 0),
            (1, usable),
            (1, u64::MAX),
            (u64::MAX, 1),
            (u64::MAX, u64::MAX),
            (1 << 63, 1 << 63),
        ] {
            assert_eq!(
                device.fill(got.handle, offset, length, 1),
                ERANGE,
                "{offset}+{length}"
            );
            assert_eq!(device.verify(got.handle, offset, length, 1).0, ERANGE);
            let buffer = buffer.as_mut_ptr() as u64;
            let io = sys::quarry_io {
                handle: got.handle,
                offset,
                length,
                buffer,
                ..new()
            };
            assert_eq!(device.call(sys::QUARRY_CMD_READ, &mut { io }), ERANGE);
            assert_eq!(device.call(sys::QUARRY_CMD_WRITE, &mut { io }), ERANGE);
        }
    }
}

fn buffers_must_be_memory() {
    let device = Device::open();
    let got = device.alloc(sys::QUARRY_KIND_VMALLOC, 100_000);
    let pages = Mapping::anonymous(3 * PAGE);
    assert_eq!(pages.protect(2 * PAGE, PAGE, libc::PROT_NONE), 0);
    for buffer in [
        0,
        8,
        pages.at(2 * PAGE) as u64,
        pages.at(PAGE) as u64,
        0xffff_8880_0000_0000,
        0xffff_ffff_8100_0000,
        u64::MAX - 4096,
        1 << 63,
    ] {
        let io = sys::quarry_io {
            handle: got.handle,
            length: 8192,
            buffer,
            ..new()
        };
        assert_eq!(
            device.call(sys::QUARRY_CMD_READ, &mut { io }),
            EFAULT,
            "{buffer:#x}"
        );
        assert_eq!(
            device.call(sys::QUARRY_CMD_WRITE, &mut { io }),
            EFAULT,
            "{buffer:#x}"
        );
    }
    // Memory that may be read can be written from, not read to.
    assert_eq!(pages.protect(0, PAGE, libc::PROT_READ), 0);
    let buffer = pages.at(0) as u64;
    let io = sys::quarry_io {
        handle: got.handle,
        length: 8,
        buffer,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_READ, &mut { io }), EFAULT);
    assert_eq!(device.call(sys::QUARRY_CMD_WRITE, &mut { io }), 0);
}

fn fill_writes_the_pattern_of_the_header() {
    let device = Device::open();
    for kind in KINDS {
        let got = device.alloc(kind, 150_000);
        for (seed, offset, length) in [
            (0, 0, got.usable),
            (1, 3, 1),
            (0xdead_beef, 1, 100_001),
            (u64::MAX, 65_530, 70_000),
            (1 << 63, 7, 9),
        ] {
            assert_eq!(
                device.write(got.handle, 0, &vec![0x11; got.usable as usize]),
                0
            );
            assert_eq!(device.fill(got.handle, offset, length, seed), 0);
            for (i, &byte) in device.bytes(got.handle, 0, got.usable).iter().enumerate() {
                let i = i as u64;
                let inside = i >= offset && i < offset + length;
                let wanted = if inside { pattern(seed, i) } else { 0x11 };
                assert_eq!(byte, wanted, "{kind}: byte {i} of {offset}+{length}");
            }
            assert_eq!(device.verify(got.handle, offset, length, seed).0, 0);
        }
        assert_eq!(device.free(got.handle), 0);
    }
}

fn verify_finds_the_first_bad_byte() {
    let device = Device::open();
    for kind in KINDS {
        let got = device.alloc(kind, 100_000);
        for bad in [0, 1, 7, 8, 4095, 65_535, 65_536, got.usable - 1] {
            assert_eq!(device.fill(got.handle, 0, got.usable, 5), 0);
            assert_eq!(device.write(got.handle, bad, &[!pattern(5, bad)]), 0);
            assert_eq!(device.verify(got.handle, 0, got.usable, 5), (EBADMSG, bad));
            assert_eq!(device.verify(got.handle, bad, 1, 5), (EBADMSG, bad));
            assert_eq!(device.verify(got.handle, 0, bad, 5).0, 0);
            assert_eq!(
                device
                    .verify(got.handle, bad + 1, got.usable - bad - 1, 5)
                    .0,
                0
            );
        }
        assert_eq!(device.verify(got.handle, 0, 8, 6).0, EBADMSG);
        assert_eq!(device.free(got.handle), 0);
    }
}

fn one_allocation_does_not_reach_into_another() {
    let device = Device::open();
    let mut all = Vec::new();
    for seed in 0..400 {
        let kind = KINDS[seed as usize % KINDS.len()];
        let got = device.alloc(kind, 1 + seed * 37 % 9000);
        assert_eq!(device.fill(got.handle, 0, got.usable, seed), 0);
        all.push((got, seed));
    }
    for (got, seed) in &all {
        assert_eq!(device.verify(got.handle, 0, got.usable, *seed).0, 0);
    }
}
