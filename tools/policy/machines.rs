// SPDX-License-Identifier: GPL-2.0

//! The policy code as state machines: programs of steps, which run on the code and on a model of it.
//!
//! Each model is what the code would be if speed did not matter. After each step both must tell the
//! same, and `validate()` must find nothing; a difference is a panic. Who makes the programs does not
//! matter: proptest does in `properties`, libFuzzer in `tools/fuzz`.

mod budget;
mod fault;
pub(crate) mod kept;
pub(crate) mod kmalloc;
mod lists;
mod quarantine;
pub(crate) mod sizes;
pub(crate) mod slab;
mod stash;
pub(crate) mod vmalloc;
pub(crate) mod zone;

use arbitrary::{
    Arbitrary,
    Result,
    Unstructured, //
};

/// Most steps of a program that is read from bytes.
const MOST_STEPS: usize = 256;

/// Something that is run to see whether it panics.
pub(crate) trait Run: for<'a> Arbitrary<'a> {
    /// Runs it.
    fn run(self);
}

/// A machine: its name, and what runs the program that some bytes stand for.
pub type Machine = (&'static str, fn(&[u8]));

/// All machines.
pub const ALL: [Machine; 11] = [
    ("budget", run::<budget::Program>),
    ("fault", run::<fault::Program>),
    ("kept", run::<kept::Program>),
    ("kmalloc", run::<kmalloc::Program>),
    ("lists", run::<lists::Program>),
    ("quarantine", run::<quarantine::Program>),
    ("sizes", run::<sizes::Program>),
    ("slab", run::<slab::Program>),
    ("stash", run::<stash::Program>),
    ("vmalloc", run::<vmalloc::Program>),
    ("zone", run::<zone::Program>),
];

fn run<P: Run>(bytes: &[u8]) {
    if let Ok(program) = P::arbitrary(&mut Unstructured::new(bytes)) {
        program.run();
    }
}

/// Reads steps up to the end of the bytes.
fn steps<'a, S: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> Result<Vec<S>> {
    let mut steps = Vec::new();
    while !bytes.is_empty() && steps.len() < MOST_STEPS {
        steps.push(S::arbitrary(bytes)?);
    }
    Ok(steps)
}

/// Returns which of `len` things a number picks, if there are any.
fn pick(number: u16, len: usize) -> Option<usize> {
    usize::from(number).checked_rem(len)
}
