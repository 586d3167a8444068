// SPDX-License-Identifier: GPL-2.0

//! CPUs that go away: their magazines are emptied.
//!
//! C header: [`include/linux/cpuhotplug.h`](srctree/include/linux/cpuhotplug.h)

use crate::{
    bindings,
    cache,
    page_alloc::{
        pool,
        Blocks, //
    },
    requests, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Empties the magazines of CPUs that go away, until dropped.
///
/// # Invariants
///
/// The state is registered until `drop`.
pub(crate) struct Hotplug(bindings::cpuhp_state);

/// # Safety
///
/// Called by CPU hotplug, after the CPU has stopped. There are caches and a page pool.
unsafe extern "C" fn cpu_dead(cpu: u32) -> i32 {
    cache::for_each_during_hotplug(|cache| {
        // SAFETY: The CPU is offline, and hotplug waits for this function.
        unsafe { cache.flush_dead_cpu(cpu) };
    });
    for (order, front) in pool().fronts() {
        // SAFETY: As above.
        unsafe { front.flush_dead_cpu(&Blocks(order), cpu) };
    }
    0
}

impl Hotplug {
    /// Begins.
    ///
    /// Context: Process context. May sleep.
    ///
    /// # Safety
    ///
    /// There are caches, if none yet, and a page pool, until the result is dropped.
    pub(crate) unsafe fn new() -> Result<Self> {
        requests::ask(0)?;
        // SAFETY: A dynamic state of the section whose teardown runs when the CPU is dead.
        let state = unsafe {
            bindings::__cpuhp_setup_state(
                bindings::cpuhp_state_CPUHP_BP_PREPARE_DYN,
                c"quarry:dead".as_char_ptr(),
                false,
                None,
                Some(cpu_dead),
                false,
            )
        };
        to_result(state.min(0))?;
        // INVARIANT: Registered above. CAST: Not negative.
        Ok(Self(state as bindings::cpuhp_state))
    }
}

impl Drop for Hotplug {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. The function is not called for this.
        unsafe { bindings::__cpuhp_remove_state(self.0, false) };
    }
}
