// SPDX-License-Identifier: GPL-2.0

//! One thread of a stress run: a state machine of what it holds.
//!
//! Each round plans a batch of actions on what the thread holds, runs it, and settles: what came of
//! each action decides what the thread holds then. An allocation is touched by one action of a batch
//! at most. Some of what it means to free, it hands to its neighbour, which frees it on another CPU.

use super::{
    latency::{Call, Clock, Latencies},
    mix::Mix,
    sizes::{Limits, Sizes},
    tally::Tally,
};
use crate::backend::Backend;
use fastrand::Rng;
use quarry_uapi::{CacheId, Cause, Context, Error, Handle, Kind, Op, Target};
use std::{
    sync::mpsc::{Receiver, Sender},
    thread,
};

/// How often a batch is tried for which there is no memory.
const TRIES: u32 = 1000;

/// Operations of the longest action.
pub const LONGEST_ACTION: usize = 4;

/// What does not change while a run lasts.
pub struct Setup<'a, B> {
    /// Who serves the operations.
    pub backend: &'a B,
    /// Share of each kind.
    pub mix: &'a Mix,
    /// Distribution of sizes.
    pub sizes: Sizes,
    /// Limits of sizes.
    pub limits: Limits,
    /// The caches, and the bytes of their objects.
    pub caches: &'a [(CacheId, u32)],
    /// Live allocations that a thread tends towards.
    pub live: usize,
    /// Frees, in percent, that the neighbour does.
    pub remote: u8,
    /// Actions, in per mille, that are repeated with calls of their own.
    pub readback: u16,
    /// Operations in one batch.
    pub batch: usize,
    /// What calls are timed with.
    pub clock: Clock,
}

/// An allocation.
#[derive(Debug, Clone, Copy)]
pub struct Live {
    pub(super) handle: Handle,
    pub(super) kind: Kind,
    /// Bytes asked for; those that hold the pattern of `seed`.
    pub(super) bytes: u64,
    pub(super) seed: u64,
}

/// An action of a batch.
#[derive(Debug, Clone, Copy)]
enum Action {
    /// ALLOC, FILL.
    Keep { kind: Kind, bytes: u64, seed: u64 },
    /// ALLOC, FILL, VERIFY, FREE.
    Brief { kind: Kind, bytes: u64 },
    /// VERIFY.
    Check(Live),
    /// VERIFY, REALLOC, VERIFY of what both sizes hold, FILL.
    Resize { live: Live, bytes: u64, seed: u64 },
    /// VERIFY, FREE.
    Drop { live: Live, remote: bool },
}

/// One thread of a run.
pub struct Worker<'a, B> {
    pub(super) setup: &'a Setup<'a, B>,
    pub(super) rng: Rng,
    pub(super) live: Vec<Live>,
    pub(super) tally: Tally,
    latencies: Latencies,
    ops: Vec<Op>,
    actions: Vec<Action>,
    /// Allocations that it will hold once the batch is done, if all goes well.
    coming: usize,
    /// Operations in one batch.
    batch: usize,
    neighbour: Option<Sender<Live>>,
    incoming: Receiver<Live>,
}

impl<'a, B: Backend> Worker<'a, B> {
    /// Returns a thread that holds nothing. It hands allocations to `neighbour`, if there is one, and
    /// takes over what comes by `incoming`.
    pub fn new(
        setup: &'a Setup<'a, B>,
        seed: u64,
        neighbour: Option<Sender<Live>>,
        incoming: Receiver<Live>,
    ) -> Self {
        Self {
            setup,
            rng: Rng::with_seed(seed),
            live: Vec::with_capacity(setup.live * 2),
            tally: Tally::default(),
            latencies: Latencies::default(),
            ops: Vec::with_capacity(setup.batch),
            actions: Vec::with_capacity(setup.batch),
            coming: 0,
            batch: setup.batch,
            neighbour,
            incoming,
        }
    }

    /// Makes the first batch that long at most.
    pub fn start_short(&mut self, batch: usize) {
        self.batch = batch.clamp(LONGEST_ACTION, self.setup.batch);
    }

