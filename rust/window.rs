// SPDX-License-Identifier: GPL-2.0

//! From an address to what quarry knows of it, in constant time.
//!
//! Physical memory is seen as windows of 1024 page frames, aligned to their size; a chunk lies in
//! one window. A table over all windows of the machine leads to a byte of state for each page. Windows
//! without a chunk share a page of zeroes, so that looking up any address needs a bounds check and no
//! other. Which slab a page is part of is in [`crate::owners`].
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
    front::Local,
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
        FRAMES,
        NR_ORDERS, //
    },
    requests::KVVec, //
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
        Ordering::{
            Acquire,
            Relaxed,
            Release, //
        }, //
    }, //
};
use kernel::{
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
    /// A block of the page API that is charged to an account.
    Charged = 0x70,
    /// A large `kmalloc` that is charged to an account.
    ChargedLarge = 0x80,
    /// A large `kmalloc` of the debug preset, see [`crate::guard::block`].
    Fenced = 0xa0,
    /// What an account has set aside, and what is on its way back from one.
    Stashed = 0x90,
}

/// The state of a page that the pool does not have.
pub(crate) const ABSENT: u8 = 0;
/// The state of a page that is free in its chunk, or not the first of its block.
pub(crate) const FREE: u8 = 0x10;
/// The state of the first page of a block in a magazine, with its order in the low bits.
pub(crate) const CACHED: u8 = 0x20;

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

type States = [AtomicU8; FRAMES];

/// The fast paths of a node, by order.
pub(crate) type Locals = [Local; NR_ORDERS];

/// One window.
#[repr(C)]
pub(crate) struct Window {
    states: AtomicPtr<States>,
    chunk: AtomicPtr<KernelChunk>,
    /// The fast paths of the node, one for each order.
    locals: AtomicPtr<Local>,
    node: AtomicU32,
}

/// All windows without a chunk point here: every page is absent.
static NO_STATES: States = [const { AtomicU8::new(ABSENT) }; FRAMES];

/// Where things are; does not change.
struct Map {
    /// Address of page frame 0 in the linear mapping.
    linear_base: usize,
    /// Address of the `struct page` of page frame 0.
    pages_base: usize,
    windows: NonNull<Window>,
    length: usize,
}

// SAFETY: The windows are made to be shared.
unsafe impl Send for Map {}
// SAFETY: As above.
unsafe impl Sync for Map {}

static MAP: Global<Map> = Global::new();

#[inline(always)]
fn map() -> &'static Map {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { MAP.get() }
}

/// Serialises attaching.
static ATTACH: Global<RawLock<()>> = Global::new();

const PAGE_STRUCT: usize = core::mem::size_of::<bindings::page>();

/// A page frame number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pfn(pub(crate) usize);

impl Pfn {
    /// Returns the frame behind an address of the linear mapping; nonsense for other addresses.
    #[inline(always)]
    pub(crate) fn of_address(address: usize) -> Self {
        Self(address.wrapping_sub(map().linear_base) >> PAGE_SHIFT)
    }

    /// Returns the frame of a `struct page`; nonsense for other addresses.
    #[inline(always)]
    pub(crate) fn of_page(page: *const bindings::page) -> Self {
        Self(page.addr().wrapping_sub(map().pages_base) / PAGE_STRUCT)
    }

    /// Returns the address of the frame in the linear mapping.
    #[inline(always)]
    pub(crate) fn address(self) -> *mut u8 {
        let offset = self.0 << PAGE_SHIFT;
        core::ptr::with_exposed_provenance_mut(map().linear_base.wrapping_add(offset))
    }

    /// Returns the `struct page` of the frame.
    #[inline(always)]
    pub(crate) fn page(self) -> *mut bindings::page {
        let offset = self.0.wrapping_mul(PAGE_STRUCT);
        core::ptr::with_exposed_provenance_mut(map().pages_base.wrapping_add(offset))
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
    let map = map();
    if index < map.length {
        // SAFETY: There are `length` windows, which live until the module goes.
        Some(unsafe { map.windows.add(index).as_ref() })
    } else {
        None
    }
}

/// Returns how many windows the machine's memory has.
pub(crate) fn nr_windows() -> usize {
    map().length
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

    /// Returns the node of the window's chunk.
    #[inline(always)]
    pub(crate) fn node(&self) -> u32 {
        // ORDERING: Set in `attach`, before any page of the window is handed out.
        self.node.load(Relaxed)
    }

    /// Returns the fast path of an order for blocks of the window, which has a chunk.
    ///
    /// # Safety
    ///
    /// A page of the window has been handed out.
    #[inline(always)]
    pub(crate) unsafe fn local(&self, order: Order) -> Local {
        // ORDERING: As in `node`.
        // SAFETY: Set by `attach` to an array with one for each order.
        unsafe { *self.locals.load(Relaxed).add(order.index()) }
    }

    /// Returns the window's chunk, if it ever had one.
    #[inline(always)]
    pub(crate) fn chunk(&self) -> Option<NonNull<KernelChunk>> {
        // ORDERING: Acquire pairs with the Release in `attach`: the chunk is initialised.
        NonNull::new(self.chunk.load(Acquire))
    }

    /// Attaches states and a chunk to a window that has none. Fails if there is no memory.
    ///
    /// Context: Any, as `gfp` allows.
    ///
    /// `locals` are the fast paths of the node.
    pub(crate) fn attach(
        &self,
        index: usize,
        node: u32,
        locals: &'static Locals,
        gfp: Gfp,
    ) -> Option<NonNull<KernelChunk>> {
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
        self.locals
            .store(core::ptr::from_ref(locals).cast_mut().cast(), Relaxed);
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
            states: AtomicPtr::new(core::ptr::from_ref(&NO_STATES).cast_mut()),
            chunk: AtomicPtr::new(null_mut()),
            locals: AtomicPtr::new(null_mut()),
            node: AtomicU32::new(0),
        };
        table.push(window, GFP_KERNEL)?;
    }
    let (table, _, _) = table.into_raw_parts();
    // SAFETY: By the contract of this function, nobody reads yet.
    unsafe { ATTACH.set(RawLock::new((), Class::Window)) };
    // The linear mapping and the array of `struct page` are linear, so that where frame 0 would lie
    // says where all others do.
    // SAFETY: Arithmetic on addresses; nothing is read there.
    let linear = unsafe { bindings::quarry_helper_pfn_to_kaddr(0) };
    // SAFETY: As above.
    let pages = unsafe { bindings::quarry_helper_pfn_to_page(0) };
    let map = Map {
        linear_base: linear.expose_provenance(),
        pages_base: pages.expose_provenance(),
        windows: NonNull::new(table).ok_or(ENOMEM)?,
        length,
    };
    // SAFETY: By the contract of this function, nobody reads yet.
    unsafe { MAP.set(map) };
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
    let Map {
        windows, length, ..
    } = *map();
    // SAFETY: Made by `init` with this length; the capacity only tells the type what it owns.
    drop(unsafe { KVVec::from_raw_parts(windows.as_ptr(), length, length) });
    // SAFETY: Set by `init`; nobody uses it any more.
    unsafe { ATTACH.end() };
}

/// Returns the bytes of the table.
pub(crate) fn table_bytes() -> usize {
    nr_windows() * core::mem::size_of::<Window>()
}

const _: () = assert!(core::mem::size_of::<Window>() == 32);
const _: () = assert!(PAGE_SIZE == 1 << PAGE_SHIFT);
