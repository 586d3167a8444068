// SPDX-License-Identifier: GPL-2.0

//! Many operations in one call.

use super::{
    abi::Arg,
    client::Client,
    data::Range,
    pattern,
    request::{
        Wait,
        Wanted,
        ALLOC_FLAGS, //
    },
    task, //
};
use crate::{
    bindings::{
        self,
        quarry_op as Op, //
    },
    requests::{
        KVVec,
        KVec, //
    }, //
};
use kernel::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

static_assert!(size_of::<Op>() == 48);

// SAFETY: All members are integers, and there is no padding between them.
unsafe impl AsBytes for Op {}

// SAFETY: All members are integers.
unsafe impl FromBytes for Op {}

/// Operations that are copied in, run and copied out at a time: a page of them.
const PART: usize = 4096 / size_of::<Op>();

/// The operation is of a kind that has no handle to give.
const NOT_AN_ALLOC: u64 = u64::MAX;

/// Handles of the operations of a batch that have been run, for `QUARRY_OP_BY_INDEX`.
///
/// An element is a handle, or [`NOT_AN_ALLOC`], or 0 for an allocation that failed.
struct Handles(KVVec<u64>);

impl Handles {
    fn of(&self, index: u64) -> Result<u64> {
        let index = usize::try_from(index).map_err(|_| EINVAL)?;
        let index = super::table::bounded(index, self.0.len()).ok_or(EINVAL)?;
        match self.0.get(index).copied().unwrap_or(NOT_AN_ALLOC) {
            NOT_AN_ALLOC => Err(EINVAL),
            0 => Err(ENOENT),
            handle => Ok(handle),
        }
    }

    fn push(&mut self, op: &Op) -> Result {
        let handle = match op.op {
            bindings::quarry_opcode_QUARRY_OP_ALLOC if op.result == 0 => op.handle,
            bindings::quarry_opcode_QUARRY_OP_ALLOC => 0,
            _ => NOT_AN_ALLOC,
        };
        Ok(self.0.push(handle, GFP_KERNEL)?)
    }
}

/// Runs a batch.
#[inline(never)]
pub(super) fn run(client: &Client, user: UserPtr) -> Result {
    let mut arg = Arg::<bindings::quarry_batch>::read(user, bindings::QUARRY_BATCH_STOP)?;
    let value = &mut arg.value;
    // CAST: `usize` has at least 32 bits.
    if value.nr == 0 || value.nr > client.limits.batch || value.op_size as usize != size_of::<Op>()
    {
        return Err(EINVAL);
    }
    let address = usize::try_from(value.ops).map_err(|_| EFAULT)?;
    let mut batch = Batch {
        client,
        stop: value.flags & bindings::QUARRY_BATCH_STOP != 0,
        handles: Handles(KVVec::with_capacity(value.nr as usize, GFP_KERNEL)?),
        done: 0,
        failed: 0,
    };
    let result = batch.run(UserPtr::from_addr(address), value.nr as usize);
    value.done = batch.done;
    value.failed = batch.failed;
    // What went wrong first is what is reported.
    let written = arg.write_back();
    result.and(written)
}

struct Batch<'a> {
    client: &'a Client,
    stop: bool,
    handles: Handles,
    done: u32,
    failed: u32,
}

impl Batch<'_> {
    fn run(&mut self, mut user: UserPtr, mut left: usize) -> Result {
        let mut buffer = KVec::<Op>::zeroed(PART.min(left), GFP_KERNEL)?;
        loop {
            let nr = buffer.len().min(left);
            let part = buffer.get_mut(..nr).unwrap_or_default();
            UserSlice::new(user, size_of_val(part))
                .reader()
                .read_slice(part.as_bytes_mut())?;
            let (run, result) = self.run_part(part);
            let done = part.get(..run).unwrap_or_default();
            self.deliver(user, done)?;
            result?;
            left -= run;
            if run < nr || left == 0 {
                return Ok(());
            }
            user = user.wrapping_byte_add(size_of_val(done));
        }
    }

    /// Runs operations until one is to be the last. Returns how many were run, and whether the
    /// batch was killed.
    fn run_part(&mut self, ops: &mut [Op]) -> (usize, Result) {
        for (index, op) in ops.iter_mut().enumerate() {
            if let Err(err) = task::checkpoint() {
                return (index, Err(err));
            }
            let result = self.run_op(op);
            op.result = result.err().map_or(0, Error::to_errno);
            self.done += 1;
            // There is room for the handles of all operations.
            if let Err(err) = self.handles.push(op) {
                return (index + 1, Err(err));
            }
            if op.result != 0 {
                self.failed += 1;
                if self.stop {
                    return (index + 1, Ok(()));
                }
            }
        }
        (ops.len(), Ok(()))
    }

    /// Copies results to user space.
    fn deliver(&self, user: UserPtr, ops: &[Op]) -> Result {
        let result = UserSlice::new(user, size_of_val(ops))
            .writer()
            .write_slice(ops.as_bytes());
        if result.is_err() {
            // Nobody knows the names of what was allocated. What was freed since, is.
            for op in ops {
                if op.op == bindings::quarry_opcode_QUARRY_OP_ALLOC && op.result == 0 {
                    let _ = self.client.free(op.handle);
                }
            }
        }
        result
    }

    fn run_op(&self, op: &mut Op) -> Result {
        let by_index = op.flags & bindings::QUARRY_OP_BY_INDEX != 0;
        let flags = op.flags & !bindings::QUARRY_OP_BY_INDEX;
        if flags & !ALLOC_FLAGS != 0 {
            return Err(EINVAL);
        }
        if op.op == bindings::quarry_opcode_QUARRY_OP_ALLOC {
            if by_index {
                return Err(EINVAL);
            }
            // What does not fit is no cache's id.
            let cache = u32::try_from(op.arg).map_err(|_| EINVAL)?;
            let wanted = Wanted::new(op.kind, flags, op.node, op.bytes, cache, op.pool)?;
            let (handle, usable) = self.client.alloc(&wanted)?;
            op.handle = handle.into_raw();
            op.bytes = usable;
            return Ok(());
        }
        if op.kind != 0 || op.node != 0 || op.pool != 0 {
            return Err(EINVAL);
        }
        // Looked up only by operations that exist.
        let handle = || {
            if by_index {
                self.handles.of(op.handle)
            } else {
                Ok(op.handle)
            }
        };
        match op.op {
            bindings::quarry_opcode_QUARRY_OP_REALLOC => {
                let wait = Wait::try_from(flags)?;
                op.bytes = self.client.realloc(handle()?, op.bytes, wait)?;
                Ok(())
            }
            bindings::quarry_opcode_QUARRY_OP_FREE if flags == 0 => self.client.free(handle()?),
            bindings::quarry_opcode_QUARRY_OP_FILL if flags == 0 => {
                let allocation = self.client.get(handle()?)?;
                pattern::fill(Range::all(&allocation)?, op.arg)
            }
            bindings::quarry_opcode_QUARRY_OP_VERIFY if flags == 0 => {
                let allocation = self.client.get(handle()?)?;
                let range = match op.bytes {
                    0 => Range::all(&allocation)?,
                    bytes => Range::new(&allocation, 0, bytes)?,
                };
                let Some(bad) = pattern::verify(range, op.arg)? else {
                    return Ok(());
                };
                op.arg = bad;
                Err(EBADMSG)
            }
            _ => Err(EINVAL),
        }
    }
}
