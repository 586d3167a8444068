// SPDX-License-Identifier: GPL-2.0

//! Rules that are the same for all commands: sizes, flags, addresses.

use crate::{
    ktap::tests,
    memory::{Mapping, PAGE},
    raw::{alloc, new, Argument, Device},
};
use libc::{E2BIG, EFAULT, EINVAL, ENOTTY};
use quarry_uapi::{command_name, opcode, sys};
use std::mem::size_of;

tests! {
    a_structure_that_is_too_short_is_refused,
    an_unknown_flag_is_refused,
    a_longer_structure_must_end_with_zeroes,
    a_longer_structure_of_zeroes_is_accepted,
    a_shorter_structure_is_accepted_and_not_overrun,
    an_argument_that_cannot_be_read_is_refused,
    an_argument_that_cannot_be_written_leaves_nothing,
    an_unknown_command_is_refused,
    reserved_members_must_be_zero,
    query_tells_the_limits,
}

pub fn commands() -> [(u32, usize); 23] {
    [
        (sys::QUARRY_CMD_QUERY, size_of::<sys::quarry_query>()),
        (sys::QUARRY_CMD_ALLOC, size_of::<sys::quarry_alloc>()),
        (sys::QUARRY_CMD_REALLOC, size_of::<sys::quarry_realloc>()),
        (sys::QUARRY_CMD_FREE, size_of::<sys::quarry_free>()),
        (sys::QUARRY_CMD_READ, size_of::<sys::quarry_io>()),
        (sys::QUARRY_CMD_WRITE, size_of::<sys::quarry_io>()),
        (sys::QUARRY_CMD_FILL, size_of::<sys::quarry_pattern>()),
        (sys::QUARRY_CMD_VERIFY, size_of::<sys::quarry_pattern>()),
        (sys::QUARRY_CMD_EXPLAIN, size_of::<sys::quarry_explain>()),
        (sys::QUARRY_CMD_MAP, size_of::<sys::quarry_map>()),
        (
            sys::QUARRY_CMD_CACHE_CREATE,
            size_of::<sys::quarry_cache_create>(),
        ),
        (
            sys::QUARRY_CMD_CACHE_DESTROY,
            size_of::<sys::quarry_cache_destroy>(),
        ),
        (sys::QUARRY_CMD_BATCH, size_of::<sys::quarry_batch>()),
        (sys::QUARRY_CMD_STATS, size_of::<sys::quarry_stats>()),
        (
            sys::QUARRY_CMD_CACHE_STATS,
            size_of::<sys::quarry_cache_stats>(),
        ),
        (sys::QUARRY_CMD_SHRINK, size_of::<sys::quarry_shrink>()),
        (sys::QUARRY_CMD_VALIDATE, size_of::<sys::quarry_validate>()),
        (
            sys::QUARRY_CMD_POOL_CREATE,
            size_of::<sys::quarry_pool_create>(),
        ),
        (
            sys::QUARRY_CMD_POOL_DESTROY,
            size_of::<sys::quarry_pool_destroy>(),
        ),
        (
            sys::QUARRY_CMD_POOL_LIMIT,
            size_of::<sys::quarry_pool_limit>(),
        ),
        (
            sys::QUARRY_CMD_POOL_STATS,
            size_of::<sys::quarry_pool_stats>(),
        ),
        (
            sys::QUARRY_CMD_POOL_TRACK,
            size_of::<sys::quarry_pool_track>(),
        ),
        (sys::QUARRY_CMD_FAIL_NTH, size_of::<sys::quarry_fail_nth>()),
    ]
}

