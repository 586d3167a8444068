// SPDX-License-Identifier: GPL-2.0

//! Every interrupt, at every step of everything that is done with a CPU's magazines.

use super::{
    cpu::{Counters, Cpu, Local, Section, Which},
    gfp::Gfp,
    magazine::{Entry, Magazine, Run},
    metadata::About,
    percpu::Handle,
    preempt,
    sync::{self, Interrupt, DEPTH},
};
use std::{
    cell::{Cell, RefCell},
    ptr::NonNull,
    rc::Rc,
    sync::atomic::AtomicU8,
};

/// Entries of a magazine.
const LIMIT: u32 = 2;

/// Entries in all.
const ENTRIES: usize = 8;

static STATES: [AtomicU8; ENTRIES] = [const { AtomicU8::new(0) }; ENTRIES];

fn entry(number: usize) -> Entry {
    Entry {
        address: NonNull::new(std::ptr::without_provenance_mut(64 * (number + 1))).unwrap(),
        state: &STATES[number],
    }
}

fn number(entry: &Entry) -> usize {
    let number = entry.address.addr().get() / 64 - 1;
    assert!(
        std::ptr::eq(entry.state, &STATES[number]),
        "address and state of two entries"
    );
    number
}

fn magazine() -> NonNull<Magazine> {
    Magazine::new(About::Pool, LIMIT, Gfp).unwrap()
}

/// A CPU, and what it takes entries from and gives them to. What is shared with other CPUs is behind locks
/// that no interrupt comes into, and so is no step.
struct World {
    cpu: Cpu,
    store: RefCell<Vec<Entry>>,
    full: RefCell<Vec<NonNull<Magazine>>>,
    empty: RefCell<Vec<NonNull<Magazine>>>,
    /// Entries that were handed out.
    out: RefCell<Vec<Entry>>,
    allocs: Cell<u64>,
    frees: Cell<u64>,
}

/// What the CPU has at first.
#[derive(Clone, Copy, Debug)]
struct Start {
    loaded: Option<usize>,
    spare: Option<usize>,
}

/// Everything that is done with a CPU's magazines, as `rust/front.rs` and `rust/front/nolock.rs` do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Pop,
    Push,
    Reload,
    Stow,
    Fill,
    TakeLast,
    PutMany,
    Empty,
}

const ACTS: [Act; 8] = [
    Act::Pop,
    Act::Push,
    Act::Reload,
    Act::Stow,
    Act::Fill,
    Act::TakeLast,
    Act::PutMany,
    Act::Empty,
];

impl World {
    fn new(start: Start) -> Self {
        let world = Self {
            cpu: Cpu::new(0, true),
            store: RefCell::new((0..ENTRIES).map(entry).collect()),
            full: RefCell::default(),
            empty: RefCell::default(),
            out: RefCell::default(),
            allocs: Cell::new(0),
            frees: Cell::new(0),
        };
        let pinned = preempt::pin();
        for (which, fill) in [(Which::Spare, start.spare), (Which::Loaded, start.loaded)] {
            if let Some(fill) = fill {
                let section = Section::enter(world.local(), &pinned).unwrap();
                section.replace(which, magazine());
                let entries: Vec<_> = world.store.borrow_mut().drain(..fill).collect();
                if which == Which::Spare {
                    section.swap();
                }
                entries
                    .into_iter()
                    .for_each(|entry| assert!(section.push(entry)));
                if which == Which::Spare {
                    section.swap();
                }
            }
        }
        world
            .frees
            .set(start.loaded.unwrap_or(0) as u64 + start.spare.unwrap_or(0) as u64);
        // Two are out.
        let out: Vec<_> = world.store.borrow_mut().drain(..2).collect();
        world.out.borrow_mut().extend(out);
        world
    }

    fn local(&self) -> Local {
        Local(Handle::of(&self.cpu))
    }

    fn hand_out(&self, entry: Entry) {
        self.out.borrow_mut().push(entry);
        self.allocs.set(self.allocs.get() + 1);
    }

    /// Runs `push` with an entry that is out, which is out again if there was no room.
    fn take_back(&self, push: impl FnOnce(Entry) -> bool) {
        let Some(entry) = self.out.borrow_mut().pop() else {
            return;
        };
        if push(entry) {
            self.frees.set(self.frees.get() + 1);
        } else {
            self.out.borrow_mut().push(entry);
        }
    }

