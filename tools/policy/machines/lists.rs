// SPDX-License-Identifier: GPL-2.0

//! Linked lists through nodes, against vectors.

use super::Run;
use crate::bins::{
    Arena,
    Link,
    Linked,
    List, //
};
use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

const LISTS: usize = 3;
const NODES: u8 = 12;

struct Node(Link<u8>);

impl Linked<u8> for Node {
    fn link(&self) -> &Link<u8> {
        &self.0
    }
    fn link_mut(&mut self) -> &mut Link<u8> {
        &mut self.0
    }
}

struct Nodes(Vec<Node>);

impl Arena for Nodes {
    type Id = u8;
    type Node = Node;
    fn node(&self, id: u8) -> &Node {
        &self.0[usize::from(id)]
    }
    fn node_mut(&mut self, id: u8) -> &mut Node {
        &mut self.0[usize::from(id)]
    }
}

/// Nodes, each with the list that it moves to.
#[derive(Clone, Debug)]
pub(crate) struct Program(Vec<(u8, usize)>);

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> Result<Self> {
        let mut moves = Vec::new();
        while !bytes.is_empty() && moves.len() < super::MOST_STEPS {
            // One more list than there are stands for none.
            let to = bytes.int_in_range(0..=LISTS)?;
            moves.push((bytes.int_in_range(0..=NODES - 1)?, to));
        }
        Ok(Self(moves))
    }
}

impl Run for Program {
    fn run(self) {
        let mut nodes = Nodes((0..NODES).map(|_| Node(Link::new())).collect());
        let mut lists = [List::new(); LISTS];
        // Newest last.
        let mut model: [Vec<u8>; LISTS] = Default::default();
        for (id, to) in self.0 {
            for (list, ids) in lists.iter_mut().zip(&mut model) {
                if let Some(index) = ids.iter().position(|&other| other == id) {
                    list.remove(&mut nodes, id);
                    ids.remove(index);
                }
            }
            if let (Some(list), Some(ids)) = (lists.get_mut(to), model.get_mut(to)) {
                list.push(&mut nodes, id);
                ids.push(id);
            }
            for (list, ids) in lists.iter().zip(&model) {
                assert_eq!(list.validate(&nodes), Some(ids.len()));
                assert_eq!(list.is_empty(), ids.is_empty());
                let all = std::iter::successors(list.first(), |&id| list.after(&nodes, id));
                assert!(all.eq(ids.iter().rev().copied()));
            }
        }
    }
}
