//! One editor of a file at a time.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{Role, doubt_of, parts, untrusted};
use crate::error::Error;
use crate::system::Dir;

/// How long another editor may take.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

/// The right to edit a file. It is given back when this is dropped, and when the process ends.
///
/// What is locked is `.NAME.lock` beside the file, not the file itself, which is another one after
/// it was written, and not the directory, which whoever may read it could lock for ever.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held")] File);

impl Lock {
    /// Waits for it, for ten seconds.
    ///
    /// # Errors
    /// The directory is another user's or anybody's, the lock cannot be opened, or another process
    /// holds it.
    pub(crate) fn take(role: Role, path: &Path) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Write { path: path.to_owned(), source };
        let Some((above, name)) = parts(path) else {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        };
        let dir = Dir::open(above).map_err(failed)?;
        let facts = dir.facts().map_err(failed)?;
        if let Some(doubt) = doubt_of(role, path, &facts) {
            return Err(doubt);
        }
        if let Some(doubt) = facts.belongs_to_another() {
            return Err(untrusted(role, path, doubt));
        }
        let mut lock = OsString::from(".");
        lock.push(name);
        lock.push(".lock");
        let failed = |source| Error::Write { path: above.join(&lock), source };
        let file = dir.lock_file(&lock).map_err(failed)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let what = "another process has been editing it for ten seconds";
                    let source = io::Error::other(what);
                    return Err(Error::Write { path: path.to_owned(), source });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}
