// SPDX-License-Identifier: GPL-2.0

//! Slabs as the kernel stores them.
//!
//! One allocation of bookkeeping memory holds, in this order: [`SlabHead`], one state byte for each
//! object, the bitmap of free objects, and in the debug preset a note of each object. None of it lies in the slab's own pages.

use super::{
    guarded::Note,
    Cache, //
};
use crate::{
    bins::{
        Arena,
        Link,
        Linked, //
    },
    front::Local,
    gfp::Gfp,
    metadata::{
        self,
        About, //
    },
    owners::{
        self,
        Owner, //
    },
    pool::Violation,
    slab::{
        index,
        Geometry,
        Listed,
        Objects, //
    }, //
};
use core::{
    alloc::Layout,
    ptr::NonNull,
    sync::atomic::{
        AtomicU8,
        Ordering::Relaxed, //
    }, //
};

/// State of an object that lies free in its slab or in a magazine.
pub(crate) const OBJECT_FREE: u8 = 0;
/// State of an object that is handed out.
pub(crate) const OBJECT_LIVE: u8 = 1;
/// State of an object that was freed, by who could not put it anywhere: see [`super::nolock`].
pub(crate) const OBJECT_LEFT: u8 = 2;

/// The head of a slab's bookkeeping.
///
/// # Invariants
///
/// State bytes for `geometry.objects` objects follow, and one more, which is never live; `bitmap` points to `geometry.words()` words
/// behind them.
#[repr(C)]
pub(crate) struct SlabHead {
    /// The lower half of what is to be added to an address for its offset: no slab is so large that
    /// more is needed to find an object in it.
    to_offset: u32,
    /// The reciprocal of the geometry; 0 where there is no slab, see [`owners::nobody`].
    reciprocal: u32,
    /// Address of the first object.
    base: usize,
    geometry: Geometry,
    cache: NonNull<Cache>,
    /// The fast path of the cache, for the node.
    local: Local,
    node: u32,
    /// Free objects; protected by the lock of the cache's node, like all that follows.
    free: u32,
    place: Option<u8>,
    leaves_at: u32,
    link: Link<SlabId>,
    bitmap: NonNull<u64>,
    /// A note for each object, if there are some. Never changes.
    notes: Option<NonNull<Note>>,
}

/// Names a slab.
///
/// # Invariants
///
/// The slab is alive: it is part of its cache.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct SlabId(NonNull<SlabHead>);

// SAFETY: The changeable parts of what it names are touched under the lock of a node only.
unsafe impl Send for SlabId {}

/// What never changes in a slab, for the fast path.
#[derive(Clone, Copy)]
pub(crate) struct SlabRef(NonNull<SlabHead>);

/// Returns the layout of the bookkeeping, and where bitmap and notes lie in it.
fn layout(geometry: &Geometry, has_notes: bool) -> Option<(Layout, usize, usize)> {
    // CAST: Lossless.
    let states = Layout::array::<AtomicU8>(geometry.objects as usize + 1).ok()?;
    let words = Layout::array::<u64>(geometry.words()).ok()?;
    let (layout, _) = Layout::new::<SlabHead>().extend(states).ok()?;
    let (layout, bitmap) = layout.extend(words).ok()?;
    if !has_notes {
        return Some((layout.pad_to_align(), bitmap, 0));
    }
    // CAST: Lossless.
    let notes = Layout::array::<Note>(geometry.objects as usize).ok()?;
    let (layout, notes) = layout.extend(notes).ok()?;
    Some((layout.pad_to_align(), bitmap, notes))
}

impl SlabId {
    /// Allocates the bookkeeping of a slab whose objects are all free.
    pub(crate) fn new(
        cache: NonNull<Cache>,
        geometry: &Geometry,
        base: NonNull<u8>,
        node: u32,
        gfp: Gfp,
    ) -> Option<Self> {
        // SAFETY: The cache is alive, and makes its slabs itself.
        let maker = unsafe { cache.as_ref() };
        let (layout, bitmap, notes) = layout(geometry, maker.is_debug())?;
        // CAST: Lossless.
        let local = maker.local(node as usize)?;
        let head = metadata::alloc(About::Slab, layout, gfp)?.cast::<SlabHead>();
        // SAFETY: The layout has the bitmap there.
        let bitmap = unsafe { head.byte_add(bitmap).cast::<u64>() };
        // SAFETY: The layout has the notes there. They are zeroes: of objects that were never allocated.
        let notes = unsafe { head.byte_add(notes).cast::<Note>() };
        // SAFETY: Large enough, aligned, and not shared yet. The state bytes are zeroes, that is
        // `OBJECT_FREE`.
        // INVARIANT: The layout has room for states and bitmap.
        unsafe {
            head.write(SlabHead {
                // CAST: The lower half on purpose.
                to_offset: (base.addr().get() as u32).wrapping_neg(),
                base: base.addr().get(),
                reciprocal: geometry.reciprocal(),
                geometry: *geometry,
                cache,
                local,
                node,
                free: 0,
                place: None,
                leaves_at: 1,
                link: Link::new(),
                bitmap,
                notes: maker.is_debug().then_some(notes),
            })
        };
        // SAFETY: Written above and not shared yet.
        unsafe { &mut *head.as_ptr() }.objects(|objects| objects.fill(geometry));
        // INVARIANT: Alive from here on.
        Some(Self(head))
    }

