// SPDX-License-Identifier: GPL-2.0

//! Magazines: arrays of free things that change hands as a whole.
//!
//! After Bonwick and Adams, "Magazines and Vmem" (USENIX 2001). Each entry carries a pointer to the
//! state byte of what it names, so that handing it out and taking it back is one store each.

use crate::{
    gfp::Gfp,
    metadata::{
        self,
        About, //
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

/// A free block or object.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// Where its memory begins, in the kernel's linear mapping.
    pub(crate) address: NonNull<u8>,
    /// Its state byte, in bookkeeping memory.
    pub(crate) state: &'static AtomicU8,
}

// SAFETY: An entry is a right to use what it names; it may move between CPUs.
unsafe impl Send for Entry {}

/// Bytes of an entry.
const STEP: u32 = 16;
const _: () = assert!(core::mem::size_of::<Entry>() == STEP as usize);

/// The head of a magazine; its entries follow it in memory.
///
/// # Invariants
///
/// The first `fill` bytes of the entries are initialised; `fill <= limit`, and both are multiples of
/// [`STEP`].
#[repr(C)]
pub(crate) struct Magazine {
    fill: Cell<u32>,
    limit: u32,
    next: Cell<Option<NonNull<Magazine>>>,
    entries: [UnsafeCell<MaybeUninit<Entry>>; 0],
}

/// A magazine that can neither give nor take: what a CPU has before its first real one.
struct Dummy(Magazine);

// SAFETY: With a limit of 0, nothing in it is ever written.
unsafe impl Sync for Dummy {}

static DUMMY: Dummy = Dummy(Magazine {
    fill: Cell::new(0),
    limit: 0,
    next: Cell::new(None),
    entries: [],
});

impl Magazine {
    fn layout(capacity: u32) -> Option<Layout> {
        // CAST: Lossless.
        let entries = Layout::array::<Entry>(capacity as usize).ok()?;
        Some(Layout::new::<Self>().extend(entries).ok()?.0)
    }

    /// Returns the magazine without room.
    pub(crate) fn dummy() -> NonNull<Self> {
        NonNull::from(&DUMMY.0)
    }

    /// Allocates an empty magazine.
    pub(crate) fn new(about: About, capacity: u32, gfp: Gfp) -> Option<NonNull<Self>> {
        let memory = metadata::alloc(about, Self::layout(capacity)?, gfp)?.cast::<Self>();
        // SAFETY: The memory is large enough, aligned to 8 bytes, and not shared yet.
        // INVARIANT: `fill` is 0.
        unsafe {
            memory.write(Self {
                fill: Cell::new(0),
                limit: capacity.wrapping_mul(STEP),
                next: Cell::new(None),
                entries: [],
            })
        };
        Some(memory)
    }

    /// Frees an empty magazine. The dummy is left alone.
    ///
    /// # Safety
    ///
    /// Nobody uses the magazine any more, and it was made for the same subject.
    pub(crate) unsafe fn free(about: About, this: NonNull<Self>) {
        // SAFETY: The magazine is alive until freed below.
        let limit = unsafe { this.as_ref() }.limit;
        if limit == 0 {
            return;
        }
        if let Some(layout) = Self::layout(limit / STEP) {
            // SAFETY: Allocated by `new` with this layout.
            unsafe { metadata::free(about, this.cast(), layout) };
        }
    }

    /// Returns the number of entries.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.fill.get() / STEP
    }

    /// Returns how many entries there is room for.
    #[inline(always)]
    pub(crate) fn room(&self) -> u32 {
        self.limit.wrapping_sub(self.fill.get()) / STEP
    }

    /// Returns the entry that begins `offset` bytes behind the head.
    #[inline(always)]
    fn slot(&self, offset: u32) -> *mut Entry {
        let entries = self.entries.as_ptr();
        // SAFETY: Entries follow the head; callers stay below the limit.
        unsafe { entries.byte_add(offset as usize).cast::<Entry>().cast_mut() }
    }

    /// Takes the entry that was put last.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Entry> {
        let (fill, none) = self.fill.get().overflowing_sub(STEP);
        if none {
            return None;
        }
        self.fill.set(fill);
        // SAFETY: By the type invariants, the entry below the old fill is initialised.
        Some(unsafe { self.slot(fill).read() })
    }

    /// Puts an entry. Returns whether there was room.
    #[inline(always)]
    pub(crate) fn push(&self, entry: Entry) -> bool {
        let fill = self.fill.get();
        if fill == self.limit {
            return false;
        }
        // SAFETY: The slot is below the limit, and `&self` on a CPU-owned or locked magazine is its
        // only user.
        unsafe { self.slot(fill).write(entry) };
        // INVARIANT: The entry was written above.
        self.fill.set(fill.wrapping_add(STEP));
        true
    }

    /// Empties the magazine, passing its entries on as a slice.
    pub(crate) fn empty(&self, take: impl FnOnce(&[Entry])) {
        let count = self.fill.replace(0) / STEP;
        if count != 0 {
            // SAFETY: By the type invariants these entries are initialised; nobody else uses the
            // magazine until `take` returns.
            take(unsafe { core::slice::from_raw_parts(self.slot(0), count as usize) });
        }
    }
}

/// A few entries on the stack.
pub(crate) struct Batch<const N: usize> {
    length: usize,
    entries: [MaybeUninit<Entry>; N],
}

impl<const N: usize> Batch<N> {
    /// Returns a batch without entries.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self {
            length: 0,
            entries: [const { MaybeUninit::uninit() }; N],
        }
    }

    /// Puts an entry. One too many is lost.
    #[inline(always)]
    pub(crate) fn push(&mut self, entry: Entry) {
        if let Some(slot) = self.entries.get_mut(self.length) {
            slot.write(entry);
            self.length += 1;
        }
    }

    /// Returns the entries.
    pub(crate) fn as_slice(&self) -> &[Entry] {
        // SAFETY: `push` initialised the first `length` entries.
        unsafe { core::slice::from_raw_parts(self.entries.as_ptr().cast(), self.length) }
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
