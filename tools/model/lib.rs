// SPDX-License-Identifier: GPL-2.0

//! The magazines of one CPU, run on the host with interrupts at every step.
//!
//! `rust/front/cpu.rs` and `rust/magazine.rs` are the module's own, with the portable way to a CPU's
//! magazines; what they import from `crate` has the same names here. Each access of an atomic is a step,
//! and an interrupt that comes at one runs to its end, as on a CPU. That it always does makes it possible
//! to try all of them: `interrupts.rs`.
//!
//! The way that x86-64 takes is one of assembly and is not seen here; nor is `rust/front.rs`, whose way of
//! using a section is done again in `interrupts.rs`. A timer interrupts both in the guest, some thousand
//! times (`works_when_interrupted_by_itself` in `tests/modules`).

#![allow(dead_code)]

#[path = "../../rust/front/cpu.rs"]
mod cpu;
#[path = "../../rust/magazine.rs"]
mod magazine;
mod sync;

#[cfg(test)]
mod interrupts;

/// What an allocation may do: nothing that matters here.
mod gfp {
    #[derive(Clone, Copy)]
    pub(crate) struct Gfp;
}

/// Memory of magazines.
mod metadata {
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
mod percpu {
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
mod preempt {
    pub(crate) struct PinnedCpu;

    pub(crate) fn pin() -> PinnedCpu {
        PinnedCpu
    }
}