    /// Frees the bookkeeping.
    ///
    /// # Safety
    ///
    /// The slab is in no list, and nobody uses it any more.
    pub(crate) unsafe fn free(self) {
        let slab = self.as_ref();
        if let Some((layout, _, _)) = layout(&slab.geometry(), slab.has_notes()) {
            // SAFETY: Allocated by `new` with this layout; by the contract of this function.
            unsafe { metadata::free(About::Slab, self.0.cast(), layout) };
        }
    }

    /// Returns what never changes.
    pub(crate) fn as_ref(self) -> SlabRef {
        SlabRef(self.0)
    }

    /// Returns the pointer that is kept as owner of the slab's pages.
    pub(crate) fn as_owner(self) -> *mut Owner {
        self.0.as_ptr().wrapping_add(1).cast()
    }
}

/// The record of a slab, from the pointer that is kept as owner of its pages.
#[inline(always)]
fn record(owner: *mut Owner) -> *mut SlabHead {
    owner.cast::<SlabHead>().wrapping_sub(1)
}

const _: () = assert!(core::mem::size_of::<SlabHead>() <= owners::RECORD);

impl SlabHead {
    /// Lets `change` see the free objects.
    fn objects<R>(&mut self, change: impl FnOnce(&mut Objects<'_>) -> R) -> R {
        // SAFETY: By the type invariants; `&mut self` in the hands of the lock's holder is the only
        // access to the bitmap.
        let words =
            unsafe { core::slice::from_raw_parts_mut(self.bitmap.as_ptr(), self.geometry.words()) };
        change(&mut Objects::new(words, &mut self.free))
    }

    /// Takes up to `max` objects and passes runs of them to `emit`: the index of the first, and how
    /// many there are.
    #[inline]
    pub(crate) fn take_runs(&mut self, max: u32, emit: impl FnMut(u32, u32)) -> u32 {
        self.objects(|objects| objects.take_runs(max, emit))
    }

    /// Checks the bitmap, and that no free object is handed out.
    pub(crate) fn validate(&self) -> Result<(), Violation> {
        let mut free = self.free;
        // SAFETY: By the type invariants; the lock's holder only reads.
        let words =
            unsafe { core::slice::from_raw_parts_mut(self.bitmap.as_ptr(), self.geometry.words()) };
        let objects = Objects::new(words, &mut free);
        objects.validate(&self.geometry)?;
        let slab = SlabRef(NonNull::from(self));
        for index in (0..self.geometry.objects).filter(|&index| objects.is_free(index)) {
            // ORDERING: Free objects change state under the lock only.
            if slab.state(index).load(Relaxed) != OBJECT_FREE {
                return Err(Violation("slab: a free object is handed out"));
            }
        }
        slab.cache()
            .validate_guards(slab, |index| objects.is_free(index))
    }
}

impl SlabRef {
    /// Wraps the owner of a page, if it is a slab.
    #[inline(always)]
    pub(crate) fn from_owner(owner: *mut Owner) -> Option<Self> {
        let head = record(owner);
        // SAFETY: An owner is alive, or nobody; what is no slab shows zeroes there.
        if unsafe { (*head).reciprocal } == 0 {
            None
        } else {
            NonNull::new(head).map(Self)
        }
    }

    /// Returns the slab whose page has this owner, and which of its objects begins at an address.
    ///
    /// `None` if there is no slab, or no object begins there: one check tells both, because the
    /// reciprocal that [`owners::nobody`] shows has no multiples.
    #[inline(always)]
    pub(crate) fn find(owner: *mut Owner, address: usize) -> Option<(Self, u32)> {
        let head = record(owner);
        // SAFETY: An owner is alive, or nobody, whose record is as long.
        let (to_offset, reciprocal) = unsafe { ((*head).to_offset, (*head).reciprocal) };
        // CAST: The lower half on purpose. The page is the owner's, so that the address is not far.
        let index = index(reciprocal, (address as u32).wrapping_add(to_offset))?;
        // SAFETY: A record is not at address 0.
        Some((Self(unsafe { NonNull::new_unchecked(head) }), index))
    }

    #[inline(always)]
    fn head(&self) -> *const SlabHead {
        self.0.as_ptr()
    }

    /// Returns the name of the slab.
    pub(crate) fn id(self) -> SlabId {
        // INVARIANT: Owners of pages are alive until their pages have left the cache.
        SlabId(self.0)
    }

    /// Returns the cache.
    #[inline(always)]
    pub(crate) fn cache(&self) -> &'static Cache {
        // SAFETY: The slab is alive, and its cache outlives it. The field never changes.
        unsafe { (*self.head()).cache.as_ref() }
    }

