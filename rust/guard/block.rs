// SPDX-License-Identifier: GPL-2.0

//! Blocks of pages in the presets `hardened` and `debug`.
//!
//! A block that is freed is cleared or poisoned, and lies in a quarantine until others follow; in the debug
//! preset it is checked when it leaves. A large `kmalloc` of the debug preset has a zone behind it, and at its
//! very end how many bytes were asked for, twice, so that it is seen when that is overwritten too.

use super::report::Subject;
use crate::{
    global::Global,
    lock::{
        Class,
        RawLock, //
    },
    page_alloc,
    pool::{
        Leaves,
        Order,
        Quarantine, //
    },
    preset::{
        Checks,
        Preset, //
    },
    random,
    requests::KBox,
    slab::REDZONE_LIVE,
    window::Pfn, //
};
use core::{
    ptr::NonNull,
    sync::atomic::{
        AtomicUsize,
        Ordering::Relaxed, //
    }, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// Most pages that a quarantine holds.
const MOST: usize = 1024;
/// A quarantine holds at most one part of so many of what its pool may have.
const SHARE: usize = 16;
/// Bytes at the end of a fenced block that say how many were asked for.
const FOOTER: usize = 16;
/// Fewest bytes between what was asked for and the footer.
const ZONE: usize = 16;

/// Freed blocks of a pool, in one of the states that are not a caller's.
pub(crate) struct Aside(KBox<RawLock<Quarantine<Pfn>>>);

/// That of what is charged to no pool.
static UNCHARGED: Global<Aside> = Global::new();

/// Sets up the quarantine of what is charged to no pool.
pub(super) fn init() -> Result {
    let aside = Aside::new(usize::MAX)?;
    // SAFETY: Called once, by `super::init`, before anybody can free.
    unsafe { UNCHARGED.set(aside) };
    Ok(())
}

/// Frees the quarantine of what is charged to no pool, which is empty.
pub(super) fn exit() {
    // SAFETY: Set by `init`; called when nobody frees any more.
    unsafe { UNCHARGED.end() };
}

/// Returns the quarantine of what is charged to no pool.
pub(crate) fn uncharged() -> &'static Aside {
    // SAFETY: Set by `init`, which runs before anybody can call.
    unsafe { UNCHARGED.get() }
}

/// Pages in all quarantines.
static PAGES: AtomicUsize = AtomicUsize::new(0);

/// Returns how many pages lie in quarantines.
pub(crate) fn nr_pages() -> usize {
    // ORDERING: Statistics.
    PAGES.load(Relaxed)
}

impl Aside {
    /// Returns an empty quarantine of a pool with at most `limit` pages.
    ///
    /// Context: Process context. May sleep.
    #[inline(never)]
    pub(crate) fn new(limit: usize) -> Result<Self> {
        let blocks = Quarantine::new((limit / SHARE).min(MOST));
        Ok(Self(KBox::new(
            RawLock::new(blocks, Class::Stash),
            GFP_KERNEL,
        )?))
    }

    /// Marks a block that is freed, and puts it in. Passes those that leave to `free`.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The block is the caller's, who gives it up.
    pub(crate) unsafe fn pass(
        &self,
        preset: Preset,
        block: NonNull<u8>,
        order: Order,
        mut free: impl FnMut(NonNull<u8>, Order),
    ) {
        // SAFETY: By the contract of this function.
        unsafe { mark(preset, block, order) };
        let first = Pfn::of_address(block.addr().get());
        if !self.0.lock().put(first, order) {
            return free(block, order);
        }
        // ORDERING: Statistics.
        PAGES.fetch_add(order.pages(), Relaxed);
        self.let_out(preset, free, |blocks| {
            blocks.leave(match preset {
                // CAST: The upper half, which is the better one.
                Preset::Hardened => Leaves::Picked((random::number() >> 32) as u32),
                _ => Leaves::Oldest,
            })
        });
    }

    /// Takes all out, and passes them to `free`.
    ///
    /// Context: Any but NMI.
    pub(crate) fn empty(&self, preset: Preset, free: impl FnMut(NonNull<u8>, Order)) {
        self.let_out(preset, free, Quarantine::any);
    }

    /// Passes what `next` takes out to `free`, as long as there is something.
    fn let_out(
        &self,
        preset: Preset,
        mut free: impl FnMut(NonNull<u8>, Order),
        next: impl Fn(&mut Quarantine<Pfn>) -> Option<(Pfn, Order)>,
    ) {
        loop {
            let left = next(&mut self.0.lock());
            let Some((first, order)) = left else {
                return;
            };
            // ORDERING: Statistics.
            PAGES.fetch_sub(order.pages(), Relaxed);
            if let Some(block) = NonNull::new(first.address()) {
                check(preset, block, order);
                free(block, order);
            }
        }
    }
}

