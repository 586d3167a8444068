// SPDX-License-Identifier: GPL-2.0

//! The caches of a trace, under names that the interface allows.

use quarry_uapi::sys;
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of the largest object that a cache may have, as the interface says.
pub const MAX_OBJECT: u64 = 8192;

/// Bytes of the longest name.
// CAST: A small constant.
const MAX_NAME: usize = sys::QUARRY_NAME_LEN as usize - 1;

/// A cache to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCache {
    /// Its name in the interface.
    pub name: String,
    /// Bytes of its objects.
    pub object_size: u32,
}

/// All caches of a trace: one for each name and size.
#[derive(Debug)]
pub struct Caches {
    all: Vec<PlannedCache>,
    /// Name in the trace, to sizes and their caches.
    known: FxHashMap<Vec<u8>, Vec<(u32, u16)>>,
    taken: FxHashSet<String>,
    limit: usize,
}

impl Caches {
    /// Returns no caches, with room for `limit`.
    pub fn new(limit: usize) -> Self {
        Self {
            all: Vec::new(),
            known: FxHashMap::default(),
            taken: FxHashSet::default(),
            limit: limit.min(usize::from(u16::MAX)),
        }
    }

    /// Returns the caches.
    pub fn all(&self) -> &[PlannedCache] {
        &self.all
    }

    /// Returns the index of the cache of that name in the trace and that size of objects, or nothing
    /// if there is no room for another one.
    pub fn find(&mut self, name: &[u8], object_size: u32) -> Option<u16> {
        if let Some(sizes) = self.known.get(name) {
            if let Some((_, index)) = sizes.iter().find(|(size, _)| *size == object_size) {
                return Some(*index);
            }
        }
        if self.all.len() >= self.limit {
            return None;
        }
        let index = u16::try_from(self.all.len()).ok()?;
        let name_given = self.free_name(name, object_size);
        self.taken.insert(name_given.clone());
        self.all.push(PlannedCache {
            name: name_given,
            object_size,
        });
        let sizes = self.known.entry(name.to_owned()).or_default();
        sizes.push((object_size, index));
        Some(index)
    }

    /// Returns a name made from `name` that is allowed and not taken.
    fn free_name(&self, name: &[u8], object_size: u32) -> String {
        let base = if name.is_empty() {
            format!("size-{object_size}")
        } else {
            sanitised(name)
        };
        let suffixed = |suffix: &str| {
            let room = MAX_NAME - suffix.len();
            format!("{}{suffix}", &base[..base.len().min(room)])
        };
        let mut candidate = suffixed("");
        if self.taken.contains(&candidate) {
            candidate = suffixed(&format!("-{object_size}"));
        }
        let mut number = 2;
        while self.taken.contains(&candidate) {
            candidate = suffixed(&format!("-{object_size}-{number}"));
            number += 1;
        }
        candidate
    }
}

/// Returns `name` with an underscore for each byte that the interface does not allow.
fn sanitised(name: &[u8]) -> String {
    name.iter()
        .map(|&byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte),
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_size_is_one_cache() {
        let mut caches = Caches::new(10);
        assert_eq!(caches.find(b"dentry", 192), Some(0));
        assert_eq!(caches.find(b"inode", 600), Some(1));
        assert_eq!(caches.find(b"dentry", 192), Some(0));
        assert_eq!(caches.find(b"dentry", 200), Some(2));
        assert_eq!(caches.all()[2].name, "dentry-200");
    }

    #[test]
    fn names_fit_the_interface() {
        let mut caches = Caches::new(10);
        let long = b"fsnotify_inode_mark_connector_and_more";
        for name in [&long[..], &long[..36], b"a b:c/d", b"a_b c/d", b""] {
            caches.find(name, 8);
        }
        let names: Vec<_> = caches.all().iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "fsnotify_inode_mark_connector_a",
                "fsnotify_inode_mark_connector-8",
                "a_b_c_d",
                "a_b_c_d-8",
                "size-8"
            ]
        );
        assert!(names.iter().all(|name| name.len() <= MAX_NAME));
    }

    #[test]
    fn there_are_no_more_caches_than_the_quota_allows() {
        let mut caches = Caches::new(1);
        assert_eq!(caches.find(b"a", 8), Some(0));
        assert_eq!(caches.find(b"b", 8), None);
        assert_eq!(caches.find(b"a", 8), Some(0));
    }
}
