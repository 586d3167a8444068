// SPDX-License-Identifier: GPL-2.0

//! One value a CPU.
//!
//! C header: [`include/linux/percpu.h`](srctree/include/linux/percpu.h)

use crate::{
    bindings,
    preempt::PinnedCpu,
    requests, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    prelude::*,
    types::NotThreadSafe, //
};

/// Returns the possible CPUs.
pub(crate) fn possible_cpus() -> impl Iterator<Item = u32> {
    let next = |from: u32| {
        // SAFETY: The mask of possible CPUs does not change after boot.
        let cpu = unsafe { bindings::quarry_helper_next_possible_cpu(from) };
        // SAFETY: Set at boot.
        (cpu < unsafe { bindings::nr_cpu_ids }).then_some(cpu)
    };
    core::iter::successors(next(0), move |cpu| next(cpu.wrapping_add(1)))
}

/// No CPU comes or goes until this is dropped.
///
/// # Lock order
///
/// Before every lock of this module: what is called when a CPU has gone takes some.
pub(crate) struct CpusHeld(NotThreadSafe);

impl CpusHeld {
    /// Waits until no CPU is coming or going, and keeps it so.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new() -> Self {
        // SAFETY: The caller may sleep; let go when this is dropped, by the same task.
        unsafe { bindings::quarry_helper_cpus_read_lock() };
        Self(NotThreadSafe)
    }

    /// Returns the possible CPUs that are not online.
    pub(crate) fn offline(&self) -> impl Iterator<Item = u32> {
        // SAFETY: Looks at a mask.
        possible_cpus().filter(|&cpu| !unsafe { bindings::quarry_helper_cpu_online(cpu) })
    }

    /// Calls `f` on each CPU that is online, in an interrupt or with preemption off, and waits for all.
    ///
    /// Context: Process context.
    pub(crate) fn on_each_online<F: Fn() + Sync>(&self, f: &F) {
        /// # Safety
        ///
        /// The argument is a reference to an `F`.
        unsafe extern "C" fn call<F: Fn() + Sync>(f: *mut c_void) {
            // SAFETY: By the contract of this function.
            let f = unsafe { &*f.cast_const().cast::<F>() };
            f();
        }
        let argument = core::ptr::from_ref(f).cast_mut().cast();
        // SAFETY: `call` may run in an interrupt, as `f` may; the call waits for all CPUs, so that `f`
        // outlives its use.
        unsafe { bindings::quarry_helper_on_each_cpu(Some(call::<F>), argument) };
    }
}

impl Drop for CpusHeld {
    fn drop(&mut self) {
        // SAFETY: Taken in `new`.
        unsafe { bindings::quarry_helper_cpus_read_unlock() };
    }
}

/// Waits until a CPU that is going has gone, and its magazines are emptied.
///
/// Context: Process context, not when called by hotplug. May sleep.
pub(crate) fn wait_for_hotplug() {
    drop(CpusHeld::new());
}

/// A value for each possible CPU, freed when dropped.
///
/// # Invariants
///
/// `pointer` is a per-CPU allocation that holds an initialised `T` for each possible CPU.
pub(crate) struct PerCpu<T> {
    pointer: NonNull<T>,
}

// SAFETY: Access is through `&T` from several CPUs, or by moving all of them.
unsafe impl<T: Send + Sync> Send for PerCpu<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for PerCpu<T> {}

impl<T> PerCpu<T> {
    /// Allocates and initialises the value of each CPU.
    ///
    /// Context: Process context. May sleep.
    pub(crate) fn new(init: impl Fn(u32) -> T) -> Result<Self> {
        let this = Self::allocate()?;
        for cpu in possible_cpus() {
            // SAFETY: The value of a possible CPU is valid for writes.
            unsafe { this.slot(cpu).write(init(cpu)) };
        }
        Ok(this)
    }

    /// Allocates cleared memory. The caller initialises it before anybody can see the result.
    fn allocate() -> Result<Self> {
        let layout = core::alloc::Layout::new::<T>();
        requests::ask(layout.size())?;
        // SAFETY: Size and alignment are those of a type.
        let pointer = unsafe {
            bindings::pcpu_alloc_noprof(
                layout.size(),
                layout.align(),
                false,
                bindings::QUARRY_CONST_GFP_KERNEL,
            )
        };
        let pointer = NonNull::new(pointer.cast::<T>()).ok_or(ENOMEM)?;
        // INVARIANT: The callers initialise each value.
        Ok(Self { pointer })
    }

    /// Allocates the value of each CPU and initialises it in place, from zeroes.
    ///
    /// Context: Process context. May sleep.
    ///
    /// # Safety
    ///
    /// `init` leaves an initialised value at the pointer that it is given.
    pub(crate) unsafe fn new_in_place(init: impl Fn(u32, *mut T)) -> Result<Self> {
        let this = Self::allocate()?;
        for cpu in possible_cpus() {
            init(cpu, this.slot(cpu));
        }
        Ok(this)
    }

    fn slot(&self, cpu: u32) -> *mut T {
        // SAFETY: By the type invariants this is a per-CPU pointer; `cpu` is possible.
        unsafe { bindings::quarry_helper_per_cpu(self.pointer.as_ptr().cast(), cpu).cast() }
    }

    /// Returns the value of a possible CPU.
    pub(crate) fn on(&self, cpu: u32) -> &T {
        // SAFETY: By the type invariants, the value is initialised and lives as long as `self`.
        unsafe { &*self.slot(cpu) }
    }

