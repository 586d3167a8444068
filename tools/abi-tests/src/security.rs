// SPDX-License-Identifier: GPL-2.0

//! What SECURITY.md promises, where no other file here tests it.

use crate::{
    alloc::KINDS,
    ktap::tests,
    memory::{fork, wait, Mapping, PAGE},
    pools,
    raw::{bytes, new, Device, Errno, KERNEL},
    structures::commands,
};
use libc::{
    E2BIG, EACCES, EBADMSG, EBUSY, EDQUOT, EEXIST, EFAULT, EINTR, EINVAL, ENOENT, ENOMEM,
    EOPNOTSUPP, EPERM, ERANGE,
};
use quarry_uapi::{command_name, sys};
use std::{
    fs,
    mem::offset_of,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    ptr,
};

tests! {
    no_file_shows_a_kernel_address,
    mapped_memory_is_zero,
    only_root_may_open,
    every_member_of_every_command_has_edges,
}

const DEBUGFS: &str = "/sys/kernel/debug/quarry";

/// Returns all files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Returns the kernel addresses that are written in a text: sixteen hexadecimal digits, as `%px` has them,
/// or a decimal number.
fn addresses(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_hexdigit() && c != 'x')
        .filter(|word| {
            let hex = word.strip_prefix("0x").unwrap_or(word);
            let is_kernels = |value: Result<u64, _>| value.is_ok_and(|value| value >= KERNEL);
            (hex.len() == 16 && is_kernels(u64::from_str_radix(hex, 16)))
                || is_kernels(word.parse::<u64>())
        })
        .collect()
}

fn no_file_shows_a_kernel_address() {
    assert_eq!(addresses("a ffff888012345678-x").len(), 1);
    assert_eq!(addresses("18446612682070000000").len(), 1);
    assert!(addresses("00000000ffff8880 1844661268207000000").is_empty());
    let device = Device::open();
    assert_eq!(pools::track(&device, 0, 1), 0);
    let cache = device.cache_create("secret", 100, 0).expect("a cache");
    device.alloc_object(cache);
    for kind in KINDS {
        device.alloc(kind, 100);
        device.alloc(kind, 100_000);
    }
    let mut all = files(Path::new(DEBUGFS));
    assert!(all.len() > 100);
    all.push(format!("/proc/self/fdinfo/{}", device.fd()).into());
    for path in all {
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(addresses(&text), [""; 0], "{}", path.display());
    }
    assert_eq!(pools::track(&device, 0, 0), 0);
}

fn mapped_memory_is_zero() {
    for kind in KINDS {
        for bytes in [20_000, 1 << 20] {
            let (one, two) = (Device::open(), Device::open());
            let dirty: Vec<_> = (0..4).map(|_| one.alloc(kind, bytes)).collect();
            for got in &dirty {
                assert_eq!(one.fill(got.handle, 0, got.usable, 99), 0);
            }
            for got in &dirty {
                assert_eq!(one.free(got.handle), 0);
            }
            for _ in 0..4 {
                let got = two.alloc(kind, bytes);
                let (offset, length) = two.map(got.handle).expect("an offset");
                let mapping = Mapping::new(&two, offset, length as usize, libc::MAP_SHARED);
                let mut mapping = mapping.expect("a mapping");
                assert!(mapping.bytes().iter().all(|&byte| byte == 0), "kind {kind}");
            }
        }
    }
}

/// Becomes nobody, in a child.
fn become_nobody() -> bool {
    const NOBODY: u32 = 65534;
    // SAFETY: Changes what this process may do.
    unsafe {
        libc::setgroups(0, ptr::null()) == 0
            && libc::setgid(NOBODY) == 0
            && libc::setuid(NOBODY) == 0
    }
}

fn only_root_may_open() {
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o7777;
    assert_eq!(mode(Path::new(quarry_uapi::DEFAULT_PATH)), 0o600);
    for path in files(Path::new(DEBUGFS)) {
        let knob = path.starts_with(format!("{DEBUGFS}/fail_requests"));
        // Under lockdown, the kernel lets nobody open a file of debugfs that may be written.
        let wanted = if knob { 0o600 } else { 0o400 };
        assert_eq!(mode(&path), wanted, "{}", path.display());
    }
    // Parameters are for loading; what the kernel shows of them cannot be written.
    let parameters = Path::new("/sys/module/quarry/parameters");
    for path in parameters
        .is_dir()
        .then(|| files(parameters))
        .into_iter()
        .flatten()
    {
        assert_eq!(mode(&path) & 0o222, 0, "{}", path.display());
    }
    let child = fork(|| {
        become_nobody()
            && Device::try_open().err() == Some(EACCES)
            && fs::read(format!("{DEBUGFS}/stats"))
                .is_err_and(|error| error.raw_os_error() == Some(EACCES))
    });
    assert_eq!(wait(child), 0);
}

