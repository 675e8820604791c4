//! Turns a [`Decision`] into the classic BPF program that the kernel runs.
//!
//! The kernel tries a filter on every call number when it is installed, and compiles each of its
//! instructions, so the size and the shape of a filter are paid for at every start. A list of
//! comparisons, one after the other, costs ten times as much as this balanced tree over the
//! merged ranges of equal answers.
//!
//! BPF only jumps forward. The program is therefore made from its end to its beginning: whatever
//! an instruction jumps to has been placed already, and the distance is known.

use std::fmt;

use super::decision::{Decision, Switch};
use super::{Action, Errno, Ticket};

/// One instruction of classic BPF; the fields of `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// The operation.
    pub code: u16,
    /// How many instructions to skip where the comparison holds.
    pub jt: u8,
    /// How many instructions to skip where it does not.
    pub jf: u8,
    /// The constant: a value to compare with, an offset, a distance or an answer.
    pub k: u32,
}

/// A filter program for `seccomp(2)`; every one is far within the kernel's limit of 4096
/// instructions. It contains the [`super::Ticket`], so `Debug` shows no instruction.
#[derive(Clone, PartialEq, Eq)]
pub struct Program(Vec<Insn>);

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Program({} instructions)", self.0.len())
    }
}

/// `A = word at k of struct seccomp_data`.
pub(super) const LD_W_ABS: u16 = 0x20;
/// `A &= k`.
pub(super) const AND_K: u16 = 0x54;
/// Skips k instructions.
pub(super) const JA: u16 = 0x05;
/// Skips jt instructions if `A == k`, else jf.
pub(super) const JEQ_K: u16 = 0x15;
/// Skips jt instructions if `A >= k`, else jf; unsigned.
pub(super) const JGE_K: u16 = 0x35;
/// Ends with the answer k.
pub(super) const RET_K: u16 = 0x06;

/// `SECCOMP_RET_ALLOW`.
pub(super) const RET_ALLOW: u32 = 0x7FFF_0000;
/// `SECCOMP_RET_ERRNO`; the errno stands in the lower half.
pub(super) const RET_ERRNO: u32 = 0x0005_0000;

impl Program {
    /// The instructions, the first one first.
    pub fn insns(&self) -> &[Insn] {
        &self.0
    }

    /// The instructions as the kernel reads them, `struct sock_filter` after `struct sock_filter`,
    /// little endian, as both machines are.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = |insn: &Insn| {
            let mut bytes = insn.code.to_le_bytes().to_vec();
            bytes.extend([insn.jt, insn.jf]);
            bytes.extend(insn.k.to_le_bytes());
            bytes
        };
        self.0.iter().flat_map(bytes).collect()
    }

    /// The same program with another ticket, if it has one: a hundredth of the work of compiling it.
    #[must_use]
    pub fn with_ticket(mut self, ticket: Ticket) -> Self {
        for half in ticket.halves() {
            let load = half.word.offset();
            // No other check looks at these words, and a comparison follows its load.
            let mut loaded = false;
            for insn in &mut self.0 {
                if loaded && insn.code == JEQ_K {
                    insn.k = half.value;
                }
                loaded = insn.code == LD_W_ABS && insn.k == load;
            }
        }
        self
    }

    pub(super) fn compile(decision: &Decision) -> Self {
        let mut emitter = Emitter { reversed: Vec::new(), answers: Vec::new() };
        let start = emitter.decision(decision);
        if let Target::Answer(action) = start {
            emitter.place(RET_K, encoded(action));
        }
        emitter.reversed.reverse();
        Self(emitter.reversed)
    }
}

/// Where a jump leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    /// To an instruction that returns this.
    Answer(Action),
    /// To a placed instruction, by its index from the program's end.
    At(usize),
}

/// A run of values that lead to one target, up to the start of the next run.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    to: Target,
}

/// How far a conditional jump is sent: less than the 255 of its 8 bits, because placing an answer
/// or a trampoline for one side of a comparison moves the other side away by one.
const REACH: usize = 250;

/// At most so many single values are compared one by one before the tree divides them.
const CHAIN: usize = 3;

struct Emitter {
    /// The program from its end to its beginning.
    reversed: Vec<Insn>,
    /// Where each answer was placed last.
    answers: Vec<(Action, usize)>,
}

impl Emitter {
    fn decision(&mut self, decision: &Decision) -> Target {
        match decision {
            Decision::Answer(action) => Target::Answer(*action),
            Decision::Switch(switch) => self.switch(switch),
        }
    }

