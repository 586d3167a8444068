// SPDX-License-Identifier: GPL-2.0

//! Atomics of loom's, in place of those of `rust/sync.rs`.

pub(crate) use loom::sync::atomic::Ordering;
use std::{
    ops::Deref,
    sync::OnceLock, //
};

/// An atomic that can be made in a constant: loom's is made when it is used first, which is to be
/// before there are threads that use it.
pub(crate) struct Made<V, A> {
    value: V,
    atomic: OnceLock<A>,
}

macro_rules! made {
    ($($name:ident $(<$t:ident>)?: $value:ty;)*) => {$(
        pub(crate) type $name$(<$t>)? = Made<$value, loom::sync::atomic::$name$(<$t>)?>;

        impl$(<$t>)? $name$(<$t>)? {
            pub(crate) const fn new(value: $value) -> Self {
                Self {
                    value,
                    atomic: OnceLock::new(),
                }
            }
        }

        impl$(<$t>)? Deref for $name$(<$t>)? {
            type Target = loom::sync::atomic::$name$(<$t>)?;

            fn deref(&self) -> &Self::Target {
                self.atomic
                    .get_or_init(|| loom::sync::atomic::$name::new(self.value))
            }
        }
    )*};
}

made! {
    AtomicPtr<T>: *mut T;
    AtomicU64: u64;
    AtomicUsize: usize;
}
