// SPDX-License-Identifier: GPL-2.0

//! The models. Each says which law it looks after, and which ordering that rests on.
//!
//! What the orderings are to make visible is in cells of loom's, which finds two accesses of one that
//! nothing puts in order. Each model uses what it is about once before there are other threads: `sync.rs`
//! makes an atomic where it is used first, which is to be before all else.

#![expect(
    clippy::arc_with_non_send_sync,
    reason = "loom runs its threads one at a time, and finds races itself"
)]

use crate::{
    bucket::{
        Bucket,
        Node, //
    },
    budget::Budget,
    holds::Holds,
    later::Later,
    published::Published,
    unsaid::Unsaid,
    Urgency, //
};
use loom::{
    cell::UnsafeCell,
    model,
    thread, //
};
use std::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::Arc, //
};

/// A number that is no atomic.
struct Plain(UnsafeCell<usize>);

impl Plain {
    fn new(value: usize) -> Self {
        Self(UnsafeCell::new(value))
    }

    fn get(&self) -> usize {
        // SAFETY: loom has checked the access.
        self.0.with(|value| unsafe { *value })
    }

    fn set(&self, to: usize) {
        // SAFETY: As in `get`.
        self.0.with_mut(|value| unsafe { *value = to });
    }
}

/// Who gets the pointer sees what was written before `publish`: its Release, the Acquire of `get`.
pub fn what_is_published_is_complete() {
    model(|| {
        let shared = Arc::new((Published::<Plain>::nothing(), Plain::new(0)));
        assert!(shared.0.get().is_null());
        let other = shared.clone();
        let publisher = thread::spawn(move || {
            other.1.set(1);
            other.0.publish((&raw const other.1).cast_mut());
        });
        let got = shared.0.get();
        if !got.is_null() {
            // SAFETY: `shared` is alive.
            assert_eq!(unsafe { &*got }.get(), 1);
        }
        publisher.join().unwrap();
    });
}

/// Of two who withdraw at most one gets the pointer, and may write: the exchange, and its Acquire.
pub fn one_withdraws_what_is_complete() {
    model(|| {
        let shared = Arc::new((Published::<Plain>::nothing(), Plain::new(0)));
        assert!(shared.0.get().is_null());
        let withdraw = |shared: &(Published<Plain>, Plain)| {
            let got = shared.0.withdraw();
            if got.is_null() {
                return 0;
            }
            // SAFETY: `shared` is alive.
            let plain = unsafe { &*got };
            plain.set(plain.get() + 1);
            1
        };
        let (one, two) = (shared.clone(), shared.clone());
        let publisher = thread::spawn(move || {
            one.1.set(1);
            one.0.publish((&raw const one.1).cast_mut());
        });
        let other = thread::spawn(move || withdraw(&two));
        let mine = withdraw(&shared);
        publisher.join().unwrap();
        let withdrawn = mine + other.join().unwrap();
        assert!(withdrawn <= 1);
        assert_eq!(shared.1.get(), 1 + withdrawn);
    });
}

/// Something to do later.
struct Thing {
    next: UnsafeCell<*mut Thing>,
    done: Plain,
}

impl Thing {
    fn new() -> Self {
        Self {
            next: UnsafeCell::new(null_mut()),
            done: Plain::new(0),
        }
    }

    fn put(&self, list: &Later<Thing>) {
        list.put(NonNull::from(self), |next| {
            // SAFETY: loom has checked the access.
            self.next.with_mut(|link| unsafe { *link = next });
        });
    }
}

fn do_all(list: &Later<Thing>) {
    list.do_all(|thing| {
        // SAFETY: The things of a model outlive its list.
        let thing = unsafe { thing.as_ref() };
        thing.done.set(thing.done.get() + 1);
        // SAFETY: loom has checked the access.
        Some(thing.next.with(|link| unsafe { *link }))
    });
}

/// What two put while a third does what there is, is done once each: the exchanges of `put` and `do_all`,
/// the Release of the one and the Acquire of the other.
pub fn each_thing_is_done_once() {
    model(|| {
        let shared = Arc::new((Later::new(), [Thing::new(), Thing::new()]));
        do_all(&shared.0);
        let putters = [0, 1].map(|which| {
            let shared = shared.clone();
            thread::spawn(move || shared.1[which].put(&shared.0))
        });
        do_all(&shared.0);
        for putter in putters {
            putter.join().unwrap();
        }
        do_all(&shared.0);
        assert_eq!(shared.1.each_ref().map(|thing| thing.done.get()), [1, 1]);
    });
}

