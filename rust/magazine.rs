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

/// The head of a magazine; `capacity` entries follow it in memory.
///
/// # Invariants
///
/// The first `count <= capacity` entries are initialised.
#[repr(C)]
pub(crate) struct Magazine {
    count: Cell<u32>,
    capacity: u32,
    next: Cell<Option<NonNull<Magazine>>>,
    entries: [UnsafeCell<MaybeUninit<Entry>>; 0],
}

/// A magazine that can neither give nor take: what a CPU has before its first real one.
struct Dummy(Magazine);

// SAFETY: With a capacity of 0, nothing in it is ever written.
unsafe impl Sync for Dummy {}

static DUMMY: Dummy = Dummy(Magazine {
    count: Cell::new(0),
    capacity: 0,
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
        // INVARIANT: `count` is 0.
        unsafe {
            memory.write(Self {
                count: Cell::new(0),
                capacity,
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
        let capacity = unsafe { this.as_ref() }.capacity;
        if capacity == 0 {
            return;
        }
        if let Some(layout) = Self::layout(capacity) {
            // SAFETY: Allocated by `new` with this layout.
            unsafe { metadata::free(about, this.cast(), layout) };
        }
    }

    /// Returns the number of entries.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.count.get()
    }

    /// Returns how many entries there is room for.
    #[inline(always)]
    pub(crate) fn room(&self) -> u32 {
        self.capacity.wrapping_sub(self.count.get())
    }

    #[inline(always)]
    fn slot(&self, index: u32) -> *mut Entry {
        let first: *const Self = self;
        // SAFETY: Entries follow the head; `index` is below the capacity. The pointer is made from
        // one to the whole magazine, which is what callers hold.
        unsafe {
            first
                .byte_add(core::mem::size_of::<Self>())
                .cast::<Entry>()
                .cast_mut()
                .add(index as usize)
        }
    }

    /// Takes the entry that was put last.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<Entry> {
        let count = self.count.get();
        if count == 0 {
            return None;
        }
        let count = count.wrapping_sub(1);
        self.count.set(count);
        // SAFETY: By the type invariants, the entry below the old count is initialised.
        Some(unsafe { self.slot(count).read() })
    }

    /// Puts an entry. Returns whether there was room.
    #[inline(always)]
    pub(crate) fn push(&self, entry: Entry) -> bool {
        let count = self.count.get();
        if count == self.capacity {
            return false;
        }
        // SAFETY: The slot is below the capacity, and `&self` on a CPU-owned or locked magazine is
        // its only user.
        unsafe { self.slot(count).write(entry) };
        // INVARIANT: The entry was written above.
        self.count.set(count.wrapping_add(1));
        true
    }

    /// Empties the magazine, passing its entries on as a slice.
    pub(crate) fn empty(&self, take: impl FnOnce(&[Entry])) {
        let count = self.count.replace(0);
        if count != 0 {
            // SAFETY: By the type invariants these entries are initialised; nobody else uses the
            // magazine until `take` returns.
            take(unsafe { core::slice::from_raw_parts(self.slot(0), count as usize) });
        }
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
