//! The mount tree of a box, made by its first process under the rules of [`super::enter`].
//!
//! While it works, that process shares the descriptors of its parent: whatever is opened here is
//! closed again here.

use std::ffi::{CStr, CString};
use std::sync::atomic::{AtomicI32, Ordering};

use super::enter::Reporter;
use super::spec::{MOUNT_TABLE, MaskKind, MountStep};
use super::step::Step;
use super::sys::{self, Errno, Fd, Sys};

/// Makes some mounts, in order. The host's `/proc` is kept for [`host_tables`], if it is covered.
pub(super) fn make(steps: &[MountStep], host_proc: &AtomicI32, report: &Reporter) {
    let mut masks = Masks { dir: Tree::NONE, file: Tree::NONE };
    for step in steps {
        match step {
            MountStep::ReadOnlyTree => {
                let attr = libc::mount_attr {
                    attr_set: libc::MOUNT_ATTR_RDONLY
                        | libc::MOUNT_ATTR_NOSUID
                        | libc::MOUNT_ATTR_NODEV,
                    attr_clr: 0,
                    // Private, or what follows would be mounted on the host too.
                    propagation: libc::MS_PRIVATE,
                    userns_fd: 0,
                };
                let set = sys::mount_setattr(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, &attr);
                report.need(Step::ReadOnlyTree, set);
            }
            MountStep::Device(path) => report.need(Step::Device, allow_device(path)),
            MountStep::OwnProc => {
                let host = sys::open(c"/proc", libc::O_PATH | libc::O_CLOEXEC);
                host_proc.store(report.need(Step::OwnProc, host), Ordering::Release);
                let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                let done = sys::mount(c"proc", c"/proc", Some(c"proc"), flags, None);
                report.need(Step::OwnProc, done);
            }
            MountStep::MaskSource(at) => {
                masks = report.need(Step::Hide, Masks::new(at.as_deref()));
            }
            MountStep::Mask(path, kind) => report.need(Step::Hide, masks.cover(path, *kind)),
            MountStep::Scratch { path, options } => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                let done = sys::mount(c"tmpfs", path, Some(c"tmpfs"), flags, Some(options));
                report.need(Step::Scratch, done);
            }
        }
    }
    masks.close();
}

/// The detached mounts of the host's mount table for one command.
pub(super) type MountTable = [Fd; MOUNT_TABLE.len()];

/// Copies the host's mount table, as files of a process outside, for each command: a detached
/// mount can be attached once. From a tree that is read-only, so that these are too. `covered` is
/// the host's `/proc` where the box has covered it, and is closed.
pub(super) fn host_tables<'a>(
    sources: &[CString; MOUNT_TABLE.len()],
    covered: Fd,
    tables: impl Iterator<Item = &'a mut MountTable>,
) -> Sys {
    let proc = match covered {
        0.. => covered,
        _ => sys::open(c"/proc", libc::O_PATH | libc::O_CLOEXEC)?,
    };
    for (mount, source) in tables.flat_map(|table| table.iter_mut().zip(sources)) {
        *mount = sys::open_tree_clone(proc, source)?;
    }
    sys::close(proc);
    Ok(())
}

/// Puts the device's own mount over the device, and makes devices work on that one. By path, not
/// by descriptors, which a process that is killed would leave to its parent.
fn allow_device(path: &CStr) -> Sys {
    match sys::mount(path, path, None, libc::MS_BIND, None) {
        Err(Errno(libc::ENOENT)) => return Ok(()),
        bound => bound?,
    }
    let attr = libc::mount_attr {
        attr_set: 0,
        attr_clr: libc::MOUNT_ATTR_NODEV,
        propagation: 0,
        userns_fd: 0,
    };
    sys::mount_setattr(libc::AT_FDCWD, path, 0, &attr)
}

/// The empty file and the empty directory that hidden paths show: of one tmpfs, read-only, mode
/// 000. Not `/dev/null`, which a program would take for a device and, under `nodev`, could not
/// read.
#[derive(Clone, Copy)]
struct Masks {
    dir: Tree,
    file: Tree,
}

/// Something that mounts are copied from: a path from a descriptor.
#[derive(Clone, Copy)]
struct Tree {
    from: Fd,
    path: &'static CStr,
}

impl Tree {
    /// Of masks that are not mounted yet, of which there are none.
    const NONE: Self = Self { from: -1, path: c"" };

    fn copy(self) -> Sys<Fd> {
        sys::open_tree_clone(self.from, self.path)
    }
}

impl Masks {
    /// Mounts the tmpfs on the hidden directory `at` and copies from there. Where no directory is
    /// hidden, it is mounted on /proc for a moment, for only a mount that is attached somewhere
    /// can be copied (before Linux 6.15). That is not the rule, because a detached mount, whether
    /// detached here or never attached, takes a grace period to go.
    fn new(at: Option<&CStr>) -> Sys<Self> {
        let target = at.unwrap_or(c"/proc");
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let options = c"size=4096,nr_inodes=4,mode=0";
        sys::mount(c"tmpfs", target, Some(c"tmpfs"), flags, Some(options))?;
        let root = sys::open(target, libc::O_PATH | libc::O_CLOEXEC)?;
        sys::make_file(root, c"hidden", 0)?;
        let attr = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_RDONLY,
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        sys::mount_setattr(root, c"", libc::AT_EMPTY_PATH, &attr)?;
        let attached = Self {
            dir: Tree { from: root, path: c"" },
            file: Tree { from: root, path: c"hidden" },
        };
        if at.is_some() {
            return Ok(attached);
        }
        let dir = Tree { from: attached.dir.copy()?, path: c"" };
        let file = Tree { from: attached.file.copy()?, path: c"" };
        sys::close(root);
        sys::detach(target)?;
        Ok(Self { dir, file })
    }

    fn cover(self, path: &CStr, kind: MaskKind) -> Sys {
        let (first, second) = match kind {
            MaskKind::Dir => (self.dir, self.file),
            MaskKind::File => (self.file, self.dir),
        };
        match Self::put(first, path) {
            // Gone since the box was prepared: there is nothing left to hide.
            Err(Errno(libc::ENOENT)) => Ok(()),
            // Closed to this user, who has more rights here than the commands will have. Looked
            // at again, for a security module may answer the same of the mount.
            Err(Errno(libc::EACCES)) if is_closed(path) => Ok(()),
            // Mount points are not looked at before, so their kind was a guess.
            Err(Errno(libc::ENOTDIR | libc::EINVAL)) => Self::put(second, path),
            other => other,
        }
    }

    /// Closes what is copied from; the copies stay.
    fn close(self) {
        if self.dir.from >= 0 {
            sys::close(self.dir.from);
        }
        // Never one number twice: it could be somebody else's by then.
        if self.file.from >= 0 && self.file.from != self.dir.from {
            sys::close(self.file.from);
        }
    }

    fn put(source: Tree, path: &CStr) -> Sys {
        let copy = source.copy()?;
        let attached = sys::attach(copy, path);
        sys::close(copy);
        attached
    }
}

/// Whether a path cannot be walked to.
fn is_closed(path: &CStr) -> bool {
    match sys::open(path, libc::O_PATH | libc::O_CLOEXEC) {
        Err(Errno(libc::EACCES)) => true,
        Err(_) => false,
        Ok(fd) => {
            sys::close(fd);
            false
        }
    }
}
