// SPDX-License-Identifier: GPL-2.0

//! Setting the layers up from the bottom, and taking them down from the top.

use crate::{
    bindings,
    cache,
    device,
    front,
    grow,
    guard,
    hotplug::Hotplug,
    kmalloc,
    numa,
    owners,
    page_alloc,
    percpu::wait_for_hotplug,
    pool::Watermark,
    pools,
    random,
    track::{
        self,
        Scope,
        Stage, //
    },
    tracking,
    upkeep,
    vmap_alloc,
    window, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// How far the setting up has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Nothing,
    Track,
    Numa,
    Random,
    Guard,
    Fronts,
    Window,
    Owners,
    Pages,
    Nolock,
    Classes,
    Areas,
    Pools,
}

/// All layers, until dropped.
pub(crate) struct Layers {
    step: Step,
    hotplug: Option<Hotplug>,
}

impl Layers {
    /// Sets all layers up.
    ///
    /// Context: Process context, once. May sleep.
    pub(crate) fn new(
        limit_mib: u64,
        reserve_kib: i64,
        init_on_alloc: i8,
        user_percent: u32,
        track: u8,
        preset: u8,
        checks: u32,
    ) -> Result<Self> {
        // What has been set up is taken down by `drop` if a later step fails.
        let mut this = Self {
            step: Step::Nothing,
            hotplug: None,
        };
        let pages = |bytes: Option<u64>| {
            let pages = bytes.and_then(|bytes| usize::try_from(bytes / PAGE_SIZE as u64).ok());
            pages.ok_or(EINVAL)
        };
        let limit = match limit_mib {
            // SAFETY: Looks at a counter.
            0 => (unsafe { bindings::quarry_helper_totalram_pages() }) / 4 * 3,
            mib => pages(mib.checked_mul(MIB))?,
        };
        let clear = match init_on_alloc {
            -1 => None,
            0 => Some(false),
            1 => Some(true),
            _ => return Err(EINVAL),
        };
        let watermark = match reserve_kib {
            -1 => Watermark::Share,
            // Negative numbers are no sizes.
            kib => Watermark::Fixed(pages(u64::try_from(kib)?.checked_mul(KIB))?),
        };
        if user_percent > 100 || track > 1 {
            return Err(EINVAL);
        }
        // SAFETY: Called once, first.
        unsafe { tracking::init() };
        if track == 1 {
            track::prepare()?;
            track::set(Scope::ALL, Stage::On);
        }
        this.step = Step::Track;
        // SAFETY: Called once, after that.
        unsafe { numa::init()? };
        this.step = Step::Numa;
        // SAFETY: Called once, before anybody asks for a number.
        unsafe { random::init()? };
        this.step = Step::Random;
        // SAFETY: Called once, before anything has a preset.
        unsafe { guard::init(preset, checks)? };
        this.step = Step::Guard;
        // SAFETY: Called once, after the layer below.
        unsafe { front::init()? };
        this.step = Step::Fronts;
        // SAFETY: Called once, after the layer below.
        unsafe { window::init()? };
        this.step = Step::Window;
        // SAFETY: Called once, after the layer below.
        unsafe { owners::init()? };
        this.step = Step::Owners;
        // SAFETY: Called once, after the layer below.
        unsafe { page_alloc::init(watermark, clear)? };
        this.step = Step::Pages;
        grow::set_limit(limit);
        grow::prime();
        // SAFETY: Called once, after the layer below.
        unsafe { cache::init() };
        // SAFETY: As above.
        this.hotplug = Some(unsafe { Hotplug::new()? });
        // SAFETY: As above.
        unsafe { cache::init_nolock()? };
        this.step = Step::Nolock;
        // SAFETY: As above.
        unsafe { kmalloc::init()? };
        this.step = Step::Classes;
        // SAFETY: As above.
        unsafe { vmap_alloc::init(None)? };
        this.step = Step::Areas;
        // CAST: Lossless.
        let users = (limit / 100).saturating_mul(user_percent as usize);
        // SAFETY: As above.
        unsafe { pools::init(users)? };
        this.step = Step::Pools;
        // SAFETY: Called once, before the device is registered.
        unsafe { device::init() };
        let (pool, reserve) = (grow::growth().pages, grow::reserved());
        pr_info!(
            "loaded: pool of {} pages, at most {}, reserve {}\n",
            pool,
            limit,
            reserve
        );
        Ok(this)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        if self.step == Step::Nothing {
            return;
        }
        let peak = grow::growth().peak;
        let mut leaked = 0;
        // Everything must be empty before the layers below end.
        if self.step >= Step::Pools {
            device::exit();
            if cache::end_released() != 0 {
                wait_for_hotplug();
                cache::end_released();
            }
            // SAFETY: Set up, and nobody uses it any more.
            unsafe { pools::exit() };
        }
        if track::any_live() {
            track::report(|_, _| true);
        }
        if self.step >= Step::Areas {
            // SAFETY: Set up, and nobody uses it any more.
            leaked += unsafe { vmap_alloc::teardown() };
        }
        if self.step >= Step::Nolock {
            // SAFETY: As above.
            unsafe { cache::finish() };
        }
        if self.step >= Step::Classes {
            leaked += cache::end_released();
            // SAFETY: As above.
            leaked += unsafe { kmalloc::exit() };
        }
        if self.step >= Step::Nolock {
            // SAFETY: As above. Caches that could not end are not used any more.
            unsafe { cache::exit() };
            // SAFETY: As above.
            unsafe { cache::exit_dead() };
        }
        if self.step >= Step::Pages {
            let left = upkeep::return_pages();
            self.hotplug = None;
            // SAFETY: Nobody allocates any more.
            unsafe { track::exit() };
            if left != 0 || leaked != 0 {
                // What is live may be in use: the pages and what describes them stay.
                pr_err!("unloaded: {} pages could not be returned\n", left);
                return;
            }
            pr_info!("unloaded: all pages returned, at most {} were held\n", peak);
            // SAFETY: Empty, and nobody uses it any more.
            unsafe { page_alloc::exit() };
        }
        if self.step >= Step::Owners {
            // SAFETY: As above.
            unsafe { owners::exit() };
        }
        if self.step >= Step::Window {
            // SAFETY: As above.
            unsafe { window::exit() };
        }
        if self.step >= Step::Fronts {
            // SAFETY: As above.
            unsafe { front::exit() };
        }
        if self.step >= Step::Guard {
            // SAFETY: As above.
            unsafe { guard::exit() };
        }
        if self.step >= Step::Random {
            // SAFETY: As above.
            unsafe { random::exit() };
        }
        if self.step >= Step::Numa {
            // SAFETY: As above.
            unsafe { numa::exit() };
        }
        // SAFETY: As above.
        unsafe { track::exit() };
    }
}
