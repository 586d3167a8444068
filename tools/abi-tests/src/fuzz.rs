// SPDX-License-Identifier: GPL-2.0

//! Calls at random, by a generator that knows the interface: right ones, ones with members at their edges,
//! and ones that race.
//!
//! In each round a child process has two threads that share an open file. A structure ends where memory
//! ends, so that a byte too many is an `EFAULT`; some calls come as those of a 32-bit program. A third
//! thread takes away and gives back the access to buffers, and puts another open file in the place of the
//! shared one while calls are being made. Some children are killed. Afterwards nothing may be left, and
//! every structure must be in order. The same seed makes the same calls, in another order.

use crate::{
    memory::{fork, kill, wait, Mapping, PAGE},
    raw::{bytes, eventually, last_errno, leaks, new, Argument, Device, Errno, KERNEL},
    security::{EDGES, ERRNOS},
};
use fastrand::Rng;
use quarry_uapi::{command_name, opcode, sys};
use std::{
    mem::{offset_of, size_of, size_of_val},
    process::ExitCode,
    ptr,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        Mutex,
    },
    thread,
    time::{Duration, Instant},
};

/// Operations of a thread in a round.
const ROUND: u64 = 20_000;

/// Bytes that a call may write at an address that it is given.
const ROOM: usize = 8 * PAGE;

/// Handles that the threads of a round have in view.
const IN_VIEW: usize = 256;

/// First letters of the names of pools that are made here.
const NAME: [u8; 2] = *b"fz";

/// Members in which a call gives back what user space has given, which may look like an address.
const GIVEN_BACK: [(&str, usize); 3] = [
    ("FAIL_NTH", offset_of!(sys::quarry_fail_nth, nth)),
    ("POOL_STATS", offset_of!(sys::quarry_pool_stats, limit)),
    ("POOL_STATS", offset_of!(sys::quarry_pool_stats, reserve)),
];

/// Counts that all processes share: of operations, and of calls by errno.
struct Counts(Mapping);

impl Counts {
    const ERRNOS: usize = 134;

    fn new() -> Self {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        Self(Mapping::with(-1, 0, PAGE, access, flags).expect("memory"))
    }

    fn at(&self, index: usize) -> &AtomicU64 {
        assert!(index <= Self::ERRNOS);
        // SAFETY: The page is mapped, aligned, and accessed through atomics only.
        unsafe { &*self.0.at(8 * index).cast::<AtomicU64>() }
    }

    fn ops(&self) -> &AtomicU64 {
        self.at(Self::ERRNOS)
    }
}

/// What the threads of a round share.
struct Round<'a> {
    device: Device,
    handles: Mutex<Vec<u64>>,
    caches: Mutex<Vec<u32>>,
    pools: Mutex<Vec<u32>>,
    /// Memory, to the first two pages of which access comes and goes. Nothing here reads or writes it.
    unsteady: Mapping,
    counts: &'a Counts,
    wrong: Mutex<Option<String>>,
    done: AtomicBool,
}

/// A thread that makes calls.
struct Caller<'a> {
    round: &'a Round<'a>,
    rng: Rng,
    /// Two pages, below 4 GiB and followed by one that cannot be accessed.
    memory: Mapping,
    /// For contents.
    contents: Mapping,
    mapped: Vec<Mapping>,
}

/// Reads a structure back.
fn value<T: Argument>(bytes: &[u8]) -> T {
    assert_eq!(bytes.len(), size_of::<T>());
    // SAFETY: All structures of the header are integers without padding, of which any bytes are a value.
    unsafe { ptr::read_unaligned(bytes.as_ptr().cast()) }
}

/// Returns the bytes of operations.
fn contents(ops: &[sys::quarry_op]) -> &[u8] {
    // SAFETY: Operations are integers without padding.
    unsafe { std::slice::from_raw_parts(ops.as_ptr().cast(), size_of_val(ops)) }
}

