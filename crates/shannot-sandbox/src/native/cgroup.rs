//! The memory of a whole run, bounded by a cgroup of its own where this process may make one.
//! `cgroups(7)`.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shannot_policy::types::ByteSize;

use super::run::above_stdio;
use crate::mounts::MountEntry;
use crate::proc;

/// A cgroup that holds one run; removed when the value is dropped.
#[derive(Debug)]
pub(super) struct MemoryGroup {
    dir: PathBuf,
    entry: OwnedFd,
    version: Version,
    /// How many processes the kernel has killed for the limit, once the group is removed.
    finished: Option<u64>,
}

/// How groups of runs are named, before the supervisor's process id.
const PREFIX: &str = "shannot-";

/// How a command joins its group. Not by a write to `cgroup.procs`: moving a whole process takes
/// a lock of every process of the host, and a grace period of 10 ms and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// By writing `0` to this `tasks` file: a task that moves itself needs no lock (v1).
    Tasks(RawFd),
    /// By being cloned into this directory, `CLONE_INTO_CGROUP` (v2, Linux 5.7).
    Into(RawFd),
}

impl Join {
    pub(crate) const fn fd(self) -> RawFd {
        match self {
            Self::Tasks(fd) | Self::Into(fd) => fd,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Where groups of runs can be made, found once.
#[derive(Debug, Clone)]
pub(super) struct MemoryParent {
    dir: PathBuf,
    version: Version,
}

/// Makes the group of each run of one box. From the second run on it makes one ahead, while the
/// commands of the run before it work.
#[derive(Debug)]
pub(super) struct Groups {
    parent: MemoryParent,
    limit: ByteSize,
    ahead: Mutex<Ahead>,
}

#[derive(Debug)]
enum Ahead {
    /// There may be no other run.
    NotYet,
    /// There has been a run, and may be more.
    Wanted,
    Made(MemoryGroup),
}

impl Groups {
    pub(super) fn new(parent: MemoryParent, limit: ByteSize) -> Self {
        Self { parent, limit, ahead: Mutex::new(Ahead::NotYet) }
    }

    fn ahead(&self) -> MutexGuard<'_, Ahead> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The group of a run, which no other gets.
    pub(super) fn take(&self) -> io::Result<MemoryGroup> {
        let mut ahead = self.ahead();
        match std::mem::replace(&mut *ahead, Ahead::Wanted) {
            Ahead::Made(group) => return Ok(group),
            other => *ahead = other,
        }
        drop(ahead);
        self.parent.make(self.limit)
    }

    /// Makes the next run's, once the commands of this one work.
    pub(super) fn make_ahead(&self) {
        let mut ahead = self.ahead();
        *ahead = match std::mem::replace(&mut *ahead, Ahead::Wanted) {
            // One that cannot be made is tried again when it is needed, and told then.
            Ahead::Wanted => self.parent.make(self.limit).map_or(Ahead::Wanted, Ahead::Made),
            Ahead::NotYet => Ahead::Wanted,
            made @ Ahead::Made(_) => made,
        };
    }
}

impl MemoryParent {
    /// Looks for a cgroup below which this process may make others that bound memory; `None` is
    /// the usual answer for a user without delegation.
    pub(super) fn find(mounts: &[MountEntry]) -> Option<Self> {
        let own = String::from_utf8(proc::read("/proc/self/cgroup").ok()?).ok()?;
        let parent = v1(mounts, &own).or_else(|| v2(mounts, &own))?;
        parent.remove_left_groups();
        Some(parent)
    }

    /// Removes groups whose supervisor was killed before it could: their processes are gone.
    fn remove_left_groups(&self) {
        // A directory of kernfs has a link for each child: without one, listing it is saved.
        if fs::metadata(&self.dir).is_ok_and(|dir| dir.nlink() <= 2) {
            return;
        }
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let supervisor = name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.split('-').next());
            if supervisor.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
                // One with processes in it stays: the kernel says that it is busy.
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self.version {
            Version::V1 => "cgroup v1",
            Version::V2 => "cgroup v2",
        }
    }

    /// Makes the group of one run.
    fn make(&self, limit: ByteSize) -> io::Result<MemoryGroup> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let dir = loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let dir = self.dir.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match fs::create_dir(&dir) {
                // Of a killed supervisor that had this process's id before it.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => break made.map(|()| dir)?,
            }
        };
        let made = || {
            let (max, swap) = match self.version {
                Version::V1 => ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
                Version::V2 => ("memory.max", "memory.swap.max"),
            };
            write(&dir.join(max), limit.0)?;
            if rustix::system::sysinfo().totalswap > 0 {
                // Without swap accounting the file is missing; the limit on memory itself holds.
                let swap_limit = if self.version == Version::V1 { limit.0 } else { 0 };
                let _ = write(&dir.join(swap), swap_limit);
            }
            let entry = match self.version {
                Version::V1 => File::options().write(true).open(dir.join("tasks")),
                Version::V2 => File::open(&dir),
            };
            above_stdio(entry?.into())
        };
        match made() {
            Ok(entry) => Ok(MemoryGroup { dir, entry, version: self.version, finished: None }),
            Err(e) => {
                // Nothing has joined it, so removing works; if not, the first error says more.
                let _ = fs::remove_dir(&dir);
                Err(e)
            }
        }
    }
}

