//! Writes a file whole or not at all.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

use super::{Role, Version, parts};
use crate::error::Error;
use crate::system::{Dir, Facts};

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and writing fails.
    Keep,
    /// It is replaced, whatever it is.
    Replace,
    /// It is replaced if it is the one that was read, or, where none was, if there is none.
    ReplaceThis(Option<Version>),
}

/// What becomes of a name that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It stays as it is.
    Fails,
    /// Whatever has it loses it.
    Replaced,
}

/// Writes a file whole or not at all: a reader sees the old text or the new one.
///
/// # Errors
/// The text is longer than what is read of such a file; there is a file that shall be kept; the
/// directory cannot be read or written to. The file is as it was then.
pub(crate) fn write(path: &Path, text: &str, existing: Existing) -> Result<(), Error> {
    write_like(Role::Config, path, text, existing, None)
}

/// The same, for whoever has the access that another file gives, where there is none yet.
///
/// # Errors
/// As of [`write`].
pub(super) fn write_like(
    role: Role,
    path: &Path,
    text: &str,
    existing: Existing,
    like: Option<Facts>,
) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Write { path: path.to_owned(), source };
    if text.len() > role.largest() {
        let most = role.largest() >> 20;
        return Err(failed(io::Error::other(format!("it would have more than {most} MiB"))));
    }
    let (dir, name) = parts(path).ok_or_else(|| failed(io::Error::other("it names no file")))?;
    let dir = Dir::open_to_write(dir).map_err(failed)?;
    put(role, &dir, name, text, existing, like).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            return Error::Exists { path: path.to_owned() };
        }
        failed(source)
    })
}

fn put(
    role: Role,
    dir: &Dir,
    name: &OsStr,
    text: &str,
    existing: Existing,
    like: Option<Facts>,
) -> io::Result<()> {
    let before = dir.facts_of(name)?;
    let mut own = OsString::from(".");
    own.push(name);
    // No two writers have the same, not even after one of them was killed.
    own.push(format!(".{:016x}", u64::from_ne_bytes(random()?)));
    let draft =
        dir.draft(own, text, like.or(before.filter(|_| existing != Existing::Keep)), role)?;
    let taken = match existing {
        Existing::Replace => Taken::Replaced,
        Existing::Keep | Existing::ReplaceThis(None) => Taken::Fails,
        Existing::ReplaceThis(Some(read)) => {
            // An editor that saves it asks nobody for the lock.
            if dir.facts_of(name).is_ok_and(|now| now.is_some_and(|now| now.version != read)) {
                return Err(io::Error::other("somebody else has changed it just now; try again"));
            }
            Taken::Replaced
        }
    };
    draft.publish(name, taken)?;
    dir.sync().map_err(|error| {
        io::Error::other(format!("it was replaced, and may not outlive a crash: {error}"))
    })
}

fn random() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
