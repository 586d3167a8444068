// SPDX-License-Identifier: GPL-2.0

//! What a batch cannot do: the same memory seen from user space.
//!
//! The module fills and verifies with the same code, so a share of the work goes through READ and
//! WRITE and is compared with what this program computes. That new memory is zero can be seen only
//! before it is filled.

use super::{
    latency::Call,
    worker::{Live, Worker},
};
use crate::backend::Backend;
use quarry_uapi::{pattern, Context, Error, Kind};

/// Bytes of the largest allocation that is copied to user space as a whole.
const LARGEST: u64 = 256 << 10;

impl<B: Backend> Worker<'_, B> {
    /// Probes as often as `actions` actions of a batch ask for.
    pub(super) fn probe(&mut self, actions: usize) -> Result<(), Error> {
        // CAST: A batch is small.
        let actions = actions as u64;
        let mut due = actions * u64::from(self.setup.readback) / 1000;
        if self.rng.u64(0..1000) < actions * u64::from(self.setup.readback) % 1000 {
            due += 1;
        }
        for _ in 0..due {
            match self.rng.u8(0..2) {
                0 => self.read_back()?,
                _ => self.new_memory()?,
            }
        }
        Ok(())
    }

    /// Reads an allocation, compares it, and writes another pattern for the module to verify later.
    fn read_back(&mut self) -> Result<(), Error> {
        let Some(mut live) = self.take_any() else {
            return Ok(());
        };
        if live.bytes <= LARGEST {
            // CAST: Checked just above.
            let mut buffer = vec![0; live.bytes as usize];
            self.call(Call::Read, |backend| {
                backend.read(live.handle, 0, &mut buffer)
            })?;
            self.compare(&live, &buffer);
            live.seed = self.rng.u64(..);
            pattern::fill(live.seed, 0, &mut buffer);
            self.call(Call::Write, |backend| {
                backend.write(live.handle, 0, &buffer)
            })?;
            self.tally.kind(live.kind).readbacks += 1;
            self.tally.ops += 2;
        }
        self.live.push(live);
        Ok(())
    }

    /// Allocates, checks that the memory is zero, fills it, changes its size, and checks what must
    /// have stayed and what must be zero. Half of this is freed at once.
    fn new_memory(&mut self) -> Result<(), Error> {
        let setup = self.setup;
        let mut kind = setup.mix.draw(&mut self.rng);
        if kind == Kind::Cache {
            kind = Kind::Kmalloc;
        }
        let bytes = setup.sizes.draw(kind, &setup.limits, &mut self.rng);
        let bytes = bytes.min(LARGEST);
        self.tally.ops += 1;
        let made = match self.call(Call::Alloc, |backend| {
            backend.alloc(kind, bytes, Context::Kernel)
        }) {
            Ok(made) => made,
            Err(error) => {
                self.tally.failure(kind, "ALLOC", true, error.cause);
                return Ok(());
            }
        };
        let counts = self.tally.kind(kind);
        counts.allocs += 1;
        counts.bytes += bytes;
        counts.readbacks += 1;
        self.check_usable(kind, bytes, made.usable);

        let mut buffer = vec![0xa5; made.usable as usize];
        self.call(Call::Read, |backend| {
            backend.read(made.handle, 0, &mut buffer)
        })?;
        self.check_zero(kind, "new memory", 0, &buffer);
        let mut live = Live {
            handle: made.handle,
            kind,
            bytes,
            seed: self.rng.u64(..),
        };
        self.call(Call::Fill, |backend| {
            backend.fill(live.handle, 0, made.usable, live.seed)
        })?;
        self.tally.kind(kind).fills += 1;
        self.tally.ops += 2;
        if kind.can_realloc() {
            self.grow(&mut live, made.usable)?;
        }
        if self.rng.bool() {
            self.live.push(live);
            return Ok(());
        }
        self.tally.ops += 1;
        match self.call(Call::Free, |backend| backend.free(live.handle)) {
            Ok(()) => self.tally.kind(kind).frees += 1,
            Err(error) => self.tally.failure(kind, "FREE", false, error.cause),
        }
        Ok(())
    }

    /// Changes the size of an allocation whose `usable` bytes hold its pattern.
    fn grow(&mut self, live: &mut Live, usable: u64) -> Result<(), Error> {
        let setup = self.setup;
        let bytes = setup.sizes.draw(live.kind, &setup.limits, &mut self.rng);
        let bytes = bytes.min(LARGEST);
        self.tally.ops += 1;
        let now_usable =
            match self.call(Call::Realloc, |backend| backend.realloc(live.handle, bytes)) {
                Ok(now_usable) => now_usable,
                Err(error) => {
                    self.tally.failure(live.kind, "REALLOC", true, error.cause);
                    return Ok(());
                }
            };
        self.tally.kind(live.kind).reallocs += 1;
        self.check_usable(live.kind, bytes, now_usable);
        let mut buffer = vec![0xa5; now_usable as usize];
        self.call(Call::Read, |backend| {
            backend.read(live.handle, 0, &mut buffer)
        })?;
        let kept = bytes.min(live.bytes) as usize;
        let kept = kept.min(buffer.len());
        self.compare(live, &buffer[..kept]);
        // What lay between the bytes asked for and those usable may have either contents.
        if let Some(grown) = buffer.get(usable as usize..) {
            self.check_zero(live.kind, "memory that REALLOC added", usable, grown);
        }
        live.bytes = bytes;
        self.call(Call::Fill, |backend| {
            backend.fill(live.handle, 0, now_usable, live.seed)
        })?;
        let differs = self.call(Call::Verify, |backend| {
            backend.verify(live.handle, 0, now_usable, live.seed)
        })?;
        if let Some(at) = differs {
            self.tally.corruption(live.kind, || {
                format!("allocation of {bytes} bytes differs from its pattern at offset {at}")
            });
        }
        let counts = self.tally.kind(live.kind);
        counts.fills += 1;
        counts.verifies += 1;
        self.tally.ops += 3;
        Ok(())
    }

    /// Compares the start of an allocation with its pattern, as this program computes it.
    fn compare(&mut self, live: &Live, held: &[u8]) {
        if let Some(at) = pattern::first_difference(live.seed, 0, held) {
            self.tally.corruption(live.kind, || {
                format!(
                    "allocation of {} bytes, read in user space, differs at offset {at}",
                    live.bytes
                )
            });
        }
    }

    /// Checks that memory from `offset` on is zero.
    fn check_zero(&mut self, kind: Kind, what: &str, offset: u64, held: &[u8]) {
        if let Some(at) = held.iter().position(|&byte| byte != 0) {
            self.tally.corruption(kind, || {
                format!("{what} is not zero at offset {}", offset + at as u64)
            });
        }
    }
}
