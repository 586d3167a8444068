// SPDX-License-Identifier: GPL-2.0

//! From an address to what quarry knows of it, in constant time.
//!
//! Physical memory is seen as windows of 1024 page frames, aligned to their size; a chunk lies in
//! one window. A table over all windows of the machine leads to a byte of state for each page and,
//! where slabs are, to a pointer for each page to its slab. Windows without a chunk share a page of
//! zeroes, so that looking up any address needs a bounds check and no other.
//!
//! # Laws
//!
//! - The state of a page is `ABSENT` exactly if the pool does not have the page.
//! - A state other than `ABSENT` and `FREE` belongs to the first page of a block; the other pages of
//!   that block are `FREE`.
//! - What is attached to a window stays until the module goes: a pointer that was once read from the
//!   table is good for as long.

use crate::{
    bindings,
    chunk::KernelChunk,
    gfp::Gfp,
    global::Global,
    lock::{
        Class,
        RawLock, //
    },
    metadata::{
        self,
        About, //
    },
    pool::{
        Order,
        FRAMES, //
    }, //
};
use core::{
    alloc::Layout,
    ptr::{
        null_mut,
        NonNull, //
    },
    sync::atomic::{
        AtomicPtr,
        AtomicU32,
        AtomicU8,
        AtomicUsize,
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    }, //
};
use kernel::{
    alloc::AllocError,
    page::{
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// What the first page of a block is to its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A block of the page API.
    Block = 0x30,
    /// A slab.
    Slab = 0x40,
    /// A page of an area.
    Area = 0x50,
    /// A large `kmalloc`.
    Large = 0x60,
}

/// The state of a page that the pool does not have.
pub(crate) const ABSENT: u8 = 0;
/// The state of a page that is free in its chunk, or not the first of its block.
pub(crate) const FREE: u8 = 0x10;
/// The state of the first page of a block in a magazine, with its order in the low bits.
const CACHED: u8 = 0x20;

/// Returns the state of a block of this kind and order.
#[inline(always)]
pub(crate) const fn held(kind: Kind, order: Order) -> u8 {
    // CAST: The order is below 16.
    kind as u8 | order.get() as u8
}

/// Returns the state of a block of this order in a magazine.
#[inline(always)]
pub(crate) const fn cached(order: Order) -> u8 {
    // CAST: The order is below 16.
    CACHED | order.get() as u8
}

/// Takes a state apart, for people.
pub(crate) fn describe(state: u8) -> (&'static str, u8) {
    let what = match state & 0xf0 {
        0x10 => "free, or inside a block",
        CACHED => "free, in a magazine",
        0x30 => "page block",
        0x40 => "slab",
        0x50 => "page of an area",
        0x60 => "large kmalloc",
        _ => "not quarry's",
    };
    (what, state & 0x0f)
}

type States = [AtomicU8; FRAMES];
type Owners = [AtomicPtr<u8>; FRAMES];

/// One window.
#[repr(C)]
pub(crate) struct Window {
    owners: AtomicPtr<Owners>,
    states: AtomicPtr<States>,
    chunk: AtomicPtr<KernelChunk>,
    node: AtomicU32,
}

/// All windows without slabs point here: no page has an owner.
static NO_OWNERS: Owners = [const { AtomicPtr::new(null_mut()) }; FRAMES];
/// All windows without a chunk point here: every page is absent.
static NO_STATES: States = [const { AtomicU8::new(ABSENT) }; FRAMES];

/// Address of page frame 0 in the linear mapping.
static LINEAR_BASE: AtomicUsize = AtomicUsize::new(0);
/// Address of the `struct page` of page frame 0.
static PAGES_BASE: AtomicUsize = AtomicUsize::new(0);
static TABLE: AtomicPtr<Window> = AtomicPtr::new(null_mut());
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// Serialises attaching.
static ATTACH: Global<RawLock<()>> = Global::new();

const WINDOW_SHIFT: usize = PAGE_SHIFT + Order::MAX.get() as usize;
const PAGE_STRUCT: usize = core::mem::size_of::<bindings::page>();

/// A page frame number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pfn(pub(crate) usize);

impl Pfn {
    /// Returns the frame behind an address of the linear mapping; nonsense for other addresses.
    #[inline(always)]
    pub(crate) fn of_address(address: usize) -> Self {
        // ORDERING: Set before anybody can call, and never again.
        Self(address.wrapping_sub(LINEAR_BASE.load(Relaxed)) >> PAGE_SHIFT)
    }

    /// Returns the frame of a `struct page`; nonsense for other addresses.
    #[inline(always)]
    pub(crate) fn of_page(page: *const bindings::page) -> Self {
        // ORDERING: As above.
        Self(page.addr().wrapping_sub(PAGES_BASE.load(Relaxed)) / PAGE_STRUCT)
    }

    /// Returns the address of the frame in the linear mapping.
    #[inline(always)]
    pub(crate) fn address(self) -> *mut u8 {
        let offset = self.0 << PAGE_SHIFT;
        // ORDERING: As above.
        core::ptr::with_exposed_provenance_mut(LINEAR_BASE.load(Relaxed).wrapping_add(offset))
    }

    /// Returns the `struct page` of the frame.
    #[inline(always)]
    pub(crate) fn page(self) -> *mut bindings::page {
        let offset = self.0.wrapping_mul(PAGE_STRUCT);
        // ORDERING: As above.
        core::ptr::with_exposed_provenance_mut(PAGES_BASE.load(Relaxed).wrapping_add(offset))
    }

    /// Returns the window that the frame lies in.
    #[inline(always)]
    pub(crate) const fn window(self) -> usize {
        self.0 / FRAMES
    }

    /// Returns the frame's place in its window.
    #[inline(always)]
    pub(crate) const fn frame(self) -> usize {
        self.0 % FRAMES
    }
}

/// Returns a window, or `None` beyond the end of memory.
#[inline(always)]
pub(crate) fn window(index: usize) -> Option<&'static Window> {
    // ORDERING: Table and length are set before anybody can call.
    if index < LENGTH.load(Relaxed) {
        // SAFETY: The table has `LENGTH` windows and lives until the module goes.
        Some(unsafe { &*TABLE.load(Relaxed).add(index) })
    } else {
        None
    }
}

