//! Inside a box that bwrap has made: this program once more, as the box's first process. It does what
//! is left of the list in [`super::enter`] and goes on as [`super::init`].

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::atomic::AtomicI32;
use std::sync::{Arc, OnceLock};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use shannot_policy::plan::HARMLESS_DEVICES;

use super::enter::{Reporter, default_signals, fit_out};
use super::handover;
use super::lent::Lent;
use super::spec::{HullShared, HullSpec};
use super::step::Step;
use super::sys::{self, Errno, Fd, SignalMask, Sys};
use crate::mounts::{self, MountEntry};

/// The word by which a program is asked to go on inside a box; the number of a descriptor follows.
pub(super) const WORD: &str = "--go-on-inside-a-box";

/// Goes on inside a box if that is what this process was started for, and never comes back then.
/// To be called first of all, with the words of the command line, by the program that
/// [`crate::Host::with_stage_two`] names.
///
/// # Errors
/// What was handed over cannot be read; whoever asked is told by this process's end.
pub fn stage_two(words: &[OsString]) -> io::Result<()> {
    match words {
        [_, word, fd] if word == WORD => {
            go_on(fd.to_str().and_then(|fd| fd.parse().ok())).map(|never| match never {})
        }
        _ => Ok(()),
    }
}

fn go_on(fd: Option<Fd>) -> io::Result<Infallible> {
    let wrong = || io::Error::other("a box was not handed over as it should be");
    let bytes = fs::read(format!("/proc/self/fd/{}", fd.ok_or_else(wrong)?))?;
    let handed = handover::read(&bytes).ok_or_else(wrong)?;
    // What the commands run as could look at this process otherwise.
    let none = rustix::process::DumpableBehavior::NotDumpable;
    rustix::process::set_dumpable_behavior(none)?;
    // They are read, as in every box.
    let _ = sys::set_signal_mask(SignalMask::MAX);
    let (place, run) = (handed.place, handed.run);
    let hull = HullShared {
        spec: Arc::new(HullSpec::nothing()),
        init_pid: AtomicI32::new(1),
        status: place.status,
        control: handed.control,
        supervisor: -1,
        host_mounts: -1,
        proc: -1,
        inbox: None,
        lent: Lent::nothing(),
        mounts: OnceLock::new(),
        place: OnceLock::new(),
        run: OnceLock::new(),
    };
    default_signals();
    let report = Reporter::new(place.status, 0);
    report.need(Step::Verify, verify(&place.spec.scratch_rules));
    fit_out(&hull, &place, &run, None, &report)
}

/// Whether bwrap has made what it was asked for: it passes over mounts that it cannot reach, and its
/// word is not taken for the rest.
fn verify(scratch: &[CString]) -> Sys {
    let table = mounts::read("/proc/self/mountinfo").map_err(|_| Errno(libc::EIO))?;
    let is_closed = |mount: &MountEntry| {
        let place = mount.mount_point.as_os_str().as_bytes();
        let device = HARMLESS_DEVICES.iter().any(|device| place == device.as_bytes());
        let scratch =
            mount.fstype == "tmpfs" && scratch.iter().any(|path| place == path.as_bytes());
        mount.has("nosuid")
            && (device || mount.has("nodev"))
            && (device || scratch || mount.has("ro"))
    };
    if table.iter().any(|mount| !is_closed(mount) && is_reachable(mount)) {
        return Err(Errno(libc::EROFS));
    }
    Ok(())
}

/// Whether this user, who has no more rights than the commands will have, can walk to a mount.
/// Nobody can to one with another on top: both have the same path.
fn is_reachable(mount: &MountEntry) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::STATX_DONT_SYNC;
    match statx(CWD, &mount.mount_point, flags, StatxFlags::MNT_ID) {
        Err(rustix::io::Errno::ACCESS) => false,
        Err(_) => true,
        Ok(found) => found.stx_mnt_id == mount.id,
    }
}
