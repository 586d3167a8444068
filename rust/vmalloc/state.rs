// SPDX-License-Identifier: GPL-2.0

//! Who has an area, and why a pointer is refused.

/// Who has an area.
///
/// `Live` and back are the only changes that callers cause: a free takes `Live` to `Kept`, a
/// reallocation takes it to `Moving`, and whoever finds another state than `Live` has no area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A caller.
    Live,
    /// Nobody: it waits, mapped, to be handed out again or to be unmapped.
    Kept,
    /// A reallocation that is going on.
    Moving,
}

impl State {
    /// Returns the state as a number, to be kept in a word that CPUs share.
    #[inline]
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Live => 1,
            Self::Kept => 2,
            Self::Moving => 3,
        }
    }

    /// Returns the state of a number that [`State::code`] gave. Any other reads as `Moving`, in
    /// which nobody gets the area.
    #[inline]
    pub(crate) const fn from_code(code: u32) -> Self {
        match code {
            1 => Self::Live,
            2 => Self::Kept,
            _ => Self::Moving,
        }
    }
}

/// Why a pointer is no area that can be freed or reallocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No area of quarry's is there.
    Foreign,
    /// It points so many bytes into an area.
    Interior(usize),
    /// The area has been freed before.
    Freed,
    /// The area is being reallocated.
    Busy,
}

impl Refusal {
    /// Returns the reason not to free an area at `offset` bytes from its start, if there is one.
    #[inline]
    pub(crate) const fn of(offset: usize, state: State) -> Option<Self> {
        if offset != 0 {
            return Some(Self::Interior(offset));
        }
        match state {
            State::Live => None,
            State::Kept => Some(Self::Freed),
            State::Moving => Some(Self::Busy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for state in [State::Live, State::Kept, State::Moving] {
            assert_eq!(State::from_code(state.code()), state);
        }
    }

    #[test]
    fn no_other_number_is_live() {
        for code in [0, 4, u32::MAX] {
            assert_ne!(State::from_code(code), State::Live);
        }
    }

    #[test]
    fn only_the_start_of_a_live_area_is_accepted() {
        assert_eq!(Refusal::of(0, State::Live), None);
        assert_eq!(Refusal::of(8, State::Live), Some(Refusal::Interior(8)));
        assert_eq!(Refusal::of(0, State::Kept), Some(Refusal::Freed));
        assert_eq!(Refusal::of(0, State::Moving), Some(Refusal::Busy));
    }
}