    /// Returns a magazine in which `LIMIT` entries of the store are, if there are as many.
    fn full_magazine(&self) -> Option<NonNull<Magazine>> {
        if let Some(full) = self.full.borrow_mut().pop() {
            return Some(full);
        }
        let mut store = self.store.borrow_mut();
        let from = store.len().checked_sub(LIMIT as usize)?;
        let full = self.empty.borrow_mut().pop().unwrap_or_else(magazine);
        // SAFETY: Nobody else has the magazine.
        let this = unsafe { full.as_ref() };
        let mut at = this.base();
        for entry in store.drain(from..) {
            // SAFETY: As above; there is room for `LIMIT`.
            unsafe { super::magazine::write(at, entry) };
            at = at.wrapping_add(1);
        }
        this.set_top(at);
        Some(full)
    }

    fn put_away(&self, magazine: NonNull<Magazine>) {
        if magazine == Magazine::dummy() {
            return;
        }
        // SAFETY: Nobody else has the magazine.
        let list = match unsafe { magazine.as_ref() }.count() {
            0 => &self.empty,
            _ => &self.full,
        };
        list.borrow_mut().push(magazine);
    }

    fn act(&self, act: Act) {
        let pinned = preempt::pin();
        let section = || Section::enter(self.local(), &pinned);
        match act {
            // SAFETY: The CPU is alive.
            Act::Pop => unsafe { self.local().pop() }
                .into_iter()
                .for_each(|entry| self.hand_out(entry)),
            // SAFETY: As above.
            Act::Push => self.take_back(|entry| unsafe { self.local().push(entry) }),
            Act::Reload => {
                let Some(section) = section() else { return };
                let mut entry = section.pop();
                if entry.is_none() && section.spare_has_entries() {
                    section.swap();
                    entry = section.pop();
                }
                if entry.is_none() {
                    let Some(full) = self.full_magazine() else {
                        return;
                    };
                    self.put_away(section.replace(Which::Loaded, full));
                    entry = section.pop();
                }
                entry.into_iter().for_each(|entry| self.hand_out(entry));
            }
            Act::Stow => {
                let Some(section) = section() else { return };
                self.take_back(|entry| {
                    if section.push(entry) {
                        return true;
                    }
                    if section.spare_has_room() {
                        section.swap();
                    } else {
                        let empty = self.empty.borrow_mut().pop().unwrap_or_else(magazine);
                        self.put_away(section.replace(Which::Loaded, empty));
                    }
                    section.push(entry)
                });
            }
            Act::Fill => {
                let Some(section) = section() else { return };
                section.fill(|room, filling| {
                    let mut store = self.store.borrow_mut();
                    let count = store.len().min(room as usize);
                    let from = store.len() - count;
                    for entry in store.drain(from..) {
                        // SAFETY: One entry.
                        filling.put(unsafe { Run::new(entry, 0, 0, 1) });
                    }
                    count as u32
                });
            }
            Act::TakeLast => {
                let Some(section) = section() else { return };
                let last: Vec<_> = section.last(2).iter().collect();
                section.drop_last(last.len());
                last.into_iter().for_each(|entry| self.hand_out(entry));
            }
            Act::PutMany => {
                let Some(section) = section() else { return };
                let mut room = section.room();
                let mut out = self.out.borrow_mut();
                let count = out.len().min(room.left());
                let from = out.len() - count;
                for (index, entry) in out.drain(from..).enumerate() {
                    // SAFETY: There is room for `count`.
                    unsafe { room.put(index, entry) };
                }
                drop(out);
                // SAFETY: So many have been put.
                unsafe { room.advance(count) };
                room.finish();
                self.frees.set(self.frees.get() + count as u64);
            }
            Act::Empty => {
                let Some(section) = section() else { return };
                section
                    .cpu
                    .empty(|entries| self.store.borrow_mut().extend(entries.iter()));
            }
        }
    }

