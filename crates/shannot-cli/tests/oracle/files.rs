//! What an observer sees of files, who leaves no trace by looking.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};

use crate::harness::digest;
use crate::snapshot::{Kind, Snapshot};

/// How closely a tree is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The oracle's own: everything.
    Own,
    /// Everything, but that a read by anybody may be seen only where none of others is.
    Content,
    /// Everything but content and times of reads.
    Metadata,
    /// Type, mode, owner and number: the rest changes with use.
    Node,
}

/// Looks at a tree down to a depth; what is not there is not seen.
pub(crate) fn tree(seen: &mut Snapshot, root: &Path, depth: usize, look: Look) {
    let Ok(meta) = fs::symlink_metadata(root) else { return };
    note(seen, root, &meta, look);
    if !meta.is_dir() || depth == 0 {
        return;
    }
    for name in names(root) {
        tree(seen, &root.join(name), depth - 1, look);
    }
}

fn note(seen: &mut Snapshot, path: &Path, m: &fs::Metadata, look: Look) {
    let name = path.display().to_string();
    let node = format!("mode {:o} owner {}:{} ino {}", m.mode(), m.uid(), m.gid(), m.ino());
    if look == Look::Node {
        return seen.note(Kind::File, name, format!("{node} rdev {}", m.rdev()));
    }
    let times =
        format!("mtime {}.{} ctime {}.{}", m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    let (size, links, rdev) = (m.size(), m.nlink(), m.rdev());
    let mut is = format!("{node} size {size} links {links} rdev {rdev} {times}");
    if look != Look::Metadata {
        if m.is_file() {
            let content =
                read(path).map_or_else(|e| e.to_string(), |c| format!("{:x}", digest(&c)));
            is.push_str(&format!(" content {content}"));
        }
        if look == Look::Own || reads_are_seen(path) {
            seen.note(Kind::Atime, name.clone(), format!("{}.{}", m.atime(), m.atime_nsec()));
        }
    }
    seen.note(Kind::File, name.clone(), is);
    let attributes = attributes(path, m, look);
    if !attributes.is_empty() {
        seen.note(Kind::Attribute, name, attributes);
    }
}

/// Whether times of reads can be compared where others read too: once it is read, a file of a
/// `relatime` mount keeps its time for a day. See [`be_read`].
fn reads_are_seen(path: &Path) -> bool {
    let once = StatVfsMountFlags::RELATIME | StatVfsMountFlags::NOATIME;
    rustix::fs::statvfs(path).is_ok_and(|s| s.f_flag.intersects(once))
}

/// Reads a tree as anybody might, so that no later read is the first.
pub(crate) fn be_read(root: &Path) {
    // What cannot be read by this user is read by nobody else in a test.
    if let Ok(entries) = fs::read_dir(root) {
        for entry in entries.flatten() {
            be_read(&entry.path());
        }
    } else if fs::symlink_metadata(root).is_ok_and(|m| m.is_symlink()) {
        let _ = fs::read_link(root);
    } else if fs::symlink_metadata(root).is_ok_and(|m| m.is_file()) {
        let _ = fs::read(root);
    }
}

/// Opens for reading without a trace, where that may be: by the owner and by root.
fn open(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    rustix::fs::openat(CWD, path, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| rustix::fs::openat(CWD, path, flags, Mode::empty()))
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    fs::File::from(open(path, OFlags::empty())?).read_to_end(&mut content)?;
    Ok(content)
}

/// The names in a directory; none where this user may not list it.
pub(crate) fn names(dir: &Path) -> Vec<PathBuf> {
    let listed = open(dir, OFlags::DIRECTORY).and_then(rustix::fs::Dir::new);
    let names = listed.into_iter().flatten().flatten();
    let names = names.map(|e| PathBuf::from(OsStr::from_bytes(e.file_name().to_bytes())));
    names.filter(|n| n.as_os_str() != "." && n.as_os_str() != "..").collect()
}

/// Extended attributes, POSIX access lists and capabilities among them, and flags as of `lsattr`.
fn attributes(path: &Path, m: &fs::Metadata, look: Look) -> String {
    let mut buffer = vec![0; 1 << 14];
    let length = rustix::fs::llistxattr(path, &mut *buffer).unwrap_or(0);
    let mut all = String::new();
    for name in buffer[..length].split(|b| *b == 0).filter(|n| !n.is_empty()) {
        let mut value = vec![0; 1 << 14];
        let length = rustix::fs::lgetxattr(path, name, &mut *value).unwrap_or(0);
        all.push_str(&format!("{}={:x} ", String::from_utf8_lossy(name), digest(&value[..length])));
    }
    let kind = m.file_type();
    if look != Look::Metadata && (kind.is_file() || kind.is_dir()) {
        // Not every file system has flags.
        let flags = open(path, OFlags::empty()).and_then(|f| rustix::fs::ioctl_getflags(&f));
        all.push_str(&flags.map_or(String::new(), |f| format!("flags {:x}", f.bits())));
    }
    all
}
