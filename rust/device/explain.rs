// SPDX-License-Identifier: GPL-2.0

//! Where an allocation lies.

use super::{
    client::Client,
    memory::View,
    request::{
        Arm,
        Kind, //
    },
    task, //
};
use crate::{
    bindings,
    explain as core_explain, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    transmute::AsBytes,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceWriter, //
    },
};

static_assert!(size_of::<bindings::quarry_frame>() == 8);

// SAFETY: Two integers without padding.
unsafe impl AsBytes for bindings::quarry_frame {}

/// Asks the layer that serves an allocation.
pub(super) fn locate(allocation: &View) -> bindings::quarry_explain {
    let mut found: bindings::quarry_explain = pin_init::zeroed();
    core_explain::locate(allocation.start().as_ptr().cast(), &mut found);
    found
}

/// Tells what can be told of memory of the kernel's own allocators.
fn locate_kernel(allocation: &View) -> bindings::quarry_explain {
    let mut found: bindings::quarry_explain = pin_init::zeroed();
    found.layer = bindings::quarry_layer_QUARRY_LAYER_KERNEL;
    found.node = core_explain::node_anywhere(allocation.start().as_ptr().cast());
    if allocation.kind() == Kind::Pages {
        found.traits = bindings::QUARRY_TRAIT_CONTIGUOUS;
        found.nr_pages = u32::try_from(allocation.nr_pages()).unwrap_or(u32::MAX);
        found.order = found.nr_pages.trailing_zeros();
    }
    found
}

/// Returns the place of a page of an allocation.
fn frame(allocation: &View, index: usize) -> Option<bindings::quarry_frame> {
    match (allocation.arm(), allocation.kind()) {
        (Arm::Quarry, _) => core_explain::frame(allocation.page(index)?.as_ptr()),
        (Arm::Kernel, Kind::Pages) => {
            let first = allocation.start().as_ptr().addr();
            core_explain::frame_anywhere(first.wrapping_add(index * PAGE_SIZE))
        }
        (Arm::Kernel, _) => None,
    }
}

/// Explains an allocation.
pub(super) fn explain(client: &Client, arg: &mut bindings::quarry_explain) -> Result {
    let allocation = client.get(arg.handle)?;
    let mut found = match allocation.arm() {
        Arm::Quarry => locate(&allocation),
        Arm::Kernel => locate_kernel(&allocation),
    };
    found.handle = arg.handle;
    found.kind = allocation.kind().into_raw();
    // CAST: `u64` holds every `usize`.
    found.requested = allocation.requested() as u64;
    found.usable = allocation.usable() as u64;
    if allocation.is_referenced() {
        found.traits |= bindings::QUARRY_TRAIT_MAPPED;
    }
    found.frames = arg.frames;
    found.max_frames = arg.max_frames;
    found.nr_frames = 0;
    if arg.frames != 0 {
        let address = usize::try_from(arg.frames).map_err(|_| EFAULT)?;
        found.nr_frames = write_frames(&allocation, UserPtr::from_addr(address), arg.max_frames)?;
    }
    *arg = found;
    Ok(())
}

/// Writes the first `max` frames of an allocation to user space, and returns how many that are.
fn write_frames(allocation: &View, user: UserPtr, max: u32) -> Result<u32> {
    let before = allocation.start().as_ptr() as usize % PAGE_SIZE;
    let pages = (before + allocation.usable()).div_ceil(PAGE_SIZE);
    let max = u32::try_from(pages).unwrap_or(u32::MAX).min(max);
    // CAST: `usize` has at least 32 bits.
    let bytes = max as usize * size_of::<bindings::quarry_frame>();
    let mut writer: UserSliceWriter = UserSlice::new(user, bytes).writer();
    for index in 0..max {
        // CAST: As above.
        let Some(frame) = frame(allocation, index as usize) else {
            return Ok(index);
        };
        writer.write(&frame)?;
        if index % 256 == 255 {
            task::checkpoint()?;
        }
    }
    Ok(max)
}
