//! What has changed on the host since a box was made ready: its mounts, and the directories in which
//! what is hidden was looked for.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Access, AtFlags, CWD, OFlags, ResolveFlags, accessat};

use super::looked::Looked;
use super::scene::Scene;

/// Watches the host. Whatever happens after it was made is noticed.
#[derive(Debug)]
pub(super) struct Changes {
    mounts: File,
    directories: OwnedFd,
    /// Whether there may be changes that are not told.
    unseen: bool,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// Something in a directory that was looked at.
    Entries,
    Mounts,
}

impl Changes {
    /// Begins to watch, with no directory yet.
    pub(super) fn new() -> io::Result<Self> {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        Ok(Self {
            mounts: File::open("/proc/self/mountinfo")?,
            directories: inotify::init(flags)?,
            unseen: false,
        })
    }

    /// Watches the directories, too. One that has gone meanwhile has changed its parent.
    ///
    /// # Errors
    /// `ENOSPC` at the user's limit of watches, `inotify(7)`.
    pub(super) fn watch(&mut self, looked: &Looked, scene: &Scene) -> io::Result<()> {
        use rustix::io::Errno;
        let what = WatchFlags::ATTRIB
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        self.unseen |= looked.unseen;
        for path in looked.directories() {
            // By a descriptor, so that no link is followed that was none before.
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            let added = scene.at(path, flags, ResolveFlags::NO_SYMLINKS).and_then(|fd| {
                let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
                inotify::add_watch(&self.directories, path, what)
            });
            match added {
                Ok(_) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                // One that can be walked through and not be listed cannot be watched.
                Err(Errno::ACCESS) => self.unseen |= may_walk(path),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    /// What has changed since this was last asked. A change of mounts is told again and again.
    pub(super) fn take(&self) -> Change {
        let mut events = [0u8; 4096];
        let mut change = if self.unseen { Change::Entries } else { Change::None };
        // Whatever an event says, and if some were lost, something has changed.
        while matches!(rustix::io::read(&self.directories, &mut events), Ok(1..)) {
            change = Change::Entries;
        }
        // proc_pid_mountinfo(5).
        let mut fds = [PollFd::from_borrowed_fd(self.mounts.as_fd(), PollFlags::PRI)];
        let polled = poll(&mut fds, Some(&Timespec::default()));
        if matches!(polled, Ok(0)) { change } else { Change::Mounts }
    }
}

fn may_walk(path: &Path) -> bool {
    accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}
