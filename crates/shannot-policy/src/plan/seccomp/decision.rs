//! A decision about one system call, as data: a tree of switches over 32-bit words.
//!
//! A classic BPF program compares 32-bit words and nothing else, so this is all that a filter can
//! say. It has two readers, which must agree: [`Decision::answer`] walks it case by case, and
//! `bpf` compiles it.

use std::ops::RangeInclusive;

use super::{Action, SeccompData};

/// What happens to a call, perhaps depending on some of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is settled.
    Answer(Action),
    /// It depends on one more word.
    Switch(Box<Switch>),
}

/// A choice by the value of one word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Switch {
    /// The word that is looked at.
    pub(super) word: Word,
    /// The bits of it that count.
    pub(super) mask: u32,
    /// Disjoint ranges of the masked value, in the order of their values.
    pub(super) cases: Vec<(RangeInclusive<u32>, Decision)>,
    /// For every other value.
    pub(super) otherwise: Decision,
}

/// A 32-bit word of `struct seccomp_data`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// The convention of the call.
    Arch,
    /// The upper half of an argument, from 0.
    High(u8),
    /// The lower half of an argument, from 0. For an argument that the kernel takes as `int` or
    /// `unsigned int` this half is all there is: the kernel drops the upper one, so a comparison
    /// that looked at it would be passed by `value | 1 << 32`.
    Low(u8),
    /// The number of the call.
    Number,
}

impl Word {
    /// Where the word lies in `struct seccomp_data`, on a little-endian machine.
    pub(super) fn offset(self) -> u32 {
        match self {
            Self::Number => 0,
            Self::Arch => 4,
            Self::Low(arg) => 16 + 8 * u32::from(arg),
            Self::High(arg) => 20 + 8 * u32::from(arg),
        }
    }

    fn of(self, data: &SeccompData) -> u32 {
        let (arg, shift) = match self {
            Self::Number => return data.nr,
            Self::Arch => return data.arch,
            Self::Low(arg) => (arg, 0),
            Self::High(arg) => (arg, 32),
        };
        u32::try_from((data.args[usize::from(arg)] >> shift) & 0xFFFF_FFFF)
            .expect("32 bits are left by the mask")
    }
}

impl Decision {
    /// Walks the tree for one call.
    pub(super) fn answer(&self, data: &SeccompData) -> Action {
        match self {
            Self::Answer(action) => *action,
            Self::Switch(switch) => {
                let value = switch.word.of(data) & switch.mask;
                let case = switch.cases.iter().find(|(values, _)| values.contains(&value));
                case.map_or(&switch.otherwise, |(_, then)| then).answer(data)
            }
        }
    }
}

#[cfg(any(test, fuzzing))]
impl Decision {
    /// Adds every number that is compared with, its neighbours, and each mask and its single bits.
    pub(super) fn edges(&self, found: &mut Vec<u32>) {
        let Self::Switch(switch) = self else {
            return;
        };
        for (values, then) in &switch.cases {
            for value in [*values.start(), *values.end()] {
                found.extend([value.wrapping_sub(1), value, value.wrapping_add(1)]);
            }
            then.edges(found);
        }
        if switch.mask != u32::MAX {
            found.extend((0..32).map(|bit| 1 << bit).filter(|bit| switch.mask & bit != 0));
            found.extend([switch.mask, !switch.mask]);
        }
        switch.otherwise.edges(found);
    }
}

impl From<Action> for Decision {
    fn from(action: Action) -> Self {
        Self::Answer(action)
    }
}

/// Begins a choice by the value of `word`.
pub(super) fn switch(word: Word) -> Cases {
    Cases { word, mask: u32::MAX, cases: Vec::new() }
}

/// A choice that still lacks its default; made by [`switch`].
pub(super) struct Cases {
    word: Word,
    mask: u32,
    cases: Vec<(RangeInclusive<u32>, Decision)>,
}

impl Cases {
    /// Looks at these bits only.
    pub(super) fn masked(mut self, mask: u32) -> Self {
        self.mask = mask;
        self
    }

    /// Answers `then` for each of `values`.
    pub(super) fn is(mut self, values: &[u32], then: impl Into<Decision>) -> Self {
        let then = then.into();
        if let [others @ .., last] = values {
            self.cases.extend(others.iter().map(|value| (*value..=*value, then.clone())));
            self.cases.push((*last..=*last, then));
        }
        self
    }

    /// Answers `then` for every value within `values`.
    pub(super) fn within(mut self, values: RangeInclusive<u32>, then: impl Into<Decision>) -> Self {
        self.cases.push((values, then.into()));
        self
    }

    /// Answers `otherwise` for every value that no case names.
    pub(super) fn otherwise(mut self, otherwise: impl Into<Decision>) -> Decision {
        self.cases.sort_unstable_by_key(|(values, _)| *values.start());
        debug_assert!(self.cases.is_sorted_by(|(a, _), (b, _)| a.end() < b.start()));
        Decision::Switch(Box::new(Switch {
            word: self.word,
            mask: self.mask,
            cases: self.cases,
            otherwise: otherwise.into(),
        }))
    }
}
