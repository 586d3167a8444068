// SPDX-License-Identifier: GPL-2.0

//! BATCH.

use crate::{
    ktap::tests,
    memory::{Mapping, PAGE},
    raw::{new, pattern, Device},
};
use libc::{EBADMSG, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, ERANGE};
use quarry_uapi::sys::{self, quarry_op as Op};
use std::mem::size_of;

tests! {
    a_batch_runs_in_order,
    operations_name_earlier_ones_by_index,
    wrong_indexes_fail,
    a_batch_goes_on_after_a_failure,
    a_batch_stops_if_told_so,
    each_operation_checks_its_members,
    impossible_batches_are_refused,
    a_batch_that_ends_in_bad_memory_has_run_what_could_be_read,
    results_that_cannot_be_delivered_leave_nothing,
    objects_come_in_batches,
    long_batches,
}

fn alloc(kind: u32, bytes: u64) -> Op {
    let node = sys::QUARRY_NODE_ANY;
    Op {
        op: sys::QUARRY_OP_ALLOC,
        kind,
        bytes,
        node,
        ..Op::default()
    }
}

fn on(op: u32, index: u64) -> Op {
    let flags = sys::QUARRY_OP_BY_INDEX;
    Op {
        op,
        flags,
        handle: index,
        ..Op::default()
    }
}

fn results(ops: &[Op]) -> Vec<i32> {
    ops.iter().map(|op| op.result).collect()
}

fn a_batch_runs_in_order() {
    let device = Device::open();
    let outside = device.alloc(sys::QUARRY_KIND_KMALLOC, 100);
    let mut ops = [
        Op {
            op: sys::QUARRY_OP_FILL,
            handle: outside.handle,
            arg: 5,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_VERIFY,
            handle: outside.handle,
            arg: 5,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_REALLOC,
            handle: outside.handle,
            bytes: 9000,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_VERIFY,
            handle: outside.handle,
            bytes: 100,
            arg: 5,
            ..Op::default()
        },
        alloc(sys::QUARRY_KIND_PAGES, 5000),
    ];
    assert_eq!(device.batch(&mut ops, 0), (0, 5, 0));
    assert_eq!(results(&ops), [0; 5]);
    assert!(ops[2].bytes >= 9000, "usable bytes are written back");
    assert_eq!(ops[4].bytes, 8192);
    assert_ne!(ops[4].handle, 0);
    assert_eq!(device.bytes(outside.handle, 0, 1)[0], pattern(5, 0));
    assert_eq!(device.free(ops[4].handle), 0);
    let mut ops = [Op {
        op: sys::QUARRY_OP_FREE,
        handle: outside.handle,
        ..Op::default()
    }];
    assert_eq!(device.batch(&mut ops, 0), (0, 1, 0));
    assert_eq!(device.query().used_handles, 0);
}

fn operations_name_earlier_ones_by_index() {
    let device = Device::open();
    for kind in crate::alloc::KINDS {
        let mut ops = [
            alloc(kind, 50),
            alloc(kind, 5000),
            Op {
                arg: 7,
                ..on(sys::QUARRY_OP_FILL, 1)
            },
            Op {
                arg: 8,
                ..on(sys::QUARRY_OP_FILL, 0)
            },
            Op {
                arg: 7,
                ..on(sys::QUARRY_OP_VERIFY, 1)
            },
            on(sys::QUARRY_OP_FREE, 1),
            Op {
                arg: 8,
                bytes: 50,
                ..on(sys::QUARRY_OP_VERIFY, 0)
            },
            on(sys::QUARRY_OP_FREE, 0),
        ];
        assert_eq!(device.batch(&mut ops, 0), (0, 8, 0), "{:?}", results(&ops));
        assert_eq!(device.query().used_handles, 0);
    }
}

fn wrong_indexes_fail() {
    let device = Device::open();
    let mut ops = [
        // Itself, later ones, none at all.
        on(sys::QUARRY_OP_FREE, 0),
        on(sys::QUARRY_OP_FREE, 3),
        on(sys::QUARRY_OP_FREE, u64::MAX),
        alloc(sys::QUARRY_KIND_KMALLOC, 10),
        // Not an allocation.
        on(sys::QUARRY_OP_FREE, 0),
        // One that failed.
        alloc(sys::QUARRY_KIND_KMALLOC, 0),
        on(sys::QUARRY_OP_FREE, 5),
        on(sys::QUARRY_OP_FREE, 3),
        // Freed by the one before.
        on(sys::QUARRY_OP_FREE, 3),
    ];
    assert_eq!(device.batch(&mut ops, 0), (0, 9, 7));
    let found = results(&ops);
    let wanted = [
        -EINVAL, -EINVAL, -EINVAL, 0, -EINVAL, -EINVAL, -ENOENT, 0, -ENOENT,
    ];
    assert_eq!(found, wanted);
}

