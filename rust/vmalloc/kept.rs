// SPDX-License-Identifier: GPL-2.0

//! Freed areas by size, the last one freed first.
//!
//! A stack of areas is threaded through the areas themselves: [`Links`] is where an area stores
//! which one lies below it. Each stack remembers how low it has been since [`Kept::begin_period`]
//! was last called: so many areas were of no use in that time. That is the working-set rule of illumos'
//! `kmem_depot_ws_reap()`.
//!
//! # Laws
//!
//! - An area is in at most one stack, the one of its class.
//! - `areas` and `pages` are the sums over all stacks.
//! - A stack has never been lower than its `low` says.

use super::Class;

/// Stores, for each area, which one lies below it.
pub(crate) trait Links {
    /// Names an area.
    type Id: Copy;

    /// Returns the area below `id`.
    fn below(&self, id: Self::Id) -> Option<Self::Id>;
    /// Puts `id` on top of `below`.
    fn set_below(&mut self, id: Self::Id, below: Option<Self::Id>);
}

/// Areas of one class on their way from one place to another.
#[must_use = "the areas would be lost"]
pub(crate) struct Chain<Id> {
    class: Class,
    top: Option<Id>,
    bottom: Option<Id>,
    len: usize,
}

impl<Id: Copy> Chain<Id> {
    /// Returns a chain of no areas.
    pub(crate) const fn new(class: Class) -> Self {
        Self {
            class,
            top: None,
            bottom: None,
            len: 0,
        }
    }

    /// Returns how many pages the areas have.
    pub(crate) const fn pages(&self) -> usize {
        // OVERFLOW: No more than the machine has.
        self.class.pages().wrapping_mul(self.len)
    }

    /// Returns how many areas there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds an area on top.
    pub(crate) fn push<L: Links<Id = Id>>(&mut self, links: &mut L, id: Id) {
        links.set_below(id, self.top);
        self.top = Some(id);
        if self.bottom.is_none() {
            self.bottom = Some(id);
        }
        self.len = self.len.wrapping_add(1);
    }

    /// Takes the area on top.
    pub(crate) fn pop<L: Links<Id = Id>>(&mut self, links: &L) -> Option<Id> {
        let id = self.top?;
        self.len = self.len.wrapping_sub(1);
        // Below the last area there may be others, which are not of the chain.
        if self.len == 0 {
            (self.top, self.bottom) = (None, None);
        } else {
            self.top = links.below(id);
        }
        Some(id)
    }
}

#[derive(Clone, Copy)]
struct Stack<Id> {
    top: Option<Id>,
    len: u32,
    low: u32,
}

/// Areas that wait to be handed out again, by class.
pub(crate) struct Kept<Id> {
    areas: usize,
    pages: usize,
    stacks: [Stack<Id>; Class::COUNT],
}