/// Makes a call as a 32-bit program makes it.
#[cfg(target_arch = "x86_64")]
fn ioctl_of_32_bits(fd: i32, request: u32, argument: *mut u8) -> Errno {
    /// `ioctl` among the system calls of 32-bit programs.
    const IOCTL: u64 = 54;
    let mut result = IOCTL;
    // SAFETY: A system call. It preserves all registers but those named; `rbx` is put back.
    unsafe {
        std::arch::asm!(
            "xchg {fd}, rbx",
            "int 0x80",
            "xchg {fd}, rbx",
            fd = inout(reg) fd as u64 => _,
            inout("rax") result,
            in("rcx") u64::from(request),
            in("rdx") argument as u64,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    -(result as i32)
}

#[cfg(not(target_arch = "x86_64"))]
fn ioctl_of_32_bits(_: i32, _: u32, _: *mut u8) -> Errno {
    libc::ENOSYS
}

impl Caller<'_> {
    fn new<'a>(round: &'a Round<'a>, seed: u64) -> Caller<'a> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let memory = Mapping::with(-1, 0, 3 * PAGE, access, flags).expect("memory");
        assert_eq!(memory.protect(2 * PAGE, PAGE, libc::PROT_NONE), 0);
        Caller {
            round,
            rng: Rng::with_seed(seed),
            memory,
            contents: Mapping::anonymous(ROOM),
            mapped: Vec::new(),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.rng.u32(0..n) == 0
    }

    fn pick<T: Copy + Default>(&mut self, from: &Mutex<Vec<T>>) -> T {
        let from = from.lock().unwrap();
        self.rng
            .choice(from.as_slice())
            .copied()
            .unwrap_or_default()
    }

    fn handle(&mut self) -> u64 {
        let round = self.round;
        let handle = self.pick(&round.handles);
        match self.rng.u32(0..50) {
            0 => handle ^ (1 << self.rng.u32(0..64)),
            1 => self.rng.u64(..),
            _ => handle,
        }
    }

    fn keep(&mut self, handle: u64) {
        let mut handles = self.round.handles.lock().unwrap();
        if handles.len() < IN_VIEW {
            handles.push(handle);
            return;
        }
        let at = self.rng.usize(0..IN_VIEW);
        let old = std::mem::replace(&mut handles[at], handle);
        drop(handles);
        self.round.device.free(old);
    }

    fn size(&mut self) -> u64 {
        match self.rng.u32(0..20) {
            0 => self.rng.u64(1..4 << 20),
            1..=5 => self.rng.u64(1..256 << 10),
            _ => self.rng.u64(1..9000),
        }
    }

    fn edge(&mut self) -> u64 {
        match self.rng.u32(0..4) {
            0 => self.rng.u64(..),
            1 => self.contents.at(0) as u64,
            _ => EDGES[self.rng.usize(0..EDGES.len())],
        }
    }

    /// An address for contents: memory that is there, comes and goes, or is not there.
    fn buffer(&mut self) -> u64 {
        match self.rng.u32(0..8) {
            0 => self.edge(),
            1..=3 => self.round.unsteady.at(self.rng.usize(0..2 * PAGE)) as u64,
            _ => self.contents.at(0) as u64,
        }
    }

    fn wait_flags(&mut self) -> u32 {
        let flags = [0, 0, 0, sys::QUARRY_ALLOC_NOWAIT, sys::QUARRY_ALLOC_ATOMIC];
        flags[self.rng.usize(0..flags.len())]
    }

    fn kind(&mut self) -> u32 {
        self.rng
            .u32(sys::QUARRY_KIND_PAGES..=sys::QUARRY_KIND_CACHE)
    }

    fn alloc(&mut self) -> sys::quarry_alloc {
        let round = self.round;
        let kind = self.kind();
        let object = kind == sys::QUARRY_KIND_CACHE;
        let more = [
            0,
            0,
            0,
            0,
            sys::QUARRY_ALLOC_OPAQUE,
            sys::QUARRY_ALLOC_KERNEL,
        ];
        sys::quarry_alloc {
            kind,
            bytes: if object { 0 } else { self.size() },
            cache: if object { self.pick(&round.caches) } else { 0 },
            pool: if object || !self.one_in(8) {
                0
            } else {
                self.pick(&round.pools)
            },
            node: if self.one_in(8) {
                0
            } else {
                sys::QUARRY_NODE_ANY
            },
            flags: self.wait_flags() | more[self.rng.usize(0..more.len())],
            ..new()
        }
    }

    fn op(&mut self, index: u64) -> sys::quarry_op {
        let alloc = self.alloc();
        let op = self.rng.u32(sys::QUARRY_OP_ALLOC..=sys::QUARRY_OP_VERIFY);
        if op == sys::QUARRY_OP_ALLOC || self.one_in(100) {
            return sys::quarry_op {
                op,
                kind: alloc.kind,
                bytes: alloc.bytes,
                arg: u64::from(alloc.cache),
                node: alloc.node,
                flags: alloc.flags,
                pool: alloc.pool,
                ..Default::default()
            };
        }
        let earlier = index > 0 && self.rng.bool();
        let verify = op == sys::QUARRY_OP_VERIFY;
        sys::quarry_op {
            op,
            flags: if earlier { sys::QUARRY_OP_BY_INDEX } else { 0 },
            handle: if earlier {
                self.rng.u64(0..index)
            } else {
                self.handle()
            },
            bytes: match op {
                sys::QUARRY_OP_REALLOC => self.size(),
                _ if verify && self.rng.bool() => self.rng.u64(1..9000),
                _ => 0,
            },
            arg: if op == sys::QUARRY_OP_FREE || op == sys::QUARRY_OP_REALLOC {
                0
            } else {
                self.rng.u64(..)
            },
            ..Default::default()
        }
    }

    /// Makes arguments of some command.
    fn argument(&mut self) -> (u32, Vec<u8>) {
        let round = self.round;
        let (handle, length) = (self.handle(), self.rng.u64(0..PAGE as u64));
        let offset = if self.rng.bool() {
            0
        } else {
            self.rng.u64(0..9000)
        };
        match self.rng.u32(0..100) {
            0..30 => (sys::QUARRY_CMD_ALLOC, bytes(self.alloc())),
            30..45 => (
                sys::QUARRY_CMD_FREE,
                bytes(sys::quarry_free { handle, ..new() }),
            ),
            45..55 => {
                let (bytes_, flags) = (self.size(), self.wait_flags());
                let argument = sys::quarry_realloc {
                    handle,
                    bytes: bytes_,
                    flags,
                    ..new()
                };
                (sys::QUARRY_CMD_REALLOC, bytes(argument))
            }
            n @ 55..65 => {
                let command = [sys::QUARRY_CMD_READ, sys::QUARRY_CMD_WRITE][n as usize % 2];
                let buffer = self.buffer();
                (
                    command,
                    bytes(sys::quarry_io {
                        handle,
                        offset,
                        length,
                        buffer,
                        ..new()
                    }),
                )
            }
            n @ 65..73 => {
                let command = [sys::QUARRY_CMD_FILL, sys::QUARRY_CMD_VERIFY][n as usize % 2];
                let seed = self.rng.u64(..);
                (
                    command,
                    bytes(sys::quarry_pattern {
                        handle,
                        offset,
                        length,
                        seed,
                        ..new()
                    }),
                )
            }
            73..77 => {
                let (frames, max_frames) = (self.buffer(), self.rng.u32(0..512));
                let argument = sys::quarry_explain {
                    handle,
                    frames,
                    max_frames,
                    ..new()
                };
                (sys::QUARRY_CMD_EXPLAIN, bytes(argument))
            }
            77..80 => (
                sys::QUARRY_CMD_MAP,
                bytes(sys::quarry_map { handle, ..new() }),
            ),
            80..83 => {
                let mut argument = sys::quarry_cache_create {
                    object_size: self.rng.u32(1..8193),
                    align: if self.rng.bool() {
                        0
                    } else {
                        1 << self.rng.u32(0..13)
                    },
                    pool: if self.one_in(4) {
                        self.pick(&round.pools)
                    } else {
                        0
                    },
                    flags: u32::from(self.one_in(8)) * sys::QUARRY_CACHE_KERNEL,
                    ..new()
                };
                for at in &mut argument.name[..3] {
                    *at = self.rng.lowercase() as _;
                }
                (sys::QUARRY_CMD_CACHE_CREATE, bytes(argument))
            }
            83..86 => {
                let cache = self.pick(&round.caches);
                (
                    sys::QUARRY_CMD_CACHE_DESTROY,
                    bytes(sys::quarry_cache_destroy { cache, ..new() }),
                )
            }
            86..91 => (sys::QUARRY_CMD_QUERY, bytes(new::<sys::quarry_query>())),
            91 => (sys::QUARRY_CMD_STATS, bytes(new::<sys::quarry_stats>())),
            92 => {
                let cache = self.rng.u32(0..100);
                (
                    sys::QUARRY_CMD_CACHE_STATS,
                    bytes(sys::quarry_cache_stats { cache, ..new() }),
                )
            }
            93 if self.one_in(20) => (sys::QUARRY_CMD_SHRINK, bytes(new::<sys::quarry_shrink>())),
            94 if self.one_in(50) => (
                sys::QUARRY_CMD_VALIDATE,
                bytes(new::<sys::quarry_validate>()),
            ),
            // A pool has many caches, which the debug kernel needs a second to make and end.
            95 if self.one_in(10) => {
                let mut argument = sys::quarry_pool_create {
                    limit: self.rng.u64(0..64) << 20,
                    reserve: self.rng.u64(0..3) << 20,
                    ..new()
                };
                let name = [NAME[0], NAME[1], self.rng.lowercase() as u8];
                for (to, from) in argument.name.iter_mut().zip(name) {
                    *to = from as _;
                }
                (sys::QUARRY_CMD_POOL_CREATE, bytes(argument))
            }
            96 => {
                let flags = u32::from(self.rng.bool()) * sys::QUARRY_POOL_PURGE;
                let pool = self.pick(&round.pools);
                (
                    sys::QUARRY_CMD_POOL_DESTROY,
                    bytes(sys::quarry_pool_destroy {
                        pool,
                        flags,
                        ..new()
                    }),
                )
            }
            97 => {
                let pool = self.pick(&round.pools);
                (
                    sys::QUARRY_CMD_POOL_STATS,
                    bytes(sys::quarry_pool_stats { pool, ..new() }),
                )
            }
            _ => {
                let nth = self.rng.u32(1..50);
                (
                    sys::QUARRY_CMD_FAIL_NTH,
                    bytes(sys::quarry_fail_nth { nth, ..new() }),
                )
            }
        }
    }

    /// Puts edges into some members.
    fn spoil(&mut self, argument: &mut [u8]) {
        for _ in 0..self.rng.usize(1..4) {
            let width = [4, 8][self.rng.usize(0..2)];
            let at = self.rng.usize(0..argument.len() / width) * width;
            let edge = self.edge().to_le_bytes();
            argument[at..at + width].copy_from_slice(&edge[..width]);
        }
    }

    /// Makes a call whose structure ends where memory does, or a little beyond.
    fn call(&mut self, command: u32, argument: &mut [u8]) -> Errno {
        let beyond = if self.one_in(40) {
            self.rng.usize(1..argument.len())
        } else {
            0
        };
        let start = self.memory.at(2 * PAGE - argument.len() + beyond);
        let inside = argument.len() - beyond;
        // SAFETY: So many bytes of the mapping can be accessed.
        let seen = unsafe { std::slice::from_raw_parts_mut(start, inside) };
        seen.copy_from_slice(&argument[..inside]);
        let request = opcode(command);
        let errno = if self.one_in(8) {
            ioctl_of_32_bits(self.round.device.fd(), request, start)
        } else {
            self.round.device.ioctl(u64::from(request), start)
        };
        self.check(command_name(command), &argument[..inside], seen);
        argument[..inside].copy_from_slice(seen);
        self.round.counts.ops().fetch_add(1, Relaxed);
        self.count(command_name(command), errno);
        errno
    }

    fn count(&self, what: &str, errno: Errno) {
        if !ERRNOS.contains(&errno) {
            self.fail(format!("{what}: errno {errno}"));
        }
        let index = usize::try_from(errno).unwrap_or(0) % Counts::ERRNOS;
        self.round.counts.at(index).fetch_add(1, Relaxed);
    }

    /// Looks for kernel addresses in what has changed.
    fn check(&self, what: &str, before: &[u8], after: &[u8]) {
        let words = before.chunks_exact(8).zip(after.chunks_exact(8));
        for (index, (before, after)) in words.enumerate() {
            let word = u64::from_le_bytes(after.try_into().unwrap());
            if before != after && word >= KERNEL && !GIVEN_BACK.contains(&(what, 8 * index)) {
                self.fail(format!("{what}: {word:#x} is a kernel address"));
            }
        }
    }

    fn fail(&self, what: String) {
        self.round.wrong.lock().unwrap().get_or_insert(what);
    }

    fn batch(&mut self) {
        let nr = self.rng.usize(1..64);
        let mut ops: Vec<_> = (0..nr).map(|index| self.op(index as u64)).collect();
        let mut argument = sys::quarry_batch {
            ops: if self.one_in(20) {
                self.buffer()
            } else {
                ops.as_mut_ptr() as u64
            },
            nr: nr as u32,
            op_size: size_of::<sys::quarry_op>() as u32,
            flags: u32::from(self.one_in(8)) * sys::QUARRY_BATCH_STOP,
            ..new()
        };
        let before = contents(&ops).to_vec();
        let errno = self.round.device.call(sys::QUARRY_CMD_BATCH, &mut argument);
        self.check("an operation of a batch", &before, contents(&ops));
        leaks().into_iter().for_each(|leak| self.fail(leak));
        self.count("BATCH", errno);
        self.round
            .counts
            .ops()
            .fetch_add(u64::from(argument.done), Relaxed);
        for op in &ops {
            if op.op == sys::QUARRY_OP_ALLOC && op.handle != 0 && op.result == 0 {
                self.keep(op.handle);
            }
            self.count("an operation of a batch", -op.result);
        }
    }

    /// Maps what can be mapped, in part and with flags that may be wrong.
    fn map(&mut self, map: sys::quarry_map) {
        let length = match self.rng.u32(0..8) {
            0 => map.length as usize + PAGE,
            1 => PAGE,
            _ => map.length as usize,
        };
        let flags = [libc::MAP_SHARED, libc::MAP_SHARED, libc::MAP_PRIVATE][self.rng.usize(0..3)];
        match Mapping::new(&self.round.device, map.offset, length, flags) {
            Ok(mut mapping) => {
                mapping.bytes()[length - 1] = 1;
                self.mapped.push(mapping);
                if self.mapped.len() > 4 {
                    self.mapped.swap_remove(0);
                }
            }
            Err(errno) => self.count("mmap", errno),
        }
    }

    fn step(&mut self) {
        if self.one_in(12) {
            return self.batch();
        }
        let (command, mut argument) = self.argument();
        if self.one_in(8) {
            self.spoil(&mut argument);
        }
        if self.call(command, &mut argument) != 0 {
            return;
        }
        match command {
            sys::QUARRY_CMD_ALLOC => self.keep(value::<sys::quarry_alloc>(&argument).handle),
            sys::QUARRY_CMD_MAP => self.map(value(&argument)),
            sys::QUARRY_CMD_CACHE_CREATE => {
                let cache = value::<sys::quarry_cache_create>(&argument).cache;
                self.round.caches.lock().unwrap().push(cache);
            }
            sys::QUARRY_CMD_POOL_CREATE => {
                let pool = value::<sys::quarry_pool_create>(&argument).pool;
                self.round.pools.lock().unwrap().push(pool);
            }
            _ => {}
        }
    }
}

/// Takes away and gives back the access to memory, and exchanges the open file, until all is done.
fn disturb(round: &Round<'_>, mut rng: Rng) {
    let accesses = [
        libc::PROT_NONE,
        libc::PROT_READ,
        libc::PROT_READ | libc::PROT_WRITE,
    ];
    while !round.done.load(Relaxed) {
        let access = accesses[rng.usize(0..accesses.len())];
        round.unsteady.protect(rng.usize(0..2) * PAGE, PAGE, access);
        if rng.u32(0..300) == 0 {
            let other = Device::open();
            // SAFETY: The number stays that of an open file of the device.
            if unsafe { libc::dup2(other.fd(), round.device.fd()) } < 0 {
                let errno = last_errno();
                round
                    .wrong
                    .lock()
                    .unwrap()
                    .get_or_insert(format!("dup2: errno {errno}"));
            }
        }
        thread::sleep(Duration::from_micros(rng.u64(0..2000)));
    }
}

/// One round, in a process of its own. Returns whether all is well.
fn round(counts: &Counts, seed: u64) -> bool {
    let round = Round {
        device: Device::open(),
        handles: Mutex::default(),
        caches: Mutex::default(),
        pools: Mutex::default(),
        unsteady: Mapping::anonymous(2 * PAGE + ROOM),
        counts,
        wrong: Mutex::default(),
        done: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (1..=2)
            .map(|thread| {
                let round = &round;
                scope.spawn(move || {
                    let mut caller = Caller::new(round, seed ^ (thread << 56));
                    (0..ROUND / 6).for_each(|_| caller.step());
                })
            })
            .collect();
        scope.spawn(|| disturb(&round, Rng::with_seed(!seed)));
        for caller in callers {
            if caller.join().is_err() {
                round
                    .wrong
                    .lock()
                    .unwrap()
                    .get_or_insert("a thread panicked".into());
            }
        }
        round.done.store(true, Relaxed);
    });
    let wrong = round.wrong.lock().unwrap().take();
    if let Some(wrong) = &wrong {
        println!("# seed {seed:#x}: {wrong}");
    }
    wrong.is_none()
}

