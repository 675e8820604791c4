//! The attacker of `shannot doctor --attack`: what a hostile command tries, made harmless.
//!
//! The same attempts are made twice by the same program: inside a box, where each must be refused,
//! and outside, where an attempt that works proves that the refusal was the box's. So whatever an
//! attempt would do must hurt nobody if it is let through: it aims at files and processes that were
//! made for it ([`Ground`]), or its arguments are ones that the kernel refuses *after* it has let
//! the call in.

mod files;
mod ground;
mod inside;
mod kernel;
mod network;
mod numbers;
mod processes;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use rustix::io::Errno;
use shannot_policy::Profile;
use shannot_policy::profile::{Processes, Tier};

pub use ground::{Ground, Listeners, Seen};
pub(crate) use numbers::Attempt;

/// The word by which a program is asked to attack; the directory of its [`Ground`] follows.
pub const ATTACK: &str = "--attack-from-here";

/// The word by which a program is asked to be attacked: it waits until its standard input ends.
pub const VICTIM: &str = "--be-attacked";

/// One thing that a hostile command tries.
#[derive(Debug)]
pub struct Attack {
    /// The part of the host that it aims at.
    pub area: &'static str,
    /// What it does.
    pub what: &'static str,
    run: fn(&Ground) -> Result<(), Errno>,
    /// Errors that, besides those of [`REFUSALS`], mean that it was refused.
    refusals: &'static [Errno],
}

/// What came of an attack in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It worked, or the kernel let it in and minded only its arguments.
    Let,
    /// It was refused with this error.
    Refused(i32),
}

/// How a box says no: permission, a missing call, a read-only file system.
const REFUSALS: [Errno; 4] = [Errno::PERM, Errno::ACCESS, Errno::NOSYS, Errno::ROFS];

impl Attack {
    const fn new(
        area: &'static str,
        what: &'static str,
        run: fn(&Ground) -> Result<(), Errno>,
    ) -> Self {
        Self { area, what, run, refusals: &[] }
    }

    /// The same, also refused by these errors.
    const fn or(mut self, refusals: &'static [Errno]) -> Self {
        self.refusals = refusals;
        self
    }

    fn answer(&self, ground: &Ground) -> Answer {
        match (self.run)(ground) {
            Err(e) if REFUSALS.contains(&e) || self.refusals.contains(&e) => {
                Answer::Refused(e.raw_os_error())
            }
            _ => Answer::Let,
        }
    }

    /// Whether a profile lets commands do this, so that it is no attack.
    pub fn is_granted(&self, profile: &Profile) -> bool {
        self.what == inside::SEE_PROCESSES && profile.view.processes == Processes::Host
    }

    /// Why a tier does not hold this, where it does not.
    pub fn gap(&self, tier: Tier) -> Option<&'static str> {
        let gaps = GAPS.iter().filter(|(of, ..)| *of == tier);
        gaps.filter(|(_, what, _)| *what == self.what).map(|(.., why)| *why).next()
    }
}

/// What tiers do not hold, and why: each stands in `SECURITY.md` too.
const GAPS: &[(Tier, &str, &str)] = &[
    (Tier::L, inside::SEE_PROCESSES, "tier L has no namespace, so the host's /proc shows"),
    (Tier::L, inside::LIST_HIDDEN, "Landlock refuses the contents, not the names"),
    (Tier::L, files::DEVICE_NODE, "no mount forbids device nodes outside /dev in tier L"),
];

/// Every attack, in the order in which they are made.
pub fn attacks() -> impl Iterator<Item = &'static Attack> {
    let groups =
        [files::ATTACKS, processes::ATTACKS, network::ATTACKS, kernel::ATTACKS, inside::ATTACKS];
    groups.into_iter().flatten()
}

/// Attacks, or waits to be attacked, if that is what this process was started for; `None` if not.
/// What it returns is to be written to standard output, and read by [`read_answers`].
pub fn attacker(words: &[OsString]) -> Option<String> {
    match words {
        [_, word] if word == VICTIM => {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            Some(String::new())
        }
        [_, word, dir] if word == ATTACK => {
            let ground = Ground::at(Path::new(dir));
            // Where it does not show, nothing that was refused would say anything.
            Some(if ground.is_there() { answers(&ground) } else { String::new() })
        }
        _ => None,
    }
}

fn answers(ground: &Ground) -> String {
    attacks().fold(String::new(), |mut text, attack| {
        // To a string, which takes all.
        let _ = match attack.answer(ground) {
            Answer::Let => writeln!(text, "let"),
            Answer::Refused(errno) => writeln!(text, "refused {errno}"),
        };
        text
    })
}

/// Reads what an attacker has written: an answer for each of [`attacks`], or `None` if it is
/// something else.
pub fn read_answers(text: &str) -> Option<Vec<Answer>> {
    let answer = |line: &str| match line.split_once(' ') {
        None if line == "let" => Some(Answer::Let),
        Some(("refused", errno)) => errno.parse().ok().map(Answer::Refused),
        _ => None,
    };
    let answers: Option<Vec<_>> = text.lines().map(answer).collect();
    answers.filter(|answers| answers.len() == attacks().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_is_an_attack_of_its_own_name() {
        for (_, what, why) in GAPS {
            assert_eq!(attacks().filter(|a| a.what == *what).count(), 1, "{what}");
            assert!(!why.is_empty());
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = attacks().map(|a| (a.area, a.what)).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn only_whole_answers_are_read() {
        let all: String = attacks().map(|_| "let\n").collect();
        assert!(read_answers(&all).is_some_and(|a| a.iter().all(|a| *a == Answer::Let)));
        assert_eq!(read_answers(""), None);
        assert_eq!(read_answers("let\nrefused 1\n"), None);
        assert_eq!(read_answers(&all.replacen("let", "lost", 1)), None);
    }
}
