//! A host that has nothing of ours, looked at by a script for its `sh`: what a plan needs to know of it,
//! and what is to be hidden there.
//!
//! The script is made from the plan and says records of fields; [`Survey`] reads them. Nothing is decided
//! there: patterns are matched here, by the same code as for this host, and the shell only looks for what
//! could match. It is taken anew for each run, as this host is looked at for each.

use std::collections::{BTreeMap, BTreeSet};

use shannot_policy::plan::{BOX_PATH, Hide, Mount};
use shannot_policy::profile::{Anchor, Component, Glob, PathPattern, Tier};
use shannot_policy::types::AbsPath;
use shannot_policy::{Cwd, Plan, Program};

use super::alone::{self, BwrapCall};
use super::render::Cover;
use super::version::Version;
use crate::distant::{self, LOCAL_FUSE, NETWORK};
use crate::error::Error;
use crate::mountinfo;

const FUNCTIONS: &str = include_str!("survey.sh");

/// What was found on a host.
#[derive(Debug, Default)]
pub struct Survey {
    machine: String,
    user: u32,
    bwrap: Option<Version>,
    /// Why there is no bwrap to be trusted.
    no_bwrap: String,
    mounts: Vec<Mounted>,
    home: Option<AbsPath>,
    found: Vec<Found>,
    homes: Vec<Found>,
    aliases: Vec<Found>,
    /// Where the programs are, or why not.
    programs: Vec<Found>,
    cwd: Option<Found>,
    refused: Option<String>,
}

/// The most paths that a host may say are there, and mounts: more cannot be covered by one command line, and
/// a hostile host must not cost its callers more.
const MOST_FOUND: usize = 10_000;
const MOST_ALIASES: usize = 2000;

/// A path, and what it leads to.
#[derive(Debug)]
struct Found {
    state: State,
    name: AbsPath,
    real: AbsPath,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Directory,
    File,
    /// Something that this user may not use.
    Closed,
    Nothing,
}

impl Found {
    /// What covers it.
    fn cover(&self) -> Option<(AbsPath, Cover)> {
        let cover = match self.state {
            State::Directory => Cover::Directory,
            State::File => Cover::File,
            State::Closed | State::Nothing => return None,
        };
        Some((self.real.clone(), cover))
    }
}

/// One mount, `proc_pid_mountinfo(5)`.
#[derive(Debug)]
struct Mounted {
    device: Vec<u8>,
    root: AbsPath,
    point: AbsPath,
    fstype: String,
}

/// Writes a word so that every `sh` reads it as it is. `None` for one with a NUL.
pub fn quoted(word: &[u8]) -> Option<Vec<u8>> {
    shlex::bytes::try_quote(word).ok().map(std::borrow::Cow::into_owned)
}

/// Writes the script that looks at a host for a plan. What it says, [`Survey::read`] reads.
pub fn survey_script(plan: &Plan) -> Vec<u8> {
    let mut script = Script(FUNCTIONS.as_bytes().to_vec());
    let network = plan.hide.contains(&Hide::NetworkFilesystems);
    let types = match network {
        true => format!("{} | fuse | fuse.* | autofs", NETWORK.join(" | ")),
        false => "autofs".to_owned(),
    };
    script.line(&format!(
        "is_distant() {{ case $1 in {LOCAL_FUSE}) return 1 ;; {types}) ;; *) return 1 ;; esac; }}"
    ));
    script.line("facts");
    for hide in &plan.hide {
        match hide {
            Hide::Pattern(pattern) => script.pattern(pattern),
            Hide::OtherHomes => script.line("homes"),
            Hide::Automounts | Hide::NetworkFilesystems => {}
        }
    }
    for stage in &plan.stages {
        let paths: Vec<Vec<u8>> = match &stage.program {
            Program::Absolute(path) => vec![path.as_bytes().to_vec()],
            Program::Bare(name) => {
                BOX_PATH.split(':').map(|dir| format!("{dir}/{name}").into_bytes()).collect()
            }
        };
        script.call("program", paths.iter().map(Vec::as_slice));
    }
    script.call("enter", [plan.cwd.path().as_bytes()]);
    script.line("say end");
    script.0
}

