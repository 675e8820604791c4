//! Landlock rulesets: what may be written, read and executed, by the rights of the kernel's ABI.
//! `landlock(7)`.

use std::collections::BTreeSet;
use std::fs::{DirEntry, FileType, Metadata};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::error::Error;
use super::run::above_stdio;
use super::sys::{self, RulesetAttr};

pub(super) const EXECUTE: u64 = 1;
pub(super) const WRITE_FILE: u64 = 1 << 1;
pub(super) const READ_FILE: u64 = 1 << 2;
pub(super) const READ_DIR: u64 = 1 << 3;
/// Removing and making of all kinds, rights 4 to 12.
const CHANGE_DIR: u64 = 0x1ff << 4;
/// Of these, device nodes and sockets have no place even in scratch.
const MAKE_SPECIAL: u64 = 1 << 6 | 1 << 9 | 1 << 11;
/// ABI 2.
const REFER: u64 = 1 << 13;
/// ABI 3.
const TRUNCATE: u64 = 1 << 14;
/// ABI 5.
const IOCTL_DEV: u64 = 1 << 15;
/// Both rights of ABI 4.
const TCP: u64 = 0b11;
/// Both scopes of ABI 6: abstract sockets and signals.
const SCOPES: u64 = 0b11;

/// The most rules of one ruleset. A directory with a hidden entry costs one for each of the
/// others; what is beyond cannot be read, which is the safe side.
const MOST_RULES: usize = 20_000;

/// All rights to change files that an ABI knows.
fn writes(abi: u32) -> u64 {
    let since = |least: u32, right: u64| if abi >= least { right } else { 0 };
    WRITE_FILE | CHANGE_DIR | since(2, REFER) | since(3, TRUNCATE) | since(5, IOCTL_DEV)
}

/// The rights on a scratch mount.
pub(super) fn scratch_access(abi: u32, reads: u64) -> u64 {
    (writes(abi) & !MAKE_SPECIAL & !(IOCTL_DEV)) | reads
}

/// What a ruleset lets be done beneath one file or directory.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) beneath: OwnedFd,
    pub(super) access: u64,
}

/// Makes a ruleset that refuses all changes of files, all TCP, signals and abstract sockets to
/// the outside, and, of `reads`, whatever the rules do not allow.
pub(super) fn ruleset(abi: u32, reads: u64, rules: &[Rule]) -> Result<OwnedFd, Error> {
    let attr = RulesetAttr {
        handled_access_fs: writes(abi) | reads,
        handled_access_net: if abi >= 4 { TCP } else { 0 },
        scoped: if abi >= 6 { SCOPES } else { 0 },
    };
    let set = create(abi, &attr)?;
    for rule in rules {
        allow(&set, rule.beneath.as_fd(), rule.access)?;
    }
    Ok(set)
}

/// Makes the ruleset of the domain around a whole run of tier L: scopes only.
pub(super) fn domain(abi: u32) -> Result<OwnedFd, Error> {
    create(abi, &RulesetAttr { scoped: SCOPES, ..RulesetAttr::default() })
}

/// Makes a ruleset by which only these files may be executed.
pub(super) fn executables(abi: u32, files: &BTreeSet<PathBuf>) -> Result<OwnedFd, Error> {
    let attr = RulesetAttr { handled_access_fs: EXECUTE, ..RulesetAttr::default() };
    let set = create(abi, &attr)?;
    for file in files {
        // Following links, as execve(2) will.
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(file, flags, Mode::empty()) {
            allow(&set, fd.as_fd(), EXECUTE)?;
        }
    }
    Ok(set)
}

/// The rights of the harmless devices.
pub(super) fn device_access(abi: u32, reads: u64) -> u64 {
    WRITE_FILE | (writes(abi) & TRUNCATE) | (reads & READ_FILE)
}

fn create(abi: u32, attr: &RulesetAttr) -> Result<OwnedFd, Error> {
    // An older kernel refuses a longer struct whose tail is not zero, and one shorter than its
    // first field.
    let size = match abi {
        0..=3 => 8,
        4..=5 => 16,
        _ => 24,
    };
    let made = sys::landlock_ruleset(attr, size).map_err(std::io::Error::from);
    made.and_then(above_stdio).map_err(|e| Error::host("make a Landlock ruleset", e))
}

