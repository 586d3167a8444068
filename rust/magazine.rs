// SPDX-License-Identifier: GPL-2.0

//! Magazines: arrays of free things that change hands as a whole.
//!
//! After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001). Beside the address of each thing lies
//! a pointer to its state byte, so that handing it out and taking it back is one store each. All
//! magazines have the same layout, whatever they hold: where the one lies says where the other does.

use crate::{
    gfp::Gfp,
    metadata::{
        self,
        About, //
    },
    sync::{
        AtomicU32,
        Ordering::Relaxed, //
    }, //
};
use core::{
    alloc::Layout,
    cell::{
        Cell,
        UnsafeCell, //
    },
    mem::MaybeUninit,
    ptr::NonNull,
    sync::atomic::AtomicU8, //
};

/// Where the memory of a free thing begins, in the kernel's linear mapping.
pub(crate) type Address = NonNull<u8>;
/// The state byte of a thing, in bookkeeping memory.
pub(crate) type State = &'static AtomicU8;

/// A free block or object.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    /// Where its memory begins.
    pub(crate) address: Address,
    /// Its state byte.
    pub(crate) state: State,
}

/// Free blocks or objects at equal distances, as are their state bytes.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    from: Entry,
    address_step: usize,
    state_step: usize,
    count: usize,
    /// What each state byte becomes when its entry is taken, if it is to change.
    mark: Option<u8>,
}

impl Run {
    /// Returns the run of `count` entries that begins with `from`.
    ///
    /// # Safety
    ///
    /// There are so many, at these distances in bytes.
    #[inline(always)]
    pub(crate) unsafe fn new(
        from: Entry,
        address_step: usize,
        state_step: usize,
        count: usize,
    ) -> Self {
        Self {
            from,
            address_step,
            state_step,
            count,
            mark: None,
        }
    }

    /// Returns the same entries, each of which gets a state when it is taken out of the run.
    ///
    /// Nobody else uses the entries until then.
    #[inline(always)]
    pub(crate) fn marked(self, state: u8) -> Self {
        Self {
            mark: Some(state),
            ..self
        }
    }

    /// Returns the first of the entries, at most `most`.
    #[inline(always)]
    pub(crate) fn first(self, most: usize) -> Self {
        Self {
            count: self.count.min(most),
            ..self
        }
    }

    /// Takes out the entries, one after the other.
    #[inline(always)]
    pub(crate) fn iter(self) -> impl Iterator<Item = Entry> {
        let mut address = self.from.address.as_ptr();
        let mut state: *const AtomicU8 = self.from.state;
        (0..self.count).map(move |_| {
            // SAFETY: By the contract of `new`.
            let entry = unsafe {
                Entry {
                    address: NonNull::new_unchecked(address),
                    state: &*state,
                }
            };
            if let Some(mark) = self.mark {
                // ORDERING: The entry is whose who takes it; who gets it from there sees this store
                // with the rest of what is handed over.
                entry.state.store(mark, Relaxed);
            }
            address = address.wrapping_add(self.address_step);
            state = state.wrapping_add(self.state_step);
            entry
        })
    }
}

/// Some free blocks or objects.
#[derive(Clone, Copy)]
pub(crate) struct Entries<'a> {
    addresses: &'a [Address],
    states: &'a [State],
}

impl<'a> Entries<'a> {
    /// Returns the one entry that `address` and `state` are.
    pub(crate) fn one(entry: &'a Entry) -> Self {
        Self {
            addresses: core::slice::from_ref(&entry.address),
            states: core::slice::from_ref(&entry.state),
        }
    }

    /// Iterates over the entries.
    #[inline(always)]
    pub(crate) fn iter(self) -> impl Iterator<Item = Entry> + 'a {
        let pairs = self.addresses.iter().zip(self.states);
        pairs.map(|(&address, &state)| Entry { address, state })
    }

    /// Returns the addresses and the states.
    #[inline(always)]
    pub(crate) fn parts(self) -> (&'a [Address], &'a [State]) {
        (self.addresses, self.states)
    }

    /// Returns the number of entries.
    pub(crate) fn len(self) -> usize {
        self.addresses.len()
    }
}

/// Most entries of a magazine, which then fills 1 KiB.
pub(crate) const ROUNDS: usize = 63;

/// Bytes from the address of an entry to the pointer to its state.
pub(crate) const TO_STATE: usize = ROUNDS * 8;

