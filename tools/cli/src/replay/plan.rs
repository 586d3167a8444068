// SPDX-License-Identifier: GPL-2.0

//! What a trace asks for, step by step, and an account of what cannot be replayed.
//!
//! # Laws
//!
//! - Each line is counted once, each allocation once, each free once: [`Plan::adds_up`].
//! - A step that frees comes after the step that allocates, and nothing is freed twice.

use super::{
    account::{AllocCounts, FreeCounts, LineCounts, Peak, Substituted},
    caches::{Caches, PlannedCache, MAX_OBJECT},
    line::{EventType, Fields, Line},
};
use crate::args::Level;
use rustc_hash::FxHashMap;

/// Addresses up to this one stand for no memory: NULL, and what the kernel returns for zero bytes.
const LAST_NULL: u64 = 16;

/// What the module allows.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of a page.
    pub page_size: u64,
    /// Largest block order.
    pub max_order: u32,
    /// Bytes of the largest contiguous allocation.
    pub max_kmalloc: u64,
    /// Caches of one open file.
    pub caches: usize,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Allocates.
    Alloc,
    /// Frees.
    Free,
}

/// One operation of the replay. Millions of them are kept, so they are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Number of the allocation.
    pub id: u32,
    /// Bytes that it asks for.
    pub bytes: u32,
    /// CPU of the event in the trace.
    pub cpu: u16,
    /// Index of its cache, or [`Step::NO_CACHE`].
    pub cache: u16,
    /// What to do.
    pub action: Action,
}

impl Step {
    /// Stands for "not from a cache".
    pub const NO_CACHE: u16 = u16::MAX;
}

/// A whole trace, ready to be replayed.
#[derive(Debug)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// The caches that it needs.
    pub caches: Vec<PlannedCache>,
    /// CPUs of the trace, in order.
    pub cpus: Vec<u16>,
    /// Lines.
    pub lines: LineCounts,
    /// Events by type, in the order of [`EventType::ALL`].
    pub events: [u64; EventType::ALL.len()],
    /// Events that the trace says were lost.
    pub lost_events: u64,
    /// Allocations.
    pub allocs: AllocCounts,
    /// Frees.
    pub frees: FreeCounts,
    /// Objects that kmalloc serves instead of a cache.
    pub substituted: Substituted,
    /// Frees on another CPU than the allocation's.
    pub remote_frees: u64,
    /// Most of what is live in the replay, if it is in order.
    pub peak: Peak,
}

impl Plan {
    /// Returns whether each line, allocation and free is accounted for, once.
    pub fn adds_up(&self) -> bool {
        let lines = &self.lines;
        let by_line = lines.comments
            + lines.lost_remarks
            + lines.other_events
            + lines.other_level
            + lines.duplicates
            + lines.damaged
            + lines.unknown
            + lines.used;
        let by_event: u64 = self.events.iter().sum();
        let steps = self.allocs.replayed() + self.frees.replayed + self.allocs.freed_by_reuse;
        lines.total == by_line
            && by_event == lines.used + lines.other_level + lines.duplicates
            && lines.used == self.allocs.in_trace + self.frees.in_trace
            && self.allocs.in_trace == self.allocs.replayed() + self.allocs.skipped()
            && self.frees.in_trace == self.frees.replayed + self.frees.skipped()
            && self.frees.replayed == self.allocs.freed
            // CAST: A length fits into 64 bits.
            && self.steps.len() as u64 == steps
    }

    /// Panics unless each step frees what a step before it allocated, and nothing is freed twice.
    pub fn check_steps(&self) {
        let mut live: FxHashMap<u32, (u32, u16)> = FxHashMap::default();
        for step in &self.steps {
            let known = match step.action {
                Action::Alloc => live.insert(step.id, (step.bytes, step.cache)),
                Action::Free => live.remove(&step.id),
            };
            let expected = match step.action {
                Action::Alloc => None,
                Action::Free => Some((step.bytes, step.cache)),
            };
            assert_eq!(known, expected, "{step:?}");
        }
        // CAST: A length fits into 64 bits.
        assert_eq!(live.len() as u64, self.allocs.live_at_end);
    }
}

/// Something that is live in the trace.
#[derive(Debug, Clone, Copy)]
enum Live {
    /// It is replayed.
    Replayed {
        id: u32,
        bytes: u32,
        cpu: u16,
        cache: u16,
        /// For a block: its order, and its pages that are not freed.
        order: u32,
        pages: u32,
    },
    /// It was skipped.
    Skipped,
}

