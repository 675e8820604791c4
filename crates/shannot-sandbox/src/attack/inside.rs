//! Attacks on the box itself: what it hides, what it was started with, what it may start.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;

use super::Attack;
use super::files::done;
use super::ground::SCRIPT;

const AREA: &str = "the box";

pub(super) const LIST_HIDDEN: &str = "list what the profile hides";
pub(super) const SEE_PROCESSES: &str = "see the host's processes";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(AREA, "read what the profile hides", |g| {
        let found = g.hidden().iter().any(|path| has_content(path));
        if found { Ok(()) } else { Err(Errno::ACCESS) }
    }),
    Attack::new(AREA, LIST_HIDDEN, |g| {
        let found = g.hidden().iter().any(|path| has_entries(path));
        if found { Ok(()) } else { Err(Errno::ACCESS) }
    }),
    Attack::new(AREA, SEE_PROCESSES, |g| {
        done(|| fs::metadata(format!("/proc/{}/stat", g.victim())).map(drop))
    })
    .or(&[Errno::NOENT]),
    Attack::new(AREA, "type into the terminal", |_| {
        done(|| File::options().write(true).open("/dev/tty").map(drop))
    })
    .or(&[Errno::NXIO, Errno::NOENT]),
    Attack::new(AREA, "read a disk", |_| read_a_disk()).or(&[Errno::NOENT, Errno::NXIO]),
    Attack::new(AREA, "have a capability", |_| {
        if status_is("CapEff:", |value| value.trim_matches('0').is_empty()) {
            return Err(Errno::PERM);
        }
        Ok(())
    }),
    Attack::new(AREA, "gain by a set-uid program", |_| {
        if status_is("NoNewPrivs:", |value| value == "1") { Err(Errno::PERM) } else { Ok(()) }
    }),
    Attack::new(AREA, "execute another program", |g| executed(&g.path("script"))),
    Attack::new(AREA, "execute a file of memory", |_| {
        let fd = rustix::fs::memfd_create("attack", MemfdFlags::CLOEXEC)?;
        rustix::io::write(&fd, SCRIPT)?;
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        executed(Path::new(&path))
    }),
];

fn executed(program: &Path) -> Result<(), Errno> {
    // Comes back only if it fails.
    let error = Command::new(program).exec();
    Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Reads a file, or one of a directory.
fn has_content(path: &Path) -> bool {
    // Opening a device or a FIFO could have an effect, or wait.
    let Ok(found) = path.symlink_metadata() else { return false };
    if found.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        let files = entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_file()));
        return files.take(100).any(|file| has_content(&file.path()));
    }
    found.is_file() && File::open(path).is_ok_and(|mut f| matches!(f.read(&mut [0]), Ok(1)))
}

fn has_entries(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some())
}

fn read_a_disk() -> Result<(), Errno> {
    let disks = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let open =
        |name: std::ffi::OsString| done(|| File::open(Path::new("/dev").join(name)).map(drop));
    disks.map(|disk| open(disk.file_name())).max_by_key(Result::is_ok).unwrap_or(Err(Errno::NOENT))
}

fn status_is(key: &str, is: impl Fn(&str) -> bool) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix(key)).is_some_and(|value| is(value.trim()))
}