/// A magazine.
///
/// # Invariants
///
/// The first `fill` addresses and states are initialised, and `fill <= limit`; while a CPU has the
/// magazine loaded, the CPU knows the fill instead.
#[repr(C)]
pub(crate) struct Magazine {
    /// Written by the magazine's owner; other CPUs count what is in it meanwhile.
    fill: AtomicU32,
    limit: u32,
    next: Cell<Option<NonNull<Magazine>>>,
    addresses: UnsafeCell<[MaybeUninit<Address>; ROUNDS]>,
    states: UnsafeCell<[MaybeUninit<State>; ROUNDS]>,
}

const _: () = assert!(core::mem::size_of::<Magazine>() == 1024);
const _: () = assert!(core::mem::size_of::<Address>() == 8 && core::mem::size_of::<State>() == 8);

/// A magazine that can neither give nor take: what a CPU has before its first real one.
struct Dummy(Magazine);

// SAFETY: With a limit of 0, nothing in it is ever written.
unsafe impl Sync for Dummy {}

static DUMMY: Dummy = Dummy(Magazine::with_limit(0));

/// A place in a magazine, between two entries.
pub(crate) type Place = *mut Address;

impl Magazine {
    const fn with_limit(limit: u32) -> Self {
        // INVARIANT: `fill` is 0.
        Self {
            fill: AtomicU32::new(0),
            limit,
            next: Cell::new(None),
            addresses: UnsafeCell::new([const { MaybeUninit::uninit() }; ROUNDS]),
            states: UnsafeCell::new([const { MaybeUninit::uninit() }; ROUNDS]),
        }
    }

    /// Returns the magazine without room.
    pub(crate) fn dummy() -> NonNull<Self> {
        NonNull::from(&DUMMY.0)
    }

    /// Returns whether this is the magazine without room.
    pub(crate) fn is_dummy(&self) -> bool {
        self.limit == 0
    }

    /// Allocates an empty magazine with room for `limit` entries, of at most [`ROUNDS`].
    pub(crate) fn new(about: About, limit: u32, gfp: Gfp) -> Option<NonNull<Self>> {
        let memory = metadata::alloc(about, Layout::new::<Self>(), gfp)?.cast::<Self>();
        // CAST: A small constant.
        let limit = limit.min(ROUNDS as u32);
        // SAFETY: The memory is large enough, aligned to its size, and not shared yet.
        unsafe { memory.write(Self::with_limit(limit)) };
        Some(memory)
    }

    /// Frees an empty magazine. The dummy is left alone.
    ///
    /// # Safety
    ///
    /// Nobody uses the magazine any more, and it was made for the same subject.
    pub(crate) unsafe fn free(about: About, this: NonNull<Self>) {
        if this != Self::dummy() {
            // SAFETY: Allocated by `new` with this layout.
            unsafe { metadata::free(about, this.cast(), Layout::new::<Self>()) };
        }
    }

    /// Returns where the first entry lies.
    #[inline(always)]
    pub(crate) fn base(&self) -> Place {
        self.addresses.get().cast()
    }

    /// Returns where the entry behind the last that there is room for would lie.
    pub(crate) fn end(&self) -> Place {
        self.base().wrapping_add(self.limit as usize)
    }

    /// Returns where the entry behind the last lies, while no CPU has the magazine loaded.
    pub(crate) fn top(&self) -> Place {
        // CAST: Lossless.
        self.base().wrapping_add(self.count() as usize)
    }

    /// Says where the entry behind the last lies, when a CPU unloads the magazine.
    pub(crate) fn set_top(&self, top: Place) {
        // CAST: At most `limit`.
        let fill = (top.addr().wrapping_sub(self.base().addr()) / 8) as u32;
        // INVARIANT: The CPU kept it so.
        // ORDERING: As in `count`.
        self.fill.store(fill, Relaxed);
    }

    /// Returns the number of entries, while no CPU has the magazine loaded.
    ///
    /// For others than the owner, as many as there were at some time.
    pub(crate) fn count(&self) -> u32 {
        // ORDERING: The owner's own number; to others it is one for statistics.
        self.fill.load(Relaxed)
    }

    /// Returns whether there is room for another entry, while no CPU has the magazine loaded.
    pub(crate) fn is_full(&self) -> bool {
        self.count() == self.limit
    }

