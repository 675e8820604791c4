//! Reads and writes the file of a profile or of the configuration. Whoever can write it decides what
//! may run and where, so it must belong to root or to the user who runs, and nobody else may change
//! it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::system::{Dir, Facts};

mod foreign;
mod lock;
mod spelling;
mod stamp;
mod write;

pub(crate) use crate::system::Version;
pub(crate) use foreign::Foreign;
pub(crate) use lock::Lock;
pub(crate) use spelling::Spelling;
pub(crate) use stamp::Stamp;
pub(crate) use write::{Existing, Taken, write};

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Profile,
    Config,
    /// The configuration of another program, which this one adds itself to.
    Client,
}

impl Role {
    const fn noun(self) -> &'static str {
        match self {
            Self::Profile => "a profile",
            Self::Config => "configuration",
            Self::Client => "a client's configuration",
        }
    }

    /// The most bytes of one.
    const fn largest(self) -> usize {
        match self {
            Self::Profile | Self::Config => LARGEST,
            // Some clients keep much else in it.
            Self::Client => 16 << 20,
        }
    }
}

/// The most bytes of a profile and of configuration.
const LARGEST: usize = 1 << 20;
const _: () = assert!(LARGEST == shannot::policy::profile::LARGEST_PROFILE);

/// The text of a file and its name.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) origin: String,
    pub(crate) version: Version,
}

impl Text {
    /// Whether it is a JSON profile of Shannot 0.3.
    pub(crate) fn is_legacy(&self) -> bool {
        self.origin.ends_with(".json")
    }
}

/// Reads a file that only root and the user who runs can have written; `None` where there is
/// none. All is asked of open descriptors, so that nothing can change in between.
pub(crate) fn read_trusted(role: Role, path: &Path) -> Result<Option<Text>, Error> {
    match open(role, path)? {
        Found::File(opened) => match opened.doubt() {
            Some(doubt) => Err(doubt),
            None => opened.read().map(Some),
        },
        // Where anybody may take a file away, that there is none says nothing.
        Found::Nothing { dir } => {
            dir.and_then(|dir| doubt_of(role, path, &dir)).map_or(Ok(None), Err)
        }
    }
}

/// Reads a file whoever wrote it, for a profile that can do no harm.
pub(crate) fn read_any(role: Role, path: &Path) -> Result<Option<Text>, Error> {
    match open(role, path)? {
        Found::File(opened) => opened.read().map(Some),
        Found::Nothing { .. } => Ok(None),
    }
}

/// Why a file would not be trusted, if so.
pub(crate) fn doubt(role: Role, path: &Path) -> Result<Option<Error>, Error> {
    Ok(match open(role, path)? {
        Found::File(opened) => opened.doubt(),
        Found::Nothing { dir } => dir.and_then(|dir| doubt_of(role, path, &dir)),
    })
}

/// What a directory has under a name.
pub(crate) enum Entry {
    Nothing,
    Link,
    /// Something else that is no regular file.
    Other,
    File(File, Facts),
}

/// What is under a path.
enum Found {
    File(Opened),
    /// No file, and perhaps no directory.
    Nothing {
        dir: Option<Facts>,
    },
}

struct Opened {
    role: Role,
    path: PathBuf,
    file: File,
    facts: Facts,
    dir: Facts,
}

fn open(role: Role, path: &Path) -> Result<Found, Error> {
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let refused =
        |why: &str, hint: &str| Err(untrusted(role, path, (why.to_owned(), hint.to_owned())));
    let Some((dir, name)) = parts(path) else {
        return Err(failed(io::Error::other("it names no file")));
    };
    let dir = match Dir::open(dir) {
        Ok(dir) => dir,
        Err(error) if is_absent(&error) => return Ok(Found::Nothing { dir: None }),
        Err(error) => return Err(failed(error)),
    };
    let facts = dir.facts().map_err(failed)?;
    match dir.entry(name).map_err(failed)? {
        Entry::Nothing => Ok(Found::Nothing { dir: Some(facts) }),
        Entry::Link => refused(
            "it is a symbolic link",
            "give the file that it leads to, or put that in its place",
        ),
        Entry::Other => refused("it is no regular file", "give a regular file"),
        Entry::File(file, own) => {
            Ok(Found::File(Opened { role, path: path.to_owned(), file, facts: own, dir: facts }))
        }
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The directory of a path and the name in it; `None` where the path ends in none.
fn parts(path: &Path) -> Option<(&Path, &std::ffi::OsStr)> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((dir, path.file_name()?))
}

/// Why nothing in a directory would be trusted, if so.
fn doubt_of(role: Role, path: &Path, dir: &Facts) -> Option<Error> {
    dir.doubt_of_dir().map(|doubt| untrusted(role, path, doubt))
}

fn untrusted(role: Role, path: &Path, (why, hint): (String, String)) -> Error {
    Error::Untrusted { path: path.to_owned(), role: role.noun(), why, hint }
}

impl Opened {
    fn doubt(&self) -> Option<Error> {
        let doubt = self.facts.doubt(&self.path.display());
        let doubt = doubt.map(|doubt| untrusted(self.role, &self.path, doubt));
        doubt.or_else(|| doubt_of(self.role, &self.path, &self.dir))
    }

    fn read(self) -> Result<Text, Error> {
        let Self { role, path, file, facts, .. } = self;
        let failed = |source: io::Error| Error::Read { path: path.clone(), source };
        let refused =
            |why: &str, hint: &str| Err(untrusted(role, &path, (why.to_owned(), hint.to_owned())));
        let mut bytes = Vec::new();
        let largest = role.largest();
        let most = u64::try_from(largest).unwrap_or(u64::MAX);
        let read = file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if read > largest {
            let hint = format!("it may have at most {} MiB", largest >> 20);
            return refused("it is too long", &hint);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return refused("it is not UTF-8", "save it as UTF-8");
        };
        Ok(Text { text, origin: path.display().to_string(), version: facts.version })
    }
}
