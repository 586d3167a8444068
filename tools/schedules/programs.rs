// SPDX-License-Identifier: GPL-2.0

//! The programs. Each says which law it looks after.
//!
//! What only this file counts is in atomics of `std`, at which no other thread goes on.

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
use shuttle::{
    sync::Mutex,
    thread, //
};
use std::{
    ffi::c_void,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::{
        atomic::{
            AtomicPtr,
            AtomicUsize,
            Ordering::SeqCst, //
        },
        Arc, //
    }, //
};

/// Has `count` threads call `f` with their number, and returns what they return.
fn with<R: Send + 'static>(
    count: usize,
    f: impl Fn(usize) -> R + Clone + Send + 'static,
) -> Vec<R> {
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let f = f.clone();
            thread::spawn(move || f(number))
        })
        .collect();
    let joined = threads.into_iter().map(|thread| thread.join().unwrap());
    joined.collect()
}

/// Each key is added once, whoever adds it, and all find the value of the one who did.
pub fn many_add_keys() {
    const KEYS: usize = 4;
    let bucket = Arc::new(Bucket::new());
    let shared = bucket.clone();
    let found = with(5, move |number| {
        let keys = (0..KEYS).map(|step| (number + step) % KEYS);
        let each = keys.map(|key| {
            let node = NonNull::from(Box::leak(Box::new(Node::new(key, number))));
            // SAFETY: It is freed below, if it is in the bucket.
            let (&value, added) = unsafe { shared.add(node) };
            if !added {
                // SAFETY: Made by `Box`, and not in the bucket.
                drop(unsafe { Box::from_raw(node.as_ptr()) });
            }
            assert_eq!(added, value == number);
            assert_eq!(shared.find(key), Some(&value));
            (key, value)
        });
        let mut each: Vec<_> = each.collect();
        each.sort();
        each
    });
    assert!(found.iter().all(|each| each == &found[0]));
    let mut there: Vec<_> = bucket.iter().map(|(key, &value)| (key, value)).collect();
    there.sort();
    assert_eq!(there, found[0]);
    assert_eq!(bucket.find(KEYS), None);
    let mut bucket = Arc::into_inner(bucket).unwrap();
    // SAFETY: Made by `Box`, and nobody else has them.
    bucket.take_all(|node| drop(unsafe { Box::from_raw(node.as_ptr()) }));
}

/// Something to do later.
struct Thing {
    next: AtomicPtr<Thing>,
    done: AtomicUsize,
}

/// A list, and the things of several threads.
struct Work {
    list: Later<Thing>,
    things: [[Thing; 4]; 4],
}

impl Work {
    fn new() -> Self {
        let thing = || Thing {
            next: AtomicPtr::new(null_mut()),
            done: AtomicUsize::new(0),
        };
        Self {
            list: Later::new(),
            things: std::array::from_fn(|_| std::array::from_fn(|_| thing())),
        }
    }

    fn put(&self, thing: &Thing) {
        self.list
            .put(NonNull::from(thing), |next| thing.next.store(next, SeqCst));
    }

    fn do_all(&self) {
        self.list.do_all(|thing| {
            // SAFETY: The things outlive the list.
            let thing = unsafe { thing.as_ref() };
            // What was done is somebody else's, as an object that was freed is.
            let next = thing.next.swap(NonNull::dangling().as_ptr(), SeqCst);
            assert_ne!(next, NonNull::dangling().as_ptr(), "done twice");
            thread::yield_now();
            thing.done.fetch_add(1, SeqCst);
            Some(next)
        });
    }

    /// Returns how often each thing was done.
    fn done(&self) -> impl Iterator<Item = usize> + '_ {
        let things = self.things.iter().flatten();
        things.map(|thing| thing.done.load(SeqCst))
    }
}

/// What four put while two do what there is, is done once each.
pub fn many_put_what_two_do() {
    let work = Arc::new(Work::new());
    let shared = work.clone();
    with(6, move |number| match shared.things.get(number) {
        Some(things) => things.iter().for_each(|thing| shared.put(thing)),
        None => (0..3).for_each(|_| shared.do_all()),
    });
    work.do_all();
    assert!(work.done().all(|times| times == 1));
}

/// What was put before somebody begins to settle is done when he finds nobody busy, whoever does it.
pub fn what_was_put_is_done_when_nobody_is_busy() {
    let work = Arc::new(Work::new());
    let shared = work.clone();
    with(4, move |number| {
        let things = &shared.things[number];
        for thing in things {
            shared.put(thing);
            if number % 2 == 0 {
                shared.do_all();
            }
        }
        // As `settle` in rust/cache/nolock.rs.
        shared.do_all();
        while shared.list.is_busy() {
            thread::yield_now();
        }
        assert!(things.iter().all(|thing| thing.done.load(SeqCst) == 1));
    });
}

