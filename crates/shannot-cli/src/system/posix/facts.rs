//! Whose a file is, who may change it, and which one it is.

use std::fmt::Display;

use rustix::fs::{FileType, Stat};
use rustix::process::geteuid;

pub(super) const WRITABLE_BY_OTHERS: u64 = 0o022;
const WRITABLE_BY_ALL: u64 = 0o002;
const STICKY: u64 = 0o1000;

/// What is asked of a file or directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) version: Version,
    pub(super) is_file: bool,
    pub(super) gid: u32,
    pub(super) mode: u64,
    uid: u32,
}

/// Which file stood under a name, and of when: another one after somebody has written to it or put
/// another in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version {
    device: i128,
    inode: i128,
    size: i128,
    changed: (i128, i128),
}

impl Facts {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            // Numbers that are not as wide on every system.
            version: Version {
                device: stat.st_dev.into(),
                inode: stat.st_ino.into(),
                size: stat.st_size.into(),
                // The change of the inode, which nobody sets as they like.
                changed: (stat.st_ctime.into(), stat.st_ctime_nsec.into()),
            },
            is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mode: stat.st_mode.into(),
        }
    }

    /// Why a file's content would not be trusted, if so, and what to do about it.
    pub(crate) fn doubt(&self, shown: &dyn Display) -> Option<(String, String)> {
        let (owner, uid, mode) = (self.uid, geteuid().as_raw(), self.mode & 0o7777);
        if owner != 0 && owner != uid {
            let why = format!("it belongs to uid {owner}, neither root nor you (uid {uid})");
            return Some((why, format!("read it, then `chown {uid} {shown}`")));
        }
        (mode & WRITABLE_BY_OTHERS != 0).then(|| {
            let why = format!("others may write to it (mode {mode:04o})");
            (why, format!("read it, then `chmod go-w {shown}`"))
        })
    }

    /// Why nothing in a directory would be trusted, if so, and what to do about it.
    pub(crate) fn doubt_of_dir(&self) -> Option<(String, String)> {
        if self.mode & WRITABLE_BY_ALL == 0 || self.mode & STICKY != 0 {
            return None;
        }
        let mode = self.mode & 0o7777;
        let why = format!("anybody may replace it (mode {mode:04o} of its directory)");
        Some((why, "move it, or `chmod o-w` its directory".to_owned()))
    }

    /// Why a file is not this user's own, if so, and what to do about it. In the place of another's it
    /// would have another owner.
    pub(crate) fn is_of_another(&self) -> Option<(String, String)> {
        let (owner, uid) = (self.uid, geteuid().as_raw());
        (owner != uid).then(|| {
            let why = format!("it belongs to uid {owner}, and you are uid {uid}");
            (why, "run this as that user".to_owned())
        })
    }

    /// Why this user should leave nothing in a directory, if so, and what to do about it: what root
    /// leaves in a user's directory would be in that user's way from then on.
    pub(crate) fn belongs_to_another(&self) -> Option<(String, String)> {
        let (owner, uid) = (self.uid, geteuid().as_raw());
        (owner != uid && (uid == 0 || owner != 0)).then(|| {
            let why = format!("its directory belongs to uid {owner}, and you are uid {uid}");
            (why, "run this as that user".to_owned())
        })
    }
}