/// Who has called `do_all` and finds nobody busy sees that what was in the list is done: `busy` counts from before
/// the list is taken until the things are done; the Release of its end, the Acquire of `is_busy`.
///
/// That the exchange of `do_all` needs Release is not seen: of what is read, changed and written in one step,
/// loom always reads the last.
pub fn nobody_busy_means_done() {
    model(|| {
        let shared = Arc::new((Later::new(), Thing::new()));
        do_all(&shared.0);
        shared.1.put(&shared.0);
        let other = shared.clone();
        let doer = thread::spawn(move || do_all(&other.0));
        do_all(&shared.0);
        if !shared.0.is_busy() {
            assert_eq!(shared.1.done.get(), 1);
        }
        doer.join().unwrap();
        assert!(!shared.0.is_busy());
    });
}

/// Of two who look one says the report, with its pointer: the exchange of the count, the Release of `note`
/// and the Acquire of `take`.
pub fn a_report_is_said_once() {
    model(|| {
        let unsaid = Arc::new(Unsaid::new());
        let pointer = 64 as *const c_void;
        let take = move |unsaid: &Unsaid| {
            unsaid.take().map_or(0, |said| {
                assert_eq!(said, pointer);
                1
            })
        };
        unsaid.note(32 as *const c_void);
        assert_eq!(unsaid.take(), Some(32 as *const c_void));
        let (one, two) = (unsaid.clone(), unsaid.clone());
        let noter = thread::spawn(move || one.note(64 as *const c_void));
        let taker = thread::spawn(move || take(&two));
        let mine = take(&unsaid);
        noter.join().unwrap();
        let others = taker.join().unwrap();
        assert_eq!(mine + others + take(&unsaid), 1);
    });
}

/// Who finds that nobody holds a pool may take it apart: the Release of `end`, the Acquire of `is_none`.
pub fn who_held_a_pool_is_done() {
    model(|| {
        let shared = Arc::new((Holds::new(), [Plain::new(0), Plain::new(0)]));
        let holders = [0, 1].map(|which| {
            shared.0.add();
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1[which].set(1);
                shared.0.end();
            })
        });
        if shared.0.is_none() {
            for plain in &shared.1 {
                assert_eq!(plain.get(), 1);
                plain.set(2);
            }
        }
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

/// Three who take at once never have more than the limit, and one gets what there is: `take` decides and counts
/// in one exchange, and `peak` misses nothing. At most two preemptions: all interleavings take minutes.
pub fn takers_never_pass_the_limit() {
    let mut some = model::Builder::new();
    some.preemption_bound = Some(2);
    some.check(|| {
        let budget = Arc::new(Budget::new(3, 1));
        assert_eq!(budget.usage().used, 0);
        let take = |budget: &Budget, urgency| usize::from(budget.take(2, urgency).is_some());
        let takers = [Urgency::Normal, Urgency::Atomic].map(|urgency| {
            let budget = budget.clone();
            thread::spawn(move || take(&budget, urgency))
        });
        let mine = take(&budget, Urgency::Normal);
        let [one, two] = takers.map(|taker| taker.join().unwrap());
        assert_eq!(mine + one + two, 1);
        assert_eq!((budget.usage().used, budget.usage().peak), (2, 2));
        budget.give(2);
        assert_eq!(budget.usage().used, 0);
    });
}

/// Of two who add under one key one does, beside another key that is added; who finds either finds its value
/// complete: the exchange of `add`, its Release, and the Acquire of `iter`.
pub fn a_key_is_added_once() {
    model(|| {
        let bucket = Arc::new(Bucket::new());
        assert!(bucket.find(1).is_none());
        let add = |bucket: &Bucket<Plain>, key| {
            let value = Plain::new(0);
            value.set(10 * key);
            let node = NonNull::from(Box::leak(Box::new(Node::new(key, value))));
            // SAFETY: It is freed below, if it is in the bucket.
            let (value, added) = unsafe { bucket.add(node) };
            assert_eq!(value.get(), 10 * key);
            if !added {
                // SAFETY: Made by `Box`, and not in the bucket.
                drop(unsafe { Box::from_raw(node.as_ptr()) });
            }
            usize::from(added)
        };
        let others = [1, 2].map(|key| {
            let bucket = bucket.clone();
            thread::spawn(move || add(&bucket, key))
        });
        let mine = add(&bucket, 1);
        for (key, value) in bucket.iter() {
            assert_eq!(value.get(), 10 * key);
        }
        let [one, two] = others.map(|other| other.join().unwrap());
        assert_eq!((mine + one, two), (1, 1));
        assert_eq!(bucket.iter().map(|(key, _)| key).sum::<usize>(), 3);
        let mut bucket = Arc::into_inner(bucket).unwrap();
        // SAFETY: Made by `Box`, and nobody else has them.
        bucket.take_all(|node| drop(unsafe { Box::from_raw(node.as_ptr()) }));
    });
}