fn allow(set: &OwnedFd, beneath: std::os::fd::BorrowedFd<'_>, access: u64) -> Result<(), Error> {
    sys::landlock_allow(set.as_raw_fd(), beneath.as_raw_fd(), access)
        .map_err(|e| Error::host("add a Landlock rule", e))
}

/// Opens a path for a rule, not following a link at its end; `None` where there is none.
pub(super) fn open_path(path: &Path) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

/// What is to be read by no path: places, and the files there that have another name, by device and
/// number. A rule for one name of a file is one for all.
#[derive(Debug, Default)]
pub(super) struct Closed {
    paths: BTreeSet<PathBuf>,
    linked: BTreeSet<(u64, u64)>,
}

impl Closed {
    /// Adds a place that can be looked at.
    pub(super) fn add(&mut self, path: &Path) {
        let linked = |m: &Metadata| m.is_file() && m.nlink() > 1;
        if let Some(found) = path.symlink_metadata().ok().filter(linked) {
            self.linked.insert((found.dev(), found.ino()));
        }
        self.add_unseen(path);
    }

    /// Adds a place.
    pub(super) fn add_unseen(&mut self, path: &Path) {
        self.paths.insert(path.to_owned());
    }

    fn is_linked(&self, entry: &DirEntry) -> bool {
        // The number alone is known without another look.
        self.linked.iter().any(|(_, number)| *number == entry.ino())
            && entry.metadata().is_ok_and(|m| self.linked.contains(&(m.dev(), m.ino())))
    }
}

/// Rules that allow reading below `tree` but nothing that is closed.
///
/// A directory that has something closed below it gets no rule of its own, only its other
/// entries do: a right given to a directory cannot be taken from its children again.
pub(super) fn gaps(tree: &Path, closed: &Closed, rules: &mut Vec<Rule>) {
    if closed.paths.iter().any(|h| tree.starts_with(h)) || rules.len() >= MOST_RULES {
        return;
    }
    if !closed.paths.iter().any(|h| h.starts_with(tree)) {
        if let Some(beneath) = open_path(tree) {
            rules.push(Rule { beneath, access: READ_FILE });
        }
        return;
    }
    let Ok(entries) = std::fs::read_dir(tree) else { return };
    for entry in entries.flatten() {
        // A link is followed to a place that has, or has not, a rule of its own.
        if !entry.file_type().as_ref().is_ok_and(FileType::is_symlink) && !closed.is_linked(&entry)
        {
            gaps(&entry.path(), closed, rules);
        }
    }
}

/// Whether this user can read the file, or look into the directory: what the kernel's own
/// permissions close needs no gap.
pub(super) fn is_open_to_us(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD};
    let may = |access| rustix::fs::accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
    may(Access::READ_OK) || (path.is_dir() && may(Access::EXEC_OK))
}