impl MemoryGroup {
    /// How a command joins.
    pub(super) fn join(&self) -> Join {
        let fd = self.entry.as_raw_fd();
        match self.version {
            Version::V1 => Join::Tasks(fd),
            Version::V2 => Join::Into(fd),
        }
    }

    /// Removes the group, if nothing is in it any more; dropping it tries again.
    pub(super) fn finish(&mut self) {
        let kills = self.oom_kills();
        if self.remove() {
            self.finished = Some(kills);
        }
    }

    fn remove(&self) -> bool {
        self.finished.is_none() && fs::remove_dir(&self.dir).is_ok()
    }

    /// How many processes the kernel has killed for the limit.
    pub(super) fn oom_kills(&self) -> u64 {
        if let Some(kills) = self.finished {
            return kills;
        }
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = proc::read(self.dir.join(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|l| l.strip_prefix("oom_kill "));
        line.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Fails only while a process of the run has not ended; the kernel takes a moment to
        // account for one that was just reaped.
        for _ in 0..50 {
            if self.finished.is_some() || self.remove() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

fn write(path: &Path, number: u64) -> io::Result<()> {
    File::options().write(true).open(path)?.write_all(number.to_string().as_bytes())
}

/// This process's own group in the hierarchy mounted at `entry`.
fn own_dir(mount_point: &Path, root: &Path, path: &str) -> PathBuf {
    let below = Path::new(path).strip_prefix(root).unwrap_or(Path::new(""));
    mount_point.join(below)
}

fn v1(mounts: &[MountEntry], own: &str) -> Option<MemoryParent> {
    let mount = mounts.iter().find(|m| {
        m.fstype == "cgroup" && m.super_options.split(',').any(|option| option == "memory")
    })?;
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|c| c == "memory").then(|| fields.next())?
    })?;
    let dir = own_dir(&mount.mount_point, &mount.root, path);
    may_make(&dir).then_some(MemoryParent { dir, version: Version::V1 })
}

/// In v2 only a group whose controllers are handed down to its children will do: one delegated
/// to us, the one above, or the top of the tree.
fn v2(mounts: &[MountEntry], own: &str) -> Option<MemoryParent> {
    let mount = mounts.iter().find(|m| m.fstype == "cgroup2")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let dir = own_dir(&mount.mount_point, &mount.root, path);
    let hands_down = |dir: &&Path| {
        fs::read_to_string(dir.join("cgroup.subtree_control"))
            .is_ok_and(|c| c.split_whitespace().any(|c| c == "memory"))
    };
    let candidates = [Some(dir.as_path()), dir.parent(), Some(&mount.mount_point)];
    candidates
        .into_iter()
        .flatten()
        .filter(|dir| dir.starts_with(&mount.mount_point))
        .filter(hands_down)
        .find(|dir| may_make(dir))
        .map(|dir| MemoryParent { dir: dir.to_owned(), version: Version::V2 })
}

fn may_make(dir: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD};
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, dir, access, AtFlags::EACCESS).is_ok()
}
