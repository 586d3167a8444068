// SPDX-License-Identifier: GPL-2.0

//! Allocations whose open file is closed, but whose pages someone still refers to.
//!
//! A mapping keeps the open file alive, so when it is closed nobody has its memory mapped. But
//! `vmsplice()` or direct I/O on a mapping may have taken references to pages that outlive it. Such
//! memory is not handed out again: it is kept here, and freed when the last reference is gone. That
//! is looked for whenever a file is opened or closed, and by `QUARRY_CMD_SHRINK`.

use super::memory::Memory;
use crate::requests::KBox;
use kernel::{
    prelude::*,
    sync::global_lock, //
};

/// A place in the list for one allocation. It is allocated when that is mapped, so that closing
/// cannot fail.
pub(super) struct Ticket {
    next: Option<KBox<Ticket>>,
    memory: Option<Memory>,
}

impl Ticket {
    /// Allocates a place.
    pub(super) fn new() -> Result<KBox<Self>> {
        let ticket = Self {
            next: None,
            memory: None,
        };
        Ok(KBox::new(ticket, GFP_KERNEL_ACCOUNT)?)
    }
}

/// A list of tickets.
struct Aside {
    first: Option<KBox<Ticket>>,
}

impl Aside {
    fn push(&mut self, mut ticket: KBox<Ticket>) {
        ticket.next = self.first.take();
        self.first = Some(ticket);
    }

    fn pop(&mut self) -> Option<KBox<Ticket>> {
        let mut ticket = self.first.take()?;
        self.first = ticket.next.take();
        Some(ticket)
    }
}

global_lock! {
    // SAFETY: Initialised in `init`, before the device is registered.
    unsafe(uninit) static ASIDE: Mutex<Aside> = Aside { first: None };
}

/// Makes the list usable.
///
/// # Safety
///
/// Must be called once, before anything else here.
pub(super) unsafe fn init() {
    // SAFETY: By this function's contract.
    unsafe { ASIDE.init() };
}

/// Frees an allocation that has been mapped, or puts it aside if its pages are still referred to.
pub(super) fn free(memory: Memory, mut ticket: KBox<Ticket>) {
    if !memory.is_referenced() {
        return;
    }
    pr_info!(
        "a closed file leaves {} pages that others refer to; they are kept aside\n",
        memory.nr_pages()
    );
    ticket.memory = Some(memory);
    ASIDE.lock().push(ticket);
}

/// Frees what is no longer referred to.
pub(super) fn reap() {
    let mut all = Aside {
        first: ASIDE.lock().first.take(),
    };
    while let Some(ticket) = all.pop() {
        if ticket
            .memory
            .as_ref()
            .is_some_and(|memory| memory.is_referenced())
        {
            ASIDE.lock().push(ticket);
        }
    }
}

/// Returns the number of pages kept aside.
pub(super) fn pages() -> u64 {
    let aside = ASIDE.lock();
    let mut next = aside.first.as_ref();
    let mut pages = 0;
    while let Some(ticket) = next {
        // CAST: `u64` holds every `usize`.
        pages += ticket.memory.as_ref().map_or(0, |memory| memory.nr_pages()) as u64;
        next = ticket.next.as_ref();
    }
    pages
}

/// Frees what can be freed and forgets the rest: what others refer to can never be handed out
/// again.
pub(super) fn give_up() {
    reap();
    let lost = pages();
    if lost != 0 {
        pr_warn!("{} pages are lost: others still refer to them\n", lost);
    }
    let mut all = Aside {
        first: ASIDE.lock().first.take(),
    };
    while let Some(mut ticket) = all.pop() {
        core::mem::forget(ticket.memory.take());
    }
}
