//! What there is to be seen: a root directory and the mounts below it. That of a box which is begun
//! is its own tree, where it will stay as it is; that of the host is what a box copies later.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::sys::Fd;
use crate::mounts::{self, MountEntry};

/// A tree of directories to look at.
#[derive(Debug)]
pub(super) struct Scene {
    root: OwnedFd,
    pub(super) mounts: Vec<MountEntry>,
}

impl Scene {
    /// The tree of this process.
    pub(super) fn of_host() -> io::Result<Self> {
        Self::open("/", "/proc/self/mountinfo")
    }

    /// The tree of which another process has opened these two in this one's table.
    pub(super) fn lent(root: Fd, mount_table: Fd) -> io::Result<Self> {
        let own = |fd| format!("/proc/self/fd/{fd}");
        Self::open(&own(root), &own(mount_table))
    }

    fn open(root: &str, mount_table: &str) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty())?;
        Ok(Self { root, mounts: mounts::read(mount_table)? })
    }

    /// Opens an absolute path of this tree; links in it stay within the tree.
    pub(super) fn at(
        &self,
        path: &Path,
        flags: OFlags,
        resolve: ResolveFlags,
    ) -> rustix::io::Result<OwnedFd> {
        let below = path.strip_prefix("/").unwrap_or(path);
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let resolve = ResolveFlags::IN_ROOT | resolve;
        openat2(&self.root, below, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }
}
