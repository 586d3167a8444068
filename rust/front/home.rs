// SPDX-License-Identifier: GPL-2.0

//! Which node's magazines a CPU allocates from: the fast path's first step.
//!
//! A table of each CPU has, in a slot for each class of `kmalloc` and each order of blocks, the fast path
//! of the node that the CPU takes memory from. Other fronts have such a table of their own.

use super::cpu::{
    Cpu,
    Local, //
};
use crate::{
    bindings,
    global::Global,
    percpu::{
        possible_cpus,
        Handle,
        PerCpu, //
    },
};
use core::ptr::NonNull;
use kernel::error::Result;

/// A place in the table of each CPU.
#[derive(Clone, Copy)]
pub(crate) struct Slot(usize);

/// Slots of the classes of `kmalloc`, from 0 on.
pub(crate) const NR_CLASSES: usize = 16;
/// Slots of the orders of blocks, behind those.
const NR_ORDERS: usize = 16;

const _: () = assert!(NR_CLASSES + NR_ORDERS == bindings::QUARRY_NR_HOMES as usize);

/// Magazines in which there never is anything.
static NOTHING: Global<PerCpu<Cpu>> = Global::new();

/// Returns what a CPU has where there is no fast path.
pub(super) fn nothing() -> Local {
    // SAFETY: Set by `init`, which runs before any front is made.
    Local(unsafe { NOTHING.get() }.handle())
}

/// Makes what a CPU has where there is no fast path.
///
/// # Safety
///
/// Called once, before any front is made.
pub(crate) unsafe fn init() -> Result {
    // SAFETY: By the contract of this function.
    unsafe { NOTHING.set(PerCpu::new(|_| Cpu::new(0, false))?) };
    Ok(())
}

/// Frees that.
///
/// # Safety
///
/// After [`init`], and there are no fronts any more.
pub(crate) unsafe fn exit() {
    // SAFETY: By the contract of this function.
    unsafe { NOTHING.end() };
}

impl Slot {
    /// Returns the slot of a class.
    #[inline(always)]
    pub(crate) const fn class(class: usize) -> Self {
        Self(class % NR_CLASSES)
    }

    /// Returns the slot of an order.
    #[inline(always)]
    pub(crate) const fn order(order: usize) -> Self {
        Self(NR_CLASSES + order % NR_ORDERS)
    }

    /// Returns this CPU's fast path. A task that moves to another CPU may go on with it: it gets
    /// memory of another node.
    ///
    /// # Safety
    ///
    /// The slot has been set, and the front is alive.
    #[inline(always)]
    pub(crate) unsafe fn here(self) -> Local {
        // SAFETY: By the contract of this function.
        Local(unsafe { Handle::from_raw(NonNull::new_unchecked(imp::home(self.0).cast::<Cpu>())) })
    }

    /// Sets the slot of each CPU to the fast path `home(cpu)`.
    pub(super) fn set(self, home: impl Fn(u32) -> Local) {
        for cpu in possible_cpus() {
            let Local(handle) = home(cpu);
            // CAST: Below 32.
            // SAFETY: CPU and slot exist; whoever reads it meanwhile gets one path or the other.
            unsafe { bindings::quarry_helper_set_home(cpu, self.0 as u32, handle.as_ptr().cast()) };
        }
    }
}

#[cfg(all(CONFIG_X86_64, CONFIG_SMP))]
mod imp {
    use super::bindings;
    use core::ffi::c_void;

    #[inline(always)]
    pub(super) fn home(slot: usize) -> *mut c_void {
        let home;
        // SAFETY: Reads this CPU's slot, as `raw_cpu_read()` does; slots are in bounds.
        unsafe {
            core::arch::asm!(
                "mov {home}, qword ptr gs:[{slot} * 8 + {homes}]",
                slot = in(reg) slot,
                home = out(reg) home,
                homes = sym bindings::quarry_homes,
                options(nostack, preserves_flags, readonly),
            );
        }
        home
    }
}

#[cfg(not(all(CONFIG_X86_64, CONFIG_SMP)))]
mod imp {
    use super::bindings;
    use core::ffi::c_void;

    #[inline(always)]
    pub(super) fn home(slot: usize) -> *mut c_void {
        // CAST: Below 32.
        // SAFETY: The slot exists.
        unsafe { bindings::quarry_helper_home(slot as u32) }
    }
}
