// SPDX-License-Identifier: GPL-2.0

//! Sizes that `kmalloc` serves from slabs.

#![deny(unsafe_code)]

/// Sizes of the classes, in bytes.
pub(crate) const SIZES: [u32; 13] = [
    8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
];

/// Largest size that a class serves.
pub(crate) const LARGEST: usize = 8192;

const GRAIN: usize = 8;

/// Class of each size less one, in steps of eight bytes.
static CLASSES: [u8; LARGEST / GRAIN] = table();

const fn table() -> [u8; LARGEST / GRAIN] {
    let mut classes = [0; LARGEST / GRAIN];
    let (mut step, mut class) = (0, 0);
    while step < classes.len() {
        if (step + 1) * GRAIN > SIZES[class as usize] as usize {
            class += 1;
        }
        classes[step] = class;
        step += 1;
    }
    classes
}

/// Returns the class that serves `last + 1` bytes.
///
/// PANIC: If `last` is not below [`LARGEST`].
#[inline(always)]
pub(crate) fn class(last: usize) -> usize {
    CLASSES[last / GRAIN].into()
}

/// Returns the name of a class, as in `slabinfo`.
pub(crate) const fn name(class: usize) -> &'static core::ffi::CStr {
    const NAMES: [&core::ffi::CStr; SIZES.len()] = [
        c"kmalloc-8",
        c"kmalloc-16",
        c"kmalloc-32",
        c"kmalloc-64",
        c"kmalloc-96",
        c"kmalloc-128",
        c"kmalloc-192",
        c"kmalloc-256",
        c"kmalloc-512",
        c"kmalloc-1k",
        c"kmalloc-2k",
        c"kmalloc-4k",
        c"kmalloc-8k",
    ];
    NAMES[class]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_goes_to_the_smallest_class_that_holds_it() {
        for size in 1..=LARGEST {
            let class = class(size - 1);
            assert!(SIZES[class] as usize >= size);
            assert!(class == 0 || (SIZES[class - 1] as usize) < size);
        }
    }

    #[test]
    fn names_tell_the_size() {
        for (class, size) in SIZES.iter().enumerate() {
            let name = name(class).to_str().unwrap();
            let digits = name.trim_start_matches("kmalloc-");
            let bytes = match digits.strip_suffix('k') {
                Some(kib) => kib.parse::<u32>().unwrap() * 1024,
                None => digits.parse().unwrap(),
            };
            assert_eq!(bytes, *size);
        }
    }
}
