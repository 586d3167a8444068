// SPDX-License-Identifier: GPL-2.0

//! Arithmetic of sizes: layouts of slabs, classes, orders, areas, reserves.

use super::Run;
use crate::{
    class,
    pool::{
        step,
        suffices,
        Order,
        Urgency,
        Watermark, //
    },
    slab::{
        index,
        poison,
        wrong_in_poison,
        Geometry,
        Padding,
        MAX_OBJECT, //
    },
    vmalloc::{
        Bounds,
        Pages,
        Plan, //
    }, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

/// Something that must hold for some numbers.
#[derive(Clone, Debug)]
pub(crate) enum Claim {
    /// A layout fits and finds each object: size, alignment, page shift, offsets into a slab.
    Layout(usize, usize, u32, Vec<u32>),
    /// A class is the smallest that holds the size.
    Class(usize),
    /// An order is the smallest that holds the pages.
    Order(usize),
    /// A reserve is never eaten by others: reserve, present, free.
    Reserve(usize, usize, usize),
    /// A pool grows by no more than it should: present, free, wanted.
    Growth(usize, usize, Order),
    /// Areas round up and end at the limit: bytes, page shift, limit.
    Area(usize, u32, usize),
    /// Kept areas stay below their limit: limit, CPUs, nodes.
    Kept(usize, usize, usize),
    /// A plan stays where there is room, copies little and maps much: pages that are there, and wanted.
    Plan(usize, usize),
    /// An object stays aligned between its zones: size, alignment, whether there are any.
    Padding(usize, usize, bool),
    /// Bytes that were written after they were free are found: how many, and what is written where.
    Poison(usize, Vec<(u8, u8)>),
}

/// Reads a number: small or any.
fn number(bytes: &mut Unstructured<'_>) -> Result<usize> {
    if bool::arbitrary(bytes)? {
        usize::arbitrary(bytes)
    } else {
        bytes.int_in_range(0..=5000)
    }
}

fn page_shift(bytes: &mut Unstructured<'_>) -> Result<u32> {
    Ok([12, 14, 16][bytes.choose_index(3)?])
}

impl<'a> Arbitrary<'a> for Claim {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match bytes.int_in_range(0..=9u8)? {
            0 => Self::Layout(
                bytes.int_in_range(0..=20_000)?,
                match bool::arbitrary(bytes)? {
                    true => 1 << bytes.int_in_range(0..=17)?,
                    false => bytes.int_in_range(0..=70_000)?,
                },
                page_shift(bytes)?,
                (0..8).map(|_| bytes.arbitrary()).collect::<Result<_>>()?,
            ),
            1 => Self::Class(bytes.int_in_range(1..=class::LARGEST)?),
            2 => Self::Order(number(bytes)?),
            3 => Self::Reserve(number(bytes)?, number(bytes)?, number(bytes)?),
            4 => Self::Growth(number(bytes)?, number(bytes)?, super::zone::order(bytes)?),
            5 => Self::Area(number(bytes)?, page_shift(bytes)?, number(bytes)?),
            6 => Self::Kept(
                bytes.int_in_range(0..=1 << 22)?,
                bytes.int_in_range(0..=512)?,
                bytes.int_in_range(0..=8)?,
            ),
            7 => Self::Plan(number(bytes)?, number(bytes)?),
            8 => Self::Padding(
                bytes.int_in_range(1..=MAX_OBJECT)?,
                1 << bytes.int_in_range(0..=12)?,
                bytes.arbitrary()?,
            ),
            _ => Self::Poison(
                bytes.int_in_range(0..=40)?,
                (0..bytes.int_in_range(0..=3)?)
                    .map(|_| bytes.arbitrary())
                    .collect::<Result<_>>()?,
            ),
        })
    }
}

impl Run for Claim {
    fn run(self) {
        match self {
            Self::Layout(size, align, page_shift, offsets) => {
                layout(size, align, 1 << page_shift, &offsets);
            }
            Self::Class(size) => {
                let first = class::SIZES
                    .iter()
                    .position(|&holds| holds as usize >= size);
                assert_eq!(Some(class::class(size - 1)), first);
            }
            Self::Order(pages) => {
                let mut orders = (0..11).filter(|_| pages != 0);
                let first = orders.find(|order| pages <= 1 << order);
                assert_eq!(Order::for_pages(pages).map(Order::get), first);
            }
            Self::Reserve(reserve, present, free) => {
                for mark in [Watermark::Fixed(reserve), Watermark::Share] {
                    let normal = mark.available(present, free, Urgency::Normal);
                    let kept = mark.pages(present) as u128;
                    assert!(normal == 0 || free as u128 == normal as u128 + kept);
                    assert!(normal != 0 || free as u128 <= kept);
                    assert_eq!(mark.available(present, free, Urgency::Atomic), free);
                }
                assert!((16..=128).contains(&Watermark::Share.pages(present)));
            }
            Self::Growth(present, free, wanted) => growth(present, free, wanted),
            Self::Area(bytes, page_shift, limit) => {
                let want = bytes.div_ceil(1 << page_shift);
                let pages = Pages::for_bytes(bytes, page_shift, limit).map(Pages::get);
                assert_eq!(pages, Some(want).filter(|&want| want != 0 && want <= limit));
            }
            Self::Kept(limit, cpus, nodes) => kept(limit, cpus, nodes),
            Self::Plan(have, want) => plan(have, want),
            Self::Padding(size, align, zones) => {
                let padding = Padding::new(size, align, zones).expect("it has no padding");
                let (left, right) = (padding.left as usize, padding.right as usize);
                assert_eq!(padding.object as usize, size);
                assert_eq!(padding.stride(), left + size + right);
                assert!(left % align == 0 && padding.stride() % align == 0);
                assert_eq!(left == 0, !zones);
                assert!(!zones || right >= 8);
                // No more than what alignment wants.
                let least = if zones { left + size + 8 } else { size };
                assert!(padding.stride() < least + align.max(8));
            }
            Self::Poison(len, writes) => poisoned(len, &writes),
        }
    }
}

