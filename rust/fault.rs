// SPDX-License-Identifier: GPL-2.0

//! Which requests are made to fail: the policy.
//!
//! Knobs have the names and meanings of the kernel's, see
//! `Documentation/fault-injection/fault-injection.rst` in its source.

#![deny(unsafe_code)]

use core::sync::atomic::{
    AtomicI32,
    AtomicU32,
    AtomicU64,
    Ordering::{
        Acquire,
        Relaxed,
        Release, //
    }, //
};

/// Faults by chance.
pub(crate) struct Knobs {
    /// Likelihood of a fault, in percent; 0 for none.
    pub(crate) probability: AtomicU32,
    /// Requests from one that may fail to the next; 0 and 1 for all.
    pub(crate) interval: AtomicU32,
    /// How many faults may still come; -1, or anything below 0, for any number.
    pub(crate) times: AtomicI32,
    /// Bytes that are still to be granted before the first fault.
    pub(crate) space: AtomicI32,
    /// Requests since the knobs were last of use, for `interval`.
    count: AtomicU32,
}

impl Knobs {
    /// Returns knobs that make nothing fail.
    pub(crate) const fn new() -> Self {
        Self {
            probability: AtomicU32::new(0),
            interval: AtomicU32::new(1),
            times: AtomicI32::new(1),
            space: AtomicI32::new(0),
            count: AtomicU32::new(0),
        }
    }

    /// Returns whether a request for `bytes` fails. `percent` gives a random number below 100.
    pub(crate) fn hit(&self, bytes: usize, percent: impl FnOnce() -> u32) -> bool {
        // ORDERING: All knobs are counters of their own; nothing else follows from them.
        let probability = self.probability.load(Relaxed);
        if probability == 0 || self.times.load(Relaxed) == 0 {
            return false;
        }
        let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
        // ORDERING: As above.
        let granted = self
            .space
            .fetch_update(Relaxed, Relaxed, |space| {
                (space > bytes).then(|| space - bytes)
            })
            .is_ok();
        if granted {
            return false;
        }
        // ORDERING: As above.
        let interval = self.interval.load(Relaxed);
        if interval > 1 {
            // ORDERING: As above.
            let count = self.count.fetch_add(1, Relaxed).wrapping_add(1);
            if count % interval != 0 {
                return false;
            }
        }
        if probability <= percent() {
            return false;
        }
        // ORDERING: As above. Of two that race for the last one, one gets it.
        self.times
            .fetch_update(Relaxed, Relaxed, |times| match times {
                0 => None,
                1.. => Some(times - 1),
                _ => Some(times),
            })
            .is_ok()
    }
}

/// A fault of one thread: the n-th request from now on. One owner has it at a time.
pub(crate) struct Nth {
    /// Who has it, may change it and gives it up; 0 while nobody does.
    owner: AtomicU64,
    /// The thread whose requests count, and below it, in half a word, how many are left, with the one that
    /// fails; 0 once it has failed.
    wish: AtomicU64,
}

/// Bits that hold how many requests are left.
const LEFT: u64 = u32::MAX as u64;

impl Nth {
    /// Returns what makes nothing fail.
    pub(crate) const fn new() -> Self {
        Self {
            owner: AtomicU64::new(0),
            wish: AtomicU64::new(0),
        }
    }

    /// Has the `nth` request of a thread fail. `owner` is not 0. Returns false if another owner has it.
    pub(crate) fn set(&self, owner: u64, thread: u32, nth: u32) -> bool {
        // ORDERING: Acquire pairs with the Release in `unset`: the last owner's wish is gone.
        match self.owner.compare_exchange(0, owner, Acquire, Relaxed) {
            Err(other) if other != owner => return false,
            _ => {}
        }
        // ORDERING: Relaxed: the wish is all that there is to see.
        self.wish
            .store((u64::from(thread) << 32) | u64::from(nth), Relaxed);
        true
    }

    /// Lets nothing fail any more, if the owner has it. Returns what was left: 0 if the request has failed, or
    /// none was to.
    pub(crate) fn unset(&self, owner: u64) -> u32 {
        // ORDERING: Only the owner changes it from what it is.
        if self.owner.load(Relaxed) != owner {
            return 0;
        }
        // ORDERING: As in `set`.
        let left = self.wish.swap(0, Relaxed) & LEFT;
        // ORDERING: Release pairs with the Acquire in `set`.
        self.owner.store(0, Release);
        // CAST: Half a word.
        left as u32
    }

