//! The same where there are no owners and modes as POSIX has them, by the standard library alone. The
//! access lists of such a system are not looked at: what lies in the user's own directories is taken
//! for the user's own.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

mod dir;
mod signals;

pub(crate) use dir::{Dir, Facts, Version};
pub(crate) use signals::Signals;

/// There is none for the whole host: anybody may make a directory below a drive's root.
pub(crate) const CONFIG: Option<&str> = None;
/// The variable that names the user's home.
pub(crate) const HOME: &str = "USERPROFILE";
/// The `ssh` of Windows shares no connections.
pub(crate) const SSH_SHARES: bool = false;

/// The path as a caller has written it: what is meant is one of another host's, of POSIX.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    path.to_owned()
}

/// Makes a directory and those above it, with the access of the one that they are in.
pub(crate) fn make_own_dir(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// Opens a file.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// There is none that the standard library tells.
pub(crate) fn identity(_: &Metadata) -> Option<(u64, i64, i64)> {
    None
}

/// Whether a file can be started, which its name says.
pub(crate) fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// `ssh` itself looks at the access list of a key.
pub(crate) fn exposure(_: &Path, _: &Metadata) -> Option<(String, String)> {
    None
}
