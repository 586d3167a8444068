// SPDX-License-Identifier: GPL-2.0

//! Allocations in the address space of a process.
//!
//! Each page of a block or an area has a reference count of one, ours. A mapping adds its own, so
//! that more than one means that the allocation is mapped, or that I/O through a mapping is in
//! flight.

use super::{
    client::Client,
    explain::locate,
    handle::Handle,
    memory::View, //
};
use crate::{
    bindings,
    requests, //
};
use kernel::{
    mm::virt::{
        flags,
        VmaNew, //
    },
    page::{
        BorrowedPage,
        PAGE_SHIFT,
        PAGE_SIZE, //
    },
    prelude::*,
};

/// Whether user space may see an allocation that shares no page with others.
fn can_be_mapped(allocation: &View) -> bool {
    !allocation.is_opaque() && has_own_pages(allocation)
}

/// Whether an allocation of quarry's shares no page with others.
fn has_own_pages(allocation: &View) -> bool {
    locate(allocation).layer != bindings::quarry_layer_QUARRY_LAYER_SLAB
        && allocation.start().as_ptr() as usize % PAGE_SIZE == 0
        && allocation.usable() % PAGE_SIZE == 0
}

/// Tells what to pass to mmap.
pub(super) fn prepare(client: &Client, arg: &mut bindings::quarry_map) -> Result {
    let handle = Handle::from_raw(arg.handle).ok_or(ENOENT)?;
    let allocation = client.table.get(handle)?;
    if !can_be_mapped(&allocation) {
        return Err(EOPNOTSUPP);
    }
    arg.offset = u64::from(handle.map_offset()) << PAGE_SHIFT;
    // CAST: `u64` holds every `usize`.
    arg.length = allocation.usable() as u64;
    Ok(())
}

/// Maps an allocation.
///
/// All pages are mapped at once: memory that exists needs no page faults.
pub(super) fn mmap(client: &Client, vma: &VmaNew) -> Result {
    // A private mapping would copy pages on write, and show less and less of the allocation.
    if vma.flags() & flags::MAYSHARE == 0 {
        return Err(EINVAL);
    }
    vma.try_clear_mayexec()?;

    // SAFETY: The mapping is being made, so its members do not change.
    let offset = unsafe { (*vma.as_ptr()).vm_pgoff };
    let allocation = client.table.get_to_map(offset)?;
    if !can_be_mapped(&allocation) {
        return Err(EOPNOTSUPP);
    }
    let nr_pages = (vma.end() - vma.start()) >> PAGE_SHIFT;
    if nr_pages > allocation.nr_pages() {
        return Err(ERANGE);
    }

    // A child gets no copy, the mapping does not grow, and is in no core dump. `VM_IO` keeps all
    // that as it is, and most I/O from taking references to the pages.
    vma.set_io();
    vma.set_dontcopy();
    vma.set_dontexpand();
    vma.set_dontdump();
    let vma = vma.set_mixedmap();
    for index in 0..nr_pages {
        let page = allocation.page(index).ok_or(EFAULT)?;
        requests::ask(0)?;
        // SAFETY: The allocation stays as it is while it is in use.
        let page = unsafe { BorrowedPage::from_raw(page) };
        vma.vm_insert_page(vma.start() + (index << PAGE_SHIFT), &page)?;
    }
    Ok(())
}
