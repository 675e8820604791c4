//! Facts about this host and process that do not change while it runs. What does, such as mounts,
//! is read for each box.

use std::io;
use std::path::PathBuf;

use shannot_policy::plan::HostFacts;
use shannot_policy::plan::seccomp::{Arch, Ticket};

use rustix::thread::{CapabilitySet, capabilities, capability_is_in_bounding_set};

use crate::{accounts, native};

/// Facts about this host and this process.
#[derive(Debug, Clone)]
pub struct Host {
    /// Effective user of this process.
    pub uid: u32,
    /// Effective group of this process.
    pub gid: u32,
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// The kernel's Landlock ABI; 0 where there is none.
    pub landlock_abi: u32,
    /// Capabilities that this process may use, as bits.
    pub(crate) effective_caps: u64,
    /// Every capability this kernel knows, as bits.
    pub(crate) all_caps: u64,
    /// Whether this process ignores `SIGCHLD`: the kernel then reaps what it executes, and how
    /// that ended is lost. `wait(2)`.
    pub(crate) ignores_children: bool,
    /// The hard limit of open files.
    pub(crate) open_files: u64,
    /// What goes on inside a box of another's making.
    pub(crate) stage_two: Option<PathBuf>,
}

impl Host {
    /// Reads the facts.
    pub fn read() -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            landlock_abi: native::landlock_abi(),
            effective_caps: capabilities(None).map_or(0, |sets| sets.effective.bits()),
            all_caps: all_caps(),
            ignores_children: native::ignores_children(),
            open_files: limit.maximum.unwrap_or(u64::MAX),
            stage_two: None,
        }
    }

    /// Names a program that calls [`crate::stage_two`] first of all, which tier T3 needs: this one,
    /// for a program that does.
    #[must_use]
    pub fn with_stage_two(self, program: PathBuf) -> Self {
        Self { stage_two: Some(program), ..self }
    }

    /// The groups `adm` and `systemd-journal`, where `/etc/group` has them now.
    pub fn log_groups(&self) -> Vec<u32> {
        let groups = std::fs::read("/etc/group").unwrap_or_default();
        let id = |name| accounts::group_id(&groups, name);
        ["adm", "systemd-journal"].into_iter().filter_map(id).collect()
    }

    /// What a [`shannot_policy::Plan`] is made from.
    ///
    /// # Errors
    /// The kernel gave no random bytes.
    pub fn facts(&self) -> io::Result<HostFacts> {
        Ok(HostFacts {
            arch: Arch::X86_64,
            ticket: ticket()?,
            landlock_abi: self.landlock_abi,
            log_groups: self.log_groups(),
        })
    }
}

/// A number that nobody can guess.
pub(crate) fn ticket() -> io::Result<Ticket> {
    let mut ticket = [0u8; 8];
    rustix::rand::getrandom(&mut ticket, rustix::rand::GetRandomFlags::empty())?;
    Ok(Ticket(u64::from_ne_bytes(ticket)))
}

/// Every capability that this kernel knows, as bits. They are numbered without gaps.
fn all_caps() -> u64 {
    let is_known = |n: u32| {
        // EINVAL for one that the kernel does not know, `PR_CAPBSET_READ`.
        capability_is_in_bounding_set(CapabilitySet::from_bits_retain(1 << n)).is_ok()
    };
    let (mut known, mut unknown) = (0, 64);
    while known < unknown {
        let middle = u32::midpoint(known, unknown);
        if is_known(middle) {
            known = middle + 1;
        } else {
            unknown = middle;
        }
    }
    if known == 64 { u64::MAX } else { (1 << known) - 1 }
}
