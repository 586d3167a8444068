// SPDX-License-Identifier: GPL-2.0

//! `/dev/quarry`: the allocators for user space, by ioctl and mmap.
//!
//! C header: [`include/uapi/linux/quarry.h`](srctree/include/uapi/linux/quarry.h)
//!
//! A call passes these files from top to bottom: `abi` copies its argument, `request` turns numbers
//! into checked types, `commands` (or `batch`, for many at once) does the work on a `client`, which
//! is an open file: a `table` of `memory`, a few `caches`, and a `quota`. `unsafe` are the calls
//! into the layers below, one at a time, and in `data` the access to what user space owns.
//!
//! # Laws
//!
//! - What user space names is looked up in its own open file; no address goes in or out.
//! - Memory has been zeroed, or written by the same open file, before user space can read it; what is
//!   opaque, it cannot read.
//! - However many threads race, an open file allocates nothing beyond its quota: quota is taken
//!   before memory is, and given back after. Only what the allocator adds when an allocation is
//!   resized may pass the limit, and counts.
//! - A page is not freed while anyone else refers to it, see `aside`.
//! - An open file that is closed holds nothing any more.
//!
//! # Lock order
//!
//! `clients::CLIENTS` -> a shard of `table`. `CacheTable` and `aside::ASIDE` are taken alone. User
//! memory is never touched, and memory never allocated or freed through the layers, under any of
//! these: page faults take the mmap lock, and `mmap` takes a shard's lock under it.

mod abi;
mod aside;
mod batch;
mod caches;
mod client;
pub(crate) mod clients;
mod commands;
mod data;
mod explain;
mod handle;
mod kernel_memory;
mod map;
mod memory;
mod pattern;
mod pools;
mod quota;
mod request;
mod table;
mod task;

use self::{
    abi::{
        call,
        Argument, //
    },
    client::Client, //
};
use crate::bindings;
use kernel::{
    fs::File,
    miscdevice::{
        MiscDevice,
        MiscDeviceRegistration, //
    },
    mm::virt::VmaNew,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::{
        Arc,
        ArcBorrow, //
    },
    uaccess::UserPtr,
};

/// The device: what its file operations do. One [`Client`] per open file.
pub(crate) struct QuarryDevice;

/// Makes the device's global state usable.
///
/// # Safety
///
/// Must be called once, before the device is registered.
pub(crate) unsafe fn init() {
    // SAFETY: By this function's contract.
    unsafe { clients::init() };
    // SAFETY: As above.
    unsafe { aside::init() };
}

/// Frees what the device still holds; to be called once it is no longer registered.
pub(crate) fn exit() {
    aside::give_up();
}

#[vtable]
impl MiscDevice for QuarryDevice {
    type Ptr = Arc<Client>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Arc<Client>> {
        clients::open()
    }

    fn release(client: Arc<Client>, _file: &File) {
        clients::close(client);
    }

    fn ioctl(client: ArcBorrow<'_, Client>, _file: &File, cmd: u32, arg: usize) -> Result<isize> {
        let user = UserPtr::from_addr(arg);
        let client = &*client;
        match cmd {
            bindings::quarry_query::COMMAND => call(user, |arg| commands::query(client, arg)),
            bindings::quarry_alloc::COMMAND => commands::alloc(client, user),
            bindings::quarry_realloc::COMMAND => commands::realloc(client, user),
            bindings::quarry_free::COMMAND => commands::free(client, user),
            abi::IOC_READ => commands::read(client, user),
            abi::IOC_WRITE => commands::write(client, user),
            abi::IOC_FILL => commands::fill(client, user),
            abi::IOC_VERIFY => commands::verify(client, user),
            bindings::quarry_explain::COMMAND => call(user, |arg| explain::explain(client, arg)),
            bindings::quarry_map::COMMAND => call(user, |arg| map::prepare(client, arg)),
            bindings::quarry_cache_create::COMMAND => commands::cache_create(client, user),
            bindings::quarry_cache_destroy::COMMAND => commands::cache_destroy(client, user),
            bindings::quarry_batch::COMMAND => batch::run(client, user),
            bindings::quarry_stats::COMMAND => call(user, commands::stats),
            bindings::quarry_cache_stats::COMMAND => call(user, commands::cache_stats),
            bindings::quarry_shrink::COMMAND => call(user, commands::shrink),
            bindings::quarry_validate::COMMAND => call(user, commands::validate),
            bindings::quarry_pool_create::COMMAND => pools::create(user),
            bindings::quarry_pool_destroy::COMMAND => pools::destroy(user),
            bindings::quarry_pool_limit::COMMAND => call(user, pools::limit),
            bindings::quarry_pool_stats::COMMAND => call(user, pools::stats),
            bindings::quarry_pool_track::COMMAND => call(user, pools::track),
            bindings::quarry_fail_nth::COMMAND => call(user, |arg| commands::fail_nth(client, arg)),
            _ => return Err(ENOTTY),
        }?;
        Ok(0)
    }

    fn mmap(client: ArcBorrow<'_, Client>, _file: &File, vma: &VmaNew) -> Result {
        map::mmap(&client, vma)
    }

    fn show_fdinfo(client: ArcBorrow<'_, Client>, m: &SeqFile, _file: &File) {
        let info = client.info();
        seq_print!(m, "quarry-client:\t{}\n", info.id);
        seq_print!(m, "quarry-handles:\t{}\n", info.handles);
        seq_print!(m, "quarry-bytes:\t{}\n", info.bytes);
        seq_print!(m, "quarry-quota:\t{}\n", info.quota_bytes);
    }
}