    /// Places everything that the cases lead to, then the comparisons, then the load before them.
    fn switch(&mut self, switch: &Switch) -> Target {
        let runs = self.runs(switch);
        if let [only] = runs[..] {
            return only.to;
        }
        self.tree(&groups(&runs));
        if switch.mask != u32::MAX {
            self.place(AND_K, switch.mask);
        }
        Target::At(self.place(LD_W_ABS, switch.word.offset()))
    }

    /// The cases and the gaps between them, with neighbours of equal target merged.
    fn runs(&mut self, switch: &Switch) -> Vec<Run> {
        let otherwise = self.decision(&switch.otherwise);
        let mut runs: Vec<Run> = Vec::with_capacity(2 * switch.cases.len() + 1);
        let mut push = |first, to| {
            if runs.last().is_none_or(|run| run.to != to) {
                runs.push(Run { first, to });
            }
        };
        let mut next = Some(0);
        for (values, then) in &switch.cases {
            if next.is_some_and(|next| next < *values.start()) {
                push(next.unwrap_or_default(), otherwise);
            }
            push(*values.start(), self.decision(then));
            next = values.end().checked_add(1);
        }
        if let Some(next) = next {
            push(next, otherwise);
        }
        runs
    }

    /// Places comparisons that lead each value to the target of its group. The topmost comparison
    /// is the one placed last.
    fn tree(&mut self, groups: &[Group<'_>]) -> Target {
        if let [group] = groups {
            let singles = group.runs.iter().rev().filter(|run| run.to != group.common);
            return singles.fold(group.common, |no, run| self.branch(JEQ_K, run.first, run.to, no));
        }
        let (low, high) = groups.split_at(groups.len() / 2);
        let yes = self.tree(high);
        let no = self.tree(low);
        self.branch(JGE_K, high[0].runs[0].first, yes, no)
    }

    fn branch(&mut self, code: u16, k: u32, yes: Target, no: Target) -> Target {
        let yes = self.near(yes);
        let no = self.near(no);
        let distance = |to| u8::try_from(self.reversed.len() - 1 - to).expect("`near` keeps it");
        let insn = Insn { code, jt: distance(yes), jf: distance(no), k };
        self.reversed.push(insn);
        Target::At(self.reversed.len() - 1)
    }

    /// The index of `to`, or of a new instruction that stands in for it within [`REACH`].
    fn near(&mut self, to: Target) -> usize {
        let within = |at: &usize| self.reversed.len() - at <= REACH;
        match to {
            Target::At(at) if within(&at) => at,
            Target::At(at) => self.place(JA, distance_u32(self.reversed.len() - 1 - at)),
            Target::Answer(action) => {
                let known = self.answers.iter().rposition(|(known, _)| *known == action);
                if let Some(at) = known.map(|i| self.answers[i].1).filter(within) {
                    return at;
                }
                let at = self.place(RET_K, encoded(action));
                self.answers.push((action, at));
                at
            }
        }
    }

    fn place(&mut self, code: u16, k: u32) -> usize {
        self.reversed.push(Insn { code, jt: 0, jf: 0, k });
        self.reversed.len() - 1
    }
}

/// Neighbouring runs that at most [`CHAIN`] comparisons for equality tell apart.
struct Group<'a> {
    runs: &'a [Run],
    /// Where all of them lead but some that are single values.
    common: Target,
}

/// Divides all runs into groups, each as long as it can be: fewer groups make a smaller tree.
fn groups(runs: &[Run]) -> Vec<Group<'_>> {
    let mut groups = Vec::with_capacity(runs.len());
    let mut rest = 0;
    while rest < runs.len() {
        // The first run that leads to the common target has no more than CHAIN before it.
        let candidates = runs[rest..].iter().take(CHAIN + 1).map(|run| run.to);
        let (len, common) = candidates
            .map(|common| (group_len(runs, rest, common), common))
            .max_by_key(|(len, _)| *len)
            .expect("there is a run left");
        groups.push(Group { runs: &runs[rest..rest + len], common });
        rest += len;
    }
    groups
}

/// How many runs from `start` on make a group around `common`; 0 if not even the first.
fn group_len(runs: &[Run], start: usize, common: Target) -> usize {
    let mut singles = 0;
    let fits = |i: &usize| {
        let last = runs.get(i + 1).map_or(u32::MAX, |next| next.first - 1);
        singles += usize::from(runs[*i].to != common);
        runs[*i].to == common || (runs[*i].first == last && singles <= CHAIN)
    };
    (start..runs.len()).take_while(fits).count()
}

fn distance_u32(distance: usize) -> u32 {
    u32::try_from(distance).expect("a program is far shorter than that")
}

fn encoded(action: Action) -> u32 {
    match action {
        Action::Allow => RET_ALLOW,
        Action::Errno(Errno(errno)) => RET_ERRNO | u32::from(errno),
        Action::Pretend => RET_ERRNO,
    }
}