/// Values at which something may overflow, wrap or change its sign.
pub const EDGES: [u64; 22] = [
    0,
    1,
    2,
    7,
    8,
    PAGE as u64 - 1,
    PAGE as u64,
    PAGE as u64 + 1,
    (1 << 22) - 1,
    1 << 22,
    (1 << 22) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 47) - 1,
    1 << 47,
    (1 << 63) - 1,
    1 << 63,
    KERNEL,
    u64::MAX - PAGE as u64 + 1,
    u64::MAX,
];

/// Every errno that the header names.
pub const ERRNOS: [Errno; 14] = [
    E2BIG, EINVAL, EFAULT, ENOENT, ENOMEM, EDQUOT, EBUSY, ERANGE, EOPNOTSUPP, EEXIST, EBADMSG,
    EINTR, EPERM, 0,
];

/// Returns arguments that are right, or nearly, of a command.
fn ordinary(command: u32, length: usize, handle: u64, cache: u32) -> Vec<u8> {
    match command {
        sys::QUARRY_CMD_ALLOC => bytes(sys::quarry_alloc {
            kind: sys::QUARRY_KIND_KMALLOC,
            bytes: 100,
            node: sys::QUARRY_NODE_ANY,
            cache,
            ..new()
        }),
        sys::QUARRY_CMD_REALLOC => bytes(sys::quarry_realloc {
            handle,
            bytes: 200,
            ..new()
        }),
        sys::QUARRY_CMD_READ | sys::QUARRY_CMD_WRITE => bytes(sys::quarry_io {
            handle,
            length: 8,
            // Nothing is there.
            buffer: 8,
            ..new()
        }),
        sys::QUARRY_CMD_FILL | sys::QUARRY_CMD_VERIFY => bytes(sys::quarry_pattern {
            handle,
            length: 8,
            ..new()
        }),
        sys::QUARRY_CMD_EXPLAIN => bytes(sys::quarry_explain { handle, ..new() }),
        sys::QUARRY_CMD_MAP => bytes(sys::quarry_map { handle, ..new() }),
        sys::QUARRY_CMD_BATCH => bytes(sys::quarry_batch {
            ops: 8,
            nr: 1,
            op_size: size_of::<sys::quarry_op>() as u32,
            ..new()
        }),
        _ => {
            let mut other = vec![0; length];
            other[..4].copy_from_slice(&(length as u32).to_le_bytes());
            other
        }
    }
}

fn every_member_of_every_command_has_edges() {
    let device = Device::open();
    let cache = device.cache_create("edges", 100, 0).expect("a cache");
    let mut calls = 0;
    for (command, length) in commands() {
        // These change what others have, when they are right by chance.
        if [
            sys::QUARRY_CMD_POOL_LIMIT,
            sys::QUARRY_CMD_POOL_TRACK,
            sys::QUARRY_CMD_FAIL_NTH,
        ]
        .contains(&command)
        {
            continue;
        }
        for width in [4, 8] {
            for offset in (0..length).step_by(width) {
                for edge in EDGES {
                    let handle = device.alloc(sys::QUARRY_KIND_KMALLOC, 100).handle;
                    let mut argument = ordinary(command, length, handle, cache);
                    argument[offset..offset + width].copy_from_slice(&edge.to_le_bytes()[..width]);
                    let errno = device.call_bytes(command, &mut argument);
                    let name = command_name(command);
                    assert!(
                        ERRNOS.contains(&errno),
                        "{name}: {edge:#x} at {offset}: errno {errno}"
                    );
                    calls += 1;
                    if command == sys::QUARRY_CMD_POOL_CREATE && errno == 0 {
                        let at = offset_of!(sys::quarry_pool_create, pool);
                        let id = argument[at..at + 4].try_into().expect("four bytes");
                        assert_eq!(pools::destroy(&device, u32::from_le_bytes(id)), 0);
                    }
                    // It may have been freed, and what came beside it goes when the file is closed.
                    device.free(handle);
                }
            }
        }
    }
    println!("# {calls} calls");
    device.assert_valid();
    let before = device.stats().client_handles;
    drop(device);
    let device = Device::open();
    assert!(device.stats().client_handles <= before);
    assert_eq!(device.query().used_handles, 0);
    device.assert_valid();
}