    /// Makes batches half as long, or twice as long up to the length of the setup.
    pub fn adapt(&mut self, shorter: bool) {
        let batch = if shorter {
            self.batch / 2
        } else {
            self.batch * 2
        };
        self.batch = batch.clamp(LONGEST_ACTION, self.setup.batch);
    }

    /// Runs one round, and returns the operations that it took.
    pub fn round(&mut self) -> Result<u64, Error> {
        let before = self.tally.ops;
        while self.has_room() {
            let Ok(live) = self.incoming.try_recv() else {
                break;
            };
            self.plan(Action::Drop { live, remote: true });
        }
        while self.has_room() {
            self.choose();
        }
        let actions = self.actions.len();
        self.submit()?;
        self.probe(actions)?;
        Ok(self.tally.ops - before)
    }

    /// Frees all that it holds, and all that its neighbour hands to it until that ends too. Returns
    /// what it has done, and how long that took.
    pub fn finish(mut self) -> Result<(Tally, Latencies), Error> {
        // Tells the neighbour that nothing more will come.
        self.neighbour = None;
        for live in std::mem::take(&mut self.live) {
            self.make_room()?;
            self.plan(Action::Drop {
                live,
                remote: false,
            });
        }
        while let Ok(live) = self.incoming.recv() {
            self.make_room()?;
            self.plan(Action::Drop { live, remote: true });
        }
        self.submit()?;
        Ok((self.tally, self.latencies))
    }

    /// Makes a call, and records how long it takes.
    pub(super) fn call<T>(&mut self, call: Call, make: impl FnOnce(&B) -> T) -> T {
        let setup = self.setup;
        let (result, taken) = setup.clock.time(|| make(setup.backend));
        self.latencies.record(call, taken);
        result
    }

    fn has_room(&self) -> bool {
        self.ops.len() + LONGEST_ACTION <= self.batch
    }

    fn make_room(&mut self) -> Result<(), Error> {
        if self.has_room() {
            Ok(())
        } else {
            self.submit()
        }
    }

    /// Chooses an action: towards as many allocations as it should hold, by dice otherwise.
    fn choose(&mut self) {
        let dice = self.rng.u8(0..100);
        if dice < 10 {
            let (kind, bytes) = self.draw();
            return self.plan(Action::Brief { kind, bytes });
        }
        if dice < 40 {
            if let Some(live) = self.take_any() {
                let action = if dice < 20 && live.kind.can_realloc() {
                    let sizes = &self.setup.sizes;
                    Action::Resize {
                        live,
                        bytes: sizes.draw(live.kind, &self.setup.limits, &mut self.rng),
                        seed: self.rng.u64(..),
                    }
                } else {
                    Action::Check(live)
                };
                return self.plan(action);
            }
        }
        // CAST: For dice.
        let full = (self.live.len() + self.coming) as f64 / self.setup.live.max(1) as f64;
        if self.rng.f64() < (1.0 - full / 2.0).clamp(0.05, 0.95) {
            let (kind, bytes) = self.draw();
            let seed = self.rng.u64(..);
            return self.plan(Action::Keep { kind, bytes, seed });
        }
        let Some(live) = self.take_any() else {
            // A batch that is longer than what the thread holds.
            let (kind, bytes) = self.draw();
            return self.plan(Action::Brief { kind, bytes });
        };
        if self.rng.u8(0..100) < self.setup.remote {
            if let Some(neighbour) = &self.neighbour {
                // A neighbour that has failed takes nothing more.
                if neighbour.send(live).is_ok() {
                    return;
                }
            }
        }
        self.plan(Action::Drop {
            live,
            remote: false,
        });
    }

    /// Chooses what to allocate. For a cache, `bytes` is the index of one.
    fn draw(&mut self) -> (Kind, u64) {
        let setup = self.setup;
        let kind = setup.mix.draw(&mut self.rng);
        if kind == Kind::Cache {
            // CAST: An index.
            return (kind, self.rng.usize(0..setup.caches.len()) as u64);
        }
        (kind, setup.sizes.draw(kind, &setup.limits, &mut self.rng))
    }

