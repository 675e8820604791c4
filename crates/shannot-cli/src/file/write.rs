//! Writes a file whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, Stat, fstat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::{LARGEST, Version, WRITABLE_BY_OTHERS, parts};
use crate::error::Error;

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

/// Writes a file whole or not at all: a reader sees the old text or the new one.
///
/// # Errors
/// The text is longer than what is read of such a file; there is a file that shall be kept; the
/// directory cannot be read or written to. The file is as it was then.
pub(crate) fn write(path: &Path, text: &str, existing: Existing) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Write { path: path.to_owned(), source };
    if text.len() > LARGEST {
        return Err(failed(io::Error::other("it would have more than 1 MiB")));
    }
    let (dir, name) = parts(path).ok_or_else(|| failed(io::Error::other("it names no file")))?;
    // Opened to be read, for what is only a path cannot be synced.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = rustix::fs::open(dir, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    put(&dir, name, text, existing).map_err(|source| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            return Error::Exists { path: path.to_owned() };
        }
        failed(source)
    })
}

fn put(dir: &OwnedFd, name: &OsStr, text: &str, existing: Existing) -> io::Result<()> {
    let before = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Some(stat),
        Err(Errno::NOENT) => None,
        Err(errno) => return Err(errno.into()),
    };
    let draft = Draft::write(dir, name, text, before.filter(|_| existing != Existing::Keep))?;
    let flags = match existing {
        Existing::Replace => RenameFlags::empty(),
        Existing::Keep | Existing::ReplaceThis(None) => RenameFlags::NOREPLACE,
        Existing::ReplaceThis(Some(read)) => {
            // An editor that saves it asks nobody for the lock.
            let now = statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
            if now.is_ok_and(|now| Version::of(&now) != read) {
                return Err(io::Error::other("somebody else has changed it just now; try again"));
            }
            RenameFlags::empty()
        }
    };
    draft.publish(name, flags)?;
    // So that the name survives a crash too.
    rustix::fs::fsync(dir).map_err(|errno| {
        let what =
            format!("it was replaced, and may not outlive a crash: {}", io::Error::from(errno));
        io::Error::other(what)
    })
}

/// A file that has no name anybody reads yet. Dropped, it is removed.
struct Draft<'d> {
    dir: &'d OwnedFd,
    name: OsString,
}

impl<'d> Draft<'d> {
    /// With the group and the mode of the file whose place it will take, whatever the umask: who
    /// could read that still can, and nobody else.
    fn write(dir: &'d OwnedFd, name: &OsStr, text: &str, before: Option<Stat>) -> io::Result<Self> {
        // Not for the group to write: it would not be trusted when it is read.
        let mode = before.map_or(0o644, |before| before.st_mode & 0o777 & !WRITABLE_BY_OTHERS);
        let mut own = OsString::from(".");
        own.push(name);
        // No two writers have the same, not even after one of them was killed.
        own.push(format!(".{:016x}", u64::from_ne_bytes(random()?)));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(dir, &own, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
        let draft = Self { dir, name: own };
        let gid = fstat(&file)?.st_gid;
        let mut file = File::from(file);
        if let Some(before) = before.filter(|before| before.st_gid != gid) {
            fchown(&file, None, Some(before.st_gid))?;
        }
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    fn publish(self, name: &OsStr, flags: RenameFlags) -> io::Result<()> {
        renameat_with(self.dir, &self.name, self.dir, name, flags)?;
        // It has another name, and nothing has this one.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(self.dir, &self.name, AtFlags::empty());
    }
}

fn random() -> io::Result<[u8; 8]> {
    let mut bytes = [0; 8];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == bytes.len() {
        Ok(bytes)
    } else {
        Err(io::Error::other("the kernel gave no random number"))
    }
}
