//! Reads and writes the file of a profile or of the configuration. Whoever can write it decides what
//! may run and where, so it must belong to root or to the user who runs, and nobody else may change
//! it.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags, Stat, fstat, openat, renameat_with};
use rustix::io::Errno;

use crate::error::Error;

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
    let Some(opened) = open(role, path)? else { return Ok(None) };
    if let Some(doubt) = opened.doubt() {
        return Err(doubt);
    }
    opened.read().map(Some)
}

/// Reads a file whoever wrote it, for a profile that can do no harm.
pub(crate) fn read_any(role: Role, path: &Path) -> Result<Option<Text>, Error> {
    open(role, path)?.map(Opened::read).transpose()
}

/// Why a file would not be trusted, if so.
pub(crate) fn doubt(role: Role, path: &Path) -> Result<Option<Error>, Error> {
    Ok(open(role, path)?.and_then(|opened| opened.doubt()))
}

/// What becomes of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

/// Writes a file whole or not at all: a reader sees the old text or the new one.
pub(crate) fn write(path: &Path, text: &str, existing: Existing) -> Result<(), Error> {
    let failed = |source: io::Error| Error::Write { path: path.to_owned(), source };
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| failed(io::Error::other("it names no file")))?;
    let mut draft = std::ffi::OsString::from(".");
    draft.push(name);
    draft.push(format!(".{}", std::process::id()));
    let draft = dir.join(draft);
    let before = match existing {
        Existing::Keep => None,
        Existing::Replace => std::fs::symlink_metadata(path).ok(),
    };
    let written = write_draft(&draft, text, before.as_ref()).and_then(|()| {
        let flags = match existing {
            Existing::Keep => RenameFlags::NOREPLACE,
            Existing::Replace => RenameFlags::empty(),
        };
        renameat_with(CWD, &draft, CWD, path, flags)?;
        // So that the name survives a crash too.
        File::open(dir)?.sync_all()
    });
    written.map_err(|source| {
        // It is only there if the rename failed.
        let _ = std::fs::remove_file(&draft);
        if source.kind() == io::ErrorKind::AlreadyExists {
            return Error::Exists { path: path.to_owned() };
        }
        failed(source)
    })
}

/// Writes a new file, with the group and the mode of the one whose place it will take, whatever the
/// umask: who could read it still can, and nobody else.
fn write_draft(path: &Path, text: &str, before: Option<&Metadata>) -> io::Result<()> {
    // Not for the group to write: it would not be trusted when it is read.
    let mode = before.map_or(0o644, |before| before.mode() & 0o777 & !WRITABLE_BY_OTHERS);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(gid) = before
        .map(MetadataExt::gid)
        .filter(|gid| file.metadata().is_ok_and(|own| own.gid() != *gid))
    {
        fchown(&file, None, Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

struct Opened {
    role: Role,
    path: PathBuf,
    file: OwnedFd,
    file_stat: Stat,
    dir_stat: Stat,
}

fn open(role: Role, path: &Path) -> Result<Option<Opened>, Error> {
    let failed = |source: io::Error| Error::Read { path: path.to_owned(), source };
    let absent = |errno: Errno| matches!(errno, Errno::NOENT | Errno::NOTDIR);
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else {
        return Err(failed(io::Error::other("it names no file")));
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(dir, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(errno) if absent(errno) => return Ok(None),
        Err(errno) => return Err(failed(errno.into())),
    };
    // A pipe must not hold us up, and a device not be opened for real.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = match openat(&dir, name, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => file,
        Err(errno) if absent(errno) => return Ok(None),
        Err(Errno::LOOP) => {
            let hint = "give the file that it leads to, or put that in its place";
            return Err(untrusted(role, path, "it is a symbolic link".to_owned(), hint.to_owned()));
        }
        Err(errno) => return Err(failed(errno.into())),
    };
    let stat = |fd: &OwnedFd| fstat(fd.as_fd()).map_err(|errno| failed(errno.into()));
    let (file_stat, dir_stat) = (stat(&file)?, stat(&dir)?);
    if FileType::from_raw_mode(file_stat.st_mode) != FileType::RegularFile {
        let hint = "give a regular file".to_owned();
        return Err(untrusted(role, path, "it is no regular file".to_owned(), hint));
    }
    Ok(Some(Opened { role, path: path.to_owned(), file, file_stat, dir_stat }))
}

fn untrusted(role: Role, path: &Path, why: String, hint: String) -> Error {
    Error::Untrusted { path: path.to_owned(), role: role.noun(), why, hint }
}

impl Opened {
    fn doubt(&self) -> Option<Error> {
        let shown = self.path.display();
        let uid = rustix::process::geteuid().as_raw();
        let owner = self.file_stat.st_uid;
        let (mode, dir_mode) = (self.file_stat.st_mode, self.dir_stat.st_mode);
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
        if dir_mode & WRITABLE_BY_ALL != 0 && dir_mode & STICKY == 0 {
            let why =
                format!("anybody may replace it (mode {:04o} of its directory)", dir_mode & 0o7777);
            let hint = "move it, or `chmod o-w` its directory".to_owned();
            return Some(untrusted(self.role, &self.path, why, hint));
        }
        None
    }

    fn read(self) -> Result<Text, Error> {
        let Self { role, path, file, .. } = self;
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
        Ok(Text { text, origin: path.display().to_string() })
    }
}