    /// Chooses how memory may be had: sometimes without sleeping, where that is possible.
    fn context(&mut self, kind: Kind) -> Context {
        match (kind, self.rng.u8(0..32)) {
            (Kind::Vmalloc | Kind::Kvmalloc, _) => Context::Kernel,
            (_, 0) => Context::Atomic,
            (_, 1 | 2) => Context::NoWait,
            _ => Context::Kernel,
        }
    }

    /// Takes one of what it holds, until the batch is done.
    pub(super) fn take_any(&mut self) -> Option<Live> {
        if self.live.is_empty() {
            return None;
        }
        let index = self.rng.usize(0..self.live.len());
        Some(self.live.swap_remove(index))
    }

    /// Returns an ALLOC, and the bytes that it asks for.
    fn alloc_op(&mut self, kind: Kind, bytes: u64) -> (Op, u64) {
        let context = self.context(kind);
        if kind == Kind::Cache {
            let (cache, size) = self.setup.caches[bytes as usize];
            return (Op::alloc_object(cache, context), u64::from(size));
        }
        (Op::alloc(kind, bytes, context), bytes)
    }

    /// Adds an action to the batch.
    fn plan(&mut self, action: Action) {
        let at = Target::Earlier(self.ops.len());
        match action {
            Action::Keep { .. } | Action::Check(_) | Action::Resize { .. } => self.coming += 1,
            Action::Brief { .. } | Action::Drop { .. } => {}
        }
        let action = match action {
            Action::Keep { kind, bytes, seed } => {
                let (op, bytes) = self.alloc_op(kind, bytes);
                self.ops.extend([op, Op::fill(at, seed)]);
                Action::Keep { kind, bytes, seed }
            }
            Action::Brief { kind, bytes } => {
                let (op, bytes) = self.alloc_op(kind, bytes);
                let seed = self.rng.u64(..);
                self.ops.extend([
                    op,
                    Op::fill(at, seed),
                    Op::verify(at, seed, 0),
                    Op::free(at),
                ]);
                Action::Brief { kind, bytes }
            }
            Action::Check(live) => {
                self.ops.push(verify(&live));
                action
            }
            Action::Resize { live, bytes, seed } => {
                let target = Target::Handle(live.handle);
                self.ops.extend([
                    verify(&live),
                    Op::realloc(target, bytes),
                    Op::verify(target, live.seed, bytes.min(live.bytes)),
                    Op::fill(target, seed),
                ]);
                action
            }
            Action::Drop { live, .. } => {
                self.ops
                    .extend([verify(&live), Op::free(Target::Handle(live.handle))]);
                action
            }
        };
        self.actions.push(action);
    }

    /// Has operations run. A call for which there is no memory has run none, and is made again.
    fn run_batch(&mut self, ops: &mut [Op]) -> Result<(), Error> {
        let mut tries = TRIES;
        loop {
            match self.call(Call::Batch, |backend| backend.batch(ops)) {
                Err(error) if error.cause == Cause::NoMemory && tries > 1 => tries -= 1,
                result => return result.map(|_| ()),
            }
            thread::yield_now();
        }
    }

    /// Runs the batch, and takes its results into account.
    fn submit(&mut self) -> Result<(), Error> {
        let mut ops = std::mem::take(&mut self.ops);
        let mut actions = std::mem::take(&mut self.actions);
        self.coming = 0;
        if !ops.is_empty() {
            self.run_batch(&mut ops)?;
            self.tally.batches += 1;
            // CAST: A batch is small.
            self.tally.ops += ops.len() as u64;
            let mut rest = ops.as_slice();
            for action in actions.drain(..) {
                rest = self.settle(action, rest);
            }
        }
        ops.clear();
        self.ops = ops;
        self.actions = actions;
        Ok(())
    }

