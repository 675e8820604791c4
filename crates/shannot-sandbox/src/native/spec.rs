//! What a child reads: everything resolved, opened and allocated before the clone.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::cgroup::Join;
use super::strings::StringArray;
use super::sys::{ChildPid, Fd};

/// The part of a box that does not change from run to run.
#[derive(Debug)]
pub(crate) struct BoxSpec {
    /// Namespace flags of `clone3(2)`.
    pub(crate) namespaces: u64,
    /// Tier T2: the one id that the user namespace knows.
    pub(crate) user_map: Option<UserMap>,
    /// With the host's `/proc` in a pid namespace of the box's own: what its process ids need.
    pub(crate) host_pids: Option<HostPids>,
    pub(crate) mounts: Vec<MountStep>,
    /// The scratch mounts, for which a run's own ruleset gets rules once they exist.
    pub(crate) scratch_rules: Vec<CString>,
    /// The Landlock rights on scratch.
    pub(crate) scratch_access: u64,
    /// Tier L with an init: the Landlock domain (scopes only) that holds the whole run, so that
    /// the init's `kill(-1)` reaches all of it and nothing else.
    pub(crate) init_domain: Option<OwnedFd>,
    pub(crate) identity: IdentitySpec,
    pub(crate) cwd: CString,
    pub(crate) rlimits: Vec<Rlimit>,
    pub(crate) env: StringArray,
    pub(crate) stages: Vec<StageSpec>,
}

/// The maps of a user namespace, as its files want them.
#[derive(Debug)]
pub(crate) struct UserMap {
    pub(crate) uid: Vec<u8>,
    pub(crate) gid: Vec<u8>,
}

/// How a box whose `/proc` is the host's counts processes as the host does.
#[derive(Debug)]
pub(crate) struct HostPids {
    /// The host's `kernel.pid_max`, where each pid namespace has its own: `ps` makes its columns
    /// as wide.
    pub(crate) pid_max: Option<Vec<u8>>,
}

/// The files of a process that show its mount table, and where a command finds its own.
pub(crate) const MOUNT_TABLE: [(&str, &CStr); 3] = [
    ("mountinfo", c"/proc/self/mountinfo"),
    ("mounts", c"/proc/self/mounts"),
    ("mountstats", c"/proc/self/mountstats"),
];

/// One change of the mount tree, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MountStep {
    ReadOnlyTree,
    /// The host's mount table, as files of a process outside the box.
    HostMountTable([CString; MOUNT_TABLE.len()]),
    Device(CString),
    OwnProc,
    /// What masks are copies of; it covers the first hidden directory itself.
    MaskSource(Option<CString>),
    Mask(CString, MaskKind),
    Scratch {
        path: CString,
        options: CString,
    },
}

/// What a hidden path is, and so what covers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MaskKind {
    Dir,
    File,
}

/// Who the commands run as.
#[derive(Debug)]
pub(crate) struct IdentitySpec {
    /// Take an unused id, with these supplementary groups.
    pub(crate) unused: Option<Vec<u32>>,
    /// Capabilities to keep, as bits; all others are dropped from every set.
    pub(crate) keep: u64,
    /// Capabilities to drop from the bounding set, as bits.
    pub(crate) drop_bounding: u64,
    /// Whether `CAP_SETPCAP` is there to lock the securebits.
    pub(crate) lock_securebits: bool,
}

/// One resource limit, `setrlimit(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rlimit {
    pub(crate) resource: u32,
    pub(crate) soft: u64,
    pub(crate) hard: u64,
}

/// One command.
#[derive(Debug)]
pub(crate) struct StageSpec {
    /// What to execute; `None` for a probe, which ends where the command would start.
    pub(crate) program: Option<ProgramSpec>,
    pub(crate) filter: Vec<libc::sock_filter>,
    /// The sixth argument of the one `execveat`; see `Ticket`.
    pub(crate) ticket: u64,
    /// The programs that may be executed, where that is a list.
    pub(crate) exec_ruleset: Option<OwnedFd>,
}

/// A program and its words.
#[derive(Debug)]
pub(crate) struct ProgramSpec {
    pub(crate) path: CString,
    pub(crate) argv: StringArray,
    /// `RLIMIT_NOFILE` while the program's descriptor is put in its place.
    pub(crate) nofile: u64,
}

/// One run of a box.
#[derive(Debug)]
pub(crate) struct RunSpec {
    pub(crate) prepared: Arc<BoxSpec>,
    /// The id of the box's first process, where there is one: it makes the unused uid unique.
    pub(crate) init_pid: ChildPid,
    /// Where [`super::step::Record`]s go.
    pub(crate) status: Fd,
    /// A byte is a signal for the commands; the end is the supervisor's. Only a first process
    /// reads it.
    pub(crate) control: Option<Fd>,
    pub(crate) ruleset: Fd,
    /// How a command joins the run's own cgroup.
    pub(crate) cgroup: Option<Join>,
    /// Standard input, output and error of each stage.
    pub(crate) stage_io: Vec<StageIo>,
    /// Every descriptor above, in ascending order: all others are closed in the box.
    pub(crate) keep: Vec<Fd>,
}

/// Standard input, output and error of one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageIo {
    pub(crate) stdin: Fd,
    pub(crate) stdout: Fd,
    pub(crate) stderr: Fd,
}