    /// Empties the magazine, passing its entries on.
    ///
    /// Nobody else uses the magazine, and no CPU has it loaded.
    pub(crate) fn empty(&self, take: impl FnOnce(Entries<'_>)) {
        // CAST: Lossless.
        let count = self.count() as usize;
        // ORDERING: As in `count`.
        self.fill.store(0, Relaxed);
        if count != 0 {
            // SAFETY: By the type invariants these are initialised; nobody else uses the magazine
            // until `take` returns.
            take(unsafe { entries(self.base(), count) });
        }
    }
}

/// Returns `count` entries from a place on.
///
/// # Safety
///
/// They are entries of one magazine, initialised, and nobody changes them as long as the result lives.
#[inline(always)]
pub(crate) unsafe fn entries<'a>(from: Place, count: usize) -> Entries<'a> {
    // SAFETY: By the contract of this function.
    let addresses = unsafe { core::slice::from_raw_parts(from, count) };
    let states = from.wrapping_byte_add(TO_STATE).cast::<State>();
    // SAFETY: As above; the states lie behind the addresses.
    let states = unsafe { core::slice::from_raw_parts(states, count) };
    Entries { addresses, states }
}

/// Reads the entry at a place.
///
/// # Safety
///
/// There is one.
#[inline(always)]
pub(crate) unsafe fn read(at: Place) -> Entry {
    // SAFETY: By the contract of this function.
    let address = unsafe { at.read() };
    // SAFETY: As above; the state lies behind the address.
    let state = unsafe { at.wrapping_byte_add(TO_STATE).cast::<State>().read() };
    Entry { address, state }
}

/// Writes an entry to a place.
///
/// # Safety
///
/// The place is one of a magazine, and nobody else uses that.
#[inline(always)]
pub(crate) unsafe fn write(at: Place, entry: Entry) {
    // SAFETY: By the contract of this function.
    unsafe { at.write(entry.address) };
    // SAFETY: As above.
    unsafe {
        at.wrapping_byte_add(TO_STATE)
            .cast::<State>()
            .write(entry.state)
    };
}

/// Puts `count` entries from a place on into random order.
///
/// Durstenfeld, "Algorithm 235: Random permutation" (1964), with 16 bits of `number` for each place: some of
/// the orders are more likely than others by up to a thousandth for each entry.
///
/// # Safety
///
/// They are entries of a magazine that nobody else uses.
#[cold]
#[inline(never)]
pub(crate) unsafe fn shuffle(from: Place, count: usize, mut number: impl FnMut() -> u64) {
    // Exchanges the last of so many entries with any of them.
    let place = |left: usize, bits: u64| {
        // CAST: Below `left`.
        let other = ((bits & 0xffff).wrapping_mul(left as u64) >> 16) as usize;
        // SAFETY: By the contract of this function.
        unsafe { swap(from.wrapping_add(left - 1), from.wrapping_add(other)) };
    };
    let mut left = count;
    while left > 4 {
        let bits = number();
        place(left, bits);
        place(left - 1, bits >> 16);
        place(left - 2, bits >> 32);
        place(left - 3, bits >> 48);
        left -= 4;
    }
    let bits = number();
    for left in (2..=left).rev() {
        place(left, bits >> (16 * (left - 2)));
    }
}

/// Exchanges the entries at two places.
///
/// # Safety
///
/// There is one at each, of a magazine that nobody else uses.
#[inline(always)]
unsafe fn swap(one: Place, other: Place) {
    // SAFETY: By the contract of this function.
    let (first, second) = unsafe { (read(one), read(other)) };
    // SAFETY: As above.
    unsafe { write(one, second) };
    // SAFETY: As above.
    unsafe { write(other, first) };
}

/// A few entries on the stack.
pub(crate) struct Batch<const N: usize> {
    length: usize,
    addresses: [MaybeUninit<Address>; N],
    states: [MaybeUninit<State>; N],
}

impl<const N: usize> Batch<N> {
    /// Returns a batch without entries.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            length: 0,
            addresses: [const { MaybeUninit::uninit() }; N],
            states: [const { MaybeUninit::uninit() }; N],
        }
    }

    /// Puts an entry. Returns whether there was room.
    #[inline(always)]
    pub(crate) fn push(&mut self, entry: Entry) -> bool {
        let (Some(address), Some(state)) = (
            self.addresses.get_mut(self.length),
            self.states.get_mut(self.length),
        ) else {
            return false;
        };
        address.write(entry.address);
        state.write(entry.state);
        self.length += 1;
        true
    }

    /// Returns the entries.
    pub(crate) fn entries(&self) -> Entries<'_> {
        // SAFETY: `push` initialised the first `length` of them.
        let addresses =
            unsafe { core::slice::from_raw_parts(self.addresses.as_ptr().cast(), self.length) };
        // SAFETY: As above.
        let states =
            unsafe { core::slice::from_raw_parts(self.states.as_ptr().cast(), self.length) };
        Entries { addresses, states }
    }
}

