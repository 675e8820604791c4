//! A file of another program's, to which this one adds something. It stays where links lead, keeps who
//! may use it, and is replaced whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::write::write_like;
use super::{Existing, Found, Role, open, parts, untrusted};
use crate::error::Error;
use crate::system::{self, Dir, Facts};

/// What is appended to the name of the copy of how it was.
const BACKUP: &str = ".shannot-backup";

/// A file, whether it is there or not.
#[derive(Debug)]
pub(crate) struct Foreign {
    /// Where links lead.
    path: PathBuf,
    is_link: bool,
    /// `None` where there is no file.
    text: Option<String>,
    facts: Option<Facts>,
}

impl Foreign {
    /// Reads it.
    ///
    /// # Errors
    /// It is no regular file, too long, no UTF-8, another user's, or a link to nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(e) if e.kind() == io::ErrorKind::NotFound && is_link => {
                let why = "it is a symbolic link to nothing".to_owned();
                let hint = "remove it, or put a file where it leads".to_owned();
                return Err(untrusted(Role::Client, path, (why, hint)));
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => path.to_owned(),
            Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
        };
        match open(Role::Client, &path)? {
            Found::Nothing { .. } => Ok(Self { path, is_link, text: None, facts: None }),
            Found::File(opened) => {
                if let Some(doubt) = opened.facts.is_of_another() {
                    return Err(untrusted(Role::Client, &path, doubt));
                }
                let facts = Some(opened.facts);
                let text = Some(opened.read()?.text);
                Ok(Self { path, is_link, text, facts })
            }
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it; `None` where there is none.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The copy of how it was.
    pub(crate) fn backup_path(&self) -> PathBuf {
        let mut name = OsString::from(self.path.as_os_str());
        name.push(BACKUP);
        name.into()
    }

    /// How it was, where a copy was kept.
    ///
    /// # Errors
    /// As of [`Foreign::read`].
    pub(crate) fn backup(&self) -> Result<Option<String>, Error> {
        Ok(Self::read(&self.backup_path())?.text)
    }

    /// Keeps a copy of how it is, in the place of an older one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn back_up(&self) -> Result<(), Error> {
        match &self.text {
            Some(text) => {
                let path = self.backup_path();
                write_like(Role::Client, &path, text, Existing::Replace, self.facts)
            }
            None => Ok(()),
        }
    }

    /// Removes the copy of how it was.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn forget_backup(&self) -> Result<(), Error> {
        remove(&self.backup_path())
    }

    /// Whether this user should leave something there: what root leaves in a user's home would be in
    /// that user's way from then on.
    ///
    /// # Errors
    /// The nearest directory that is there is another user's.
    pub(crate) fn is_in_own_place(&self) -> Result<(), Error> {
        let above = self.path.ancestors().skip(1).find(|above| above.is_dir());
        let above = above.unwrap_or(Path::new("."));
        let failed = |source| Error::Write { path: self.path.clone(), source };
        let facts = Dir::open(above).and_then(|dir| dir.facts()).map_err(failed)?;
        match facts.belongs_to_another() {
            Some(doubt) => Err(untrusted(Role::Client, &self.path, doubt)),
            None => Ok(()),
        }
    }

    /// Writes another text, if nobody has changed it since it was read.
    ///
    /// # Errors
    /// Somebody has; it cannot be written, or not by this user.
    pub(crate) fn replace(&self, text: &str) -> Result<(), Error> {
        self.is_in_own_place()?;
        let failed = |source| Error::Write { path: self.path.clone(), source };
        if self.facts.is_none()
            && let Some((above, _)) = parts(&self.path)
        {
            system::make_own_dir(above).map_err(failed)?;
        }
        let existing = Existing::ReplaceThis(self.facts.map(|facts| facts.version));
        write_like(Role::Client, &self.path, text, existing, None)
    }

    /// Removes a file that this program has made; one that a link leads to is emptied to this text.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn remove_or(&self, text: &str) -> Result<(), Error> {
        if self.is_link { self.replace(text) } else { remove(&self.path) }
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