/// Returns zeroes that start with a size and flags.
fn bytes(length: usize, size: u32, flags: u32) -> Vec<u8> {
    let mut bytes = vec![0; length.max(8)];
    bytes[..4].copy_from_slice(&size.to_le_bytes());
    bytes[4..8].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn bytes_of<T: Argument>(argument: &T) -> Vec<u8> {
    // SAFETY: All structures of the header are integers without padding.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(argument).cast(), size_of::<T>()) }
        .to_vec()
}

fn a_structure_that_is_too_short_is_refused() {
    let device = Device::open();
    for (command, length) in commands() {
        for size in [0, 1, 4, 7] {
            let errno = device.call_bytes(command, &mut bytes(length, size, 0));
            assert_eq!(errno, EINVAL, "{} of {size} bytes", command_name(command));
        }
    }
}

fn an_unknown_flag_is_refused() {
    let device = Device::open();
    for (command, length) in commands() {
        for bit in [2, 15, 16, 31] {
            let errno = device.call_bytes(command, &mut bytes(length, length as u32, 1 << bit));
            assert_eq!(errno, EINVAL, "{} with flag {bit}", command_name(command));
        }
    }
    for command in [
        sys::QUARRY_CMD_QUERY,
        sys::QUARRY_CMD_FREE,
        sys::QUARRY_CMD_STATS,
    ] {
        assert_eq!(device.call_bytes(command, &mut bytes(400, 400, 1)), EINVAL);
    }
}

fn a_longer_structure_must_end_with_zeroes() {
    let device = Device::open();
    for (command, length) in commands() {
        for at in [length, length + 1, length + 63] {
            let mut argument = bytes(length + 64, length as u32 + 64, 0);
            argument[at] = 1;
            let errno = device.call_bytes(command, &mut argument);
            assert_eq!(errno, E2BIG, "{} with byte {at}", command_name(command));
        }
        let errno = device.call_bytes(command, &mut bytes(length, u32::MAX, 0));
        assert_eq!(errno, E2BIG, "{} of 4 GiB", command_name(command));
    }
}

fn a_longer_structure_of_zeroes_is_accepted() {
    let device = Device::open();
    for command in [
        sys::QUARRY_CMD_QUERY,
        sys::QUARRY_CMD_STATS,
        sys::QUARRY_CMD_SHRINK,
        sys::QUARRY_CMD_VALIDATE,
        sys::QUARRY_CMD_CACHE_STATS,
    ] {
        let mut argument = bytes(512, 512, 0);
        assert_eq!(
            device.call_bytes(command, &mut argument),
            0,
            "{}",
            command_name(command)
        );
        assert_eq!(argument[..4], 512u32.to_le_bytes());
        assert!(argument[448..].iter().all(|&byte| byte == 0));
    }
    let kind = sys::QUARRY_KIND_KMALLOC;
    let mut argument = bytes_of(&sys::quarry_alloc {
        size: 64,
        kind,
        bytes: 10,
        ..alloc()
    });
    argument.resize(64, 0);
    assert_eq!(device.call_bytes(sys::QUARRY_CMD_ALLOC, &mut argument), 0);
    assert_eq!(device.query().used_handles, 1);
}

fn a_shorter_structure_is_accepted_and_not_overrun() {
    let device = Device::open();
    let kind = sys::QUARRY_KIND_KMALLOC;
    // Without `usable`.
    let mut argument = bytes_of(&sys::quarry_alloc {
        size: 40,
        kind,
        bytes: 10,
        ..alloc()
    });
    argument[40..].fill(0xcc);
    assert_eq!(device.call_bytes(sys::QUARRY_CMD_ALLOC, &mut argument), 0);
    assert!(
        argument[40..].iter().all(|&byte| byte == 0xcc),
        "written beyond its end"
    );
    let handle = u64::from_le_bytes(argument[32..40].try_into().unwrap());
    assert_eq!(device.free(handle), 0);

    for (command, size) in [(sys::QUARRY_CMD_QUERY, 16), (sys::QUARRY_CMD_STATS, 64)] {
        let mut argument = bytes(512, size, 0);
        argument[size as usize..].fill(0xcc);
        assert_eq!(device.call_bytes(command, &mut argument), 0);
        assert_eq!(argument[..4], size.to_le_bytes());
        assert!(argument[size as usize..].iter().all(|&byte| byte == 0xcc));
    }
}

fn an_argument_that_cannot_be_read_is_refused() {
    let device = Device::open();
    let mut pages = Mapping::anonymous(2 * PAGE);
    pages.bytes()[PAGE - 4..PAGE].copy_from_slice(&48u32.to_le_bytes());
    assert_eq!(pages.protect(PAGE, PAGE, libc::PROT_NONE), 0);
    for (command, _) in commands() {
        let request = u64::from(opcode(command));
        let name = command_name(command);
        assert_eq!(
            device.ioctl(request, std::ptr::null_mut()),
            EFAULT,
            "{name}"
        );
        assert_eq!(device.ioctl(request, pages.at(PAGE)), EFAULT, "{name}");
        assert_eq!(device.ioctl(request, pages.at(PAGE - 2)), EFAULT, "{name}");
        assert_eq!(
            device.ioctl(request, usize::MAX as *mut u8),
            EFAULT,
            "{name}"
        );
        assert_eq!(
            device.ioctl(request, 0xffff_8880_0000_0000u64 as *mut u8),
            EFAULT,
            "{name}"
        );
    }
    // The size can be read, the rest cannot.
    let request = u64::from(opcode(sys::QUARRY_CMD_ALLOC));
    assert_eq!(device.ioctl(request, pages.at(PAGE - 4)), EFAULT);
}

fn an_argument_that_cannot_be_written_leaves_nothing() {
    let device = Device::open();
    let mut page = Mapping::anonymous(PAGE);
    let kind = sys::QUARRY_KIND_KMALLOC;
    let argument = bytes_of(&sys::quarry_alloc {
        kind,
        bytes: 10,
        ..alloc()
    });
    page.bytes()[..argument.len()].copy_from_slice(&argument);
    assert_eq!(page.protect(0, PAGE, libc::PROT_READ), 0);
    let request = u64::from(opcode(sys::QUARRY_CMD_ALLOC));
    assert_eq!(device.ioctl(request, page.at(0)), EFAULT);
    assert_eq!(device.query().used_handles, 0);
    assert_eq!(device.query().used_bytes, 0);

    assert_eq!(page.protect(0, PAGE, libc::PROT_READ | libc::PROT_WRITE), 0);
    let mut create: sys::quarry_cache_create = new();
    create.object_size = 64;
    create.name[0] = b'x' as _;
    let argument = bytes_of(&create);
    page.bytes()[..argument.len()].copy_from_slice(&argument);
    assert_eq!(page.protect(0, PAGE, libc::PROT_READ), 0);
    let request = u64::from(opcode(sys::QUARRY_CMD_CACHE_CREATE));
    assert_eq!(device.ioctl(request, page.at(0)), EFAULT);
    // The name is not taken.
    assert!(device.cache_create("x", 64, 0).is_ok());
}

fn an_unknown_command_is_refused() {
    let device = Device::open();
    let mut argument = bytes(512, 400, 0);
    let first = u64::from(opcode(sys::QUARRY_CMD_QUERY));
    let last = u64::from(opcode(sys::QUARRY_CMD_FAIL_NTH));
    let others = [
        first - 1,
        first & !0xff,
        last + 1,
        first | 0xff,
        first | 0x8000_0000,
        first | (8 << 16),
        first ^ 0x100,
        libc::TCGETS,
        u64::from(u32::MAX),
    ];
    for request in others {
        assert_eq!(
            device.ioctl(request, argument.as_mut_ptr()),
            ENOTTY,
            "{request:#x}"
        );
    }
}

fn reserved_members_must_be_zero() {
    let device = Device::open();
    let cache = device.cache_create("x", 8, 0).unwrap();
    let mut argument = sys::quarry_cache_destroy {
        cache,
        reserved: 1,
        ..new()
    };
    assert_eq!(
        device.call(sys::QUARRY_CMD_CACHE_DESTROY, &mut argument),
        EINVAL
    );
    assert_eq!(device.cache_destroy(cache), 0);
}

fn query_tells_the_limits() {
    let query = Device::open().query();
    assert_eq!(query.abi, sys::QUARRY_ABI_VERSION);
    assert_eq!(query.page_size as usize, PAGE);
    assert_eq!(query.features, 0);
    assert_eq!(query.max_order, 10);
    assert_eq!(query.max_kmalloc, (PAGE << 10) as u64);
    // SAFETY: Reads a number.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    assert!(i64::from(query.nr_cpus) >= cpus);
    assert!(query.nr_nodes >= 1);
    assert!(query.quota_bytes > 0 && query.quota_handles > 0);
    assert!(query.quota_batch > 0 && query.quota_caches > 0);
    assert_eq!((query.used_handles, query.used_bytes), (0, 0));
}