fn a_batch_goes_on_after_a_failure() {
    let device = Device::open();
    let block = device.alloc(sys::QUARRY_KIND_PAGES, 100);
    let handle = block.handle;
    let mut ops = [
        Op {
            op: sys::QUARRY_OP_FREE,
            ..Op::default()
        },
        alloc(sys::QUARRY_KIND_KMALLOC, 10),
        Op {
            op: sys::QUARRY_OP_REALLOC,
            handle,
            bytes: 10,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_VERIFY,
            handle,
            bytes: 1 << 20,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_FILL,
            handle,
            arg: 1,
            ..Op::default()
        },
        Op {
            op: sys::QUARRY_OP_VERIFY,
            handle,
            arg: 2,
            ..Op::default()
        },
        on(sys::QUARRY_OP_FREE, 1),
    ];
    assert_eq!(device.batch(&mut ops, 0), (0, 7, 4));
    assert_eq!(
        results(&ops),
        [-ENOENT, 0, -EOPNOTSUPP, -ERANGE, 0, -EBADMSG, 0]
    );
    let first = (0..8).find(|&i| pattern(1, i) != pattern(2, i)).unwrap();
    assert_eq!(ops[5].arg, first, "the first bad offset");
}

fn a_batch_stops_if_told_so() {
    let device = Device::open();
    let mut ops = [
        alloc(sys::QUARRY_KIND_KMALLOC, 10),
        Op {
            op: sys::QUARRY_OP_FREE,
            handle: 12345,
            ..Op::default()
        },
        alloc(sys::QUARRY_KIND_KMALLOC, 10),
    ];
    assert_eq!(device.batch(&mut ops, sys::QUARRY_BATCH_STOP), (0, 2, 1));
    assert_eq!(device.query().used_handles, 1);
    assert_eq!(results(&ops), [0, -ENOENT, 0]);
    assert_eq!(ops[2].handle, 0, "was not run");
    assert_eq!(device.free(ops[0].handle), 0);
}

fn each_operation_checks_its_members() {
    let device = Device::open();
    let handle = device.alloc(sys::QUARRY_KIND_KMALLOC, 10).handle;
    let good = alloc(sys::QUARRY_KIND_KMALLOC, 10);
    let fill = Op {
        op: sys::QUARRY_OP_FILL,
        handle,
        ..Op::default()
    };
    let mut ops = [
        Op { op: 0, ..good },
        Op {
            op: 6,
            handle,
            ..Op::default()
        },
        Op {
            op: u32::MAX,
            handle,
            ..Op::default()
        },
        Op {
            flags: 1 << 4,
            ..good
        },
        Op {
            flags: 1 << 31,
            ..good
        },
        Op {
            flags: sys::QUARRY_OP_BY_INDEX,
            ..good
        },
        Op {
            flags: sys::QUARRY_ALLOC_NOWAIT | sys::QUARRY_ALLOC_ATOMIC,
            ..good
        },
        Op { kind: 0, ..good },
        Op { kind: 9, ..good },
        Op { node: -2, ..good },
        Op { bytes: 0, ..good },
        Op { arg: 1, ..good },
        Op {
            arg: 1 << 32,
            ..good
        },
        Op { kind: 1, ..fill },
        Op { node: 1, ..fill },
        Op {
            flags: sys::QUARRY_ALLOC_NOWAIT,
            ..fill
        },
        Op { pool: 1, ..fill },
        Op {
            op: sys::QUARRY_OP_FREE,
            flags: sys::QUARRY_ALLOC_ATOMIC,
            ..fill
        },
        Op {
            op: sys::QUARRY_OP_REALLOC,
            bytes: 0,
            ..fill
        },
        Op {
            flags: sys::QUARRY_ALLOC_NOWAIT,
            kind: sys::QUARRY_KIND_VMALLOC,
            ..good
        },
    ];
    let nr = ops.len() as u32;
    assert_eq!(
        device.batch(&mut ops, 0),
        (0, nr, nr),
        "{:?}",
        results(&ops)
    );
    for (index, op) in ops.iter().enumerate() {
        assert_eq!(op.result, -EINVAL, "operation {index}");
    }
    assert_eq!(device.query().used_handles, 1);
}

