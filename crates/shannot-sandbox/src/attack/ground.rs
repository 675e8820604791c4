//! Where an attack takes place: files, sockets and a process that are there to be attacked.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

/// A directory, and what is known of the rest by files in it.
#[derive(Debug, Clone)]
pub struct Ground {
    dir: PathBuf,
}

/// The sockets of a ground, which must take no connection.
#[derive(Debug)]
pub struct Listeners {
    tcp: std::net::TcpListener,
    path: UnixListener,
    named: UnixListener,
}

/// What an observer sees of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Where it is.
    pub path: PathBuf,
    /// Mode, owner, group, links, size, and the times of the last changes of content and of inode.
    pub numbers: [i64; 9],
    /// When it was last read, in seconds and nanoseconds; none for a directory, which the observer
    /// reads too.
    pub accessed: Option<[i64; 2]>,
    /// The names of its extended attributes.
    pub xattrs: Vec<u8>,
}

/// A program whose interpreter is missing: `ENOENT`, once the kernel has read it.
pub(super) const SCRIPT: &[u8] = b"#!/nonexistent\n";

impl Ground {
    /// The ground at a directory that was made by [`Ground::make`].
    pub fn at(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Makes one in a directory that is empty and that nobody else can write into yet. Everybody
    /// may change what is there, so that only a box stands in the way.
    ///
    /// # Errors
    /// Something could not be made.
    pub fn make(dir: &Path, victim: u32) -> io::Result<(Self, Listeners)> {
        let ground = Self::at(dir);
        for name in ["file", "truncated", "removed", "moved", "read", "remembered"] {
            let mut file = File::create_new(ground.path(name))?;
            file.write_all(b"content\n")?;
            // A file that was changed after it was read has its access time updated by the next
            // reader, whatever the mount's `relatime`.
            let now = SystemTime::now();
            let times = fs::FileTimes::new().set_accessed(now - Duration::from_secs(200_000));
            file.set_times(times.set_modified(now - Duration::from_secs(100_000)))?;
            fs::set_permissions(ground.path(name), Permissions::from_mode(0o666))?;
        }
        // Not on every file system.
        let _ = setxattr(ground.path("file"), "user.shannot", b"1", XattrFlags::empty());
        fs::write(ground.path("script"), SCRIPT)?;
        fs::set_permissions(ground.path("script"), Permissions::from_mode(0o755))?;
        fs::create_dir(ground.path("directory"))?;
        fs::set_permissions(ground.path("directory"), Permissions::from_mode(0o777))?;
        mknodat(CWD, ground.path("fifo"), FileType::Fifo, Mode::from(0o666), 0)?;
        let null = rustix::fs::makedev(1, 3);
        // Root's alone.
        let _ = mknodat(CWD, ground.path("node"), FileType::CharacterDevice, Mode::RWXU, null);
        let _ = fs::set_permissions(ground.path("node"), Permissions::from_mode(0o666));
        let listeners = Listeners {
            tcp: std::net::TcpListener::bind(("127.0.0.1", 0))?,
            path: UnixListener::bind(ground.path("socket"))?,
            named: UnixListener::bind_addr(&ground.abstract_address()?)?,
        };
        fs::set_permissions(ground.path("socket"), Permissions::from_mode(0o666))?;
        let port = listeners.tcp.local_addr()?.port();
        fs::write(ground.path("port"), port.to_string())?;
        fs::write(ground.path("victim"), victim.to_string())?;
        // Sticky: others may add, and take nothing away.
        fs::set_permissions(dir, Permissions::from_mode(0o1777))?;
        Ok((ground, listeners))
    }

    /// Tells what must not be readable.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn tell_hidden(&self, hidden: &[PathBuf]) -> io::Result<()> {
        let lines: Vec<&[u8]> = hidden.iter().map(|path| path.as_os_str().as_bytes()).collect();
        fs::write(self.path("hidden"), lines.join(&b'\n'))
    }

    /// A path on the ground.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether it shows. Reads a file whose last access was long ago.
    pub(super) fn is_there(&self) -> bool {
        self.victim() > 0 && fs::read(self.path("read")).is_ok()
    }

    /// The name of a socket that no file has.
    pub(super) fn abstract_address(&self) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(self.dir.as_os_str().as_bytes())
    }

    /// The process to attack; -1, which no call takes, if it is not told.
    pub(super) fn victim(&self) -> i32 {
        self.number("victim").unwrap_or(-1)
    }

    /// The port of a listener on 127.0.0.1.
    pub(super) fn port(&self) -> u16 {
        self.number("port").and_then(|n| n.try_into().ok()).unwrap_or(1)
    }

    fn number(&self, name: &str) -> Option<i32> {
        fs::read_to_string(self.path(name)).ok()?.parse().ok()
    }

    /// What must not be readable.
    pub(super) fn hidden(&self) -> Vec<PathBuf> {
        let text = fs::read(self.path("hidden")).unwrap_or_default();
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| std::ffi::OsString::from_vec(line.to_vec()).into()).collect()
    }

    /// What an observer sees.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn seen(&self) -> io::Result<Vec<Seen>> {
        let entries = fs::read_dir(&self.dir)?;
        let mut all = vec![self.dir.clone()];
        all.extend(entries.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?);
        all.sort();
        all.into_iter().map(seen).collect()
    }
}

fn seen(path: PathBuf) -> io::Result<Seen> {
    let m = path.symlink_metadata()?;
    let numbers = [
        m.mode().into(),
        m.uid().into(),
        m.gid().into(),
        m.nlink().cast_signed(),
        m.size().cast_signed(),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec(),
    ];
    let accessed = (!m.is_dir()).then(|| [m.atime(), m.atime_nsec()]);
    let xattrs = xattrs(&path);
    Ok(Seen { path, numbers, accessed, xattrs })
}

fn xattrs(path: &Path) -> Vec<u8> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap_or(0);
    names.truncate(length);
    names
}

impl Listeners {
    /// How many have taken a connection.
    ///
    /// # Errors
    /// They cannot be asked.
    pub fn reached(&self) -> io::Result<usize> {
        let mut fds = [
            rustix::event::PollFd::new(&self.tcp, rustix::event::PollFlags::IN),
            rustix::event::PollFd::new(&self.path, rustix::event::PollFlags::IN),
            rustix::event::PollFd::new(&self.named, rustix::event::PollFlags::IN),
        ];
        let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        Ok(rustix::event::poll(&mut fds, Some(&none))?)
    }
}
