//! What a profile hides, found in the tree that a box shows.
//!
//! Patterns have a bounded prefix and depth, so this reads a few directories and never walks a
//! tree. Every path that comes out is real: without links, so that what is covered is what a
//! command would reach by any name that leads there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component as PathComponent, Path, PathBuf};

use rustix::fs::{CWD, Dir, DirEntry, FileType, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use shannot_policy::plan::Hide;
use shannot_policy::profile::{Anchor, Component, PathPattern};

use super::error::Error;
use super::scene::Scene;
use super::spec::MaskKind;
use crate::accounts;
use crate::mounts::MountEntry;

/// One hidden path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hidden {
    pub(super) path: PathBuf,
    pub(super) kind: MaskKind,
    /// Whether it was looked at, so that it is surely there and of that kind.
    pub(super) seen: bool,
}

impl Hidden {
    /// Whether it is a mount that must not be looked at: that would mount something, or wait for
    /// somebody else's server.
    pub(super) fn is_distant(&self, mounts: &[MountEntry]) -> bool {
        let is_it = |m: &MountEntry| m.mount_point == self.path && distant(&m.fstype).is_some();
        !self.seen && mounts.iter().any(is_it)
    }
}

/// Whose box it is, and what it would show.
struct View<'a> {
    uid: u32,
    home: Option<PathBuf>,
    /// `/etc/passwd`.
    passwd: Vec<u8>,
    scene: &'a Scene,
    /// Mounts that are hidden as a whole and not looked into: that would mount something, or wait
    /// for somebody else's server, perhaps for ever.
    distant: Vec<&'a Path>,
}

impl View<'_> {
    fn is_distant(&self, path: &Path) -> bool {
        self.distant.iter().any(|mount| is_at_or_below(path, mount))
    }
}

/// Finds what is hidden from a user; what lies below another hidden directory is left out.
pub(super) fn find(hides: &[Hide], uid: u32, scene: &Scene) -> Result<Vec<Hidden>, Error> {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let home = accounts::homes(&passwd).find(|(own, _)| *own == uid).map(|(_, home)| home);
    let mount_table = &*scene.mounts;
    let mut found = BTreeSet::new();
    mounts(mount_table, hides, &mut found);
    let distant = mount_table.iter().map(|m| &*m.mount_point);
    let distant = distant.filter(|point| found.iter().any(|h| h.path == *point)).collect();
    let mut view = View { uid, home, passwd, scene, distant };
    if let Some(home) = view.home.take() {
        let real = if view.is_distant(&home) { Ok(None) } else { real(&home, scene) };
        view.home = Some(real.ok().flatten().map_or(home, |real| real.path));
    }
    let view = &view;
    let homes_hidden = hides.contains(&Hide::OtherHomes);
    for hide in hides {
        match hide {
            Hide::Pattern(pattern) => {
                let own_home_hidden = homes_hidden && uid == 0;
                if pattern.anchor() == Anchor::Home && own_home_hidden {
                    continue;
                }
                expand(pattern, view, &mut found)?;
            }
            Hide::OtherHomes => other_homes(view, &mut found),
            Hide::Automounts | Hide::NetworkFilesystems => {}
        }
    }
    let aliases: Vec<Hidden> = found.iter().flat_map(|h| aliases(h, mount_table)).collect();
    found.extend(aliases);
    // In order of paths a directory comes before what lies below it.
    let mut outer: Vec<Hidden> = Vec::with_capacity(found.len());
    for hidden in found {
        let covered = |o: &Hidden| o.kind == MaskKind::Dir && is_at_or_below(&hidden.path, &o.path);
        if !outer.iter().any(covered) {
            outer.push(hidden);
        }
    }
    Ok(outer)
}

/// Whether a path is `dir` or below it; both absolute and as the kernel writes them. Asked
/// hundreds of times, for which [`Path::starts_with`] is slow.
fn is_at_or_below(path: &Path, dir: &Path) -> bool {
    let (path, dir) = (path.as_os_str().as_bytes(), dir.as_os_str().as_bytes());
    path.strip_prefix(dir.strip_suffix(b"/").unwrap_or(dir))
        .is_some_and(|below| below.is_empty() || below.starts_with(b"/"))
}

/// Whether a path lies, by its name alone, at or below something hidden.
pub(super) fn covers(hidden: &[Hidden], path: &Path) -> bool {
    hidden.iter().any(|h| is_at_or_below(path, &h.path))
}

