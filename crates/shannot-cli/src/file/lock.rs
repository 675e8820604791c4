//! One editor of a file at a time.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::{Role, doubt_of, parts, untrusted};
use crate::error::Error;

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
        let failed = |place: &Path, errno: Errno| Error::Write {
            path: place.to_owned(),
            source: errno.into(),
        };
        let Some((dir, name)) = parts(path) else { return Err(failed(path, Errno::ISDIR)) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = rustix::fs::open(dir, flags, Mode::empty()).map_err(|e| failed(path, e))?;
        let stat = fstat(&open).map_err(|e| failed(path, e))?;
        if let Some(doubt) = doubt_of(role, path, &stat) {
            return Err(doubt);
        }
        // What root leaves in a user's directory would be in that user's way from then on.
        let uid = geteuid().as_raw();
        if stat.st_uid != uid && (uid == 0 || stat.st_uid != 0) {
            let owner = stat.st_uid;
            let why = format!("its directory belongs to uid {owner}, and you are uid {uid}");
            return Err(untrusted(role, path, why, "run this as that user".to_owned()));
        }
        let mut lock = OsString::from(".");
        lock.push(name);
        lock.push(".lock");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = openat(&open, &lock, flags | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
        let file = File::from(file.map_err(|errno| failed(&dir.join(&lock), errno))?);
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
                Err(TryLockError::Error(source)) => {
                    return Err(Error::Write { path: dir.join(&lock), source });
                }
            }
        }
    }
}
