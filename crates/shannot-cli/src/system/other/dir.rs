//! A directory by its path.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::file::{Entry, Role, Taken};

/// What is asked of a file or directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) version: Version,
}

/// Which file stood under a name, and of when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    created: Option<SystemTime>,
    changed: Option<SystemTime>,
    size: u64,
}

impl Facts {
    fn of(found: &Metadata) -> Self {
        let (created, changed) = (found.created().ok(), found.modified().ok());
        Self { version: Version { created, changed, size: found.len() } }
    }

    /// Nothing is known that would be one.
    pub(crate) const fn doubt(&self, _: &dyn Display) -> Option<(String, String)> {
        None
    }

    /// As [`Facts::doubt`].
    pub(crate) const fn doubt_of_dir(&self) -> Option<(String, String)> {
        None
    }

    /// As [`Facts::doubt`].
    pub(crate) const fn is_of_another(&self) -> Option<(String, String)> {
        None
    }

    /// As [`Facts::doubt`].
    pub(crate) const fn belongs_to_another(&self) -> Option<(String, String)> {
        None
    }
}

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    /// Names a directory that is there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match fs::metadata(path)?.is_dir() {
            true => Ok(Self(path.to_owned())),
            false => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    /// As [`Dir::open`].
    pub(crate) fn open_to_write(path: &Path) -> io::Result<Self> {
        Self::open(path)
    }

    /// About the directory itself.
    pub(crate) fn facts(&self) -> io::Result<Facts> {
        Ok(Facts::of(&fs::metadata(&self.0)?))
    }

    /// Opens what is under a name.
    pub(crate) fn entry(&self, name: &OsStr) -> io::Result<Entry> {
        let path = self.0.join(name);
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Entry::Nothing),
            Err(e) => return Err(e),
        };
        if found.is_symlink() {
            return Ok(Entry::Link);
        }
        if !found.is_file() {
            return Ok(Entry::Other);
        }
        let file = File::open(path)?;
        let facts = Facts::of(&file.metadata()?);
        Ok(Entry::File(file, facts))
    }

    /// About what is under a name, be it a link; `None` where nothing is.
    pub(crate) fn facts_of(&self, name: &OsStr) -> io::Result<Option<Facts>> {
        match fs::symlink_metadata(self.0.join(name)) {
            Ok(found) => Ok(Some(Facts::of(&found))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens a file for a lock, made where there is none.
    pub(crate) fn lock_file(&self, name: &OsStr) -> io::Result<File> {
        File::options().write(true).create(true).truncate(false).open(self.0.join(name))
    }

    /// Writes a file that has no name anybody reads yet.
    pub(crate) fn draft(
        &self,
        name: OsString,
        text: &str,
        _: Option<Facts>,
        _: Role,
    ) -> io::Result<Draft> {
        let path = self.0.join(name);
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        let draft = Draft { path };
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(draft)
    }

    /// There is nothing to be asked for: NTFS keeps a journal of names.
    pub(crate) const fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that has no name anybody reads yet. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
}

impl Draft {
    /// Gives it its name.
    ///
    /// # Errors
    /// `AlreadyExists` where the name is taken and shall not be.
    pub(crate) fn publish(self, name: &OsStr, taken: Taken) -> io::Result<()> {
        let path = self.path.with_file_name(name);
        match taken {
            // The other name goes when this is dropped.
            Taken::Fails => fs::hard_link(&self.path, path),
            Taken::Replaced => fs::rename(&self.path, path),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Renamed, it is not there.
        let _ = fs::remove_file(&self.path);
    }
}