/// What is held never passes the limit, and all of it comes back.
pub fn many_take_and_give() {
    const LIMIT: usize = 10;
    let shared = Arc::new((Budget::new(LIMIT, 3), AtomicUsize::new(0)));
    let budget = shared.clone();
    with(5, move |number| {
        let (budget, held) = &*shared;
        for step in 0..4 {
            let pages = (number + step) % 4 + 1;
            let urgency = match number {
                0 | 1 => Urgency::Atomic,
                _ => Urgency::Normal,
            };
            if budget.take(pages, urgency).is_some() {
                assert!(held.fetch_add(pages, SeqCst) + pages <= LIMIT);
                thread::yield_now();
                held.fetch_sub(pages, SeqCst);
                budget.give(pages);
            } else {
                budget.note_refusal();
            }
        }
    });
    let usage = budget.0.usage();
    assert_eq!(usage.used, 0);
    assert!((1..=LIMIT).contains(&usage.peak));
}

/// Whoever takes gets nothing once more is used than the limit that there was when he began, and the peak is
/// the most that there was.
pub fn a_limit_that_changes() {
    let budget = Arc::new(Budget::new(6, 0));
    let shared = budget.clone();
    let most = with(5, move |number| match number {
        0 => {
            shared.set_limit(3);
            shared.set_limit(8);
            0
        }
        1 => {
            shared.overdraw(4);
            let used = shared.usage().used;
            shared.give(4);
            used
        }
        _ => {
            let mut most = 0;
            for _ in 0..3 {
                if shared.take(2, Urgency::Normal).is_some() {
                    most = most.max(shared.usage().used);
                    shared.give(2);
                }
            }
            most
        }
    });
    let usage = budget.usage();
    assert_eq!((usage.used, usage.limit), (0, 8));
    assert!(most
        .into_iter()
        .max()
        .is_some_and(|most| most <= usage.peak));
    assert!(usage.peak <= 8 + 4);
}

/// Nobody uses a pool that is gone.
pub fn users_of_a_pool_that_goes() {
    struct Pool {
        there: Mutex<bool>,
        holds: Holds,
        alive: AtomicUsize,
    }
    let pool = Arc::new(Pool {
        there: Mutex::new(true),
        holds: Holds::new(),
        alive: AtomicUsize::new(1),
    });
    with(5, move |number| {
        for _ in 0..3 {
            let mut there = pool.there.lock().unwrap();
            if number == 0 {
                if *there && pool.holds.is_none() {
                    *there = false;
                    pool.alive.store(0, SeqCst);
                }
                continue;
            }
            if !*there {
                return;
            }
            pool.holds.add();
            drop(there);
            for _ in 0..2 {
                thread::yield_now();
                assert_eq!(pool.alive.load(SeqCst), 1);
            }
            pool.holds.end();
        }
    });
}

/// Of many who look, none says a report that another has said; what is left is said afterwards.
pub fn many_reports() {
    const POINTER: *const c_void = 64 as _;
    let shared = Arc::new((Unsaid::new(), AtomicUsize::new(0), AtomicUsize::new(0)));
    let (unsaid, notes, said) = &*shared;
    let take = |(unsaid, notes, said): &(Unsaid, AtomicUsize, AtomicUsize)| {
        if let Some(pointer) = unsaid.take() {
            assert_eq!(pointer, POINTER);
            assert!(said.fetch_add(1, SeqCst) < notes.load(SeqCst));
        }
    };
    let others = shared.clone();
    with(5, move |number| {
        for _ in 0..2 {
            if number == 0 {
                others.1.fetch_add(1, SeqCst);
                others.0.note(POINTER);
            } else {
                take(&others);
            }
        }
    });
    take(&shared);
    assert!((1..=notes.load(SeqCst)).contains(&said.load(SeqCst)));
    assert!(unsaid.take().is_none());
}

/// Of many who withdraw, one gets the pointer.
pub fn one_gets_what_is_withdrawn() {
    let published = Arc::new(Published::nothing());
    let shared = published.clone();
    let got = with(5, move |number| {
        if number == 0 {
            shared.publish(NonNull::<u8>::dangling().as_ptr());
        }
        let seen = !shared.get().is_null();
        let got = !shared.withdraw().is_null();
        assert!(number != 0 || seen || !got);
        usize::from(got)
    });
    let got: usize = got.into_iter().sum();
    assert_eq!(got + usize::from(!published.withdraw().is_null()), 1);
}
