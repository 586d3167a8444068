// SPDX-License-Identifier: GPL-2.0

//! What `rust/front/cpu.rs` and `rust/magazine.rs` import from the rest of the module, as little as will do.

/// What an allocation may do: nothing that matters here.
pub(crate) mod gfp {
    #[derive(Clone, Copy)]
    pub(crate) struct Gfp;
}

/// Memory of magazines.
pub(crate) mod metadata {
    use super::gfp::Gfp;
    use std::{alloc::Layout, ptr::NonNull};

    #[derive(Clone, Copy)]
    pub(crate) enum About {
        Pool,
    }

    pub(crate) fn alloc(_: About, layout: Layout, _: Gfp) -> Option<NonNull<u8>> {
        // SAFETY: Magazines have a size.
        NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })
    }

    /// # Safety
    ///
    /// From `alloc` with the same layout, and not used any more.
    pub(crate) unsafe fn free(_: About, memory: NonNull<u8>, layout: Layout) {
        // SAFETY: By the contract of this function.
        unsafe { std::alloc::dealloc(memory.as_ptr(), layout) };
    }
}

/// The one CPU.
pub(crate) mod percpu {
    use super::preempt::PinnedCpu;
    use std::ptr::NonNull;

    pub(crate) struct Handle<T>(NonNull<T>);

    impl<T> Clone for Handle<T> {
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<T> Copy for Handle<T> {}

    impl<T> Handle<T> {
        pub(crate) fn of(value: &T) -> Self {
            Self(NonNull::from(value))
        }

        /// # Safety
        ///
        /// The value is alive.
        pub(crate) unsafe fn this(self, _: &PinnedCpu) -> &T {
            // SAFETY: By the contract of this function.
            unsafe { self.0.as_ref() }
        }

        /// # Safety
        ///
        /// The value is alive.
        pub(crate) unsafe fn here(self) -> *mut T {
            self.0.as_ptr()
        }
    }
}

/// The task stays on its CPU, as there is no other.
pub(crate) mod preempt {
    pub(crate) struct PinnedCpu;

    pub(crate) fn pin() -> PinnedCpu {
        PinnedCpu
    }
}