    /// Takes the results of one action into account, and returns those of the others.
    fn settle<'o>(&mut self, action: Action, ops: &'o [Op]) -> &'o [Op] {
        match action {
            Action::Keep { kind, bytes, seed } => {
                if self.settle_alloc(kind, bytes, &ops[0]) {
                    self.settle_fill(kind, &ops[1]);
                    self.live.push(Live {
                        handle: ops[0].handle(),
                        kind,
                        bytes,
                        seed,
                    });
                }
                &ops[2..]
            }
            Action::Brief { kind, bytes } => {
                if self.settle_alloc(kind, bytes, &ops[0]) {
                    self.settle_fill(kind, &ops[1]);
                    self.settle_verify(kind, bytes, &ops[2]);
                    self.settle_free(kind, false, &ops[3]);
                }
                &ops[4..]
            }
            Action::Check(live) => {
                self.settle_verify(live.kind, live.bytes, &ops[0]);
                self.live.push(live);
                &ops[1..]
            }
            Action::Resize { live, bytes, seed } => {
                let mut live = live;
                self.settle_verify(live.kind, live.bytes, &ops[0]);
                match ops[1].result() {
                    Ok(()) => {
                        self.tally.kind(live.kind).reallocs += 1;
                        self.check_usable(live.kind, bytes, ops[1].usable());
                    }
                    Err(cause) => self.tally.failure(live.kind, "REALLOC", true, cause),
                }
                // Also when REALLOC failed, the contents must be there.
                self.settle_verify(live.kind, bytes.min(live.bytes), &ops[2]);
                self.settle_fill(live.kind, &ops[3]);
                if ops[1].result().is_ok() {
                    live.bytes = bytes;
                }
                live.seed = seed;
                self.live.push(live);
                &ops[4..]
            }
            Action::Drop { live, remote } => {
                self.settle_verify(live.kind, live.bytes, &ops[0]);
                self.settle_free(live.kind, remote, &ops[1]);
                &ops[2..]
            }
        }
    }

    fn settle_alloc(&mut self, kind: Kind, bytes: u64, op: &Op) -> bool {
        match op.result() {
            Ok(()) => {
                let counts = self.tally.kind(kind);
                counts.allocs += 1;
                counts.bytes += bytes;
                if op.handle().as_raw() == 0 {
                    self.tally
                        .corruption(kind, || "a handle of zero".to_owned());
                }
                self.check_usable(kind, bytes, op.usable());
                true
            }
            Err(cause) => {
                self.tally.failure(kind, "ALLOC", true, cause);
                false
            }
        }
    }

    /// Checks that an allocation is as large as was asked for.
    pub(super) fn check_usable(&mut self, kind: Kind, bytes: u64, usable: u64) {
        if usable < bytes {
            self.tally.corruption(kind, || {
                format!("{bytes} bytes asked for, only {usable} usable")
            });
        }
    }

    fn settle_fill(&mut self, kind: Kind, op: &Op) {
        match op.result() {
            Ok(()) => self.tally.kind(kind).fills += 1,
            Err(cause) => self.tally.failure(kind, "FILL", false, cause),
        }
    }

    fn settle_verify(&mut self, kind: Kind, bytes: u64, op: &Op) {
        match op.result() {
            Ok(()) => self.tally.kind(kind).verifies += 1,
            Err(Cause::BadContents) => self.tally.corruption(kind, || {
                format!(
                    "allocation of {bytes} bytes differs from its pattern at offset {}",
                    op.first_bad()
                )
            }),
            Err(cause) => self.tally.failure(kind, "VERIFY", false, cause),
        }
    }

    fn settle_free(&mut self, kind: Kind, remote: bool, op: &Op) {
        match op.result() {
            Ok(()) => {
                let counts = self.tally.kind(kind);
                counts.frees += 1;
                counts.remote_frees += u64::from(remote);
            }
            Err(cause) => self.tally.failure(kind, "FREE", false, cause),
        }
    }
}

/// Returns the operation that verifies the bytes asked for.
fn verify(live: &Live) -> Op {
    Op::verify(Target::Handle(live.handle), live.seed, live.bytes)
}
