// SPDX-License-Identifier: GPL-2.0

//! Doubly linked lists through nodes that somebody else stores.
//!
//! Policy code sorts chunks and slabs into lists without knowing where they are stored: an
//! [`Arena`] turns an identifier into a node. In the kernel an identifier is a pointer and the
//! arena is the proof that the right lock is held; in host tests it is an index into a `Vec`.
//!
//! # Laws
//!
//! - A node is in at most one [`List`] at a time.
//! - `next` and `prev` of neighbours agree.

/// Turns identifiers into nodes.
pub(crate) trait Arena {
    /// Names a node.
    type Id: Copy + PartialEq;
    /// What is stored.
    type Node: Linked<Self::Id>;

    /// Returns the node that `id` names.
    fn node(&self, id: Self::Id) -> &Self::Node;
    /// Returns the node that `id` names, to change it.
    fn node_mut(&mut self, id: Self::Id) -> &mut Self::Node;
}

/// A node that can be in a [`List`].
pub(crate) trait Linked<Id> {
    /// Returns the node's links.
    fn link(&self) -> &Link<Id>;
    /// Returns the node's links, to change them.
    fn link_mut(&mut self) -> &mut Link<Id>;
}

/// The links of one node.
pub(crate) struct Link<Id> {
    prev: Option<Id>,
    next: Option<Id>,
}

impl<Id> Link<Id> {
    /// Returns the links of a node that is in no list.
    pub(crate) const fn new() -> Self {
        Self {
            prev: None,
            next: None,
        }
    }
}

/// A list of nodes, newest first.
#[derive(Clone, Copy)]
pub(crate) struct List<Id> {
    head: Option<Id>,
}

impl<Id: Copy + PartialEq> List<Id> {
    /// Returns an empty list.
    pub(crate) const fn new() -> Self {
        Self { head: None }
    }

    /// Returns the first node.
    pub(crate) fn first(&self) -> Option<Id> {
        self.head
    }

    /// Returns whether no node is in the list.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Returns the node behind `id`.
    pub(crate) fn after<A: Arena<Id = Id>>(&self, arena: &A, id: Id) -> Option<Id> {
        arena.node(id).link().next
    }

    /// Puts a node that is in no list in front.
    pub(crate) fn push<A: Arena<Id = Id>>(&mut self, arena: &mut A, id: Id) {
        let old = self.head.replace(id);
        *arena.node_mut(id).link_mut() = Link {
            prev: None,
            next: old,
        };
        if let Some(old) = old {
            arena.node_mut(old).link_mut().prev = Some(id);
        }
    }

    /// Takes a node of this list out of it.
    pub(crate) fn remove<A: Arena<Id = Id>>(&mut self, arena: &mut A, id: Id) {
        let Link { prev, next } = core::mem::replace(arena.node_mut(id).link_mut(), Link::new());
        match prev {
            Some(prev) => arena.node_mut(prev).link_mut().next = next,
            None => self.head = next,
        }
        if let Some(next) = next {
            arena.node_mut(next).link_mut().prev = prev;
        }
    }

    /// Returns how many nodes are in the list, or `None` if its links disagree.
    pub(crate) fn validate<A: Arena<Id = Id>>(&self, arena: &A) -> Option<usize> {
        let (mut count, mut prev, mut at) = (0usize, None, self.head);
        while let Some(id) = at {
            let link = arena.node(id).link();
            if link.prev != prev {
                return None;
            }
            count = count.wrapping_add(1);
            prev = at;
            at = link.next;
        }
        Some(count)
    }
}
