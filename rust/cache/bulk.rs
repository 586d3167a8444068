// SPDX-License-Identifier: GPL-2.0

//! Many objects at once, from and to this CPU's magazine.
//!
//! Objects that were allocated together mostly lie one behind the other in a slab, and come back in that
//! order. So a free looks up the first of such a run, and for the others compares with where they ought
//! to lie; their state bytes are neighbours.

use super::{
    find,
    slab_head::{
        OBJECT_FREE,
        OBJECT_LIVE, //
    },
    Cache, //
};
use crate::{
    front::Room,
    gfp::Gfp,
    magazine::{
        Entries,
        Entry, //
    },
    page_alloc::NO_NODE,
    state,
    words, //
};
use core::{
    ffi::c_void,
    ptr::NonNull,
    sync::atomic::{
        AtomicU8,
        Ordering::Relaxed, //
    }, //
};

/// Objects that are handed out between two jumps back.
const AT_ONCE: usize = 8;

/// A pointer to an object, as C callers have it.
type Object = *mut c_void;

impl Cache {
    /// Allocates objects, as many as this CPU's magazine has. Returns how many.
    ///
    /// Context: Any but NMI.
    #[inline(always)]
    pub(crate) fn alloc_bulk_fast(&self, gfp: Gfp, objects: &mut [Object]) -> usize {
        if self.needs_more(gfp) {
            return 0;
        }
        self.front
            .pop_many(objects.len(), |entries| hand_out_all(entries, objects))
    }

    /// Allocates objects. Returns how many.
    ///
    /// Context: Any but NMI, as `gfp` allows.
    #[cold]
    #[inline(never)]
    pub(crate) fn alloc_bulk(&self, gfp: Gfp, objects: &mut [Object]) -> usize {
        let mut filled = 0;
        while let Some(slot) = objects.get_mut(filled) {
            // The magazine is empty, or not to be used; one object by the slow path fills it.
            let Some(object) = self.alloc(gfp, NO_NODE) else {
                break;
            };
            *slot = object.as_ptr().cast();
            filled += 1;
            if let Some(rest) = objects.get_mut(filled..) {
                filled += self.alloc_bulk_fast(gfp, rest);
            }
        }
        filled
    }

    /// Frees objects from the first on, as long as they are live objects of this cache and this CPU's
    /// magazine has room. Returns how many.
    ///
    /// Context: Any but NMI.
    ///
    /// # Safety
    ///
    /// The caller gives up the objects, if they are some.
    #[inline(always)]
    pub(crate) unsafe fn free_bulk_fast(&self, objects: &[Object]) -> usize {
        self.front.push_many(|room| {
            let mut rest = objects;
            while !rest.is_empty() {
                let count = self.free_run(rest, room);
                if count == 0 {
                    break;
                }
                // SAFETY: Not more than there were.
                rest = unsafe { rest.get_unchecked(count..) };
            }
        })
    }

    /// Frees objects that lie one behind the other. Returns how many; 0 if there is a reason why the
    /// first cannot be freed here.
    #[inline(always)]
    fn free_run(&self, objects: &[Object], room: &mut Room<'_>) -> usize {
        let Some((slab, index)) = objects.first().and_then(|first| find(first.addr())) else {
            return 0;
        };
        if !core::ptr::eq(slab.cache(), self) || !room.is_of(slab.node()) {
            return 0;
        }
        // CAST: Lossless.
        let (left, stride) = (slab.left(index) as usize, self.geometry.stride as usize);
        let most = objects.len().min(room.left()).min(left);
        let first: *const AtomicU8 = slab.state(index);
        let mut expected = slab.address(index);
        let mut freed = 0;
        while freed < most {
            // SAFETY: Below the length. The slab has `most` objects from this one on, and a state byte
            // for each.
            let (object, state) = unsafe { (*objects.get_unchecked(freed), &*first.add(freed)) };
            if object.addr() != expected || !state::change(state, OBJECT_LIVE, OBJECT_FREE) {
                break;
            }
            // SAFETY: What lies in a slab is not null.
            let address = unsafe { NonNull::new_unchecked(object.cast()) };
            // SAFETY: There is room for `most`.
            unsafe { room.put(freed, Entry { address, state }) };
            expected = expected.wrapping_add(stride);
            freed = freed.wrapping_add(1);
        }
        // SAFETY: They were put above.
        unsafe { room.advance(freed) };
        freed
    }
}

/// Hands out entries into an array that is at least as long.
#[inline(always)]
fn hand_out_all(entries: Entries<'_>, objects: &mut [Object]) {
    let (addresses, states) = entries.parts();
    debug_assert!(addresses.len() <= objects.len());
    // SAFETY: Addresses and pointers are words; there are so many of both, in different memory.
    unsafe {
        words::copy(
            addresses.as_ptr().cast(),
            objects.as_mut_ptr().cast(),
            addresses.len(),
        )
    };
    // ORDERING: The objects are ours alone.
    let live = |state: &AtomicU8| state.store(OBJECT_LIVE, Relaxed);
    let some = states.chunks_exact(AT_ONCE);
    some.remainder().iter().copied().for_each(live);
    for some in some {
        some.iter().copied().for_each(live);
    }
}