/// Returns how many windows the machine's memory has.
pub(crate) fn nr_windows() -> usize {
    // ORDERING: As in `window`.
    LENGTH.load(Relaxed)
}

/// Returns the window of an address and the frame in it.
#[inline(always)]
pub(crate) fn at(address: usize) -> Option<(&'static Window, usize)> {
    let pfn = Pfn::of_address(address);
    Some((window(pfn.window())?, pfn.frame()))
}

impl Window {
    /// Returns the state byte of a page.
    #[inline(always)]
    pub(crate) fn state(&self, frame: usize) -> &'static AtomicU8 {
        // ORDERING: Acquire pairs with the Release in `attach`: the array is initialised.
        // SAFETY: By the laws of this module, the array lives as long as the module.
        let states = unsafe { &*self.states.load(Acquire) };
        &states[frame % FRAMES]
    }

    /// Returns what owns a page: the slab that it is part of, or null.
    #[inline(always)]
    pub(crate) fn owner(&self, frame: usize) -> *mut u8 {
        // ORDERING: Acquire pairs with the Release in `ensure_owners`: the array is initialised.
        // SAFETY: By the laws of this module, the array lives as long as the module.
        let owners = unsafe { &*self.owners.load(Acquire) };
        // ORDERING: Acquire pairs with the Release in `set_owners`: what the owner points to is
        // initialised.
        owners[frame % FRAMES].load(Acquire)
    }

    /// Returns the node of the window's chunk.
    #[inline(always)]
    pub(crate) fn node(&self) -> u32 {
        // ORDERING: Set in `attach`, before any page of the window is handed out.
        self.node.load(Relaxed)
    }

    /// Returns the window's chunk, if it ever had one.
    #[inline(always)]
    pub(crate) fn chunk(&self) -> Option<NonNull<KernelChunk>> {
        // ORDERING: Acquire pairs with the Release in `attach`: the chunk is initialised.
        NonNull::new(self.chunk.load(Acquire))
    }

    /// Says what owns `count` pages from `frame` on; null for nothing.
    pub(crate) fn set_owners(&self, frame: usize, count: usize, owner: *mut u8) {
        let owners = self.owners.load(Acquire);
        if core::ptr::eq(owners, &NO_OWNERS) {
            return;
        }
        // SAFETY: By the laws of this module, the array lives as long as the module.
        let owners = unsafe { &*owners };
        for slot in owners.iter().skip(frame).take(count) {
            // ORDERING: Release pairs with the Acquire in `owner`.
            slot.store(owner, Release);
        }
    }

    /// Makes room for owners of the window's pages.
    ///
    /// Context: Any, as `gfp` allows.
    pub(crate) fn ensure_owners(&self, gfp: Gfp) -> Result<(), AllocError> {
        if !core::ptr::eq(self.owners.load(Acquire), &NO_OWNERS) {
            return Ok(());
        }
        let layout = Layout::new::<Owners>();
        let fresh = metadata::alloc(About::Slab, layout, gfp).ok_or(AllocError)?;
        // SAFETY: Set by `init`, which ran before any page was handed out.
        let guard = unsafe { ATTACH.get() }.lock();
        if core::ptr::eq(self.owners.load(Relaxed), &NO_OWNERS) {
            // ORDERING: Release pairs with the Acquire in `owner`: the zeroes are visible.
            self.owners.store(fresh.as_ptr().cast(), Release);
            return Ok(());
        }
        drop(guard);
        // SAFETY: Allocated above and not published.
        unsafe { metadata::free(About::Slab, fresh, layout) };
        Ok(())
    }

    /// Attaches states and a chunk to a window that has none. Fails if there is no memory.
    ///
    /// Context: Any, as `gfp` allows.
    pub(crate) fn attach(&self, index: usize, node: u32, gfp: Gfp) -> Option<NonNull<KernelChunk>> {
        if let Some(chunk) = self.chunk() {
            return Some(chunk);
        }
        let layout = Layout::new::<States>();
        let states = metadata::alloc(About::Pool, layout, gfp)?;
        let Some(chunk) = KernelChunk::new(index, gfp) else {
            // SAFETY: Allocated above and not published.
            unsafe { metadata::free(About::Pool, states, layout) };
            return None;
        };
        // SAFETY: Set by `init`, which ran before the pool could grow.
        let guard = unsafe { ATTACH.get() }.lock();
        if let Some(winner) = self.chunk() {
            drop(guard);
            // SAFETY: Allocated above and not published.
            unsafe { metadata::free(About::Pool, states, layout) };
            // SAFETY: As above.
            unsafe { KernelChunk::free(chunk) };
            return Some(winner);
        }
        // ORDERING: The window is not used before its chunk is there; see `node`.
        self.node.store(node, Relaxed);
        // ORDERING: Release pairs with the Acquire in `state`: the zeroes are visible.
        self.states.store(states.as_ptr().cast(), Release);
        // ORDERING: Release pairs with the Acquire in `chunk`.
        self.chunk.store(chunk.as_ptr(), Release);
        Some(chunk)
    }

    /// Frees what is attached.
    ///
    /// # Safety
    ///
    /// Nobody uses the window any more.
    unsafe fn detach(&self) {
        let owners = self.owners.load(Relaxed);
        if !core::ptr::eq(owners, &NO_OWNERS) {
            if let Some(owners) = NonNull::new(owners) {
                // SAFETY: Allocated by `ensure_owners`; nobody uses it any more.
                unsafe { metadata::free(About::Slab, owners.cast(), Layout::new::<Owners>()) };
            }
        }
        if let Some(chunk) = self.chunk() {
            // SAFETY: Allocated by `attach`, together with the states; nobody uses it any more.
            unsafe { KernelChunk::free(chunk) };
            if let Some(states) = NonNull::new(self.states.load(Relaxed)) {
                // SAFETY: As above.
                unsafe { metadata::free(About::Pool, states.cast(), Layout::new::<States>()) };
            }
        }
    }
}

