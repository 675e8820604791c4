//! Attacks on files: what they hold, their names, and all that is known of them.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};

use rustix::fs::{CWD, FallocateFlags, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::Attack;

const AREA: &str = "files";

pub(super) const DEVICE_NODE: &str = "open a device node outside /dev";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(AREA, "make a file", |g| {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW;
        rustix::fs::open(g.path("made"), flags, Mode::RWXU).map(drop)
    }),
    Attack::new(AREA, "make a nameless file", |g| {
        rustix::fs::open(g.path("."), OFlags::TMPFILE | OFlags::WRONLY, Mode::RWXU).map(drop)
    }),
    Attack::new(AREA, "write to a file", |g| {
        done(|| File::options().append(true).open(g.path("file"))?.write_all(b"more\n"))
    }),
    Attack::new(AREA, "write by /proc/self/fd", |g| {
        let fd = rustix::fs::open(g.path("file"), OFlags::RDONLY, Mode::empty())?;
        let again = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
        rustix::fs::open(again, OFlags::WRONLY, Mode::empty()).map(drop)
    }),
    Attack::new(AREA, "empty a file as it is opened for reading", |g| {
        rustix::fs::open(g.path("truncated"), OFlags::RDONLY | OFlags::TRUNC, Mode::empty())
            .map(drop)
    }),
    Attack::new(AREA, "allocate space for a file", |g| {
        let fd = rustix::fs::open(g.path("file"), OFlags::RDWR, Mode::empty())?;
        rustix::fs::fallocate(&fd, FallocateFlags::KEEP_SIZE, 0, 4096)
    })
    .or(&[Errno::OPNOTSUPP]),
    Attack::new(AREA, "remove a file", |g| rustix::fs::unlink(g.path("removed"))),
    Attack::new(AREA, "rename a file", |g| rustix::fs::rename(g.path("moved"), g.path("away"))),
    Attack::new(AREA, "link a file", |g| rustix::fs::link(g.path("file"), g.path("linked"))),
    Attack::new(AREA, "make a symbolic link", |g| rustix::fs::symlink("file", g.path("symbolic"))),
    Attack::new(AREA, "make a directory", |g| rustix::fs::mkdir(g.path("made.d"), Mode::RWXU)),
    Attack::new(AREA, "remove a directory", |g| rustix::fs::rmdir(g.path("directory"))),
    Attack::new(AREA, "make a FIFO", |g| {
        rustix::fs::mknodat(CWD, g.path("made.fifo"), FileType::Fifo, Mode::RWXU, 0)
    }),
    Attack::new(AREA, "make a device node", |g| {
        let null = rustix::fs::makedev(1, 3);
        rustix::fs::mknodat(CWD, g.path("made.node"), FileType::CharacterDevice, Mode::RWXU, null)
    }),
    Attack::new(AREA, "write into a FIFO", |g| {
        // Nobody reads it, so one that may be written answers ENXIO.
        let flags = OFlags::WRONLY | OFlags::NONBLOCK;
        rustix::fs::open(g.path("fifo"), flags, Mode::empty()).map(drop)
    }),
    Attack::new(AREA, DEVICE_NODE, |g| {
        rustix::fs::open(g.path("node"), OFlags::RDONLY, Mode::empty()).map(drop)
    })
    .or(&[Errno::NOENT]),
    Attack::new(AREA, "change a mode", |g| {
        done(|| fs::set_permissions(g.path("file"), Permissions::from_mode(0o600)))
    }),
    Attack::new(AREA, "change an owner to what it is", |g| {
        let found = rustix::fs::stat(g.path("file"))?;
        let [uid, gid] = [found.st_uid, found.st_gid];
        done(|| std::os::unix::fs::chown(g.path("file"), Some(uid), Some(gid)))
    }),
    Attack::new(AREA, "change times", |g| {
        let fd = rustix::fs::open(g.path("file"), OFlags::RDONLY, Mode::empty())?;
        done(|| File::from(fd).set_modified(std::time::SystemTime::UNIX_EPOCH))
    }),
    Attack::new(AREA, "set an extended attribute", |g| {
        rustix::fs::setxattr(g.path("file"), "user.attack", b"1", XattrFlags::empty())
    })
    .or(&[Errno::OPNOTSUPP]),
    Attack::new(AREA, "remove an extended attribute", |g| {
        rustix::fs::removexattr(g.path("file"), "user.shannot")
    })
    .or(&[Errno::OPNOTSUPP]),
    Attack::new(AREA, "change flags (chattr)", |g| {
        let fd = rustix::fs::open(g.path("remembered"), OFlags::RDONLY, Mode::empty())?;
        rustix::fs::ioctl_setflags(&fd, rustix::fs::IFlags::NODUMP)
    })
    .or(&[Errno::OPNOTSUPP, Errno::NOTTY]),
];

/// The error of the system call that failed.
pub(super) fn done(f: impl FnOnce() -> io::Result<()>) -> Result<(), Errno> {
    f().map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
}

/// Opens without changing anything, as the ways to change the host by `/proc` and `/sys` begin.
pub(super) fn opens_for_writing(path: &str) -> Result<(), Errno> {
    done(|| {
        File::options()
            .write(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path)
            .map(drop)
    })
}