/// Ends the pools that a round has left.
fn end_pools(device: &Device) {
    let mut next = 0;
    loop {
        let mut found = sys::quarry_pool_stats {
            pool: next,
            ..new()
        };
        if device.call(sys::QUARRY_CMD_POOL_STATS, &mut found) != 0 {
            return;
        }
        next = found.pool + 1;
        if found.name.iter().zip(NAME).all(|(&a, b)| a as u8 == b) {
            let mut argument = sys::quarry_pool_destroy {
                pool: found.pool,
                flags: sys::QUARRY_POOL_PURGE,
                ..new()
            };
            device.call(sys::QUARRY_CMD_POOL_DESTROY, &mut argument);
        }
    }
}

/// Runs rounds until so many operations are done. Prints KTAP.
pub fn run(ops: u64, seed: u64) -> ExitCode {
    println!("KTAP version 1\n1..1");
    let counts = Counts::new();
    let device = Device::open();
    let before = device.held();
    let mut rng = Rng::with_seed(seed);
    let (begun, mut told) = (Instant::now(), 0);
    let (mut rounds, mut killed, mut good) = (0, 0, true);
    while good && counts.ops().load(Relaxed) < ops {
        let seed = rng.u64(..);
        let child = fork(|| round(&counts, seed));
        let kills = rng.u32(0..4) == 0;
        if kills {
            thread::sleep(Duration::from_millis(rng.u64(5..500)));
            kill(child);
        }
        let status = wait(child);
        killed += u32::from(libc::WIFSIGNALED(status));
        rounds += 1;
        good = status == 0 || (kills && libc::WTERMSIG(status) == libc::SIGKILL);
        if !good {
            println!("# seed {seed:#x}: the child ended with status {status:#x}");
        }
        end_pools(&device);
        if !eventually(|| device.held() == before) {
            println!(
                "# seed {seed:#x}: {before:?} before, {:?} after",
                device.held()
            );
            good = false;
        }
        if rounds % 8 == 0 {
            device.assert_valid();
        }
        let done = counts.ops().load(Relaxed);
        if done / 1_000_000 > told {
            told = done / 1_000_000;
            println!("# {done} operations after {} s", begun.elapsed().as_secs());
        }
    }
    device.assert_valid();
    let done = counts.ops().load(Relaxed);
    println!("# {done} operations in {rounds} rounds, {killed} killed, seed {seed}");
    for errno in 0..Counts::ERRNOS {
        let count = counts.at(errno).load(Relaxed);
        if count > 0 {
            println!("# errno {errno}: {count}");
        }
    }
    let result = if good { "ok" } else { "not ok" };
    println!("{result} 1 - calls_at_random");
    ExitCode::from(u8::from(!good))
}
