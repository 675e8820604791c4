//! A directory that is held open, so that nothing above it can change between two steps.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{
    AtFlags, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use super::facts::{Facts, WRITABLE_BY_OTHERS};
use crate::file::{Entry, Role, Taken};

/// Nothing of a directory is read that is only searched, where a system can open one so.
#[cfg(target_os = "linux")]
const SEARCH: OFlags = OFlags::PATH;
#[cfg(not(target_os = "linux"))]
const SEARCH: OFlags = OFlags::RDONLY;

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

impl Dir {
    /// Opens a directory in which files are looked for.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, SEARCH)
    }

    /// Opens a directory whose names will change. What is only searched cannot be synced.
    pub(crate) fn open_to_write(path: &Path) -> io::Result<Self> {
        Self::open_with(path, OFlags::RDONLY)
    }

    fn open_with(path: &Path, flags: OFlags) -> io::Result<Self> {
        let flags = flags | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    /// About the directory itself.
    pub(crate) fn facts(&self) -> io::Result<Facts> {
        Ok(Facts::of(&fstat(&self.0)?))
    }

    /// Opens what is under a name.
    pub(crate) fn entry(&self, name: &OsStr) -> io::Result<Entry> {
        // A pipe must not hold us up, and a device not be opened for real.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match openat(&self.0, name, flags | OFlags::CLOEXEC, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Entry::Nothing),
            Err(Errno::LOOP) => return Ok(Entry::Link),
            Err(errno) => return Err(errno.into()),
        };
        let facts = Facts::of(&fstat(&file)?);
        Ok(if facts.is_file { Entry::File(File::from(file), facts) } else { Entry::Other })
    }

    /// About what is under a name, be it a link; `None` where nothing is.
    pub(crate) fn facts_of(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(Facts::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens a file for a lock, made where there is none.
    pub(crate) fn lock_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(File::from(openat(&self.0, name, flags | OFlags::CLOEXEC, mode)?))
    }

    /// Writes a file that has no name anybody reads yet, with the group and the mode of the one whose
    /// place it will take, whatever the umask: who could read that still can, and nobody else.
    pub(crate) fn draft(
        &self,
        name: OsString,
        text: &str,
        before: Option<Facts>,
        role: Role,
    ) -> io::Result<Draft<'_>> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = openat(&self.0, &name, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
        let draft = Draft { dir: self, name };
        let gid = fstat(&file)?.st_gid;
        let mut file = File::from(file);
        if let Some(before) = before.filter(|before| before.gid != gid) {
            fchown(&file, None, Some(before.gid))?;
        }
        let mode = match role {
            // Not for the group to write: it would not be trusted when it is read.
            Role::Profile | Role::Config => {
                before.map_or(0o644, |before| before.mode & 0o777 & !WRITABLE_BY_OTHERS)
            }
            // Who may use it is for the client to say; there may be its secrets in it.
            Role::Client => before.map_or(0o600, |before| before.mode & 0o777),
        };
        let mode = u32::try_from(mode).unwrap_or(0o600);
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    /// Makes its names survive a crash.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }
}

/// A file that has no name anybody reads yet. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Draft<'d> {
    dir: &'d Dir,
    name: OsString,
}

impl Draft<'_> {
    /// Gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` where the name is taken and shall not be.
    pub(crate) fn publish(self, name: &OsStr, taken: Taken) -> io::Result<()> {
        let flags = match taken {
            Taken::Fails => RenameFlags::NOREPLACE,
            Taken::Replaced => RenameFlags::empty(),
        };
        renameat_with(&self.dir.0, &self.name, &self.dir.0, name, flags)?;
        // It has another name, and nothing has this one.
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        let _ = unlinkat(&self.dir.0, &self.name, AtFlags::empty());
    }
}
