// SPDX-License-Identifier: GPL-2.0

//! What pages are handed out as, counted by looking at the state of each.

use crate::{
    bindings,
    window::{
        self,
        Kind, //
    }, //
};
use core::sync::atomic::Ordering::Relaxed;

/// Blocks and their pages.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    /// Blocks.
    pub(super) blocks: u64,
    /// Pages of them.
    pub(super) pages: u64,
}

/// What callers have straight from the page pool.
#[derive(Default)]
pub(super) struct Direct {
    /// Blocks of the page API.
    pub(super) pages: Held,
    /// Large `kmalloc`s.
    pub(super) large: Held,
}

/// Counts. What others do meanwhile may be counted or not.
///
/// Context: Process context. May sleep.
pub(super) fn direct() -> Direct {
    let mut direct = Direct::default();
    for index in 0..window::nr_windows() {
        let Some(window) = window::window(index) else {
            continue;
        };
        if window.chunk().is_none() {
            continue;
        }
        for frame in 0..crate::pool::FRAMES {
            // ORDERING: Statistics.
            let state = window.state(frame).load(Relaxed);
            let held = match state & 0xf0 {
                // CAST: The kind is the upper half of the state.
                kind if kind == Kind::Block as u8 || kind == Kind::Charged as u8 => {
                    &mut direct.pages
                }
                kind if [Kind::Large, Kind::ChargedLarge, Kind::Fenced]
                    .iter()
                    .any(|large| kind == *large as u8) =>
                {
                    &mut direct.large
                }
                _ => continue,
            };
            held.blocks += 1;
            held.pages += 1 << (state & 0x0f);
        }
        // SAFETY: Process context, without locks.
        unsafe { bindings::quarry_helper_cond_resched() };
    }
    direct
}
