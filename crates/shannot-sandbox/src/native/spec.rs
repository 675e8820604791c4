//! What a child reads: everything resolved, opened and allocated before it needs it.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use super::cgroup::Join;
use super::lent::Lent;
use super::strings::StringArray;
use super::sys::{ChildPid, Fd, Inbox};

/// What the plan alone says of a box: its namespaces, and what its first process can do in them
/// while its parent looks at the host for the rest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HullSpec {
    /// Namespaces that come with the process, as flags of `clone3(2)`.
    pub(crate) cloned: u64,
    /// Namespaces that it makes for itself, as flags of `unshare(2)`: those that take long.
    pub(crate) unshared: u64,
    /// Tier T2: the one id that the user namespace knows.
    pub(crate) user_map: Option<UserMap>,
    /// Whether the process writes that map itself, for its parent is not of the namespace around.
    pub(crate) maps_itself: bool,
    /// The host's `kernel.pid_max`, where the box shows the host's `/proc` and each pid namespace
    /// has a limit of its own: `ps` makes its columns as wide.
    pub(crate) pid_max: Option<Vec<u8>>,
    /// The mounts that come first.
    pub(crate) mounts: Vec<MountStep>,
    /// Whether the parent is lent the tree, to find in it what is hidden.
    pub(crate) lends: bool,
    /// Whether a `/proc` that can be written is kept, for the namespaces of runs to be set up.
    pub(crate) keeps_proc: bool,
    pub(crate) bounds: Bounds,
    /// Whether a zygote starts the process, and has given signals their defaults.
    pub(crate) born: bool,
}

impl HullSpec {
    /// A hull of somebody else's making.
    pub(crate) const fn nothing() -> Self {
        Self {
            cloned: 0,
            unshared: 0,
            user_map: None,
            maps_itself: false,
            pid_max: None,
            mounts: Vec::new(),
            lends: false,
            keeps_proc: false,
            bounds: Bounds { drop: 0, lock_securebits: false },
            born: false,
        }
    }
}

/// What no process of the box can ever have again.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Capabilities to drop from the bounding set, as bits.
    pub(crate) drop: u64,
    /// Whether `CAP_SETPCAP` is there to lock the securebits.
    pub(crate) lock_securebits: bool,
}

/// What every run of one box has in common.
#[derive(Debug)]
pub(crate) struct BoxSpec {
    pub(crate) hull: Arc<HullSpec>,
    /// Whether the commands' process ids are to be those that the host's `/proc` shows.
    pub(crate) host_pids: bool,
    /// The mounts that follow those of the hull.
    pub(crate) mounts: Arc<[MountStep]>,
    /// The host's mount table, as files of a process outside the box, below the host's `/proc`.
    pub(crate) mount_table: Option<[CString; MOUNT_TABLE.len()]>,
    /// The scratch mounts, for which a run's own ruleset gets rules once they exist.
    pub(crate) scratch_rules: Vec<CString>,
    /// The Landlock rights on scratch.
    pub(crate) scratch_access: u64,
    pub(crate) identity: IdentitySpec,
    pub(crate) rlimits: Vec<Rlimit>,
    pub(crate) open_files: OpenFiles,
}

/// `RLIMIT_NOFILE` of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenFiles {
    /// While the program's descriptor is put in its place.
    pub(crate) program: u64,
    /// What the command has.
    pub(crate) command: u64,
}

/// What a run adds to its box.
#[derive(Debug)]
pub(crate) struct CommandSpec {
    /// Tier L with an init: the Landlock domain (scopes only) that holds the whole run, so that
    /// the init's `kill(-1)` reaches all of it and nothing else.
    pub(crate) init_domain: Option<OwnedFd>,
    pub(crate) cwd: CString,
    /// Whether `/` serves where that cannot be entered.
    pub(crate) cwd_or_root: bool,
    pub(crate) env: StringArray,
    pub(crate) stages: Vec<StageSpec>,
}

/// The maps of a user namespace, as its files want them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UserMap {
    pub(crate) uid: Vec<u8>,
    pub(crate) gid: Vec<u8>,
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
    pub(crate) filter: FilterSpec,
    /// The sixth argument of the one `execveat`; see `Ticket`.
    pub(crate) ticket: u64,
    /// The programs that may be executed, where that is a list.
    pub(crate) exec_ruleset: Option<Ruleset>,
}

/// The filter of a command.
#[derive(Debug)]
pub(crate) enum FilterSpec {
    Install(Vec<libc::sock_filter>),
    /// The command's process, made ahead, has it already.
    InForce,
}

/// A Landlock ruleset.
#[derive(Debug)]
pub(crate) enum Ruleset {
    /// Of this process's making.
    Own(OwnedFd),
    /// Of the supervisor's, in whose box this process goes on.
    Inherited(Fd),
}

