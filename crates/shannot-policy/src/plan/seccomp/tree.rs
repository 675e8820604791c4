//! Decisions of any shape, for the fuzz target: the table's own never make the compiler jump far.
//!
//! Only a fuzzing build has this. It must never reach a box: what a filter says comes from the
//! table alone.

use std::ops::RangeInclusive;

use super::decision::{Decision, Switch, Word};
use super::{Action, Filter, Program, SeccompData};

/// A decision.
#[derive(Debug, Clone)]
pub struct Tree(Decision);

impl Tree {
    /// One that is settled.
    pub fn answer(action: Action) -> Self {
        Self(Decision::Answer(action))
    }

    /// A choice by one word of `struct seccomp_data`: 0 is the number, 1 the arch, and from 2 on
    /// the lower and upper halves of the arguments in turn; other numbers wrap around. A range that
    /// is empty or begins before the end of the one before it is left out.
    pub fn choice(
        word: u8,
        mask: u32,
        ranges: impl IntoIterator<Item = (RangeInclusive<u32>, Self)>,
        otherwise: Self,
    ) -> Self {
        let mut cases: Vec<(RangeInclusive<u32>, Decision)> = Vec::new();
        for (values, Self(then)) in ranges {
            let follows = cases.last().is_none_or(|(last, _)| last.end() < values.start());
            if follows && !values.is_empty() {
                cases.push((values, then));
            }
        }
        let word = match word % 14 {
            0 => Word::Number,
            1 => Word::Arch,
            half if half % 2 == 0 => Word::Low((half - 2) / 2),
            half => Word::High((half - 2) / 2),
        };
        Self(Decision::Switch(Box::new(Switch { word, mask, cases, otherwise: otherwise.0 })))
    }

    /// The whole of a filter.
    pub fn of(filter: &Filter) -> Self {
        Self(filter.decision())
    }

    /// The program for the kernel.
    pub fn compile(&self) -> Program {
        Program::compile(&self.0)
    }

    /// What the decision says of one call, not by the program.
    pub fn verdict(&self, data: &SeccompData) -> Action {
        self.0.answer(data)
    }

    /// Every number that is compared with, its neighbours, and the bits of masks.
    pub fn edges(&self) -> Vec<u32> {
        let mut found = Vec::new();
        self.0.edges(&mut found);
        found.sort_unstable();
        found.dedup();
        found
    }
}