/// Makes the table for all memory that the machine has now.
///
/// Memory that is plugged in later lies beyond it and is not used.
///
/// # Safety
///
/// Called once, before anything else of this module.
pub(crate) unsafe fn init() -> Result {
    // SAFETY: Set at boot.
    let nodes = unsafe { bindings::nr_node_ids };
    let end = (0..nodes)
        // SAFETY: The helper asks for online nodes only. CAST: Node numbers are small.
        .map(|nid| unsafe { bindings::quarry_helper_node_end_pfn(nid as i32) })
        .max()
        .unwrap_or(0);
    let length = end.div_ceil(FRAMES);
    let mut table = KVVec::with_capacity(length, GFP_KERNEL)?;
    for _ in 0..length {
        let window = Window {
            owners: AtomicPtr::new(core::ptr::from_ref(&NO_OWNERS).cast_mut()),
            states: AtomicPtr::new(core::ptr::from_ref(&NO_STATES).cast_mut()),
            chunk: AtomicPtr::new(null_mut()),
            node: AtomicU32::new(0),
        };
        table.push(window, GFP_KERNEL)?;
    }
    let (table, _, _) = table.into_raw_parts();
    // SAFETY: By the contract of this function, nobody reads yet.
    unsafe { ATTACH.set(RawLock::new((), Class::Window)) };
    // The linear mapping and the array of `struct page` are linear, so that where frame 0 would lie
    // says where all others do. ORDERING: Nobody reads yet.
    // SAFETY: Arithmetic on addresses; nothing is read there.
    let linear = unsafe { bindings::quarry_helper_pfn_to_kaddr(0) };
    LINEAR_BASE.store(linear.expose_provenance(), Relaxed);
    // SAFETY: As above.
    let pages = unsafe { bindings::quarry_helper_pfn_to_page(0) };
    PAGES_BASE.store(pages.expose_provenance(), Relaxed);
    TABLE.store(table, Relaxed);
    LENGTH.store(length, Relaxed);
    Ok(())
}

/// Frees the table and what is attached to it.
///
/// # Safety
///
/// Called once, after everything that looks up addresses has ended.
pub(crate) unsafe fn exit() {
    for index in 0..nr_windows() {
        if let Some(window) = window(index) {
            // SAFETY: By the contract of this function.
            unsafe { window.detach() };
        }
    }
    let length = LENGTH.swap(0, Relaxed);
    let table = TABLE.swap(null_mut(), Relaxed);
    // SAFETY: Made by `init` with this length; the capacity only tells the type what it owns.
    drop(unsafe { KVVec::from_raw_parts(table, length, length) });
    // SAFETY: Set by `init`; nobody uses it any more.
    unsafe { ATTACH.end() };
}

/// Returns the index of an address's window, for people.
pub(crate) fn index_of(address: usize) -> usize {
    // ORDERING: As in `window`.
    address.wrapping_sub(LINEAR_BASE.load(Relaxed)) >> WINDOW_SHIFT
}

/// Returns the bytes of the table.
pub(crate) fn table_bytes() -> usize {
    nr_windows() * core::mem::size_of::<Window>()
}

const _: () = assert!(core::mem::size_of::<Window>() == 32);
const _: () = assert!(PAGE_SIZE == 1 << PAGE_SHIFT);