/// # Safety
///
/// As for [`Aside::pass`].
unsafe fn mark(preset: Preset, block: NonNull<u8>, order: Order) {
    let bytes = PAGE_SIZE << order.get();
    match preset {
        Preset::Fast => {}
        // SAFETY: By the contract of this function; the block has this many bytes.
        Preset::Hardened => unsafe { page_alloc::clear(block, bytes) },
        Preset::Debug(checks) if checks.has(Checks::POISON) => {
            // SAFETY: As above.
            unsafe { super::poison(block.addr().get(), bytes) };
        }
        Preset::Debug(_) => {}
    }
}

/// Checks a block that leaves a quarantine.
fn check(preset: Preset, block: NonNull<u8>, order: Order) {
    let poisoned = |checks: Checks| checks.has(Checks::SANITY) && checks.has(Checks::POISON);
    if preset.checks().is_some_and(poisoned) {
        let (start, bytes) = (block.addr().get(), PAGE_SIZE << order.get());
        let subject = Subject {
            name: "pages",
            start,
            bytes,
            who: None,
        };
        // SAFETY: The block has been taken out, and has this many bytes.
        unsafe { super::check_poison(&subject, start, bytes) };
    }
}

/// Returns whether large allocations of a preset have a zone behind them.
fn has_fence(preset: Preset) -> bool {
    preset
        .checks()
        .is_some_and(|checks| checks.has(Checks::REDZONE))
}

/// Returns the order of the block for a large allocation, which has room for a fence if there is to be one,
/// and if there are blocks that large.
pub(crate) fn order_for(size: usize, preset: Preset) -> Option<Order> {
    let order = |size: usize| Order::for_pages(size.div_ceil(PAGE_SIZE));
    let fenced = if has_fence(preset) {
        size.checked_add(ZONE + FOOTER).and_then(order)
    } else {
        None
    };
    fenced.or_else(|| order(size))
}

/// What a footer says beside the size.
fn seal(size: usize) -> usize {
    size ^ 0x5a5a_5a5a_5a5a_5a5a
}

/// The footer of a block.
fn footer(block: NonNull<u8>, order: Order) -> NonNull<[usize; 2]> {
    // SAFETY: The block has at least a page.
    unsafe { block.add((PAGE_SIZE << order.get()) - FOOTER) }.cast()
}

/// Puts a fence behind the `size` bytes of a large allocation, if it is to have one.
///
/// # Safety
///
/// The block is the caller's, and came from [`order_for`].
pub(crate) unsafe fn fence(preset: Preset, block: NonNull<u8>, order: Order, size: usize) {
    let bytes = PAGE_SIZE << order.get();
    if !has_fence(preset) || size + ZONE + FOOTER > bytes {
        return;
    }
    let (start, zone) = (block.addr().get() + size, bytes - size - FOOTER);
    // SAFETY: By the contract of this function; within the block.
    unsafe { super::fill(start, zone, REDZONE_LIVE) };
    // SAFETY: As above.
    unsafe { footer(block, order).write([size, seal(size)]) };
}

/// Returns how many bytes the caller of a live large allocation may use.
pub(crate) fn room(preset: Preset, block: NonNull<u8>, order: Order) -> usize {
    let bytes = PAGE_SIZE << order.get();
    if !has_fence(preset) {
        return bytes;
    }
    // SAFETY: A live block of at least a page; what a misuse writes there makes the seal wrong.
    let [size, sealed] = unsafe { footer(block, order).read_volatile() };
    if sealed == seal(size) && size + ZONE + FOOTER <= bytes {
        size
    } else {
        bytes
    }
}

/// Checks the fence of a large allocation that is freed.
///
/// # Safety
///
/// The block is the caller's.
pub(crate) unsafe fn check_fence(preset: Preset, block: NonNull<u8>, order: Order) {
    let sane = preset
        .checks()
        .is_some_and(|checks| checks.has(Checks::SANITY));
    if !sane || !has_fence(preset) {
        return;
    }
    let (start, bytes) = (block.addr().get(), PAGE_SIZE << order.get());
    let size = room(preset, block, order);
    let subject = |bytes| Subject {
        name: "kmalloc",
        start,
        bytes,
        who: None,
    };
    if size != bytes {
        let zone = bytes - size - FOOTER;
        // SAFETY: By the contract of this function; within the block.
        unsafe {
            super::check_zone(
                &subject(size),
                "Right Redzone overwritten",
                start + size,
                zone,
                REDZONE_LIVE,
            )
        };
    } else if order != Order::MAX {
        // All but the largest are fenced: then what is wrong is the footer.
        // SAFETY: As above.
        unsafe {
            super::check_zone(
                &subject(bytes - FOOTER),
                "Right Redzone overwritten",
                start + bytes - FOOTER,
                FOOTER,
                REDZONE_LIVE,
            )
        };
    }
}