impl Ruleset {
    pub(crate) fn fd(&self) -> Fd {
        match self {
            Self::Own(fd) => fd.as_raw_fd(),
            Self::Inherited(fd) => *fd,
        }
    }
}

/// A program and its words.
#[derive(Debug)]
pub(crate) struct ProgramSpec {
    pub(crate) path: CString,
    pub(crate) argv: StringArray,
}

/// What a box's first process and its parent share.
#[derive(Debug)]
pub(crate) struct HullShared {
    pub(crate) spec: Arc<HullSpec>,
    /// The process's id; it makes the unused uid unique.
    pub(crate) init_pid: ChildPid,
    /// Where [`super::step::Record`]s go.
    pub(crate) status: Fd,
    /// A zero says that there is more to be known; any other byte is a signal for the commands. The
    /// end is the supervisor's.
    pub(crate) control: Fd,
    /// Readable when the supervisor has ended.
    pub(crate) supervisor: Fd,
    /// A box that waits for long ends when the host's mounts change: its own are older, and keep file
    /// systems busy. The host's mount table, or no descriptor.
    pub(crate) host_mounts: Fd,
    /// A `/proc` that can be written, where a zygote keeps one, and no descriptor otherwise.
    pub(crate) proc: Fd,
    /// Where a zygote is told what to start; `None` for the first process of a box.
    pub(crate) inbox: Option<Inbox>,
    /// What the process has opened in the table that both share.
    pub(crate) lent: Lent,
    /// The mounts that depend on what is on the host, once they are known.
    pub(crate) mounts: OnceLock<Arc<[MountStep]>>,
    /// What follows from the box, once it is known.
    pub(crate) place: OnceLock<Arc<PlaceSpec>>,
    /// The rest, once it is known.
    pub(crate) run: OnceLock<Arc<RunSpec>>,
}

/// A place for one run: what a box has before its commands are known.
#[derive(Debug)]
pub(crate) struct PlaceSpec {
    pub(crate) spec: Arc<BoxSpec>,
    /// Where [`super::step::Record`]s go.
    pub(crate) status: Fd,
    pub(crate) ruleset: Fd,
    /// How a command joins the run's own cgroup.
    pub(crate) cgroup: Option<Join>,
    /// How far the first command's process goes before the command is known; `None` where it is not
    /// there before.
    pub(crate) ahead: Option<Ahead>,
}

/// How far a process goes before its command is known.
#[derive(Debug)]
pub(crate) enum Ahead {
    /// Up to what the command says.
    Confined,
    /// Into a filter, too, which such a command has.
    Filtered(Vec<libc::sock_filter>),
}

/// The commands of one run, and what they are connected to.
#[derive(Debug)]
pub(crate) struct RunSpec {
    pub(crate) commands: Arc<CommandSpec>,
    /// Standard input, output and error of each stage.
    pub(crate) stage_io: Vec<StageIo>,
    /// Set by a command that starts at `/` because it cannot enter the directory asked for.
    pub(crate) in_root: AtomicBool,
    /// Who goes on with the run: one of the numbers below.
    taker: AtomicU8,
    /// Every descriptor that the box needs, in ascending order: all others are closed in it.
    pub(crate) keep: Vec<Fd>,
}

impl RunSpec {
    const NOBODY: u8 = 0;
    const BOX: u8 = 1;
    const SUPERVISOR: u8 = 2;

    pub(crate) fn new(commands: Arc<CommandSpec>, stage_io: Vec<StageIo>, keep: Vec<Fd>) -> Self {
        let (in_root, taker) = (AtomicBool::new(false), AtomicU8::new(Self::NOBODY));
        Self { commands, stage_io, in_root, taker, keep }
    }

    /// Takes the run for a process of the box; false if the supervisor has taken it back.
    pub(crate) fn take(&self) -> bool {
        self.take_for(Self::BOX)
    }

    /// Takes the run back, to start it otherwise; false if a process of the box has it.
    pub(crate) fn take_back(&self) -> bool {
        self.take_for(Self::SUPERVISOR)
    }

    /// True for one caller alone: nothing is executed twice.
    fn take_for(&self, taker: u8) -> bool {
        let order = (Ordering::AcqRel, Ordering::Acquire);
        self.taker.compare_exchange(Self::NOBODY, taker, order.0, order.1).is_ok()
    }

    /// Whether a process of the box has taken it.
    pub(crate) fn is_taken(&self) -> bool {
        self.taker.load(Ordering::Acquire) == Self::BOX
    }
}

/// Standard input, output and error of one stage.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageIo {
    pub(crate) stdin: Fd,
    pub(crate) stdout: Fd,
    pub(crate) stderr: Fd,
}