    /// Counts a request of a thread. Returns whether it fails.
    pub(crate) fn hit(&self, thread: u32) -> bool {
        // ORDERING: As in `set`.
        let before = self.wish.fetch_update(Relaxed, Relaxed, |wish| {
            (wish >> 32 == u64::from(thread) && wish & LEFT != 0).then(|| wish - 1)
        });
        before.is_ok_and(|wish| wish & LEFT == 1)
    }

    /// Returns whether a request is still to fail.
    pub(crate) fn is_set(&self) -> bool {
        // ORDERING: As in `set`; `hit` looks again.
        self.wish.load(Relaxed) & LEFT != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(knob: &AtomicU32, value: u32) {
        knob.store(value, Relaxed);
    }

    fn faults(knobs: &Knobs, requests: u32) -> Vec<u32> {
        (1..=requests).filter(|_| knobs.hit(10, || 50)).collect()
    }

    #[test]
    fn nothing_fails_at_first() {
        assert!(faults(&Knobs::new(), 1000).is_empty());
    }

    #[test]
    fn so_many_times() {
        let knobs = Knobs::new();
        set(&knobs.probability, 100);
        knobs.times.store(3, Relaxed);
        assert_eq!(faults(&knobs, 10), [1, 2, 3]);
        knobs.times.store(-1, Relaxed);
        assert_eq!(faults(&knobs, 10).len(), 10);
        assert_eq!(knobs.times.load(Relaxed), -1);
        knobs.times.store(i32::MIN, Relaxed);
        assert_eq!(faults(&knobs, 10).len(), 10);
    }

    #[test]
    fn chance_decides() {
        let knobs = Knobs::new();
        knobs.times.store(-1, Relaxed);
        set(&knobs.probability, 50);
        assert!(!knobs.hit(1, || 50));
        assert!(knobs.hit(1, || 49));
    }

    #[test]
    fn every_so_many() {
        let knobs = Knobs::new();
        knobs.times.store(-1, Relaxed);
        set(&knobs.probability, 100);
        set(&knobs.interval, 4);
        assert_eq!(faults(&knobs, 12), [4, 8, 12]);
    }

    #[test]
    fn some_are_granted_first() {
        let knobs = Knobs::new();
        knobs.times.store(-1, Relaxed);
        set(&knobs.probability, 100);
        knobs.space.store(35, Relaxed);
        // 35, 25, 15: granted; 5 is not more than 10.
        assert_eq!(faults(&knobs, 5), [4, 5]);
        assert_eq!(knobs.space.load(Relaxed), 5);
        assert!(knobs.hit(usize::MAX, || 0));
    }

    #[test]
    fn the_nth_of_a_thread_fails_once() {
        let nth = Nth::new();
        assert!(!nth.hit(7));
        assert!(nth.set(1, 7, 3));
        assert!(nth.is_set());
        let hits: Vec<_> = (0..6).map(|_| nth.hit(7) || nth.hit(8)).collect();
        assert_eq!(hits, [false, false, true, false, false, false]);
        assert_eq!(nth.unset(1), 0);
        assert!(!nth.is_set());
    }

    #[test]
    fn what_is_left_is_told() {
        let nth = Nth::new();
        assert!(nth.set(1, 7, 5));
        assert!(!nth.hit(7));
        assert_eq!(nth.unset(2), 0);
        assert_eq!(nth.unset(1), 4);
        assert_eq!(nth.unset(1), 0);
        assert!(!nth.hit(7));
    }

    #[test]
    fn one_owner_at_a_time() {
        let nth = Nth::new();
        assert!(nth.set(1, 7, 1));
        assert!(!nth.set(2, 8, 1));
        assert!(nth.set(1, 9, 2));
        assert!(!nth.hit(7) && !nth.hit(9) && nth.hit(9));
        nth.unset(1);
        assert!(nth.set(2, 8, 1));
        assert!(nth.hit(8));
    }
}
