// SPDX-License-Identifier: GPL-2.0

//! quarry: a memory allocator stack of its own, in a module.
//!
//! Layers, each of which calls only those below it: kmalloc and vmalloc; slab caches; the page pool;
//! chunks from `alloc_pages`. Policy (`pool`, `slab`, `vmalloc`, `kmalloc/class`) is safe code that
//! also compiles for the host; everything else is mechanism.

mod account;
mod area;
mod area_keep;
mod area_table;
mod bindings;
mod bins;
mod cache;
mod chunk;
mod debugfs;
mod device;
mod explain;
mod exports;
mod fault;
mod front;
mod gfp;
mod global;
mod grow;
mod guard;
mod hotplug;
mod kmalloc;
mod kvmalloc;
mod layers;
mod lock;
mod magazine;
mod metadata;
mod numa;
mod owners;
mod page_alloc;
mod percpu;
mod pool;
mod pools;
mod preempt;
mod preset;
mod published;
mod random;
mod reclaimable;
mod report;
mod requests;
mod slab;
mod state;
mod stats;
mod sync;
mod trace;
mod track;
mod tracking;
mod upkeep;
mod validate;
mod vmalloc;
mod vmap;
mod vmap_alloc;
mod vmap_check;
mod window;
mod words;

use kernel::{
    miscdevice::{
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*, //
};

module! {
    type: Quarry,
    name: "quarry",
    authors: ["quarry developers"],
    description: "A memory allocator stack: page pool, slab, kmalloc, vmalloc",
    license: "GPL",
    params: {
        limit_mib: u64 {
            default: 0,
            description: "Most memory that the pool may take, in MiB; 0 for 3/4 of the machine's",
        },
        reserve_kib: i64 {
            default: -1,
            description: "Memory of each node that only atomic callers get, in KiB; -1 for 1/64 of the pool, 64 to 512",
        },
        init_on_alloc: i8 {
            default: -1,
            description: "Clear memory when it is allocated: 0 never, 1 always, -1 as the kernel does",
        },
        client_bytes: u64 {
            default: 1073741824,
            description: "Bytes that one open file may hold",
        },
        client_handles: u32 {
            default: 1048576,
            description: "Allocations that one open file may hold",
        },
        client_caches: u32 {
            default: 1024,
            description: "Caches that one open file may have",
        },
        track: u8 {
            default: 0,
            description: "1: note where each allocation was made, for owners and leak reports; slow",
        },
        user_percent: u32 {
            default: 90,
            description: "How much of the pool user space may take in all, in percent",
        },
        client_batch: u32 {
            default: 65536,
            description: "Operations in one batch",
        },
        preset: u8 {
            default: 0,
            description: "What is done against misuse: 0 fast, 1 hardened, 2 debug",
        },
        checks: u32 {
            default: 15,
            description: "What the debug preset does: 1 F checks, 2 Z redzones, 4 P poison, 8 U users, 16 T trace",
        },
        reports: u32 {
            default: 64,
            description: "Reports that the log has of wrong frees, and of overwritten memory; more are counted",
        },
        fail_nth: u32 {
            default: 0,
            description: "Fail the n-th of the requests that loading makes of the kernel; for tests",
        },
    },
}

/// The module. Fields end in this order.
#[pin_data]
struct Quarry {
    #[pin]
    _device: MiscDeviceRegistration<device::QuarryDevice>,
    _debugfs: debugfs::Debugfs,
    _upkeep: upkeep::Upkeep,
    _layers: layers::Layers,
}

impl kernel::InPlaceModule for Quarry {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        let options = MiscDeviceOptions { name: c"quarry" };
        let faults = requests::WhileLoading::new(module_parameters::fail_nth.value());
        try_pin_init!(Self {
            // Fields are set up in the order of these lines.
            _layers: layers::Layers::new(
                module_parameters::limit_mib.value(),
                module_parameters::reserve_kib.value(),
                module_parameters::init_on_alloc.value(),
                module_parameters::user_percent.value(),
                module_parameters::track.value(),
                module_parameters::preset.value(),
                module_parameters::checks.value(),
            )?,
            _upkeep: upkeep::Upkeep::new()?,
            _debugfs: debugfs::Debugfs::new()?,
            _device <- {
                requests::ask(0)?;
                drop(faults);
                MiscDeviceRegistration::register(options)
            },
        })
    }
}
