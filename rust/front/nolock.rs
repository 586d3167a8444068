// SPDX-License-Identifier: GPL-2.0

//! Entries for who can wait for nobody: an NMI, or the holder of any lock.
//!
//! What was interrupted may be in a section, or hold the lock of a depot or of the backing store. The
//! section's bit says the one, trying the lock the other; either way there is nothing to be had there.

use super::{
    cpu::{
        Event,
        Section,
        Which, //
    },
    Front,
    Node, //
};
use crate::{
    magazine::{
        Entry,
        Magazine, //
    },
    preempt, //
};

impl Front {
    /// Takes an entry, of a node or else of this CPU's, without waiting: from this CPU's magazines, from a
    /// full one of the depot, or the one that `backing` gives for a node.
    ///
    /// Context: Any, also NMI, if `backing` may be called there.
    #[cold]
    #[inline(never)]
    pub(crate) fn pop_nolock(
        &self,
        node: Option<usize>,
        backing: impl FnOnce(usize) -> Option<Entry>,
    ) -> Option<Entry> {
        let pinned = preempt::pin();
        // CAST: Lossless.
        let home = || self.homes.read().node(&pinned) as usize;
        let node = self.node(node.unwrap_or_else(home))?;
        let section = Section::enter(node.local(), &pinned)?;
        let at_hand = self.at_hand(node, &section);
        if at_hand.is_some() {
            return at_hand;
        }
        let entry = backing(node.index)?;
        section.cpu.count(Event::PastAlloc, 1);
        section.cpu.count(Event::Slow, 1);
        Some(entry)
    }

    /// Finds an entry in one of this CPU's magazines, or in a full one of the depot. As in `reload`, whose
    /// instructions count, so that they share no code.
    fn at_hand(&self, node: &Node, section: &Section<'_>) -> Option<Entry> {
        if let Some(entry) = section.pop() {
            return Some(entry);
        }
        if section.spare_has_entries() {
            section.swap();
            return section.pop();
        }
        let mut depot = node.depot.try_lock()?;
        let full = depot.take_full()?;
        let empty = section.replace(Which::Loaded, full);
        if empty != Magazine::dummy() {
            depot.empty.push(empty);
        }
        drop(depot);
        self.shuffle(section);
        section.pop()
    }
}
