// SPDX-License-Identifier: GPL-2.0

//! Giving back: by decay, under memory pressure, and on request.

use crate::{
    bindings,
    cache,
    gfp::Gfp,
    grow,
    page_alloc::{
        self,
        pool, //
    },
    percpu::wait_for_hotplug,
    pools,
    reclaimable::{
        self,
        Telling, //
    },
    requests,
    vmap_alloc, //
};
use core::{
    ffi::c_void,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// Gives everything that is free back to the kernel, but for the reserve. Returns the pages.
///
/// Context: Process context. May sleep.
pub(crate) fn shrink() -> usize {
    empty_all();
    grow::shrink(grow::Keep::Reserve)
}

/// Moves everything that is free into chunks.
fn empty_all() {
    vmap_alloc::shrink(vmap_alloc::Stay::Nothing);
    pools::empty_quarantines();
    cache::shrink_all();
    page_alloc::empty_quarantine();
    grow::relieve(Gfp::KERNEL);
}

/// Returns all chunks to the kernel, when the layers above are gone. Returns the pages that could not
/// go back.
///
/// Context: Process context. May sleep.
pub(crate) fn return_pages() -> usize {
    let left = || {
        page_alloc::empty_quarantine();
        grow::relieve(Gfp::KERNEL);
        grow::shrink(grow::Keep::Nothing);
        grow::growth().pages
    };
    if left() != 0 {
        // Blocks may lie in a magazine of a CPU that is going.
        wait_for_hotplug();
    }
    left()
}

/// # Safety
///
/// Runs on the CPU that is meant, in any context but NMI.
unsafe extern "C" fn flush_idle(_argument: *mut c_void) {
    grow::flush_cpu(true);
}

/// Gives back a part of what has not been used for a second.
fn tick() {
    vmap_alloc::decay();
    cache::tick();
    pools::tick();
    // SAFETY: The function may run in interrupt context; this is process context.
    unsafe { bindings::quarry_helper_on_each_cpu(Some(flush_idle), core::ptr::null_mut()) };
    grow::trim_depots();
    grow::decay();
    reclaimable::tell();
}

/// The thread that ticks once a second.
///
/// # Invariants
///
/// The task is alive until it is stopped by `drop`.
struct Ticker(NonNull<bindings::task_struct>);

// SAFETY: A task may be stopped from anywhere.
unsafe impl Send for Ticker {}
// SAFETY: As above; `&Ticker` offers nothing.
unsafe impl Sync for Ticker {}

/// # Safety
///
/// The body of a kernel thread.
unsafe extern "C" fn ticker(_argument: *mut c_void) -> i32 {
    // SAFETY: Called in a kernel thread, like all that follows.
    while !unsafe { bindings::kthread_should_stop() } {
        let second = bindings::HZ as isize;
        // SAFETY: As above.
        unsafe { bindings::schedule_timeout_interruptible(second) };
        // SAFETY: As above.
        if !unsafe { bindings::kthread_should_stop() } {
            tick();
        }
    }
    0
}

impl Ticker {
    fn new() -> Result<Self> {
        requests::ask(0)?;
        // SAFETY: The function is one for threads; the name has no conversions.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(ticker),
                core::ptr::null_mut(),
                bindings::NUMA_NO_NODE,
                c"quarryd".as_char_ptr(),
            )
        })?;
        // SAFETY: The task was just made and waits to be woken.
        unsafe { bindings::wake_up_process(task) };
        // INVARIANT: Stopped by `drop` only.
        Ok(Self(NonNull::new(task).ok_or(ENOMEM)?))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Waits until the thread has ended.
        unsafe { bindings::kthread_stop(self.0.as_ptr()) };
    }
}

/// What the kernel calls when it needs memory.
///
/// # Invariants
///
/// Registered until `drop`.
struct Shrinker(NonNull<bindings::shrinker>);

// SAFETY: May be unregistered from anywhere.
unsafe impl Send for Shrinker {}
// SAFETY: As above; `&Shrinker` offers nothing.
unsafe impl Sync for Shrinker {}

/// # Safety
///
/// Called by the kernel's reclaim.
unsafe extern "C" fn count(
    _shrinker: *mut bindings::shrinker,
    _control: *mut bindings::shrink_control,
) -> usize {
    let free: usize = (0..pool().zones().len()).map(grow::nr_surplus).sum();
    free + vmap_alloc::kept_pages()
}

/// # Safety
///
/// Called by the kernel's reclaim, which may come from an allocation of ours. No spinlock of quarry's
/// is held then, and none of its mutexes is taken here.
unsafe extern "C" fn scan(
    _shrinker: *mut bindings::shrinker,
    control: *mut bindings::shrink_control,
) -> usize {
    // SAFETY: The kernel gives a valid control.
    let wanted = unsafe { (*control).nr_to_scan };
    // Unmapping takes locks of the kernel's that reclaim may hold: kept areas are left to `tick`
    // where reclaim says that it must not wait.
    // SAFETY: As above.
    if Gfp::from_raw(unsafe { (*control).gfp_mask }).may_sleep() {
        let stay = vmap_alloc::kept_pages().saturating_sub(wanted);
        vmap_alloc::shrink(vmap_alloc::Stay::Pages(stay));
    }
    page_alloc::empty_quarantine();
    grow::flush_cpu(false);
    grow::flush_depots();
    let mut freed = 0;
    for node in 0..pool().zones().len() {
        while freed < wanted {
            let Some(pages) = grow::shrink_one(node, grow::Keep::Reserve) else {
                break;
            };
            freed += pages;
        }
    }
    if freed == 0 {
        // `SHRINK_STOP`.
        usize::MAX
    } else {
        freed
    }
}

impl Shrinker {
    fn new() -> Result<Self> {
        requests::ask(size_of::<bindings::shrinker>())?;
        // SAFETY: The name has no conversions.
        let shrinker = unsafe { bindings::shrinker_alloc(0, c"quarry".as_char_ptr()) };
        let shrinker = NonNull::new(shrinker).ok_or(ENOMEM)?;
        // SAFETY: Not registered yet, so that it is ours.
        unsafe {
            (*shrinker.as_ptr()).count_objects = Some(count);
            (*shrinker.as_ptr()).scan_objects = Some(scan);
            (*shrinker.as_ptr()).seeks = 1;
        }
        // SAFETY: Set up above.
        unsafe { bindings::shrinker_register(shrinker.as_ptr()) };
        // INVARIANT: Registered above.
        Ok(Self(shrinker))
    }
}

impl Drop for Shrinker {
    fn drop(&mut self) {
        // SAFETY: By the type invariants. Waits until it is not running.
        unsafe { bindings::shrinker_free(self.0.as_ptr()) };
    }
}

/// Everything that gives back, until dropped.
pub(crate) struct Upkeep {
    // Fields end in this order.
    _ticker: Ticker,
    _shrinker: Shrinker,
    _telling: Telling,
}

impl Upkeep {
    /// Starts giving back.
    ///
    /// Context: Process context. May sleep. The layers are set up.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            // SAFETY: Called once; the ticker, which tells, begins later and ends before.
            _telling: unsafe { Telling::new()? },
            _shrinker: Shrinker::new()?,
            _ticker: Ticker::new()?,
        })
    }
}
