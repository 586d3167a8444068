// SPDX-License-Identifier: GPL-2.0

//! Atomics at each access of which an interrupt may come; see `rust/sync.rs`.

pub(crate) use core::sync::atomic::Ordering;

use core::sync::atomic;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

/// How deep interrupts come within interrupts: one, and an NMI within it.
pub(crate) const DEPTH: usize = 2;

/// What interrupts, and before which step.
#[derive(Clone)]
pub(crate) struct Interrupt {
    pub(crate) step: usize,
    pub(crate) run: Rc<dyn Fn()>,
}

thread_local! {
    /// How deep this is in interrupts.
    static LEVEL: Cell<usize> = const { Cell::new(0) };
    /// Steps made at each level.
    static STEPS: RefCell<[usize; DEPTH + 1]> = const { RefCell::new([0; DEPTH + 1]) };
    /// What interrupts each level.
    static INTERRUPTS: RefCell<[Option<Interrupt>; DEPTH]> = const { RefCell::new([const { None }; DEPTH]) };
}

/// Makes a step, before which an interrupt may come.
fn step() {
    let level = LEVEL.get();
    let now = STEPS.with_borrow_mut(|steps| {
        let now = steps[level];
        steps[level] += 1;
        now
    });
    let due = INTERRUPTS.with_borrow(|interrupts| {
        let interrupt = interrupts.get(level)?.as_ref()?;
        (interrupt.step == now).then(|| interrupt.run.clone())
    });
    if let Some(run) = due {
        LEVEL.set(level + 1);
        STEPS.with_borrow_mut(|steps| steps[level + 1] = 0);
        run();
        LEVEL.set(level);
    }
}

/// Runs something with interrupts. Returns how many steps were made at each level.
pub(crate) fn run(
    interrupts: [Option<Interrupt>; DEPTH],
    task: impl FnOnce(),
) -> [usize; DEPTH + 1] {
    INTERRUPTS.set(interrupts);
    STEPS.set([0; DEPTH + 1]);
    task();
    INTERRUPTS.set([const { None }; DEPTH]);
    STEPS.take()
}

macro_rules! atomics {
    ($($name:ident $(<$t:ident>)? of $value:ty;)*) => {$(
        #[repr(transparent)]
        pub(crate) struct $name $(<$t>)? (atomic::$name $(<$t>)?);

        impl $(<$t>)? $name $(<$t>)? {
            pub(crate) const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                step();
                self.0.load(ordering)
            }

            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                step();
                self.0.store(value, ordering);
            }

            pub(crate) fn swap(&self, value: $value, ordering: Ordering) -> $value {
                step();
                self.0.swap(value, ordering)
            }
        }
    )*};
}

atomics! {
    AtomicBool of bool;
    AtomicU32 of u32;
    AtomicU64 of u64;
    AtomicPtr<T> of *mut T;
}
