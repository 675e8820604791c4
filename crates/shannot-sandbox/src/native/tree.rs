//! The mount tree of a box, made by its first process under the rules of [`super::enter`].
//!
//! While it works, that process shares the descriptors of its parent: whatever is opened here is
//! noted in [`Lent`].

use std::ffi::{CStr, CString};

use super::enter::Reporter;
use super::lent::{Lent, Slot};
use super::spec::{MOUNT_TABLE, MaskKind, MountStep};
use super::step::Step;
use super::sys::{self, Errno, Fd, Sys};

/// Makes some mounts, in order.
pub(super) fn make(steps: &[MountStep], lent: &Lent, report: &Reporter) {
    let mut masks = Masks { lent, file: c"" };
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
            MountStep::OwnProc => report.need(Step::OwnProc, own_proc(&lent.host_proc)),
            MountStep::MaskSource(at) => {
                masks = report.need(Step::Hide, Masks::new(at.as_deref(), lent));
            }
            MountStep::Mask(path, kind) => report.need(Step::Hide, masks.cover(path, *kind)),
            MountStep::Scratch { path, options } => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                let done = sys::mount(c"tmpfs", path, Some(c"tmpfs"), flags, Some(options));
                report.need(Step::Scratch, done);
            }
        }
    }
    // The copies stay.
    lent.mask_dir.close();
    lent.mask_file.close();
}

/// Covers the host's `/proc`, which is kept for [`host_table`].
fn own_proc(host: &Slot) -> Sys {
    host.note(sys::open(c"/proc", libc::O_PATH | libc::O_CLOEXEC)?);
    let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    sys::mount(c"proc", c"/proc", Some(c"proc"), flags, None)
}

/// Lends the parent what it needs to find what is hidden: in this tree, not in the host's, which
/// may have changed since this one was copied.
pub(super) fn lend(lent: &Lent) -> Sys {
    lent.mount_table.note(sys::open(c"/proc/self/mountinfo", libc::O_RDONLY | libc::O_CLOEXEC)?);
    lent.root.note(sys::open(c"/", libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC)?);
    Ok(())
}

/// Shows this process the host's mount table in place of its own: files of a process outside, from the
/// host's `/proc`. From a tree that is read-only, so that these are too. Leaves this process in that
/// directory: a covered one has no path but from within, and a bind mount by path is half the work of a
/// copy that is attached.
pub(super) fn host_table(sources: &[CString; MOUNT_TABLE.len()], host_proc: Fd) -> Sys {
    sys::fchdir(host_proc)?;
    for (source, (_, own)) in sources.iter().zip(MOUNT_TABLE) {
        sys::mount(source, own, None, libc::MS_BIND, None)?;
    }
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
struct Masks<'a> {
    /// Both are copied from its descriptors.
    lent: &'a Lent,
    /// The path of the file from its descriptor.
    file: &'static CStr,
}

impl<'a> Masks<'a> {
    /// Mounts the tmpfs on the hidden directory `at` and copies from there. Where no directory is
    /// hidden, it is mounted on /proc for a moment, for only a mount that is attached somewhere
    /// can be copied (before Linux 6.15). That is not the rule, because a detached mount, whether
    /// detached here or never attached, takes a grace period to go.
    fn new(at: Option<&CStr>, lent: &'a Lent) -> Sys<Self> {
        let target = at.unwrap_or(c"/proc");
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let options = c"size=4096,nr_inodes=4,mode=0";
        sys::mount(c"tmpfs", target, Some(c"tmpfs"), flags, Some(options))?;
        let open = || sys::open(target, libc::O_PATH | libc::O_CLOEXEC);
        let root = lent.mask_dir.note(open()?);
        sys::make_file(root, c"hidden", 0)?;
        let attr = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_RDONLY,
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        sys::mount_setattr(root, c"", libc::AT_EMPTY_PATH, &attr)?;
        if at.is_some() {
            lent.mask_file.note(open()?);
            return Ok(Self { lent, file: c"hidden" });
        }
        lent.mask_file.note(sys::open_tree_clone(root, c"hidden")?);
        let dir = sys::open_tree_clone(root, c"")?;
        lent.mask_dir.close();
        lent.mask_dir.note(dir);
        sys::detach(target)?;
        Ok(Self { lent, file: c"" })
    }

    fn cover(&self, path: &CStr, kind: MaskKind) -> Sys {
        let other = match kind {
            MaskKind::Dir => MaskKind::File,
            MaskKind::File => MaskKind::Dir,
        };
        match self.put(kind, path) {
            // Gone since it was found: there is nothing left to hide.
            Err(Errno(libc::ENOENT)) => Ok(()),
            // Closed to this user, who has more rights here than the commands will have. Looked
            // at again, for a security module may answer the same of the mount.
            Err(Errno(libc::EACCES)) if is_closed(path, &self.lent.brief) => Ok(()),
            // Mount points are not looked at before, so their kind was a guess.
            Err(Errno(libc::ENOTDIR | libc::EINVAL)) => self.put(other, path),
            done => done,
        }
    }

    fn put(&self, kind: MaskKind, path: &CStr) -> Sys {
        let (from, below) = match kind {
            MaskKind::Dir => (&self.lent.mask_dir, c""),
            MaskKind::File => (&self.lent.mask_file, self.file),
        };
        let from = from.get().ok_or(Errno(libc::EBADF))?;
        let copy = self.lent.brief.note(sys::open_tree_clone(from, below)?);
        let attached = sys::attach(copy, path);
        self.lent.brief.close();
        attached
    }
}

/// Whether a path cannot be walked to.
fn is_closed(path: &CStr, brief: &Slot) -> bool {
    match sys::open(path, libc::O_PATH | libc::O_CLOEXEC) {
        Err(Errno(libc::EACCES)) => true,
        Err(_) => false,
        Ok(fd) => {
            brief.note(fd);
            brief.close();
            false
        }
    }
}