/// Makes a plan, line by line.
#[derive(Debug)]
pub struct Planner {
    level: Level,
    limits: Limits,
    plan: Plan,
    caches: Caches,
    /// By address, or by first frame.
    live: FxHashMap<u64, Live>,
    now: Peak,
    next_id: u32,
    cpus: Vec<bool>,
}

impl Planner {
    /// Starts a plan for events of that level.
    pub fn new(level: Level, limits: Limits) -> Self {
        Self {
            level,
            limits,
            plan: Plan {
                steps: Vec::new(),
                caches: Vec::new(),
                cpus: Vec::new(),
                lines: LineCounts::default(),
                events: [0; EventType::ALL.len()],
                lost_events: 0,
                allocs: AllocCounts::default(),
                frees: FreeCounts::default(),
                substituted: Substituted::default(),
                remote_frees: 0,
                peak: Peak::default(),
            },
            caches: Caches::new(limits.caches),
            live: FxHashMap::default(),
            now: Peak::default(),
            next_id: 0,
            cpus: Vec::new(),
        }
    }

    /// Takes one line into account.
    pub fn line(&mut self, line: Line<'_>) {
        let lines = &mut self.plan.lines;
        lines.total += 1;
        match line {
            Line::Comment => lines.comments += 1,
            Line::Lost(count) => {
                lines.lost_remarks += 1;
                self.plan.lost_events = self.plan.lost_events.saturating_add(count);
            }
            Line::Other => lines.other_events += 1,
            Line::Damaged => lines.damaged += 1,
            Line::Unknown => lines.unknown += 1,
            Line::Event { event, cpu, fields } => {
                // CAST: A field-less enum, numbered from 0 in the order of `ALL`.
                self.plan.events[event as usize] += 1;
                self.event(u16::try_from(cpu).unwrap_or(u16::MAX), fields);
            }
        }
    }

    /// Ends the plan.
    pub fn finish(mut self) -> Plan {
        let plan = &mut self.plan;
        plan.caches = self.caches.all().to_vec();
        plan.cpus = (0..=u16::MAX)
            .zip(&self.cpus)
            .filter_map(|(cpu, &used)| used.then_some(cpu))
            .collect();
        let replayed = |live: &&Live| matches!(live, Live::Replayed { .. });
        // CAST: A count of allocations fits into 64 bits.
        plan.allocs.live_at_end = self.live.values().filter(replayed).count() as u64;
        self.plan
    }

    fn event(&mut self, cpu: u16, fields: Fields<'_>) {
        match (self.level, fields) {
            (_, Fields::PageFreeBatched) => {
                self.plan.lines.duplicates += 1;
                return;
            }
            (Level::Objects, Fields::ObjectAlloc { .. } | Fields::ObjectFree { .. })
            | (Level::Pages, Fields::PageAlloc { .. } | Fields::PageFree { .. }) => {}
            _ => {
                self.plan.lines.other_level += 1;
                return;
            }
        }
        self.plan.lines.used += 1;
        if self.cpus.len() <= usize::from(cpu) {
            self.cpus.resize(usize::from(cpu) + 1, false);
        }
        self.cpus[usize::from(cpu)] = true;
        match fields {
            Fields::ObjectAlloc {
                pointer,
                cache,
                requested,
            } => self.object_alloc(cpu, pointer, cache, requested),
            Fields::ObjectFree { pointer } => self.object_free(cpu, pointer),
            Fields::PageAlloc { frame, order } => self.page_alloc(cpu, frame, order),
            Fields::PageFree { frame, order } => self.page_free(cpu, frame, order),
            Fields::PageFreeBatched => {}
        }
    }

    fn object_alloc(&mut self, cpu: u16, pointer: u64, cache: Option<&[u8]>, requested: u64) {
        self.plan.allocs.in_trace += 1;
        if pointer == 0 {
            self.plan.allocs.skipped_failed += 1;
            return;
        }
        if requested == 0 || pointer <= LAST_NULL {
            self.plan.allocs.skipped_zero_size += 1;
            return;
        }
        let index = match cache {
            None => Step::NO_CACHE,
            Some(_) if requested > MAX_OBJECT => {
                self.plan.substituted.too_large_for_a_cache += 1;
                Step::NO_CACHE
            }
            // CAST: At most `MAX_OBJECT`.
            Some(name) => match self.caches.find(name, requested as u32) {
                Some(index) => index,
                None => {
                    self.plan.substituted.too_many_caches += 1;
                    Step::NO_CACHE
                }
            },
        };
        let bytes = match u32::try_from(requested) {
            Ok(bytes) if requested <= self.limits.max_kmalloc => bytes,
            _ => return self.skip_too_large(cpu, pointer),
        };
        self.alloc(cpu, pointer, bytes, index, 0);
    }

