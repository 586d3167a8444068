// SPDX-License-Identifier: GPL-2.0

//! `caches/NAME/`: a directory for each cache, with one number in each file.
//!
//! A directory is called like its cache, and like its cache with a dot and the cache's number behind
//! if there is one of that name already.
//!
//! A file knows the number of its cache and looks for it in the list of caches each time, so that
//! one that is being read does not keep its cache alive, and one whose cache is gone is empty.
//!
//! # Lock order
//!
//! `TREE` comes before the lock of the list of caches and must not be taken with that held: removing
//! a directory waits for the readers of its files, who take it.

use super::{
    fs::{
        Content,
        Dir, //
    },
    name::Word, //
};
use crate::{
    cache::{
        self,
        Cache,
        Name,
        Observer, //
    },
    requests::KVec, //
};
use core::{
    fmt,
    ops::ControlFlow, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::global_lock, //
};

/// A file: its name, and the number in it.
type File = (&'static CStr, fn(&Cache) -> u64);

// CAST: In this table, `u64` holds every `usize`.
static FILES: [File; 15] = [
    (c"align", align),
    (c"allocs", |cache| cache.counters().allocs),
    (c"cached", |cache| cache.census().cached as u64),
    (c"drains", |cache| cache.counters().drains),
    (c"empty_slabs", |cache| cache.census().empty as u64),
    (c"frees", |cache| cache.counters().frees),
    (c"id", |cache| cache.id().into()),
    (c"live", |cache| cache.census().live() as u64),
    (c"object_size", |cache| cache.geometry().stride.into()),
    (c"objects", |cache| cache.census().objects as u64),
    (c"objs_per_slab", |cache| cache.geometry().objects.into()),
    (c"order", |cache| cache.geometry().order.get().into()),
    (c"refills", |cache| cache.counters().refills),
    (c"slabs", |cache| cache.census().slabs as u64),
    (c"slow", |cache| cache.counters().slow),
];

/// Returns what the address of every object is a multiple of.
fn align(cache: &Cache) -> u64 {
    let page = kernel::page::PAGE_SIZE as u64;
    let slab = page << cache.geometry().order.get();
    1 << (u64::from(cache.geometry().stride) | slab).trailing_zeros()
}

/// The files of all caches; a file's number is that of its cache and its place in [`FILES`].
enum Values {}

/// Bits of a file's number that are its place in [`FILES`].
const PLACE_BITS: u32 = 4;

impl Content for Values {
    fn show(number: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((_, value)) = FILES.get(number % (1 << PLACE_BITS)) else {
            return Ok(());
        };
        let mut found = None;
        cache::for_each(|cache| {
            // CAST: Lossless, as in `numbers`.
            if cache.id() as usize == number >> PLACE_BITS {
                found = Some(value(cache));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        found.map_or(Ok(()), |value| writeln!(f, "{value}"))
    }
}

/// Returns the number of each file of a cache; fails if that has no place in it.
fn numbers(id: u32) -> Result<impl Iterator<Item = usize>> {
    let first = usize::try_from(u64::from(id) << PLACE_BITS)?;
    Ok((0..FILES.len()).map(move |place| first | place))
}

const _: () = assert!(FILES.len() <= 1 << PLACE_BITS);

struct Directory {
    id: u32,
    name: CString,
    _dir: Dir,
}

struct Tree {
    directories: KVec<Directory>,
    parent: Option<Dir>,
}

impl Tree {
    const EMPTY: Self = Self {
        directories: KVec::new(),
        parent: None,
    };

    fn add(&mut self, id: u32, name: &Name) -> Result {
        let known = self.directories.iter().any(|directory| directory.id == id);
        let Some(parent) = self.parent.as_ref().filter(|_| !known) else {
            return Ok(());
        };
        let word = Word::new(name.bytes());
        let mut name = CString::try_from_fmt(fmt!("{}", word.as_str()))?;
        if self.is_taken(&name) {
            name = CString::try_from_fmt(fmt!("{}.{}", word.as_str(), id))?;
        }
        if self.is_taken(&name) {
            return Err(EEXIST);
        }
        let numbers = numbers(id)?;
        let dir = Dir::new(&name, Some(parent))?;
        for ((file, _), number) in FILES.iter().zip(numbers) {
            dir.file::<Values>(file, number);
        }
        let directory = Directory {
            id,
            name,
            _dir: dir,
        };
        Ok(self.directories.push(directory, GFP_KERNEL)?)
    }

    fn is_taken(&self, name: &CStr) -> bool {
        self.directories
            .iter()
            .any(|directory| *directory.name == *name)
    }
}

global_lock! {
    // SAFETY: Initialised in `Directories::new`, before anything uses it.
    unsafe(uninit) static TREE: Mutex<Tree> = Tree::EMPTY;
}

static OBSERVER: Observer = Observer { created, destroyed };

fn created(cache: &Cache) {
    // A cache without a directory works as well.
    let _ = TREE.lock().add(cache.id(), cache.name());
}

fn destroyed(id: u32) {
    // Under the lock, so that the name is free only when the directory is gone.
    TREE.lock()
        .directories
        .retain(|directory| directory.id != id);
}

/// The directories of all caches, until dropped.
pub(super) struct Directories(());

impl Directories {
    /// Makes the directories of the caches that there are, and sees to those that come and go.
    ///
    /// Context: Process context. May sleep. Nobody makes or ends a cache meanwhile.
    ///
    /// # Safety
    ///
    /// Called once.
    pub(super) unsafe fn new(root: &Dir) -> Result<Self> {
        // SAFETY: By the contract of this function.
        unsafe { TREE.init() };
        TREE.lock().parent = Some(Dir::new(c"caches", Some(root))?);
        let this = Self(());
        let mut all = KVec::new();
        cache::for_each(|cache| {
            // One that cannot be noted gets no directory.
            let _ = all.push((cache.id(), *cache.name()), GFP_KERNEL);
            ControlFlow::Continue(())
        });
        for (id, name) in &all {
            TREE.lock().add(*id, name)?;
        }
        cache::observe(Some(&OBSERVER));
        Ok(this)
    }
}

impl Drop for Directories {
    fn drop(&mut self) {
        cache::observe(None);
        let tree = core::mem::replace(&mut *TREE.lock(), Tree::EMPTY);
        drop(tree);
    }
}
