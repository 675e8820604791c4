//! The `bwrap` of this host, if it is to be trusted: it gets the box's descriptors, and what it
//! makes is believed.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open};

use super::version::{PATH, Version};

/// A `bwrap` to be trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bwrap {
    pub(crate) version: Version,
}

impl Bwrap {
    /// The host's, looked for once.
    ///
    /// # Errors
    /// Why there is none, to follow "it needs".
    pub(crate) fn find() -> Result<Self, String> {
        static FOUND: OnceLock<Result<Version, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            open_trusted()?;
            version().ok_or_else(|| format!("a {PATH} that tells its version"))
        });
        found.clone().map(|version| Self { version })
    }

    /// The program itself, for execution, looked at once more.
    ///
    /// # Errors
    /// As [`Bwrap::find`].
    pub(crate) fn open(self) -> Result<OwnedFd, String> {
        open_trusted()
    }
}

/// Opens the program if it, and every directory on the way to it, belongs to root and is written by
/// nobody else.
fn open_trusted() -> Result<OwnedFd, String> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let missing = |_| format!("{PATH}, and there is none");
    for dir in ["/", "/usr", "/usr/bin"] {
        let dir = open(dir, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(missing)?;
        check(&fstat(&dir).map_err(missing)?, FileType::Directory)?;
    }
    let program = open(PATH, flags, Mode::empty()).map_err(missing)?;
    check(&fstat(&program).map_err(missing)?, FileType::RegularFile)?;
    Ok(program)
}

fn check(stat: &Stat, kind: FileType) -> Result<(), String> {
    if is_roots(stat.st_uid, stat.st_mode, kind) {
        return Ok(());
    }
    Err(format!("a {PATH} that only root can have put there"))
}

fn is_roots(uid: u32, mode: u32, kind: FileType) -> bool {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    uid == 0 && mode & WRITABLE_BY_OTHERS == 0 && FileType::from_raw_mode(mode) == kind
}

/// What `bwrap --version` says, as in `bubblewrap 0.8.0`.
fn version() -> Option<Version> {
    let mut command = Command::new(PATH);
    command.arg("--version").env_clear().stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    // Fails in a process that ignores `SIGCHLD`, and the answer is there all the same.
    let _ = child.wait();
    Version::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_root_alone_writes_is_trusted() {
        let roots = |uid, mode| is_roots(uid, mode, FileType::RegularFile);
        assert!(roots(0, 0o100_755) && roots(0, 0o104_755));
        for (uid, mode) in [(1000, 0o100_755), (0, 0o100_775), (0, 0o100_757), (0, 0o40_755)] {
            assert!(!roots(uid, mode), "{uid} {mode:o}");
        }
    }
}