    /// Asserts that each entry is in one place, that no section is on, and that what was counted is right.
    fn check(&self, interrupted: bool) {
        let pinned = preempt::pin();
        let section = Section::enter(self.local(), &pinned).expect("no section is on");
        let mut seen: Vec<_> = self.store.borrow().iter().map(number).collect();
        seen.extend(self.out.borrow().iter().map(number));
        let take = |entries: super::magazine::Entries<'_>| {
            seen.extend(entries.iter().map(|entry| number(&entry)))
        };
        let mut take = take;
        let cached = self.cpu.cached();
        let mut counters = Counters::default();
        self.cpu.add_to(&mut counters);
        section.cpu.empty(&mut take);
        for magazine in self.full.borrow().iter() {
            // SAFETY: Nobody else has the magazine.
            unsafe { magazine.as_ref() }.empty(&mut take);
        }
        assert!(cached <= 2 * LIMIT as usize);
        seen.sort_unstable();
        assert_eq!(
            seen,
            (0..ENTRIES).collect::<Vec<_>>(),
            "an entry is lost, or twice there"
        );
        // An interrupt may come between the load and the store of `enter`, whose pops are not counted, and
        // then neither are as many pushes.
        let (allocs, frees) = (self.allocs.get(), self.frees.get());
        let lost = allocs.wrapping_sub(counters.allocs);
        assert_eq!(frees.wrapping_sub(counters.frees), lost);
        assert!(
            lost == 0 || (interrupted && lost <= ENTRIES as u64),
            "{lost} are not counted"
        );
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let magazines = self.cpu.dismantle();
        let lists = [&self.full, &self.empty].map(RefCell::take);
        for magazine in magazines.into_iter().chain(lists.into_iter().flatten()) {
            // SAFETY: Nobody uses it any more.
            unsafe { Magazine::free(About::Pool, magazine) };
        }
    }
}

const STARTS: [Start; 7] = [
    Start {
        loaded: None,
        spare: None,
    },
    Start {
        loaded: Some(0),
        spare: None,
    },
    Start {
        loaded: Some(1),
        spare: None,
    },
    Start {
        loaded: Some(2),
        spare: Some(0),
    },
    Start {
        loaded: Some(0),
        spare: Some(2),
    },
    Start {
        loaded: Some(1),
        spare: Some(1),
    },
    Start {
        loaded: Some(2),
        spare: Some(2),
    },
];

/// Returns all programs of one and of two acts.
fn programs() -> Vec<Vec<Act>> {
    let pairs = ACTS.iter().flat_map(|&a| ACTS.map(|b| vec![a, b]));
    ACTS.iter().map(|&act| vec![act]).chain(pairs).collect()
}

/// Runs programs at their levels: a task, what interrupts it before a step, and what interrupts that.
/// Returns the steps of each level.
fn run(start: Start, task: &[Act], interrupts: &[(usize, &[Act])]) -> [usize; DEPTH + 1] {
    let world = Rc::new(World::new(start));
    let interrupt = |level: usize| {
        let &(step, program) = interrupts.get(level)?;
        let (world, program) = (world.clone(), program.to_vec());
        let run = Rc::new(move || program.iter().for_each(|&act| world.act(act)));
        Some(Interrupt { step, run })
    };
    let levels = std::array::from_fn(interrupt);
    let steps = sync::run(levels, || task.iter().for_each(|&act| world.act(act)));
    world.check(!interrupts.is_empty());
    steps
}

/// Says what was run when it goes wrong.
fn told<T>(what: impl FnOnce() -> String, run: impl FnOnce() -> T) -> T {
    struct Tell<F: FnOnce() -> String>(Option<F>);
    impl<F: FnOnce() -> String> Drop for Tell<F> {
        fn drop(&mut self) {
            if let (true, Some(what)) = (std::thread::panicking(), self.0.take()) {
                eprintln!("{}", what());
            }
        }
    }
    let _tell = Tell(Some(what));
    run()
}

#[test]
fn without_interrupts() {
    for start in STARTS {
        for a in ACTS {
            for program in programs() {
                let task: Vec<_> = std::iter::once(a).chain(program).collect();
                told(|| format!("{start:?} {task:?}"), || run(start, &task, &[]));
            }
        }
    }
}

#[test]
fn an_interrupt_at_each_step() {
    let mut runs = 0;
    for start in STARTS {
        for task in programs() {
            for interrupt in programs() {
                for step in 0.. {
                    let steps = told(
                        || format!("{start:?} {task:?}, before step {step} {interrupt:?}"),
                        || run(start, &task, &[(step, &interrupt)]),
                    );
                    runs += 1;
                    if step >= steps[0] {
                        break;
                    }
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 500_000, "{runs}");
}

#[test]
fn an_interrupt_in_an_interrupt() {
    let mut runs = 0;
    for start in STARTS {
        for task in ACTS {
            for interrupt in ACTS {
                for nmi in ACTS {
                    for step in 0.. {
                        let mut steps = [0; DEPTH + 1];
                        for second in 0.. {
                            steps = told(
                                || {
                                    format!(
                                        "{start:?} {task:?}, before step {step} {interrupt:?}, \
                                         before its step {second} {nmi:?}"
                                    )
                                },
                                || run(start, &[task], &[(step, &[interrupt]), (second, &[nmi])]),
                            );
                            runs += 1;
                            if second >= steps[1] {
                                break;
                            }
                        }
                        if step >= steps[0] {
                            break;
                        }
                    }
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 100_000, "{runs}");
}