fn impossible_batches_are_refused() {
    let device = Device::open();
    let mut ops = [alloc(sys::QUARRY_KIND_KMALLOC, 10)];
    let good = sys::quarry_batch {
        ops: ops.as_mut_ptr() as u64,
        nr: 1,
        op_size: size_of::<Op>() as u32,
        ..new()
    };
    let most = device.query().quota_batch;
    for wrong in [
        sys::quarry_batch { nr: 0, ..good },
        sys::quarry_batch {
            nr: most + 1,
            ..good
        },
        sys::quarry_batch {
            nr: u32::MAX,
            ..good
        },
        sys::quarry_batch { op_size: 0, ..good },
        sys::quarry_batch {
            op_size: 47,
            ..good
        },
        sys::quarry_batch {
            op_size: 56,
            ..good
        },
        sys::quarry_batch { flags: 2, ..good },
    ] {
        assert_eq!(
            device.call(sys::QUARRY_CMD_BATCH, &mut { wrong }),
            EINVAL,
            "{wrong:?}"
        );
    }
    for address in [0, 8, 0xffff_8880_0000_0000, u64::MAX - 10] {
        let mut wrong = sys::quarry_batch {
            ops: address,
            ..good
        };
        assert_eq!(
            device.call(sys::QUARRY_CMD_BATCH, &mut wrong),
            EFAULT,
            "{address:#x}"
        );
        assert_eq!((wrong.done, wrong.failed), (0, 0));
    }
    assert_eq!(device.query().used_handles, 0);
}

/// Returns operations that end where no memory follows.
fn at_the_end_of_memory(memory: &mut Mapping, nr: usize) -> u64 {
    let pages = memory.bytes().len();
    let start = pages - PAGE - nr * size_of::<Op>();
    for i in 0..nr {
        let at = memory.at(start + i * size_of::<Op>()).cast::<Op>();
        // SAFETY: Within the mapping, which is not in use otherwise.
        unsafe { at.write_unaligned(alloc(sys::QUARRY_KIND_KMALLOC, 64)) };
    }
    assert_eq!(memory.protect(pages - PAGE, PAGE, libc::PROT_NONE), 0);
    memory.at(start) as u64
}

fn a_batch_that_ends_in_bad_memory_has_run_what_could_be_read() {
    let device = Device::open();
    let mut memory = Mapping::anonymous(64 * PAGE);
    let nr = 1000;
    let mut argument = sys::quarry_batch {
        ops: at_the_end_of_memory(&mut memory, nr),
        nr: nr as u32 + 500,
        op_size: size_of::<Op>() as u32,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_BATCH, &mut argument), EFAULT);
    assert!(argument.done as usize <= nr, "{} were run", argument.done);
    assert!(argument.done > 0, "operations before the bad page are run");
    assert_eq!(argument.failed, 0);
    assert_eq!(
        device.query().used_handles,
        argument.done,
        "done says what is held"
    );
}

fn results_that_cannot_be_delivered_leave_nothing() {
    let device = Device::open();
    let mut memory = Mapping::anonymous(2 * PAGE);
    let ops = at_the_end_of_memory(&mut memory, 10);
    assert_eq!(memory.protect(0, PAGE, libc::PROT_READ), 0);
    let op_size = size_of::<Op>() as u32;
    let mut argument = sys::quarry_batch {
        ops,
        nr: 10,
        op_size,
        ..new()
    };
    assert_eq!(device.call(sys::QUARRY_CMD_BATCH, &mut argument), EFAULT);
    // Nobody knows the handles, so there are none.
    assert_eq!(device.query().used_handles, 0);
    assert_eq!(device.query().used_bytes, 0);
}

fn objects_come_in_batches() {
    let device = Device::open();
    let cache = device.cache_create("batched", 96, 0).unwrap();
    let object = Op {
        arg: cache.into(),
        ..alloc(sys::QUARRY_KIND_CACHE, 0)
    };
    let mut ops = vec![object; 300];
    ops.push(Op {
        arg: u64::from(cache) + 1,
        ..object
    });
    ops.push(Op {
        bytes: 96,
        ..object
    });
    assert_eq!(device.batch(&mut ops, 0), (0, 302, 2));
    assert_eq!(results(&ops)[300..], [-ENOENT, -EINVAL]);
    let free = |op: &Op| Op {
        op: sys::QUARRY_OP_FREE,
        handle: op.handle,
        ..Op::default()
    };
    let mut frees: Vec<_> = ops[..300].iter().map(free).collect();
    assert_eq!(device.batch(&mut frees, 0), (0, 300, 0));
    assert_eq!(device.cache_destroy(cache), 0);
}

fn long_batches() {
    let device = Device::open();
    let most = device.query().quota_batch.min(20_000) as usize / 2;
    let mut ops: Vec<_> = (0..most)
        .map(|i| alloc(sys::QUARRY_KIND_KMALLOC, 1 + i as u64 % 300))
        .collect();
    ops.extend((0..most).map(|i| on(sys::QUARRY_OP_FREE, i as u64)));
    assert_eq!(device.batch(&mut ops, 0), (0, 2 * most as u32, 0));
    assert_eq!(device.query().used_handles, 0);
    device.assert_valid();
}
