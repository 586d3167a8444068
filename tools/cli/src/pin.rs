// SPDX-License-Identifier: GPL-2.0

//! Threads on CPUs of their own.

use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};

/// Returns the CPUs that this process may use.
pub fn allowed() -> Vec<usize> {
    sched_getaffinity(None)
        .map(|set| {
            (0..CpuSet::MAX_CPU)
                .filter(|&cpu| set.is_set(cpu))
                .collect()
        })
        .unwrap_or_default()
}

/// Binds the calling thread to the CPU that is `index`th in `allowed`, which starts again from its
/// first when there are more threads. A thread that cannot be bound runs anywhere.
pub fn pin(allowed: &[usize], index: usize) {
    if allowed.is_empty() {
        return;
    }
    let mut set = CpuSet::new();
    set.set(allowed[index % allowed.len()]);
    let _ = sched_setaffinity(None, &set);
}