/// Magazines in a row.
pub(crate) struct Stack {
    head: Option<NonNull<Magazine>>,
    length: u32,
}

// SAFETY: Owns the magazines in it.
unsafe impl Send for Stack {}

impl Stack {
    /// Returns an empty stack.
    pub(crate) const fn new() -> Self {
        Self {
            head: None,
            length: 0,
        }
    }

    /// Returns the number of magazines.
    pub(crate) fn len(&self) -> u32 {
        self.length
    }

    /// Puts a magazine that is in no stack.
    pub(crate) fn push(&mut self, magazine: NonNull<Magazine>) {
        // SAFETY: Whoever gives a magazine to a stack owns it, so that it is alive.
        unsafe { magazine.as_ref() }.next.set(self.head);
        self.head = Some(magazine);
        self.length = self.length.wrapping_add(1);
    }

    /// Takes a magazine.
    pub(crate) fn pop(&mut self) -> Option<NonNull<Magazine>> {
        let magazine = self.head?;
        // SAFETY: The stack owns its magazines.
        self.head = unsafe { magazine.as_ref() }.next.take();
        self.length = self.length.wrapping_sub(1);
        Some(magazine)
    }

    /// Returns the number of entries in all magazines.
    pub(crate) fn entries(&self) -> usize {
        let (mut count, mut at) = (0usize, self.head);
        while let Some(magazine) = at {
            // SAFETY: The stack owns its magazines.
            let magazine = unsafe { magazine.as_ref() };
            count = count.wrapping_add(magazine.count() as usize);
            at = magazine.next.get();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shuffles the numbers below `count`, which stand for addresses, and returns their order.
    fn shuffled(count: usize, number: impl FnMut() -> u64) -> Vec<usize> {
        static STATE: AtomicU8 = AtomicU8::new(0);
        let magazine = Magazine::with_limit(ROUNDS as u32);
        for index in 0..count {
            let address = core::ptr::without_provenance_mut(index + 1);
            let entry = Entry {
                address: NonNull::new(address).unwrap(),
                state: &STATE,
            };
            // SAFETY: A place of a magazine that is ours.
            unsafe { write(magazine.base().wrapping_add(index), entry) };
        }
        // SAFETY: Written above.
        unsafe { shuffle(magazine.base(), count, number) };
        // SAFETY: As above.
        let entries = unsafe { entries(magazine.base(), count) };
        let index = |entry: Entry| entry.address.addr().get() - 1;
        entries.iter().map(index).collect()
    }

    /// A generator like the module's.
    fn xorshift(mut state: u64) -> impl FnMut() -> u64 {
        move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }
    }

    #[test]
    fn a_shuffled_magazine_has_the_same_entries() {
        for count in 0..=ROUNDS {
            let mut order = shuffled(count, xorshift(1 + count as u64));
            order.sort_unstable();
            assert!(order.into_iter().eq(0..count));
        }
    }

    #[test]
    fn each_entry_may_get_to_each_place() {
        const ROUNDS_OF_IT: usize = 20_000;
        for count in [2, 3, 5, 8, 63] {
            let mut number = xorshift(42);
            let mut seen = vec![vec![0; count]; count];
            for _ in 0..ROUNDS_OF_IT {
                for (place, entry) in shuffled(count, &mut number).into_iter().enumerate() {
                    seen[place][entry] += 1;
                }
            }
            // Six standard deviations: one of all these misses by chance once in a hundred thousand tests.
            let mean = ROUNDS_OF_IT as f64 / count as f64;
            let most = 6.0 * mean.sqrt();
            for times in seen.iter().flatten() {
                assert!((f64::from(*times) - mean).abs() < most, "{count}: {seen:?}");
            }
        }
    }
}