/// Whether a path leads through a link of `/proc`, which can name any place of the tree and whose
/// name tells nothing of where that is.
pub(super) fn is_by_magic_link(path: &Path) -> bool {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let opened = openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS);
    matches!(opened, Err(Errno::LOOP))
}

/// Other places at which the mounts of this host show what is hidden: a file system, or a part of
/// it, can be mounted more than once.
fn aliases(hidden: &Hidden, mounts: &[MountEntry]) -> Vec<Hidden> {
    // Of those above a path the longest is the nearest; of mounts at one place the last is on top.
    let holds = |m: &&MountEntry| is_at_or_below(&hidden.path, &m.mount_point);
    let nearest = mounts.iter().filter(holds).max_by_key(|m| m.mount_point.as_os_str().len());
    let Some(home) = nearest else { return Vec::new() };
    let Ok(below) = hidden.path.strip_prefix(&home.mount_point) else { return Vec::new() };
    let in_fs = home.root.join(below);
    let others = mounts.iter().filter(|m| m.device == home.device);
    let places = others.filter_map(|m| {
        let below = in_fs.strip_prefix(&m.root).ok()?;
        // Joining an empty path would add a slash.
        let place = if below.as_os_str().is_empty() {
            m.mount_point.clone()
        } else {
            m.mount_point.join(below)
        };
        (place != hidden.path && place != Path::new("/")).then_some(place)
    });
    // Not looked at: another mount may lie on top.
    places.map(|path| Hidden { path, kind: hidden.kind, seen: false }).collect()
}

/// Every home but that of the user who runs; for root, which owns the box's supervisor but not
/// the box, every home.
fn other_homes(view: &View<'_>, found: &mut BTreeSet<Hidden>) {
    let own = view.home.as_deref().filter(|_| view.uid != 0);
    let mut homes: BTreeSet<PathBuf> = [PathBuf::from("/root")].into();
    let top = Path::new("/home");
    for entry in entries(top, view).into_iter().flatten() {
        if entry.file_type() == FileType::Directory {
            homes.insert(top.join(OsStr::from_bytes(entry.file_name().to_bytes())));
        }
    }
    let people = accounts::homes(&view.passwd)
        .filter(|(uid, home)| (1000..65534).contains(uid) && home.components().count() > 2);
    homes.extend(people.map(|(_, home)| home));
    for home in homes.into_iter().filter_map(|path| real_home(path, view)) {
        // A home above our own cannot be hidden without hiding ours.
        if own.is_none_or(|own| !own.starts_with(&home.path)) {
            found.insert(home);
        }
    }
}

/// Where a home really is, if links lead there: what is covered must be what they lead to. One that
/// leads to `/` is nobody's.
fn real_home(path: PathBuf, view: &View<'_>) -> Option<Hidden> {
    let unseen = |path| Hidden { path, kind: MaskKind::Dir, seen: false };
    if view.is_distant(&path) {
        return Some(unseen(path));
    }
    match real(&path, view.scene) {
        Ok(home) => home.filter(|home| home.path != Path::new("/")),
        Err(_) => Some(unseen(path)),
    }
}

fn mounts(all: &[MountEntry], hides: &[Hide], found: &mut BTreeSet<Hidden>) {
    let wanted = |m: &MountEntry| distant(&m.fstype).is_some_and(|hide| hides.contains(&hide));
    for mount in all.iter().filter(|m| wanted(m) && m.mount_point != Path::new("/")) {
        // Not looked at: a look may hang or trigger the mount. A wrong guess is corrected when it
        // is covered.
        let path = mount.mount_point.clone();
        found.insert(Hidden { path, kind: MaskKind::Dir, seen: false });
    }
}

/// By what mounts of a type are hidden as a whole.
fn distant(fstype: &str) -> Option<Hide> {
    match fstype {
        _ if is_automount(fstype) => Some(Hide::Automounts),
        _ if is_network(fstype) => Some(Hide::NetworkFilesystems),
        _ => None,
    }
}

pub(super) fn is_automount(fstype: &str) -> bool {
    fstype == "autofs"
}

/// File systems whose reads leave this host or wait for a process. `fuse.lxcfs` stays: a
/// container's own `/proc/meminfo` is such a mount.
pub(super) fn is_network(fstype: &str) -> bool {
    const NETWORK: [&str; 13] = [
        "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuseblk", "gfs2", "lustre", "nfs", "nfs4",
        "ocfs2", "smb3",
    ];
    fstype != "fuse.lxcfs"
        && (NETWORK.contains(&fstype) || fstype == "fuse" || fstype.starts_with("fuse."))
}