/// A script as it grows.
struct Script(Vec<u8>);

impl Script {
    fn line(&mut self, line: &str) {
        self.0.extend_from_slice(line.as_bytes());
        self.0.push(b'\n');
    }

    /// Calls a function with these words, which hold no NUL.
    fn call<'w>(&mut self, function: &str, words: impl IntoIterator<Item = &'w [u8]>) {
        self.0.extend_from_slice(function.as_bytes());
        for word in words {
            self.0.push(b' ');
            self.0.extend(quoted(word).unwrap_or_default());
        }
        self.0.push(b'\n');
    }

    /// Looks for what a pattern could mean.
    fn pattern(&mut self, pattern: &PathPattern) {
        let mut base = match pattern.anchor() {
            Anchor::Root => String::new(),
            Anchor::Home => "\"$home\"".to_owned(),
        };
        if pattern.anchor() == Anchor::Home {
            self.line("if [ -n \"$home\" ]; then");
        }
        let mut loops = 0;
        for component in pattern.components().iter() {
            match component {
                Component::Literal(name) => {
                    base.push('/');
                    base.push_str(&word(name));
                }
                Component::Glob(glob) => {
                    let dir = if base.is_empty() { "/" } else { &base };
                    let each = coarse(glob).map(|names| format!("{base}/{names}")).join(" ");
                    loops += 1;
                    let name = format!("n{loops}");
                    self.line(&format!("far {dir} || for {name} in {each}; do"));
                    self.line(&format!("case ${{{name}##*/}} in . | ..) continue ;; esac"));
                    base = format!("\"${name}\"");
                }
            }
        }
        self.line(&format!("look found {base}"));
        (0..loops).for_each(|_| self.line("done"));
        if pattern.anchor() == Anchor::Home {
            self.line("fi");
        }
    }
}

fn word(text: &str) -> String {
    // A pattern holds no NUL.
    String::from_utf8(quoted(text.as_bytes()).unwrap_or_default()).unwrap_or_default()
}

/// Patterns of the shell's own that match all that a pattern of ours does, and more: those of one shell
/// differ from another's in sets and in what a character is. The second finds names that begin with a dot.
fn coarse(glob: &Glob) -> [String; 2] {
    let runs = glob.runs();
    let all: String = runs.iter().map(|run| run.as_deref().map_or("*".to_owned(), word)).collect();
    let hidden = match runs.first() {
        Some(None) => format!(".{all}"),
        _ => all.clone(),
    };
    [all, hidden]
}

impl Survey {
    /// Reads what the script has said, without its last record. Fields are as long as the host likes.
    ///
    /// # Errors
    /// What is not as the script says it.
    pub fn read(said: &[u8]) -> Result<Self, String> {
        let cut = || "its answer to the survey was cut".to_owned();
        let mut survey = Self::default();
        let mut fields = match said {
            b"" => return Ok(survey),
            said => said.strip_suffix(b"\0").ok_or_else(cut)?.split(|byte| *byte == 0),
        };
        while let Some(kind) = fields.next() {
            let mut field = || fields.next().ok_or_else(cut);
            match kind {
                b"machine" => survey.machine = text(field()?),
                b"user" => {
                    let user = text(field()?);
                    survey.user =
                        user.parse().map_err(|_| format!("`{user}` is no number of a user"))?;
                }
                b"bwrap" => {
                    let (version, owners) = (text(field()?), text(field()?));
                    match trusted(&version, &owners) {
                        Ok(version) => survey.bwrap = Some(version),
                        Err(why) => survey.no_bwrap = why,
                    }
                }
                b"mounts" => survey.mounts = mounts(field()?),
                b"own" => survey.home = Some(path(field()?)?),
                b"found" => survey.found.push(found(&mut field)?),
                b"alias" => survey.aliases.push(found(&mut field)?),
                b"home" => survey.homes.push(found(&mut field)?),
                b"program" => survey.programs.push(found(&mut field)?),
                b"cwd" => survey.cwd = Some(found(&mut field)?),
                b"refused" => survey.refused = Some(text(field()?)),
                other => return Err(format!("it surveyed `{}`, which means nothing", text(other))),
            }
            let most = survey.found.len().max(survey.homes.len()).max(survey.mounts.len());
            if most > MOST_FOUND || survey.aliases.len() > MOST_ALIASES {
                return Err(format!("more than {MOST_FOUND} paths or mounts are there"));
            }
        }
        Ok(survey)
    }

