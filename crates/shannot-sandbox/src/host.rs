//! Facts about this host that a plan and a box need, read once and changed by nobody here.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use shannot_policy::plan::HostFacts;
use shannot_policy::plan::seccomp::{Arch, Ticket};

use rustix::thread::{CapabilitySet, capabilities, capability_is_in_bounding_set};

use crate::native;

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
    /// The groups `adm` and `systemd-journal`, where `/etc/group` has them.
    pub log_groups: Vec<u32>,
    /// The home directory that `/etc/passwd` gives this user.
    pub home: Option<PathBuf>,
    /// The mount table of this process.
    pub mounts: Vec<MountEntry>,
    /// Capabilities that this process may use, as bits.
    pub(crate) effective_caps: u64,
    /// Capabilities that this process or a program it executes may ever get, as bits.
    pub(crate) bounding_caps: u64,
    /// Every capability this kernel knows, as bits.
    pub(crate) all_caps: u64,
    /// Whether this process ignores `SIGCHLD`: the kernel then reaps what it executes, and how
    /// that ended is lost. `wait(2)`.
    pub(crate) ignores_children: bool,
    /// The hard limit of open files.
    pub(crate) open_files: u64,
}

/// One line of `/proc/<pid>/mountinfo`, `proc_pid_mountinfo(5)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountEntry {
    /// The file system, as its device number.
    pub device: String,
    /// Which directory of its file system is mounted.
    pub root: PathBuf,
    /// Where.
    pub mount_point: PathBuf,
    /// The file system's type.
    pub fstype: String,
    /// Options of the file system (not of the mount).
    pub super_options: String,
}

/// A fact that could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{path}`, which a box needs")]
pub struct HostError {
    path: &'static str,
    source: io::Error,
}

impl Host {
    /// Reads the facts.
    ///
    /// # Errors
    /// Without a readable `/proc` there can be no box: it tells what to hide and what to show.
    pub fn read() -> Result<Self, HostError> {
        let uid = rustix::process::geteuid().as_raw();
        let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
        let groups = std::fs::read("/etc/group").unwrap_or_default();
        let (all_caps, bounding_caps) = bounding_caps();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Ok(Self {
            uid,
            gid: rustix::process::getegid().as_raw(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            landlock_abi: native::landlock_abi(),
            log_groups: ["adm", "systemd-journal"]
                .into_iter()
                .filter_map(|name| group_id(&groups, name))
                .collect(),
            home: home_of(&passwd, uid),
            mounts: parse_mountinfo(&read_bytes("/proc/self/mountinfo")?),
            effective_caps: capabilities(None).map_or(0, |sets| sets.effective.bits()),
            bounding_caps,
            all_caps,
            ignores_children: native::ignores_children(),
            open_files: limit.maximum.unwrap_or(u64::MAX),
        })
    }

    /// What a [`shannot_policy::Plan`] is made from.
    ///
    /// # Errors
    /// The kernel gave no random bytes.
    pub fn facts(&self) -> io::Result<HostFacts> {
        let mut ticket = [0u8; 8];
        rustix::rand::getrandom(&mut ticket, rustix::rand::GetRandomFlags::empty())?;
        Ok(HostFacts {
            arch: Arch::X86_64,
            ticket: Ticket(u64::from_ne_bytes(ticket)),
            landlock_abi: self.landlock_abi,
            log_groups: self.log_groups.clone(),
        })
    }
}

fn read_bytes(path: &'static str) -> Result<Vec<u8>, HostError> {
    std::fs::read(path).map_err(|source| HostError { path, source })
}

/// Every capability that this kernel knows, and those in this thread's bounding set, as bits.
fn bounding_caps() -> (u64, u64) {
    let (mut known, mut bounding) = (0, 0);
    for capability in (0..64).map(|n| CapabilitySet::from_bits_retain(1 << n)) {
        // EINVAL for the first that the kernel does not know, `PR_CAPBSET_READ`.
        let Ok(held) = capability_is_in_bounding_set(capability) else { break };
        known |= capability.bits();
        if held {
            bounding |= capability.bits();
        }
    }
    (known, bounding)
}

/// Fields of the lines of a file in the form of `passwd(5)` and `group(5)`.
pub(crate) fn records(file: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    file.split(|b| *b == b'\n').map(|line| line.split(|b| *b == b':').collect())
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

fn group_id(groups: &[u8], name: &str) -> Option<u32> {
    records(groups)
        .find(|f| f.first().copied() == Some(name.as_bytes()))
        .and_then(|f| number(f.get(2)?))
}

fn home_of(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    let entry = records(passwd).find(|f| f.get(2).copied().and_then(number) == Some(uid))?;
    let home = PathBuf::from(OsString::from_vec(entry.get(5)?.to_vec()));
    (home.is_absolute() && home != Path::new("/")).then_some(home)
}

/// Reads a mount table; a line that is not as the kernel writes it is passed over.
pub(crate) fn parse_mountinfo(text: &[u8]) -> Vec<MountEntry> {
    text.split(|b| *b == b'\n')
        .filter_map(|line| {
            let mut fields = line.split(|b| *b == b' ');
            let device = String::from_utf8_lossy(fields.nth(2)?).into_owned();
            let root = unescape(fields.next()?);
            let mount_point = unescape(fields.next()?);
            let mut after = fields.skip_while(|f| *f != b"-").skip(1);
            let fstype = String::from_utf8_lossy(after.next()?).into_owned();
            let super_options = String::from_utf8_lossy(after.nth(1)?).into_owned();
            Some(MountEntry { device, root, mount_point, fstype, super_options })
        })
        .collect()
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    PathBuf::from(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_line_with_optional_fields_and_escapes_is_read() {
        let line = b"36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:7 - ext3 /dev/root rw,errors=continue\n";
        let want = MountEntry {
            device: "98:0".into(),
            root: "/mnt1".into(),
            mount_point: "/mnt 2".into(),
            fstype: "ext3".into(),
            super_options: "rw,errors=continue".into(),
        };
        assert_eq!(parse_mountinfo(line), [want]);
    }

    #[test]
    fn broken_mountinfo_lines_are_passed_over() {
        assert_eq!(parse_mountinfo(b"\n36 35\n36 35 98:0 / /x rw - ext4\n"), []);
    }

    #[test]
    fn a_home_of_slash_is_no_home() {
        let passwd = b"root:x:0:0:root:/root:/bin/bash\nsvc:x:7:7::/:/bin/false\n";
        assert_eq!(home_of(passwd, 0), Some("/root".into()));
        assert_eq!(home_of(passwd, 7), None);
        assert_eq!(home_of(passwd, 8), None);
    }
}
