// SPDX-License-Identifier: GPL-2.0

//! One operation of a batch.

use crate::{
    error::Cause,
    kind::{Arm, CacheId, Context, Handle, Kind},
    sys,
};

/// The allocation that an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// One that existed before the batch.
    Handle(Handle),
    /// The one that an earlier operation of the same batch, with that index, allocates.
    Earlier(usize),
}

/// One operation of a batch: what to do, then what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Op(sys::quarry_op);

impl Op {
    /// Allocates `bytes` from anything but a cache.
    pub fn alloc(kind: Kind, bytes: u64, context: Context) -> Self {
        Self(sys::quarry_op {
            op: sys::QUARRY_OP_ALLOC,
            flags: context.as_raw(),
            kind: kind.as_raw(),
            node: sys::QUARRY_NODE_ANY,
            bytes,
            ..Default::default()
        })
    }

    /// Allocates an object of `cache`.
    pub fn alloc_object(cache: CacheId, context: Context) -> Self {
        let mut op = Self::alloc(Kind::Cache, 0, context);
        op.0.arg = u64::from(cache.as_raw());
        op
    }

    /// Makes an ALLOC one of memory that is only held, never read or written, from either arm. Where
    /// an object comes from, its cache says.
    #[must_use]
    pub fn opaque(mut self, arm: Arm) -> Self {
        self.0.flags |= match arm {
            Arm::Kernel if self.0.kind != sys::QUARRY_KIND_CACHE => sys::QUARRY_ALLOC_KERNEL,
            _ => sys::QUARRY_ALLOC_OPAQUE,
        };
        self
    }

    /// Changes the size of `target` to `bytes`.
    pub fn realloc(target: Target, bytes: u64) -> Self {
        let mut op = Self::on(sys::QUARRY_OP_REALLOC, target);
        op.0.bytes = bytes;
        op
    }

    /// Frees `target`.
    pub fn free(target: Target) -> Self {
        Self::on(sys::QUARRY_OP_FREE, target)
    }

    /// Writes the pattern of `seed` to the whole of `target`.
    pub fn fill(target: Target, seed: u64) -> Self {
        let mut op = Self::on(sys::QUARRY_OP_FILL, target);
        op.0.arg = seed;
        op
    }

    /// Compares the first `bytes` bytes of `target`, or all if 0, with the pattern of `seed`.
    pub fn verify(target: Target, seed: u64, bytes: u64) -> Self {
        let mut op = Self::on(sys::QUARRY_OP_VERIFY, target);
        op.0.arg = seed;
        op.0.bytes = bytes;
        op
    }

    /// Returns an operation of that code on `target`, with all else zero.
    fn on(op: u32, target: Target) -> Self {
        let (flags, handle) = match target {
            Target::Handle(handle) => (0, handle.as_raw()),
            // CAST: A batch has far fewer than 2^64 operations.
            Target::Earlier(index) => (sys::QUARRY_OP_BY_INDEX, index as u64),
        };
        Self(sys::quarry_op {
            op,
            flags,
            handle,
            ..Default::default()
        })
    }

    /// Returns the structure of the header.
    pub fn as_raw(&self) -> &sys::quarry_op {
        &self.0
    }

    /// Returns the structure of the header, to answer it in a test.
    pub fn as_raw_mut(&mut self) -> &mut sys::quarry_op {
        &mut self.0
    }

    /// Returns what came of it, once the batch has run.
    pub fn result(&self) -> Result<(), Cause> {
        match self.0.result {
            0 => Ok(()),
            errno => Err(Cause::from_errno(errno.wrapping_neg())),
        }
    }

    /// Returns the allocation that an ALLOC made.
    pub fn handle(&self) -> Handle {
        Handle::from_raw(self.0.handle)
    }

    /// Returns the bytes that an ALLOC or REALLOC made usable.
    pub fn usable(&self) -> u64 {
        self.0.bytes
    }

    /// Returns the first offset at which a VERIFY found other contents.
    pub fn first_bad(&self) -> u64 {
        self.0.arg
    }
}

/// How far a batch came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchDone {
    /// Operations that were run.
    pub done: usize,
    /// Those of them that failed.
    pub failed: usize,
}