    /// The script that asks for other places at which what is hidden may show there, because a file
    /// system is mounted more than once. `None` where there can be none. [`Survey::add`] reads the answer.
    ///
    /// # Errors
    /// As [`Survey::call`].
    pub fn aliases_script(&self, plan: &Plan) -> Result<Option<Vec<u8>>, Error> {
        let hidden = self.hidden(&plan.hide)?;
        let places = self.other_places(hidden.iter().map(|(path, _)| path));
        if places.is_empty() {
            return Ok(None);
        }
        if places.len() > MOST_ALIASES {
            let lacks = "what is hidden shows in too many places".to_owned();
            return Err(Error::Lacks { tier: Tier::T3, lacks });
        }
        let mut script = Script(Vec::new());
        places.iter().for_each(|place| script.call("look alias", [place.as_bytes()]));
        script.line("say end");
        Ok(Some(script.0))
    }

    /// Takes up another answer.
    ///
    /// # Errors
    /// As [`Survey::read`].
    pub fn add(&mut self, said: &[u8]) -> Result<(), String> {
        let Self { aliases, refused, .. } = Self::read(said)?;
        self.aliases = aliases;
        self.refused = self.refused.take().or(refused);
        Ok(())
    }

    /// Why that host has no bwrap to be trusted, if so.
    pub fn lacks_bwrap(&self) -> Option<&str> {
        self.bwrap.is_none().then_some(&*self.no_bwrap)
    }

    /// Writes a plan as a call of that host's bwrap.
    ///
    /// # Errors
    /// What that host lacks; a program or working directory that is not there; what the profile
    /// requires and such a box does not have.
    pub fn call(&self, plan: &Plan) -> Result<BwrapCall, Error> {
        let lacks = |lacks: String| Error::Lacks { tier: Tier::T3, lacks };
        if self.machine != "x86_64" {
            let machine = &self.machine;
            return Err(lacks(format!("the host's CPU is {machine}, and filters are for x86_64")));
        }
        if let Some(why) = &self.refused {
            return Err(lacks(why.clone()));
        }
        let version = self.bwrap.ok_or_else(|| lacks(self.no_bwrap.clone()))?;
        // A shell may go on where it could not start a program, or not read a file.
        let has_root = self.mounts.iter().any(|mount| mount.point == AbsPath::root());
        let (Some(at), true) = (&self.cwd, has_root && self.programs.len() == plan.stages.len())
        else {
            return Err(lacks("the host was not surveyed to the end".to_owned()));
        };
        let mut hidden = self.hidden(&plan.hide)?;
        // Processes that show in no `/proc` of the box's own.
        if plan.outline.mounts().contains(&Mount::OwnProc) {
            hidden.retain(|(path, _)| !is_of_a_process(path));
        }
        let is_hidden = |path: &AbsPath| hidden.iter().any(|(over, _)| path.is_within(over));
        for (stage, found) in plan.stages.iter().zip(&self.programs) {
            let program = stage.program.to_string();
            // Its links lead anywhere, and where there is no such program must not tell what is hidden.
            let leads = |path: &AbsPath| is_hidden(path) || is_of_a_process(path);
            match found.state {
                _ if leads(&found.name) || leads(&found.real) => {
                    return Err(Error::NotFound { program });
                }
                State::File => {}
                State::Nothing => return Err(Error::NotFound { program }),
                State::Directory | State::Closed => {
                    let why = format!("`{}` is no file that this user may execute", found.name);
                    return Err(Error::NotExecutable { program, why });
                }
            }
        }
        let can_enter =
            at.state == State::Directory && !is_hidden(&at.name) && !is_hidden(&at.real);
        match plan.cwd {
            _ if can_enter => alone::render(plan, version, &hidden),
            Cwd::InOrRoot(_) => {
                let plan = Plan { cwd: Cwd::Root, ..plan.clone() };
                alone::render(&plan, version, &hidden)
            }
            Cwd::Root | Cwd::In(_) => {
                let source = std::io::ErrorKind::PermissionDenied.into();
                Err(Error::Cwd { path: plan.cwd.path().to_string(), source })
            }
        }
    }