    /// Returns the layout.
    #[inline(always)]
    pub(crate) fn geometry(&self) -> Geometry {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).geometry }
    }

    /// Returns the fast path of the cache, for the slab's node.
    #[inline(always)]
    pub(crate) fn local(&self) -> Local {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).local }
    }

    /// Returns the node of the slab's pages.
    #[inline(always)]
    pub(crate) fn node(&self) -> u32 {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).node }
    }

    /// Returns the address of the first object.
    #[inline(always)]
    pub(crate) fn base(&self) -> usize {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).base }
    }

    /// Returns whether its objects have notes.
    #[inline(always)]
    fn has_notes(&self) -> bool {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).notes.is_some() }
    }

    /// Returns what is noted of an object, in the debug preset.
    pub(super) fn note(&self, index: u32) -> Option<&'static Note> {
        // SAFETY: The slab is alive. The fields never change.
        let (notes, objects) = unsafe { ((*self.head()).notes?, (*self.head()).geometry.objects) };
        // CAST: Lossless.
        // SAFETY: There is one for each object; the slab outlives the use of its objects.
        (index < objects).then(|| unsafe { notes.add(index as usize).as_ref() })
    }

    /// Returns whether an object is handed out.
    pub(crate) fn is_live(&self, index: u32) -> bool {
        // ORDERING: Whoever has a live object keeps it so; else any value is an answer.
        self.state(index).load(Relaxed) == OBJECT_LIVE
    }

    /// Returns whether an object begins at an address.
    pub(crate) fn begins(&self, address: usize) -> bool {
        index(self.geometry().reciprocal(), self.offset(address)).is_some()
    }

    /// Returns how far an address lies from the first object.
    #[inline(always)]
    pub(crate) fn offset(&self, address: usize) -> u32 {
        // CAST: Slabs are smaller than 4 GiB; other addresses give nonsense, which is checked.
        address.wrapping_sub(self.base()) as u32
    }

    /// Returns how many objects there are from one on; none for what looks like the one behind the last.
    #[inline(always)]
    pub(crate) fn left(&self, index: u32) -> u32 {
        // SAFETY: The slab is alive. The field never changes.
        unsafe { (*self.head()).geometry.objects }.saturating_sub(index)
    }

    /// Returns the address of an object.
    #[inline(always)]
    pub(crate) fn address(&self, index: u32) -> usize {
        // SAFETY: The slab is alive. The field never changes.
        let stride = unsafe { (*self.head()).geometry.stride };
        // CAST: Slabs are smaller than 4 GiB.
        self.base()
            .wrapping_add(index.wrapping_mul(stride) as usize)
    }

    /// Returns the index of the object that has a state byte, if that is one of this slab.
    #[inline(always)]
    pub(crate) fn index_of(&self, state: &AtomicU8) -> Option<u32> {
        let first = self.0.as_ptr().wrapping_add(1).addr();
        let index = core::ptr::from_ref(state).addr().wrapping_sub(first);
        // SAFETY: The slab is alive. The field never changes.
        let objects = unsafe { (*self.head()).geometry.objects };
        // CAST: Lossless; then less than `objects`.
        (index < objects as usize).then_some(index as u32)
    }

    /// Returns the state byte of an object, or that behind the last, which is never live.
    #[inline(always)]
    pub(crate) fn state(&self, index: u32) -> &'static AtomicU8 {
        // SAFETY: By the invariants of `SlabHead`, for an index of at most the number of objects,
        // which callers have from `Geometry`. The slab outlives the use of its objects.
        unsafe {
            &*self
                .0
                .as_ptr()
                .add(1)
                .cast::<AtomicU8>()
                .add(index as usize)
        }
    }
}

/// The right to touch the slabs of a node: lies within that node's lock.
pub(crate) struct Slabs(());

impl Slabs {
    /// Returns the arena of a cache's node.
    ///
    /// # Safety
    ///
    /// Only slabs of that cache and node are named to it.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

impl Linked<SlabId> for SlabHead {
    fn link(&self) -> &Link<SlabId> {
        &self.link
    }
    fn link_mut(&mut self) -> &mut Link<SlabId> {
        &mut self.link
    }
}

impl Listed for SlabHead {
    fn free(&self) -> u32 {
        self.free
    }
    fn place(&self) -> Option<u8> {
        self.place
    }
    fn set_place(&mut self, place: Option<u8>, leaves_at: u32) {
        self.place = place;
        self.leaves_at = leaves_at;
    }
    #[inline(always)]
    fn leaves_at(&self) -> u32 {
        self.leaves_at
    }
    #[inline(always)]
    fn put_bits(&mut self, word: usize, bits: u64, count: u32) -> bool {
        self.objects(|objects| objects.put_bits(word, bits, count))
    }
}

impl Arena for Slabs {
    type Id = SlabId;
    type Node = SlabHead;

    #[inline(always)]
    fn node(&self, id: SlabId) -> &SlabHead {
        // SAFETY: By the invariants of `SlabId` alive; by the contract of `new` ours.
        unsafe { &*id.0.as_ptr() }
    }

    #[inline(always)]
    fn node_mut(&mut self, id: SlabId) -> &mut SlabHead {
        // SAFETY: As above; `&mut self` is the only access to the node's slabs.
        unsafe { &mut *id.0.as_ptr() }
    }
}