/// Adds every file and directory that a pattern matches.
fn expand(
    pattern: &PathPattern,
    view: &View<'_>,
    found: &mut BTreeSet<Hidden>,
) -> Result<(), Error> {
    let start = match (pattern.anchor(), &view.home) {
        (Anchor::Root, _) => PathBuf::from("/"),
        (Anchor::Home, Some(home)) => home.clone(),
        (Anchor::Home, None) => return Ok(()),
    };
    let failed = |source: io::Error| Error::Hide { pattern: pattern.to_string(), source };
    let paths = match pattern.plain() {
        Some("") => vec![start],
        Some(below) => vec![start.join(below)],
        None => matching(start, &pattern.components(), view).map_err(failed)?,
    };
    for path in paths {
        if view.is_distant(&path) {
            continue;
        }
        match real(&path, view.scene) {
            Ok(Some(hidden)) if hidden.path == Path::new("/") => {
                return Err(failed(io::Error::other("it leads to `/`")));
            }
            Ok(Some(hidden)) => {
                found.insert(hidden);
            }
            Ok(None) => {}
            Err(e) if out_of_reach(&e) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(())
}

/// The paths below `start` that the components match.
fn matching(start: PathBuf, components: &[Component], view: &View<'_>) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![start];
    for component in components {
        match component {
            Component::Literal(name) => paths.iter_mut().for_each(|p| p.push(name)),
            Component::Glob(_) => {
                let mut next = Vec::new();
                for dir in &paths {
                    let entries = match entries(dir, view) {
                        Ok(entries) => entries,
                        Err(e) if out_of_reach(&e) => continue,
                        Err(e) => return Err(e),
                    };
                    let names = entries.iter().map(|entry| entry.file_name().to_bytes());
                    let meant = names.filter(|name| component.matches(name));
                    next.extend(meant.map(|name| dir.join(OsStr::from_bytes(name))));
                }
                paths = next;
            }
        }
    }
    Ok(paths)
}

/// The entries of a directory but `.` and `..`; of a distant one none.
fn entries(path: &Path, view: &View<'_>) -> io::Result<Vec<DirEntry>> {
    if view.is_distant(path) {
        return Ok(Vec::new());
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK;
    let dir = Dir::new(view.scene.at(path, flags, ResolveFlags::empty())?)?;
    let itself = |entry: &DirEntry| matches!(entry.file_name().to_bytes(), b"." | b"..");
    Ok(dir.filter(|e| !e.as_ref().is_ok_and(itself)).collect::<rustix::io::Result<_>>()?)
}

/// What is not there, or closed to this user and so to the box.
fn out_of_reach(e: &io::Error) -> bool {
    let known = [Errno::NOENT, Errno::NOTDIR, Errno::ACCESS, Errno::LOOP, Errno::NAMETOOLONG];
    e.raw_os_error().is_some_and(|raw| known.contains(&Errno::from_raw_os_error(raw)))
}

/// The file or directory that a path leads to. A link to a device, such as a history file that
/// is a link to `/dev/null`, hides nothing.
fn real(path: &Path, scene: &Scene) -> io::Result<Option<Hidden>> {
    // Without a link in it, a path is the real one. Any other answer than these is asked again.
    let (fd, is_real) = match scene.at(path, OFlags::PATH, ResolveFlags::NO_SYMLINKS) {
        Ok(fd) => (fd, !path.components().any(|c| c == PathComponent::ParentDir)),
        Err(e @ (Errno::NOENT | Errno::NOTDIR | Errno::ACCESS)) => return Err(e.into()),
        Err(_) => (scene.at(path, OFlags::PATH, ResolveFlags::empty())?, false),
    };
    let kind = match FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) {
        FileType::Directory => MaskKind::Dir,
        FileType::RegularFile => MaskKind::File,
        _ => return Ok(None),
    };
    let path = if is_real {
        path.to_owned()
    } else {
        std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?
    };
    Ok(Some(Hidden { path, kind, seen: true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_begins_like_a_directory_is_not_below_it() {
        for (path, dir, below) in [
            ("/root", "/root", true),
            ("/root/x", "/root", true),
            ("/rootfs", "/root", false),
            ("/roo", "/root", false),
            ("/etc", "/", true),
            ("/", "/", true),
        ] {
            assert_eq!(is_at_or_below(Path::new(path), Path::new(dir)), below, "{path} in {dir}");
        }
    }
}
