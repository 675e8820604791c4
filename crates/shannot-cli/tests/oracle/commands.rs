//! Which commands are run: a diagnostic of the everyday list, an attack of the hostile probe, a
//! program that changes things, or such a program with options and operands by chance.

use std::path::{Path, PathBuf};

use shannot::policy::plan::BOX_PATH;

use crate::bait::Bait;
use crate::chance::Chance;
use crate::dangerous::{ANYWHERE, ATTACKS, OPTIONS, OWN_MACHINE, PROGRAMS, SPAWNED};
use crate::harness::{Profile, probe, word};
use crate::table;

/// One command and the profile that it runs under.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) profile: Profile,
    pub(crate) words: Vec<String>,
}

/// Where cases come from.
#[derive(Debug)]
pub(crate) struct Commands {
    diagnostics: Vec<&'static str>,
    dangerous: Vec<&'static str>,
    programs: Vec<&'static str>,
    profiles: Vec<Profile>,
    /// Programs of the lists that are not installed here.
    pub(crate) missing: Vec<&'static str>,
}

impl Commands {
    /// What this machine has of the lists.
    pub(crate) fn new(bait: &Bait) -> Self {
        let diagnostics = table::areas().into_iter().flat_map(|(_, rows)| rows).map(|r| r.line);
        let own = if bait.machine.is_own() { OWN_MACHINE } else { &[] };
        let all: Vec<&str> = ANYWHERE.iter().chain(own).copied().collect();
        let is_here = |line: &&str| installed(first(line)).is_some();
        let absent = all.iter().chain(PROGRAMS).filter(|line| !is_here(line));
        let mut missing: Vec<&str> = absent.map(|line| first(line)).collect();
        missing.sort_unstable();
        missing.dedup();
        Self {
            diagnostics: diagnostics.collect(),
            dangerous: all.into_iter().filter(is_here).collect(),
            programs: PROGRAMS.iter().copied().filter(is_here).collect(),
            profiles: profiles(),
            missing,
        }
    }

    /// The next one.
    pub(crate) fn next(&self, bait: &Bait, chance: &mut Chance) -> Case {
        match chance.below(100) {
            0..30 => self.diagnostic(bait, chance),
            30..55 => self.attack(bait, chance),
            55..85 => self.change(bait, chance),
            _ => self.garbage(bait, chance),
        }
    }

    /// As a caller of the shipped profile would ask for it.
    fn diagnostic(&self, bait: &Bait, chance: &mut Chance) -> Case {
        let line = chance.pick(&self.diagnostics).replace("LOGS", word(&bait.path("logs")));
        let mut profile = Profile::host_view();
        profile.top = "extends = [\"diagnostics\", \"network\", \"systemd\"]".to_owned();
        Case { profile, words: shlex::split(&line).expect("a well quoted line") }
    }

    fn attack(&self, bait: &Bait, chance: &mut Chance) -> Case {
        let mut words = vec![word(&probe()).to_owned()];
        words.extend(fill(chance.pick(ATTACKS), bait, chance));
        Case { profile: self.profile(chance), words }
    }

    fn change(&self, bait: &Bait, chance: &mut Chance) -> Case {
        let words = fill(chance.pick(&self.dangerous), bait, chance);
        Case { profile: self.profile(chance), words }
    }

    fn profile(&self, chance: &mut Chance) -> Profile {
        self.profiles[chance.below(self.profiles.len())].clone()
    }

    /// A program that changes files, with whatever comes.
    fn garbage(&self, bait: &Bait, chance: &mut Chance) -> Case {
        let mut words = vec![chance.pick(&self.programs).to_owned()];
        for _ in 0..chance.below(3) {
            words.push(chance.pick(OPTIONS).to_owned());
        }
        for _ in 0..=chance.below(3) {
            let operand = chance.pick(&["{any}", "{any}", "{file}", "{dir}", "{new}", "{mark}"]);
            words.extend(fill(operand, bait, chance));
        }
        Case { profile: self.profile(chance), words }
    }
}

/// Everything is allowed to run in all of them: the box alone stands in the way.
fn profiles() -> Vec<Profile> {
    let programs: Vec<PathBuf> = SPAWNED.iter().filter_map(|name| installed(name)).collect();
    let mut spawning = Profile::host_view();
    spawning.command.push_str(&format!("spawns = {programs:?}\nforks = true\n"));
    let mut reading = Profile::host_view().forks();
    reading.top = "root_reads = true".to_owned();
    let scratch = Profile::default().forks().path("scratch = [\"/tmp\", \"/dev/shm\"]");
    let all = [Profile::default(), Profile::host_view(), spawning, reading, scratch];
    // Shells start other programs in most lines, and a limit is not what is tested here.
    all.into_iter().map(|p| p.limit("memory = \"256MiB\"").limit("processes = 32")).collect()
}

fn first(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// A program where the box looks for it.
fn installed(name: &str) -> Option<PathBuf> {
    BOX_PATH.split(':').map(|dir| Path::new(dir).join(name)).find(|path| path.exists())
}

/// The words of a line, with a target in place of each known name in braces.
pub(crate) fn fill(line: &str, bait: &Bait, chance: &mut Chance) -> Vec<String> {
    let mut filled = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let target = after
            .split_once('}')
            .and_then(|(name, rest)| Some((bait.stands_for(name, chance)?, rest)));
        match target {
            Some((target, after)) => {
                filled.push_str(&target);
                rest = after;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    shlex::split(&filled).unwrap_or_else(|| panic!("not well quoted: {line}"))
}