impl<Id: Copy> Kept<Id> {
    /// Returns a collection of no areas.
    #[cfg_attr(
        CONFIG_RUST,
        expect(dead_code, reason = "the kernel makes collections in place, of zeroes")
    )]
    pub(crate) const fn new() -> Self {
        Self {
            areas: 0,
            pages: 0,
            stacks: [const {
                Stack {
                    top: None,
                    len: 0,
                    low: 0,
                }
            }; Class::COUNT],
        }
    }

    /// Returns how many areas are kept.
    pub(crate) const fn areas(&self) -> usize {
        self.areas
    }

    /// Returns how many pages they have.
    #[inline]
    pub(crate) const fn pages(&self) -> usize {
        self.pages
    }

    /// Returns whether an area of `class` is kept.
    pub(crate) fn has(&self, class: Class) -> bool {
        self.stacks
            .get(class.index())
            .is_some_and(|stack| stack.top.is_some())
    }

    /// Keeps an area.
    #[inline]
    pub(crate) fn push<L: Links<Id = Id>>(&mut self, links: &mut L, class: Class, id: Id) {
        // PANIC: The index of a class is below `Class::COUNT`; the compiler sees the bound.
        let Some(stack) = self.stacks.get_mut(class.index()) else {
            return;
        };
        links.set_below(id, stack.top);
        stack.top = Some(id);
        stack.len = stack.len.wrapping_add(1);
        self.areas = self.areas.wrapping_add(1);
        self.pages = self.pages.wrapping_add(class.pages());
    }

    /// Hands out the area of `class` that was freed last.
    #[inline]
    pub(crate) fn pop<L: Links<Id = Id>>(&mut self, links: &L, class: Class) -> Option<Id> {
        let stack = self.stacks.get_mut(class.index())?;
        let id = stack.top?;
        stack.top = links.below(id);
        stack.len = stack.len.wrapping_sub(1);
        stack.low = stack.low.min(stack.len);
        self.areas = self.areas.wrapping_sub(1);
        self.pages = self.pages.wrapping_sub(class.pages());
        Some(id)
    }

    /// Takes up to `max` areas of `class`.
    pub(crate) fn take<L: Links<Id = Id>>(
        &mut self,
        links: &L,
        class: Class,
        max: usize,
    ) -> Chain<Id> {
        let mut chain = Chain::new(class);
        // What is popped one by one is linked already: only the ends are needed.
        while chain.len < max {
            let Some(id) = self.pop(links, class) else {
                break;
            };
            if chain.top.is_none() {
                chain.top = Some(id);
            }
            chain.bottom = Some(id);
            chain.len = chain.len.wrapping_add(1);
        }
        chain
    }

    /// Keeps the areas of a chain.
    pub(crate) fn put<L: Links<Id = Id>>(&mut self, links: &mut L, chain: Chain<Id>) {
        let (pages, len) = (chain.pages(), chain.len);
        let Some(stack) = self.stacks.get_mut(chain.class.index()) else {
            return;
        };
        if let Some(bottom) = chain.bottom {
            links.set_below(bottom, stack.top);
            stack.top = chain.top;
            // CAST: A chain is part of a stack, whose length is a `u32`.
            stack.len = stack.len.wrapping_add(len as u32);
            self.areas = self.areas.wrapping_add(len);
            self.pages = self.pages.wrapping_add(pages);
        }
    }

    /// Takes areas of the largest class that has any: as many as make up `pages`, at most `max`.
    pub(crate) fn take_largest<L: Links<Id = Id>>(
        &mut self,
        links: &L,
        pages: usize,
        max: usize,
    ) -> Option<Chain<Id>> {
        let classes = core::iter::successors(Some(Class::FIRST), |class| class.larger());
        let class = classes.filter(|class| self.has(*class)).last()?;
        Some(self.take(links, class, pages.div_ceil(class.pages()).min(max)))
    }

    /// Starts a new period for `class` and returns how many of its areas should go: half of what
    /// nobody needed in the last one.
    pub(crate) fn begin_period(&mut self, class: Class) -> usize {
        let Some(stack) = self.stacks.get_mut(class.index()) else {
            return 0;
        };
        let idle = stack.low.div_ceil(2);
        // What is about to go has had its period.
        stack.low = stack.len.wrapping_sub(idle);
        // CAST: A `u32` fits.
        idle as usize
    }

    /// Returns the first class from `from` on that keeps areas.
    pub(crate) fn next_used(&self, from: Class) -> Option<Class> {
        core::iter::successors(Some(from), |class| class.larger()).find(|class| self.has(*class))
    }

    /// Returns whether the stacks are as long as they should be and the sums are right.
    pub(crate) fn validate<L: Links<Id = Id>>(&self, links: &L) -> bool {
        let (mut areas, mut pages) = (0usize, 0usize);
        let mut class = Some(Class::FIRST);
        for stack in &self.stacks {
            let Some(this) = class else { return false };
            let (mut len, mut at) = (0u32, stack.top);
            while let Some(id) = at {
                if len == stack.len {
                    return false;
                }
                len = len.wrapping_add(1);
                at = links.below(id);
            }
            if len != stack.len || stack.low > stack.len {
                return false;
            }
            // CAST: A `u32` fits.
            areas = areas.wrapping_add(len as usize);
            pages = pages.wrapping_add(this.pages().wrapping_mul(len as usize));
            class = this.larger();
        }
        areas == self.areas && pages == self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vmalloc::Pages;

    struct Below(Vec<Option<usize>>);

    impl Links for Below {
        type Id = usize;

        fn below(&self, id: usize) -> Option<usize> {
            self.0[id]
        }

        fn set_below(&mut self, id: usize, below: Option<usize>) {
            self.0[id] = below;
        }
    }

    fn class(pages: usize) -> Class {
        Pages::for_bytes(pages, 0, 256)
            .and_then(Pages::class)
            .unwrap()
    }

    #[test]
    fn the_last_one_freed_is_handed_out_first() {
        let (mut links, mut kept) = (Below(vec![None; 4]), Kept::new());
        kept.push(&mut links, class(3), 0);
        kept.push(&mut links, class(3), 1);
        kept.push(&mut links, class(4), 2);
        assert_eq!((kept.areas(), kept.pages()), (3, 10));
        assert_eq!(kept.pop(&links, class(3)), Some(1));
        assert_eq!(kept.pop(&links, class(3)), Some(0));
        assert_eq!(kept.pop(&links, class(3)), None);
        assert!(kept.validate(&links));
    }

    #[test]
    fn chains_move_between_collections() {
        let mut links = Below(vec![None; 8]);
        let (mut from, mut to) = (Kept::new(), Kept::new());
        for id in 0..6 {
            from.push(&mut links, class(2), id);
        }
        to.push(&mut links, class(2), 7);
        let chain = from.take(&links, class(2), 4);
        assert_eq!((chain.len(), chain.pages()), (4, 8));
        to.put(&mut links, chain);
        assert!(from.validate(&links) && to.validate(&links));
        let order: Vec<_> = core::iter::from_fn(|| to.pop(&links, class(2))).collect();
        assert_eq!(order, [5, 4, 3, 2, 7]);
        assert_eq!(from.areas(), 2);
    }

    #[test]
    fn a_chain_ends_where_it_was_cut() {
        let (mut links, mut kept) = (Below(vec![None; 4]), Kept::new());
        for id in 0..4 {
            kept.push(&mut links, class(1), id);
        }
        let mut chain = kept.take(&links, class(1), 2);
        assert_eq!(chain.pop(&links), Some(3));
        assert_eq!(chain.pop(&links), Some(2));
        assert_eq!(chain.pop(&links), None);
        kept.put(&mut links, chain);
        assert!(kept.validate(&links));
    }

    #[test]
    fn a_chain_can_be_built_from_areas() {
        let (mut links, mut kept) = (Below(vec![None; 4]), Kept::new());
        let mut chain = Chain::new(class(5));
        chain.push(&mut links, 2);
        chain.push(&mut links, 1);
        kept.put(&mut links, chain);
        assert!(kept.validate(&links));
        assert_eq!(kept.pop(&links, class(5)), Some(1));
        assert_eq!(kept.pop(&links, class(5)), Some(2));
    }

    #[test]
    fn only_what_nobody_needed_for_a_period_is_idle() {
        let (mut links, mut kept) = (Below(vec![None; 16]), Kept::new());
        for id in 0..10 {
            kept.push(&mut links, class(1), id);
        }
        // Freed in this period: not idle yet.
        assert_eq!(kept.begin_period(class(1)), 0);
        // Four of the ten are used at once, and come back.
        let used: Vec<_> = (0..4).filter_map(|_| kept.pop(&links, class(1))).collect();
        for id in used {
            kept.push(&mut links, class(1), id);
        }
        // Six were not: half of them should go.
        assert_eq!(kept.begin_period(class(1)), 3);
        assert_eq!(kept.take(&links, class(1), 3).len(), 3);
        assert!(kept.validate(&links));
    }

    #[test]
    fn an_idle_collection_empties() {
        let (mut links, mut kept) = (Below(vec![None; 16]), Kept::new());
        for id in 0..16 {
            kept.push(&mut links, class(256), id);
        }
        for _ in 0..7 {
            let idle = kept.begin_period(class(256));
            assert_eq!(kept.take(&links, class(256), idle).len(), idle);
        }
        assert_eq!(kept.areas(), 0);
        assert_eq!(kept.next_used(Class::FIRST), None);
    }

    #[test]
    fn the_largest_go_first() {
        let (mut links, mut kept) = (Below(vec![None; 4]), Kept::new());
        kept.push(&mut links, class(1), 0);
        kept.push(&mut links, class(200), 1);
        kept.push(&mut links, class(7), 2);
        assert_eq!(kept.next_used(class(2)), Some(class(7)));
        kept.push(&mut links, class(7), 3);
        let sizes: Vec<_> = core::iter::from_fn(|| kept.take_largest(&links, 8, 9))
            .map(|chain| chain.pages())
            .collect();
        assert_eq!(sizes, [200, 14, 1]);
    }
}