    /// What is to be covered; nothing of it lies below another.
    fn hidden(&self, hides: &[Hide]) -> Result<Vec<(AbsPath, Cover)>, Error> {
        let mut all: BTreeMap<AbsPath, Cover> = BTreeMap::new();
        for mount in &self.mounts {
            let hide = distant::hide(&mount.fstype);
            if hide.is_some_and(|hide| hides.contains(&hide)) && mount.point != AbsPath::root() {
                all.insert(mount.point.clone(), Cover::Directory);
            }
        }
        for hide in hides {
            match hide {
                Hide::Pattern(pattern) => {
                    for found in self.found.iter().filter(|found| self.is_meant(pattern, found)) {
                        if found.real == AbsPath::root() {
                            let source = std::io::Error::other("it leads to `/`");
                            return Err(Error::Hide { pattern: pattern.to_string(), source });
                        }
                        all.extend(found.cover());
                    }
                }
                Hide::OtherHomes => {
                    let homes = self.homes.iter().filter(|home| self.is_anothers(&home.real));
                    all.extend(homes.filter_map(Found::cover));
                }
                Hide::Automounts | Hide::NetworkFilesystems => {}
            }
        }
        all.extend(self.aliases.iter().filter_map(Found::cover));
        let is_covered = |path: &AbsPath| {
            let mut above = path.parent();
            while above != AbsPath::root() {
                if all.get(&above) == Some(&Cover::Directory) {
                    return true;
                }
                above = above.parent();
            }
            false
        };
        let outer = all.iter().filter(|(path, _)| !is_covered(path));
        Ok(outer.map(|(path, cover)| (path.clone(), *cover)).collect())
    }

    /// Whether the name by which something was found is one that a pattern means.
    fn is_meant(&self, pattern: &PathPattern, found: &Found) -> bool {
        let name = found.name.as_bytes();
        let below = match (pattern.anchor(), &self.home) {
            (Anchor::Root, _) => name,
            (Anchor::Home, Some(home)) => match name.strip_prefix(home.as_bytes()) {
                Some(below) => below,
                None => return false,
            },
            (Anchor::Home, None) => return false,
        };
        let components = pattern.components();
        let Some(below) = below.strip_prefix(b"/") else {
            return below.is_empty() && components.is_empty();
        };
        let names: Vec<&[u8]> = below.split(|byte| *byte == b'/').collect();
        names.len() == components.len()
            && components.iter().zip(names).all(|(component, name)| component.matches(name))
    }

    /// Whether a home is to be hidden: every one but that of the user who runs, and for root every one.
    fn is_anothers(&self, home: &AbsPath) -> bool {
        let own = self.homes.iter().find(|found| Some(&found.name) == self.home.as_ref());
        let own = own.map(|found| &found.real).or(self.home.as_ref()).filter(|_| self.user != 0);
        // A home above our own cannot be hidden without hiding ours.
        *home != AbsPath::root() && own.is_none_or(|own| !own.is_within(home))
    }

    /// Other places at which that host's mounts can show what is at these paths: as many as it takes to see
    /// that they are too many.
    fn other_places<'p>(&self, paths: impl Iterator<Item = &'p AbsPath>) -> BTreeSet<AbsPath> {
        let (mut at, mut of) = (BTreeMap::new(), BTreeMap::<&[u8], Vec<&Mounted>>::new());
        for mount in &self.mounts {
            // Of those at one place the last is on top.
            at.insert(&mount.point, mount);
            of.entry(&mount.device).or_default().push(mount);
        }
        let mut places = BTreeSet::new();
        for path in paths {
            let mut above = path.clone();
            let home = loop {
                match at.get(&above) {
                    Some(home) => break *home,
                    None if above == AbsPath::root() => return places,
                    None => above = above.parent(),
                }
            };
            let in_fs = joined(&home.root, below(path, &home.point));
            let others = of.get(&*home.device).into_iter().flatten();
            for other in others.filter(|other| in_fs.is_within(&other.root)) {
                let place = joined(&other.point, below(&in_fs, &other.root));
                if place != *path && place != AbsPath::root() {
                    places.insert(place);
                }
                if places.len() > MOST_ALIASES {
                    return places;
                }
            }
        }
        places
    }
}