    fn page_alloc(&mut self, cpu: u16, frame: Option<u64>, order: u32) {
        self.plan.allocs.in_trace += 1;
        let Some(frame) = frame else {
            self.plan.allocs.skipped_failed += 1;
            return;
        };
        if order > self.limits.max_order {
            return self.skip_too_large(cpu, frame);
        }
        match u32::try_from(self.limits.page_size << order) {
            Ok(bytes) => self.alloc(cpu, frame, bytes, Step::NO_CACHE, order),
            Err(_) => self.skip_too_large(cpu, frame),
        }
    }

    /// Skips an allocation at `key`, and remembers that for its free.
    fn skip_too_large(&mut self, cpu: u16, key: u64) {
        self.plan.allocs.skipped_too_large += 1;
        self.free_by_reuse(cpu, key);
        self.live.insert(key, Live::Skipped);
    }

    fn alloc(&mut self, cpu: u16, key: u64, bytes: u32, cache: u16, order: u32) {
        self.free_by_reuse(cpu, key);
        let id = self.next_id;
        self.next_id += 1;
        let live = Live::Replayed {
            id,
            bytes,
            cpu,
            cache,
            order,
            pages: 1 << order,
        };
        self.live.insert(key, live);
        self.plan.steps.push(Step {
            id,
            bytes,
            cpu,
            cache,
            action: Action::Alloc,
        });
        self.now.allocations += 1;
        self.now.bytes += u64::from(bytes);
        let peak = &mut self.plan.peak;
        peak.allocations = peak.allocations.max(self.now.allocations);
        peak.bytes = peak.bytes.max(self.now.bytes);
    }

    /// Frees what is live at an address that is about to be allocated: its free is not in the trace.
    fn free_by_reuse(&mut self, cpu: u16, key: u64) {
        if let Some(live @ Live::Replayed { .. }) = self.live.remove(&key) {
            self.plan.allocs.freed_by_reuse += 1;
            self.free(cpu, live);
        }
    }

    fn object_free(&mut self, cpu: u16, pointer: u64) {
        let frees = &mut self.plan.frees;
        frees.in_trace += 1;
        if pointer <= LAST_NULL {
            frees.skipped_null += 1;
            return;
        }
        let live = self.live.remove(&pointer);
        self.free_found(cpu, live);
    }

    fn page_free(&mut self, cpu: u16, frame: u64, freed: u32) {
        self.plan.frees.in_trace += 1;
        let key = self.block_of(frame, freed);
        if let Some(Live::Replayed { order, pages, .. }) = self.live.get_mut(&key) {
            // A block may be freed in parts, the kernel having split it.
            if freed < *order {
                *pages = pages.saturating_sub(1 << freed);
                if *pages > 0 {
                    self.plan.frees.skipped_part_of_block += 1;
                    return;
                }
            }
        }
        let live = self.live.remove(&key);
        self.free_found(cpu, live);
    }

    /// Returns the first frame of the live block that holds a freed block, or that frame itself.
    fn block_of(&self, frame: u64, freed: u32) -> u64 {
        if self.live.contains_key(&frame) {
            return frame;
        }
        (freed + 1..=self.limits.max_order)
            .map(|order| (order, frame & !((1 << order) - 1)))
            .find(|(order, first)| match self.live.get(first) {
                Some(Live::Replayed { order: live, .. }) => live >= order,
                _ => false,
            })
            .map_or(frame, |(_, first)| first)
    }

    /// Replays a free of what was found, if something was.
    fn free_found(&mut self, cpu: u16, live: Option<Live>) {
        let frees = &mut self.plan.frees;
        match live {
            None => frees.skipped_without_allocation += 1,
            Some(Live::Skipped) => frees.skipped_with_allocation += 1,
            Some(live) => {
                frees.replayed += 1;
                self.plan.allocs.freed += 1;
                self.free(cpu, live);
            }
        }
    }

    /// Adds the step that frees.
    fn free(&mut self, cpu: u16, live: Live) {
        let Live::Replayed {
            id,
            bytes,
            cpu: allocated_on,
            cache,
            ..
        } = live
        else {
            return;
        };
        if cpu != allocated_on {
            self.plan.remote_frees += 1;
        }
        self.plan.steps.push(Step {
            id,
            bytes,
            cpu,
            cache,
            action: Action::Free,
        });
        self.now.allocations -= 1;
        self.now.bytes -= u64::from(bytes);
    }
}

#[cfg(test)]
mod tests;