    /// Returns the value of this CPU.
    #[inline(always)]
    pub(crate) fn this<'a>(&'a self, cpu: &'a PinnedCpu) -> &'a T {
        // SAFETY: The handle does not leave this function.
        unsafe { self.handle().this(cpu) }
    }

    /// Returns a copy of this CPU's value, or of another's if the task moves on meanwhile.
    #[inline(always)]
    pub(crate) fn read(&self) -> T
    where
        T: Copy,
    {
        imp::read(self.pointer)
    }

    /// Replaces the value of a possible CPU, which others get by [`PerCpu::read`] only: the old or the new one.
    ///
    /// One at a time.
    pub(crate) fn replace(&self, cpu: u32, value: T)
    where
        T: Copy,
    {
        // SAFETY: By the type invariants, the value is valid for writes; whoever reads it, reads a word as
        // a whole.
        unsafe { self.slot(cpu).write_volatile(value) };
    }

    /// Returns a copy of the pointer, for where a level of indirection is to be saved.
    pub(crate) fn handle(&self) -> Handle<T> {
        Handle(self.pointer)
    }

    /// Iterates over the values of all possible CPUs.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        possible_cpus().map(|cpu| self.on(cpu))
    }
}

/// A pointer to the values of a [`PerCpu`].
pub(crate) struct Handle<T>(NonNull<T>);

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

// SAFETY: Gives the same access as `&PerCpu<T>`.
unsafe impl<T: Send + Sync> Send for Handle<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Handle<T> {}

impl<T> Handle<T> {
    /// Returns the handle with this per-CPU pointer.
    ///
    /// # Safety
    ///
    /// It is from [`Handle::as_ptr`].
    #[inline(always)]
    pub(crate) unsafe fn from_raw(pointer: NonNull<T>) -> Self {
        Self(pointer)
    }

    /// Returns the value of this CPU.
    ///
    /// # Safety
    ///
    /// The [`PerCpu`] is alive.
    #[inline(always)]
    pub(crate) unsafe fn this<'a>(self, _cpu: &'a PinnedCpu) -> &'a T {
        // SAFETY: By the contract of this function, and the type invariants of `PerCpu`.
        unsafe { &*self.here() }
    }

    /// Returns where this CPU's value lies. It is that of another CPU's if the task moves on.
    ///
    /// # Safety
    ///
    /// The [`PerCpu`] is alive.
    #[inline(always)]
    pub(crate) unsafe fn here(self) -> *mut T {
        imp::this_cpu(self.0.as_ptr())
    }

    /// Returns the per-CPU pointer itself.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut T {
        self.0.as_ptr()
    }
}

impl<T> Drop for PerCpu<T> {
    fn drop(&mut self) {
        for cpu in possible_cpus() {
            // SAFETY: By the type invariants; nothing uses the values any more.
            unsafe { self.slot(cpu).drop_in_place() };
        }
        // SAFETY: Allocated by `new`.
        unsafe { bindings::free_percpu(self.pointer.as_ptr().cast()) };
    }
}

#[cfg(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_DEBUG_PREEMPT)))]
mod imp {
    use super::bindings;
    use core::{
        arch::asm,
        mem::{
            size_of,
            transmute_copy, //
        },
        ptr::NonNull, //
    };

    /// Returns where this CPU's value of a per-CPU pointer lies.
    #[inline(always)]
    pub(super) fn this_cpu<T>(mut pointer: *mut T) -> *mut T {
        // SAFETY: Reads this CPU's offset, as `this_cpu_ptr()` does.
        unsafe {
            asm!(
                "add {pointer}, qword ptr gs:[rip + {offset}]",
                pointer = inout(reg) pointer,
                offset = sym bindings::this_cpu_off,
                options(nostack, readonly, pure),
            );
        }
        pointer
    }

    /// Returns this CPU's value, which has the size of a word.
    #[inline(always)]
    pub(super) fn read<T: Copy>(pointer: NonNull<T>) -> T {
        const { assert!(size_of::<T>() == size_of::<u64>()) };
        let value: u64;
        // SAFETY: Reads this CPU's value, as `raw_cpu_read()` does.
        unsafe {
            asm!(
                "mov {value}, qword ptr gs:[{pointer}]",
                pointer = in(reg) pointer.as_ptr(),
                value = lateout(reg) value,
                options(nostack, preserves_flags, readonly),
            );
        }
        // SAFETY: The bytes of a `T`.
        unsafe { transmute_copy(&value) }
    }
}

#[cfg(not(all(CONFIG_X86_64, CONFIG_SMP, not(CONFIG_DEBUG_PREEMPT))))]
mod imp {
    use super::bindings;
    use core::ptr::NonNull;

    /// Returns where this CPU's value of a per-CPU pointer lies.
    #[inline(always)]
    pub(super) fn this_cpu<T>(pointer: *mut T) -> *mut T {
        // SAFETY: A per-CPU pointer.
        unsafe { bindings::quarry_helper_this_cpu(pointer.cast()).cast() }
    }

    /// Returns this CPU's value.
    #[inline(always)]
    pub(super) fn read<T: Copy>(pointer: NonNull<T>) -> T {
        let _pinned = crate::preempt::pin();
        // SAFETY: The value of this CPU is initialised, by the invariants of `PerCpu`.
        unsafe { this_cpu(pointer.as_ptr()).read_volatile() }
    }
}
