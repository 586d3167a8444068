// SPDX-License-Identifier: GPL-2.0

//! All open files of `/dev/quarry`.

use super::{
    aside,
    client::Client, //
};
use crate::{
    account::Account,
    requests::{
        self,
        KVec, //
    }, //
};
use kernel::{
    prelude::*,
    sync::{
        global_lock,
        Arc, //
    },
    task::Pid,
};

/// An open file, described.
pub(crate) struct ClientInfo {
    /// Counts opened files; not used twice.
    pub(crate) id: u64,
    /// Process that opened it.
    pub(crate) pid: Pid,
    /// Name of that process, with a NUL.
    pub(crate) comm: [u8; 16],
    /// Allocations that it holds.
    pub(crate) handles: u64,
    /// Bytes that it holds.
    pub(crate) bytes: u64,
    /// Most bytes that it has held.
    pub(crate) peak_bytes: u64,
    /// Caches that it has.
    pub(crate) caches: u64,
    /// Bytes that it may hold.
    pub(crate) quota_bytes: u64,
    /// Allocations that it may hold.
    pub(crate) quota_handles: u64,
    /// Caches that it may have.
    pub(crate) quota_caches: u64,
    /// Allocations made.
    pub(crate) allocs: u64,
    /// Allocations freed.
    pub(crate) frees: u64,
    /// Allocations and changes of size that failed.
    pub(crate) failures: u64,
}

/// Sums over all open files.
#[derive(Default)]
pub(crate) struct Totals {
    /// Open files.
    pub(crate) clients: u64,
    /// Allocations that they hold.
    pub(crate) handles: u64,
    /// Bytes that they hold.
    pub(crate) bytes: u64,
    /// Pages of files closed since that are still referred to.
    pub(crate) aside_pages: u64,
}

struct Clients {
    open: KVec<Arc<Client>>,
    last_id: u64,
}

global_lock! {
    // SAFETY: Initialised in `init`, before the device is registered.
    unsafe(uninit) static CLIENTS: Mutex<Clients> = Clients { open: KVec::new(), last_id: 0 };
}

/// Makes the list usable.
///
/// # Safety
///
/// Must be called once, before anything else here.
pub(super) unsafe fn init() {
    // SAFETY: By this function's contract.
    unsafe { CLIENTS.init() };
}

/// Makes an open file.
pub(super) fn open() -> Result<Arc<Client>> {
    aside::reap();
    requests::ask(size_of::<Client>())?;
    let mut clients = CLIENTS.lock();
    let id = clients.last_id + 1;
    let client = Arc::pin_init(Client::new(id), GFP_KERNEL_ACCOUNT)?;
    clients.open.push(client.clone(), GFP_KERNEL)?;
    clients.last_id = id;
    Ok(client)
}

/// Frees all that a file holds, and forgets it.
pub(super) fn close(client: Arc<Client>) {
    client.close();
    let _ = requests::fail_nth(client.id(), 0);
    let mut clients = CLIENTS.lock();
    clients.open.retain(|other| other.id() != client.id());
    if clients.open.is_empty() {
        // Statics are never dropped, so that the last one gives its memory back here.
        clients.open = KVec::new();
    }
    drop(clients);
    aside::reap();
}

/// Frees what all open files have that is charged to an account; see [`Client::purge`].
pub(super) fn purge(account: &Account) {
    let mut after = 0;
    loop {
        // The list is let go: freeing may sleep for long.
        let next = {
            let clients = CLIENTS.lock();
            let mut later = clients.open.iter().filter(|client| client.id() > after);
            later.next().cloned()
        };
        let Some(client) = next else {
            break;
        };
        after = client.id();
        client.purge(account);
    }
}

/// Describes every open file to `f`, in the order in which they were opened.
///
/// Context: Process context. May sleep; `f` must not open or close `/dev/quarry`.
pub(crate) fn for_each(mut f: impl FnMut(&ClientInfo)) {
    for client in &CLIENTS.lock().open {
        f(&client.info());
    }
}

/// Returns sums over all open files.
///
/// Context: Process context. May sleep.
pub(crate) fn totals() -> Totals {
    let mut totals = Totals {
        aside_pages: aside::pages(),
        ..Totals::default()
    };
    for client in &CLIENTS.lock().open {
        totals.clients += 1;
        // CAST: `u64` holds every `usize`.
        totals.handles += client.handles.usage().used as u64;
        totals.bytes += client.bytes.usage().used as u64;
    }
    totals
}
