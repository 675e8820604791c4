//! Where the attacks take place: two grounds, one for the box and one for the same attacks outside,
//! each with a victim, in a directory of this process's own.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use shannot::policy::Profile;
use shannot::sandbox::attack::{ATTACK, Answer, Ground, Listeners, Seen, VICTIM, read_answers};

use crate::error::Error;

/// Directories of which some can be written on every host, and programs be executed in.
const PARENTS: [&str; 4] = ["/var/tmp", "/tmp", "/run", "/dev/shm"];

/// A directory for both places, gone with the value.
#[derive(Debug)]
pub(super) struct Site {
    dir: Dir,
    program: PathBuf,
    /// Attacked from the box. Everybody may change it, so that only the box stands in the way.
    pub(super) in_box: Place,
    /// Attacked from outside. Nobody else comes there: what is done for root must not be led
    /// elsewhere.
    outside: Place,
}

/// A ground with its sockets and its victim.
#[derive(Debug)]
pub(super) struct Place {
    dir: PathBuf,
    ground: Ground,
    listeners: Listeners,
    victim: Victim,
}

/// What an observer can see to have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Files,
    AccessTimes,
    Sockets,
    Victim,
}

impl Change {
    pub(super) const ALL: [Self; 4] = [Self::Files, Self::AccessTimes, Self::Sockets, Self::Victim];

    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Files => "change a file in any way that can be seen",
            Self::AccessTimes => "update a file's access time by reading it",
            Self::Sockets => "reach somebody who listens",
            Self::Victim => "end or stop a process",
        }
    }
}

/// The attack outside, and what it changed there.
pub(super) struct Outside {
    pub(super) answers: Vec<Answer>,
    pub(super) changes: Vec<Change>,
}

impl Site {
    /// Makes one where the profile shows the host's own files.
    pub(super) fn make(profile: &Profile) -> Result<Self, Error> {
        let shows = |parent: &&'static str| {
            let covers = |scratch: &shannot::policy::types::AbsPath| {
                Path::new(parent).starts_with(scratch.to_string())
            };
            !profile.paths.scratch.iter().any(covers)
        };
        let mut tried = io::Error::other("the profile has a scratch directory in each place");
        for parent in PARENTS.into_iter().filter(shows) {
            match Self::make_in(Path::new(parent)) {
                Ok(site) => return Ok(site),
                Err(e) => tried = e,
            }
        }
        Err(Error::internal("make a place to attack", tried))
    }

    fn make_in(parent: &Path) -> io::Result<Self> {
        let dir = Dir::make(parent)?;
        // A copy, for the box may not walk to where this program lies.
        let program = dir.0.join("attacker");
        fs::copy("/proc/self/exe", &program)?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        let in_box = Place::make(&dir.0.join("in-box"), &program)?;
        let outside = Place::make(&dir.0.join("outside"), &program)?;
        fs::set_permissions(&outside.dir, Permissions::from_mode(0o700))?;
        fs::set_permissions(&dir.0, Permissions::from_mode(0o755))?;
        Ok(Self { dir, program, in_box, outside })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir.0
    }

    /// The attacker.
    pub(super) fn program(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// Tells both attackers what must not be readable.
    pub(super) fn tell_hidden(&self, hidden: &[PathBuf]) -> Result<(), Error> {
        [&self.in_box, &self.outside]
            .into_iter()
            .try_for_each(|place| place.ground.tell_hidden(hidden))
            .map_err(|source| Error::internal("tell what is hidden", source))
    }

    /// Makes every attack outside the box.
    pub(super) fn attack_outside(&self) -> Result<Outside, Error> {
        let failed = |source| Error::internal("attack outside the box", source);
        let before = self.outside.seen()?;
        let mut attacker = Command::new(&self.program);
        attacker.arg(ATTACK).arg(&self.outside.dir).stdin(Stdio::null());
        let out = attacker.output().map_err(failed)?;
        let answers = read_answers(&String::from_utf8_lossy(&out.stdout));
        let answers = answers.ok_or_else(|| failed(io::Error::other(format!("{out:?}"))))?;
        Ok(Outside { answers, changes: self.outside.changes(&before)? })
    }
}

impl Place {
    fn make(dir: &Path, program: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().mode(0o700).create(dir)?;
        let victim = Victim::start(program)?;
        let (ground, listeners) = Ground::make(dir, victim.0.id())?;
        Ok(Self { dir: dir.to_owned(), ground, listeners, victim })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What an observer sees now.
    pub(super) fn seen(&self) -> Result<Vec<Seen>, Error> {
        let seen = self.ground.seen();
        seen.map_err(|source| Error::internal("look at what is attacked", source))
    }

    /// What is not as it was.
    pub(super) fn changes(&self, before: &[Seen]) -> Result<Vec<Change>, Error> {
        let after = self.seen()?;
        let state = self.victim.is_asleep();
        let reached = self.listeners.reached();
        let reached = reached.map_err(|source| Error::internal("ask the sockets", source))?;
        let but_times = |seen: &[Seen]| -> Vec<Seen> {
            seen.iter().cloned().map(|s| Seen { accessed: None, ..s }).collect()
        };
        let times = |seen: &[Seen]| -> Vec<_> {
            seen.iter().map(|s| (s.path.clone(), s.accessed)).collect()
        };
        let lasting =
            |(path, _): &(PathBuf, Option<[i64; 2]>)| before.iter().any(|b| b.path == *path);
        let now: Vec<_> = times(&after).into_iter().filter(lasting).collect();
        let changed = [
            (Change::Files, but_times(before) != but_times(&after)),
            (Change::AccessTimes, times(before) != now),
            (Change::Sockets, reached > 0),
            (Change::Victim, !state),
        ];
        Ok(changed.into_iter().filter(|(_, is)| *is).map(|(change, _)| change).collect())
    }
}

/// A directory that goes with the value.
#[derive(Debug)]
struct Dir(PathBuf);

impl Dir {
    fn make(parent: &Path) -> io::Result<Self> {
        let mut bytes = [0u8; 8];
        getrandom::fill(&mut bytes)?;
        let dir = parent.join(format!("shannot-attack-{:016x}", u64::from_ne_bytes(bytes)));
        // Fails if something of that name is there.
        fs::DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self(dir))
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Others may have added what this user cannot remove.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that waits, ended with the value.
#[derive(Debug)]
struct Victim(Child);

impl Victim {
    fn start(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.arg(VICTIM).stdin(Stdio::piped()).stdout(Stdio::null());
        command.spawn().map(Self)
    }

    /// Whether it lives and waits: neither ended nor stopped.
    fn is_asleep(&self) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        state.is_some_and(|state| matches!(state.trim().chars().next(), Some('S' | 'R' | 'D')))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // It was not there to be reaped if it does not end: then somebody stopped it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
