//! What POSIX says of files and signals.

use std::fs::{DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

mod dir;
mod facts;
mod signals;

pub(crate) use dir::Dir;
pub(crate) use facts::{Facts, Version};
pub(crate) use signals::Signals;

/// The configuration of the whole host.
pub(crate) const CONFIG: Option<&str> = Some("/etc/shannot");
/// The variable that names the user's home.
pub(crate) const HOME: &str = "HOME";
/// Whether sessions of `ssh` can share a connection.
pub(crate) const SSH_SHARES: bool = true;

/// The path from the root of what a caller in this directory calls so.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes a directory and those above it as the XDG base directory specification has it, whatever the
/// umask.
pub(crate) fn make_own_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Opens a file as who is to use it, and without waiting for the other end of a pipe.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// The inode of a file and when it last changed, content or not.
pub(crate) fn identity(found: &Metadata) -> Option<(u64, i64, i64)> {
    Some((found.ino(), found.ctime(), found.ctime_nsec()))
}

/// Whether a file can be started.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// Why others than this user and root could read a file, if so, and what to do about it.
pub(crate) fn exposure(path: &Path, found: &Metadata) -> Option<(String, String)> {
    let shown = path.display();
    let (owner, uid) = (found.uid(), geteuid().as_raw());
    if owner != uid && owner != 0 {
        let what = format!("`{shown}` belongs to uid {owner}, and you are uid {uid}");
        return Some((what, "use one of your own".to_owned()));
    }
    let mode = found.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        let what = format!("others may read `{shown}` (mode {mode:04o})");
        (what, format!("`chmod 600 {shown}`"))
    })
}
