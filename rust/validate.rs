// SPDX-License-Identifier: GPL-2.0

//! Checks the laws of all layers, while others work.
//!
//! Each check holds the lock that makes its law hold. Pages are checked one by one: each is free in
//! its chunk, or inside exactly one block that a magazine or an owner has.

use crate::{
    bindings,
    cache,
    chunk::ChunkId,
    page_alloc::pool,
    pool::{
        Chunk,
        Order,
        Violation,
        FRAMES, //
    },
    stats,
    vmap_check,
    window::{
        self,
        Window,
        ABSENT,
        FREE, //
    }, //
};
use core::{
    ops::ControlFlow,
    sync::atomic::Ordering::Relaxed, //
};

/// What a validation found.
#[derive(Clone, Copy, Default)]
pub(crate) struct Summary {
    /// Checks made.
    pub(crate) checks: u64,
    /// Those that failed.
    pub(crate) violations: u64,
}

/// Checks everything, and passes each violation to `report`.
///
/// Context: Process context. May sleep.
pub(crate) fn all(mut report: impl FnMut(&str)) -> Summary {
    let mut summary = Summary::default();
    let mut check = |checks: usize, result: Result<(), Violation>| {
        summary.checks += checks as u64;
        if let Err(violation) = result {
            summary.violations += 1;
            report(violation.0);
        }
    };
    for zone in pool().zones() {
        let result = zone.lock().validate();
        check(1, result.map(|_| ()));
    }
    stats::for_each_chunk(|index, _, chunk| {
        let result = match window::window(index) {
            Some(window) => pages(window, chunk),
            None => Err(Violation("window: a chunk lies beyond the table")),
        };
        check(FRAMES, result);
    });
    cache::for_each(|cache| {
        match cache.validate() {
            Ok(slabs) => check(1 + slabs, Ok(())),
            Err(violation) => check(1, Err(violation)),
        }
        ControlFlow::Continue(())
    });
    let areas = vmap_check::validate();
    check(1, Ok(()));
    for _ in 0..areas {
        check(0, Err(Violation("vmalloc: see the kernel log")));
    }
    summary
}

/// Checks that states and bitmap of a chunk tell the same. The zone's lock is held.
fn pages(window: &Window, chunk: &Chunk<ChunkId>) -> Result<(), Violation> {
    chunk.validate()?;
    let (mut present, mut held) = (0usize, 0usize);
    // Frames below this one lie in a block that was seen already.
    let mut inside = 0;
    for frame in 0..FRAMES {
        // ORDERING: Changes from or to `FREE` and `ABSENT` are made under the zone's lock. Other
        // changes keep the order, which is all that is looked at.
        let state = window.state(frame).load(Relaxed);
        present += usize::from(state != ABSENT);
        if chunk.is_free(frame) {
            if state != FREE {
                return Err(Violation("window: a free page has an owner"));
            }
            if frame < inside {
                return Err(Violation("window: a page is free inside a block"));
            }
        } else if state == ABSENT || state == FREE {
            if state == FREE && frame >= inside {
                return Err(Violation(
                    "window: a page is lost: neither free nor in a block",
                ));
            }
        } else {
            let Some(order) = Order::new((state & 0x0f).into()) else {
                return Err(Violation("window: a block has no order"));
            };
            if frame < inside || frame % order.pages() != 0 {
                return Err(Violation("window: blocks overlap"));
            }
            inside = frame + order.pages();
            held += order.pages();
        }
    }
    if present != chunk.nr_present() || held + chunk.nr_free() != present {
        return Err(Violation("window: pages of a chunk miscounted"));
    }
    Ok(())
}

/// Checks everything, for user space.
///
/// Context: Process context. May sleep.
pub(crate) fn run(out: &mut bindings::quarry_validate) {
    let message = &mut out.message;
    let mut first = true;
    let summary = all(|violation| {
        if core::mem::take(&mut first) {
            let room = message.len() - 1;
            for (to, from) in message.iter_mut().take(room).zip(violation.bytes()) {
                // CAST: The same byte, as C has it.
                *to = from as kernel::ffi::c_char;
            }
        }
    });
    out.checks = summary.checks;
    out.violations = summary.violations;
}
