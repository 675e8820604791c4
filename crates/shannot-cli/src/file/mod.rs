//! Reads and writes the file of a profile or of the configuration. Whoever can write it decides what
//! may run and where, so it must belong to root or to the user who runs, and nobody else may change
//! it.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, openat};
use rustix::io::Errno;

use crate::error::Error;

mod lock;
mod write;

pub(crate) use lock::Lock;
pub(crate) use write::{Existing, write};

const WRITABLE_BY_OTHERS: u32 = 0o022;
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Profile,
    Config,
}

impl Role {
    const fn noun(self) -> &'static str {
        match self {
            Self::Profile => "a profile",
            Self::Config => "configuration",
        }
    }
}

/// The most bytes of either.
const LARGEST: usize = 1 << 20;
const _: () = assert!(LARGEST == shannot::policy::profile::LARGEST_PROFILE);

/// The text of a file and its name.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) origin: String,
    pub(crate) version: Version,
}

/// Which file stood under a name, and of when: another one after somebody has written to it or put
/// another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    device: u64,
    inode: u64,
    size: i64,
    changed: (i64, i64),
}

impl Version {
    const fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            // The change of the inode, which nobody sets as they like.
            changed: (stat.st_ctime, stat.st_ctime_nsec.cast_signed()),
        }
    }
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

/// What is under a name.
enum Found {
    File(Opened),
    /// No file, and perhaps no directory.
    Nothing {
        dir: Option<Stat>,
    },
}

struct Opened {
    role: Role,
    path: PathBuf,
    file: OwnedFd,
    file_stat: Stat,
    dir_stat: Stat,
}

fn open(role: Role, path: &Path) -> Result<Found, Error> {
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let absent = |errno: Errno| matches!(errno, Errno::NOENT | Errno::NOTDIR);
    let Some((dir, name)) = parts(path) else {
        return Err(failed(io::Error::other("it names no file")));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(dir, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(errno) if absent(errno) => return Ok(Found::Nothing { dir: None }),
        Err(errno) => return Err(failed(errno.into())),
    };
    let stat = |fd: &OwnedFd| fstat(fd.as_fd()).map_err(|errno| failed(errno.into()));
    let dir_stat = stat(&dir)?;
    // A pipe must not hold us up, and a device not be opened for real.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match openat(&dir, name, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(errno) if absent(errno) => return Ok(Found::Nothing { dir: Some(dir_stat) }),
        Err(Errno::LOOP) => {
            let hint = "give the file that it leads to, or put that in its place";
            return Err(untrusted(role, path, "it is a symbolic link".to_owned(), hint.to_owned()));
        }
        Err(errno) => return Err(failed(errno.into())),
    };
    let file_stat = stat(&file)?;
    if FileType::from_raw_mode(file_stat.st_mode) != FileType::RegularFile {
        let hint = "give a regular file".to_owned();
        return Err(untrusted(role, path, "it is no regular file".to_owned(), hint));
    }
    Ok(Found::File(Opened { role, path: path.to_owned(), file, file_stat, dir_stat }))
}

/// The directory of a path and the name in it; `None` where the path ends in none.
fn parts(path: &Path) -> Option<(&Path, &std::ffi::OsStr)> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((dir, path.file_name()?))
}

/// Why nothing in a directory would be trusted, if so.
fn doubt_of(role: Role, path: &Path, dir: &Stat) -> Option<Error> {
    if dir.st_mode & WRITABLE_BY_ALL == 0 || dir.st_mode & STICKY != 0 {
        return None;
    }
    let mode = dir.st_mode & 0o7777;
    let why = format!("anybody may replace it (mode {mode:04o} of its directory)");
    let hint = "move it, or `chmod o-w` its directory".to_owned();
    Some(untrusted(role, path, why, hint))
}

fn untrusted(role: Role, path: &Path, why: String, hint: String) -> Error {
    Error::Untrusted { path: path.to_owned(), role: role.noun(), why, hint }
}

impl Opened {
    fn doubt(&self) -> Option<Error> {
        let shown = self.path.display();
        let uid = rustix::process::geteuid().as_raw();
        let owner = self.file_stat.st_uid;
        let mode = self.file_stat.st_mode;
        if owner != 0 && owner != uid {
            let why = format!("it belongs to uid {owner}, neither root nor you (uid {uid})");
            return Some(untrusted(
                self.role,
                &self.path,
                why,
                format!("read it, then `chown {uid} {shown}`"),
            ));
        }
        if mode & WRITABLE_BY_OTHERS != 0 {
            let why = format!("others may write to it (mode {:04o})", mode & 0o7777);
            return Some(untrusted(
                self.role,
                &self.path,
                why,
                format!("read it, then `chmod go-w {shown}`"),
            ));
        }
        doubt_of(self.role, &self.path, &self.dir_stat)
    }

    fn read(self) -> Result<Text, Error> {
        let Self { role, path, file, file_stat, .. } = self;
        let failed = |source: io::Error| Error::Read { path: path.clone(), source };
        let mut bytes = Vec::new();
        let most = u64::try_from(LARGEST).unwrap_or(u64::MAX);
        let read = File::from(file).take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if read > LARGEST {
            let hint = "it may have at most 1 MiB".to_owned();
            return Err(untrusted(role, &path, "it is too long".to_owned(), hint));
        }
        let Ok(text) = String::from_utf8(bytes) else {
            let hint = "save it as UTF-8".to_owned();
            return Err(untrusted(role, &path, "it is not UTF-8".to_owned(), hint));
        };
        Ok(Text { text, origin: path.display().to_string(), version: Version::of(&file_stat) })
    }
}