fn layout(size: usize, align: usize, page_size: usize, offsets: &[u32]) {
    let Some(g) = Geometry::new(size, align, page_size) else {
        let is_wrong = align > page_size || (align != 0 && !align.is_power_of_two());
        assert!(is_wrong || size == 0 || size > 16384);
        return;
    };
    let (stride, objects) = (g.stride as usize, g.objects as usize);
    let bytes = g.order.pages() * page_size;
    assert!(align <= page_size && (align == 0 || align.is_power_of_two()));
    assert_eq!(stride, size.next_multiple_of(align.max(8)));
    assert_eq!(objects, (bytes / stride).min(4096));
    assert!(objects >= 1);
    assert!((4..=64).contains(&g.rounds));
    assert_eq!(g.words(), objects.div_ceil(64));
    for &offset in offsets {
        // The reciprocal is exact in all of the slab, its unused end included.
        let offset = offset as usize % bytes;
        assert_eq!(g.nearest(offset as u32) as usize, offset / stride);
        // The unused end may look like the object behind the last.
        let exact = (offset % stride == 0).then_some((offset / stride) as u32);
        assert_eq!(index(g.reciprocal(), offset as u32), exact);
    }
}

fn growth(present: usize, free: usize, wanted: Order) {
    let grown = step(present, wanted);
    assert!(grown >= wanted && grown.get() >= 4);
    // The largest power of two that is not more than a share, if that is more than the least.
    let share = present / 64;
    let fits = (0..11).rev().find(|order| 1 << order <= share);
    let least = fits.unwrap_or(0).max(4).max(wanted.get());
    assert_eq!(grown.get(), least);
    let enough = free >= 64 && free >= 8 * wanted.pages() && free >= present / 32;
    assert_eq!(suffices(present, free, wanted), enough);
}

fn kept(limit: usize, cpus: usize, nodes: usize) {
    let bounds = Bounds::new(limit, cpus, nodes);
    let most = |has_room: &dyn Fn(usize) -> bool| {
        let (mut low, mut high) = (0, limit + 1);
        while low + 1 < high {
            let middle = (low + high) / 2;
            if has_room(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    };
    let cpu = most(&|pages| bounds.cpu_has_room(0, pages));
    let node = most(&|pages| bounds.node_has_room(0, pages));
    assert_eq!(cpu, (limit / 2).checked_div(cpus).unwrap_or(0).min(1024));
    assert_eq!(node, (limit - cpu * cpus).checked_div(nodes).unwrap_or(0));
    assert!(cpu * cpus + node * nodes <= limit);
    assert!(bounds.cpu_has_room(cpu, 0) && !bounds.cpu_has_room(cpu, 1));
    assert!(!bounds.cpu_has_room(usize::MAX, 1) && !bounds.node_has_room(1, usize::MAX));
}

fn plan(have: usize, want: usize) {
    let pages = |pages: usize| Pages::for_bytes(pages, 0, usize::MAX);
    let (Some(area), Some(size)) = (pages(have), pages(want)) else {
        assert!(have == 0 || want == 0);
        return;
    };
    let expected = if want <= have && want as u128 * 2 >= have as u128 {
        Plan::Stay
    } else if have.min(want) <= 16 && want <= 256 {
        Plan::Copy
    } else {
        Plan::Remap
    };
    assert_eq!(Plan::new(area, size), expected);
}

fn poisoned(len: usize, writes: &[(u8, u8)]) {
    let mut bytes = vec![0; len];
    poison(&mut bytes);
    let right = bytes.clone();
    assert_eq!(wrong_in_poison(&bytes), None);
    for &(at, value) in writes {
        if let Some(at) = usize::from(at).checked_rem(len) {
            bytes[at] = value;
        }
    }
    let differs = |at: &usize| bytes[*at] != right[*at];
    let wrong = wrong_in_poison(&bytes).map(|wrong| (wrong.first, wrong.end));
    let first = (0..len).find(differs);
    let last = (0..len).rfind(differs);
    assert_eq!(wrong, first.zip(last.map(|last| last + 1)));
}

/// Some claims.
#[derive(Clone, Debug)]
pub(crate) struct Program(Vec<Claim>);

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        super::steps(bytes).map(Self)
    }
}

impl Run for Program {
    fn run(self) {
        self.0.into_iter().for_each(Run::run);
    }
}
