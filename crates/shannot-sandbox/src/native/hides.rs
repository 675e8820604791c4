//! What a profile hides, found in the tree that a box shows.
//!
//! Patterns have a bounded prefix and depth, so this reads a few directories and never walks a
//! tree. Every path that comes out is real: without links, so that what is covered is what a
//! command would reach by any name that leads there.

use std::cell::RefCell;
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
use super::looked::Looked;
use super::scene::Scene;
use super::spec::MaskKind;
use crate::accounts;
use crate::distant::{self, is_network};
use crate::mounts::MountEntry;

/// One hidden path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hidden {
    pub(super) path: PathBuf,
    pub(super) kind: MaskKind,
    /// Its device and number if it was looked at, so that it is surely there and of that kind.
    pub(super) inode: Option<(u64, u64)>,
}

impl Hidden {
    /// Whether it is a mount that must not be looked at: that would mount something, or wait for
    /// somebody else's server.
    pub(super) fn is_distant(&self, mounts: &[MountEntry]) -> bool {
        let is_it =
            |m: &MountEntry| m.mount_point == self.path && distant::hide(&m.fstype).is_some();
        !self.seen() && mounts.iter().any(is_it)
    }

    /// Whether it was looked at.
    pub(super) fn seen(&self) -> bool {
        self.inode.is_some()
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
    /// Where it was looked, if that is asked for.
    looked: Option<RefCell<Looked>>,
}

impl View<'_> {
    fn is_distant(&self, path: &Path) -> bool {
        self.distant.iter().any(|mount| is_at_or_below(path, mount))
    }

    /// Notes that what is found at a path depends on the directories above it.
    fn look(&self, path: &Path) {
        if let Some(looked) = &self.looked {
            let mut looked = looked.borrow_mut();
            looked.add(path, |path| self.is_distant(path));
            // Others change them where this kernel does not see it.
            looked.unseen |=
                nearest(path, &self.scene.mounts).is_some_and(|m| is_network(&m.fstype));
        }
    }

    /// The same for all that is in a directory.
    fn look_into(&self, dir: &Path) {
        self.look(&dir.join("entry"));
        if let Some(looked) = &self.looked {
            let own = |m: &MountEntry| ["proc", "sysfs"].contains(&&*m.fstype);
            // The kernel tells nobody of what it makes there by itself.
            looked.borrow_mut().unseen |= nearest(dir, &self.scene.mounts).is_some_and(own);
        }
    }

    /// The file or directory that a path leads to.
    fn real(&self, path: &Path) -> io::Result<Option<Hidden>> {
        self.look(path);
        real(path, self.scene)
    }
}

/// Finds what is hidden from a user; what lies below another hidden directory is left out.
pub(super) fn find(hides: &[Hide], uid: u32, scene: &Scene) -> Result<Vec<Hidden>, Error> {
    find_noting(hides, uid, scene, None).map(|(hidden, _)| hidden)
}

/// The same, and where it was looked for.
pub(super) fn find_and_tell(
    hides: &[Hide],
    uid: u32,
    scene: &Scene,
) -> Result<(Vec<Hidden>, Looked), Error> {
    find_noting(hides, uid, scene, Some(RefCell::default()))
}

fn find_noting(
    hides: &[Hide],
    uid: u32,
    scene: &Scene,
    looked: Option<RefCell<Looked>>,
) -> Result<(Vec<Hidden>, Looked), Error> {
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let home = accounts::homes(&passwd).find(|(own, _)| *own == uid).map(|(_, home)| home);
    let mount_table = &*scene.mounts;
    let mut found = BTreeSet::new();
    mounts(mount_table, hides, &mut found);
    let distant = mount_table.iter().map(|m| &*m.mount_point);
    let distant = distant.filter(|point| found.iter().any(|h| h.path == *point)).collect();
    let mut view = View { uid, home, passwd, scene, distant, looked };
    view.look(Path::new("/etc/passwd"));
    if let Some(home) = view.home.take() {
        let real = if view.is_distant(&home) { Ok(None) } else { view.real(&home) };
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
    let looked = view.looked.as_ref().map(|looked| std::mem::take(&mut *looked.borrow_mut()));
    Ok((outer, looked.unwrap_or_default()))
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
    let Some(home) = nearest(&hidden.path, mounts) else { return Vec::new() };
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
    places.map(|path| Hidden { path, kind: hidden.kind, inode: None }).collect()
}

/// The mount in which a path lies. Of those above it the longest is the nearest; of mounts at one
/// place the last is on top.
fn nearest<'m>(path: &Path, mounts: &'m [MountEntry]) -> Option<&'m MountEntry> {
    let holds = |m: &&MountEntry| is_at_or_below(path, &m.mount_point);
    mounts.iter().filter(holds).max_by_key(|m| m.mount_point.as_os_str().len())
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
    let unseen = |path| Hidden { path, kind: MaskKind::Dir, inode: None };
    if view.is_distant(&path) {
        return Some(unseen(path));
    }
    match view.real(&path) {
        Ok(home) => home.filter(|home| home.path != Path::new("/")),
        Err(_) => Some(unseen(path)),
    }
}

fn mounts(all: &[MountEntry], hides: &[Hide], found: &mut BTreeSet<Hidden>) {
    let wanted =
        |m: &MountEntry| distant::hide(&m.fstype).is_some_and(|hide| hides.contains(&hide));
    for mount in all.iter().filter(|m| wanted(m) && m.mount_point != Path::new("/")) {
        // Not looked at: a look may hang or trigger the mount. A wrong guess is corrected when it
        // is covered.
        let path = mount.mount_point.clone();
        found.insert(Hidden { path, kind: MaskKind::Dir, inode: None });
    }
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
        match view.real(&path) {
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
    view.look_into(path);
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
    let stat = rustix::fs::fstat(&fd)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => MaskKind::Dir,
        FileType::RegularFile => MaskKind::File,
        _ => return Ok(None),
    };
    let path = if is_real {
        path.to_owned()
    } else {
        std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))?
    };
    Ok(Some(Hidden { path, kind, inode: Some((stat.st_dev, stat.st_ino)) }))
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