/// Whether a path is below that of one process in `/proc`.
fn is_of_a_process(path: &AbsPath) -> bool {
    let name = path.as_bytes().strip_prefix(b"/proc/");
    let name = name.and_then(|below| below.split(|byte| *byte == b'/').next()).unwrap_or_default();
    matches!(name, b"self" | b"thread-self")
        || !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}

/// A path without the directory in which it is; begins with a slash or is empty.
fn below<'p>(path: &'p AbsPath, dir: &AbsPath) -> &'p [u8] {
    let path = path.as_bytes();
    match dir.as_bytes() {
        b"/" => path,
        dir => path.get(dir.len()..).unwrap_or_default(),
    }
}

fn joined(dir: &AbsPath, below: &[u8]) -> AbsPath {
    let dir = match dir.as_bytes() {
        b"/" => b"".as_slice(),
        dir => dir,
    };
    // Both are parts of normal paths.
    AbsPath::new([dir, below].concat()).unwrap_or_else(|_| AbsPath::root())
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

fn found<'f>(field: &mut impl FnMut() -> Result<&'f [u8], String>) -> Result<Found, String> {
    let state = match field()? {
        b"dir" => State::Directory,
        b"file" => State::File,
        b"none" => State::Nothing,
        _ => State::Closed,
    };
    Ok(Found { state, name: path(field()?)?, real: path(field()?)? })
}

/// A path as it may stand in passwd(5), with a slash too many.
fn path(field: &[u8]) -> Result<AbsPath, String> {
    let names = field.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    let normal = names.fold(Vec::new(), |path, name| [&path, b"/".as_slice(), name].concat());
    if !field.starts_with(b"/") {
        return Err(format!("`{}` is no path", text(field)));
    }
    match normal.is_empty() {
        true => Ok(AbsPath::root()),
        false => AbsPath::new(normal).map_err(|error| error.to_string()),
    }
}

fn mounts(table: &[u8]) -> Vec<Mounted> {
    let entries = mountinfo::entries(table);
    let mounted = |entry: mountinfo::Entry| {
        Some(Mounted {
            device: entry.device.to_vec(),
            // One that is not below the file system's root shows nothing of it.
            root: AbsPath::new(entry.root).ok()?,
            point: AbsPath::new(entry.point).ok()?,
            fstype: text(entry.fstype),
        })
    };
    entries.filter_map(mounted).collect()
}

/// The version of a bwrap that only root can have put there, by what `ls -ldn` says of it and of the
/// directories above it.
fn trusted(version: &str, owners: &str) -> Result<Version, String> {
    const PLACES: [(&str, char); 4] =
        [("/", 'd'), ("/usr", 'd'), ("/usr/bin", 'd'), ("/usr/bin/bwrap", '-')];
    let lines: Vec<Vec<&str>> =
        owners.lines().map(|line| line.split_whitespace().collect()).collect();
    let state = |place: &str| lines.iter().find(|fields| fields.last() == Some(&place));
    if state("/usr/bin/bwrap").is_none() {
        return Err("there is no /usr/bin/bwrap".to_owned());
    }
    for (place, kind) in PLACES {
        let fields = state(place).map(Vec::as_slice).unwrap_or_default();
        let [mode, _, uid, ..] = fields else { return Err(format!("it cannot see `{place}`")) };
        let is_written_by_others = [5, 8].iter().any(|at| mode.as_bytes().get(*at) != Some(&b'-'));
        // A tiny root file system may have links of its own.
        if !mode.starts_with(kind) || *uid != "0" || is_written_by_others {
            let found = format!("`{place}` is `{mode}` of user {uid}");
            return Err(format!("its bwrap can be changed by others than root: {found}"));
        }
    }
    Version::parse(version).ok_or_else(|| "its bwrap does not tell its version".to_owned())
}

#[cfg(test)]
mod tests;