/// A path as the kernel takes it.
pub(super) fn c_path(path: &Path) -> Result<std::ffi::CString, Error> {
    std::ffi::CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::NotFound { program: path.display().to_string() })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io;
    use std::net::{TcpListener, TcpStream};
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    use std::process::{Child, Command};

    use rustix::fs::{CWD, mknodat};
    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    /// What a ruleset is to refuse, and what it is done to.
    struct Ground {
        dir: PathBuf,
        listener: TcpListener,
        _abstract: UnixListener,
        name: SocketAddr,
        victim: Child,
    }

    impl Ground {
        fn new(case: &str) -> Self {
            let id = format!("shannot-landlock-{case}-{}", std::process::id());
            let dir = std::env::temp_dir().join(&id);
            let _ = fs::remove_dir_all(&dir);
            for sub in ["", "empty", "other"] {
                fs::create_dir(dir.join(sub)).expect("a fixture");
            }
            for file in ["file", "old", "moved"] {
                fs::write(dir.join(file), "content").expect("a fixture");
            }
            let name = SocketAddr::from_abstract_name(&id).expect("a name");
            Self {
                dir,
                listener: TcpListener::bind("127.0.0.1:0").expect("a listener"),
                _abstract: UnixListener::bind_addr(&name).expect("an abstract socket"),
                name,
                victim: Command::new("sleep").arg("60").spawn().expect("a process"),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.join(name)
        }

        fn node(&self, kind: rustix::fs::FileType) -> io::Result<()> {
            // Device 0: of nothing, so that an ordinary user may make the character device.
            Ok(mknodat(CWD, self.path(&format!("{kind:?}")), kind, Mode::RWXU, 0)?)
        }
    }

    impl Drop for Ground {
        fn drop(&mut self) {
            // It may have been ended by a test.
            let _ = self.victim.kill();
            let _ = self.victim.wait();
            let _ = fs::remove_dir_all(&self.dir);
        }
    }

    type Attempt = (&'static str, fn(&Ground) -> io::Result<()>);

    /// One for each right and scope.
    const ATTEMPTS: [Attempt; 16] = [
        ("WRITE_FILE", |g| File::options().write(true).open(g.path("file")).map(drop)),
        // For reading, which nothing else refuses.
        ("TRUNCATE", |g| {
            let flags = OFlags::RDONLY | OFlags::TRUNC;
            Ok(rustix::fs::open(g.path("file"), flags, Mode::empty()).map(drop)?)
        }),
        ("REMOVE_DIR", |g| fs::remove_dir(g.path("empty"))),
        ("REMOVE_FILE", |g| fs::remove_file(g.path("old"))),
        ("MAKE_CHAR", |g| g.node(rustix::fs::FileType::CharacterDevice)),
        ("MAKE_BLOCK", |g| g.node(rustix::fs::FileType::BlockDevice)),
        ("MAKE_FIFO", |g| g.node(rustix::fs::FileType::Fifo)),
        ("MAKE_SOCK", |g| UnixListener::bind(g.path("socket")).map(drop)),
        ("MAKE_DIR", |g| fs::create_dir(g.path("made"))),
        ("MAKE_REG", |g| g.node(rustix::fs::FileType::RegularFile)),
        ("MAKE_SYM", |g| std::os::unix::fs::symlink("file", g.path("link"))),
        ("REFER", |g| fs::rename(g.path("moved"), g.path("other/moved"))),
        ("BIND_TCP", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
        ("CONNECT_TCP", |g| TcpStream::connect(g.listener.local_addr()?).map(drop)),
        ("abstract sockets", |g| UnixStream::connect_addr(&g.name).map(drop)),
        ("signals", |g| {
            let pid = Pid::from_child(&g.victim);
            Ok(kill_process(pid, Signal::CONT)?)
        }),
    ];

    /// On a thread of its own, for a ruleset is for a thread and for good.
    fn attempt_all(case: &str, set: Option<OwnedFd>) -> Vec<(&'static str, bool)> {
        let ground = Ground::new(case);
        let attempts = || {
            if let Some(set) = set {
                sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).expect("no_new_privs");
                sys::landlock_restrict_self(set.as_raw_fd()).expect("Landlock");
            }
            ATTEMPTS.map(|(right, attempt)| (right, attempt(&ground).is_ok())).to_vec()
        };
        std::thread::scope(|threads| threads.spawn(attempts).join().expect("the attempts"))
    }

    #[test]
    fn every_right_is_handled() {
        let abi = super::super::landlock_abi();
        assert!(abi >= 6, "this kernel's Landlock has ABI {abi}");
        let set = ruleset(abi, 0, &[]).expect("a ruleset");
        let inside = attempt_all("inside", Some(set));
        let done: Vec<_> = inside.iter().filter(|(_, done)| *done).collect();
        assert!(done.is_empty(), "not refused: {done:?}");
        let root = rustix::process::geteuid().is_root();
        for (right, done) in attempt_all("outside", None) {
            // Only root makes one.
            assert!(done || (right == "MAKE_BLOCK" && !root), "outside, {right} works");
        }
    }
}
