//! The box as data: what an engine will do, in the order it will do it.
//!
//! A [`Plan`] is made for one tier of one host from a [`Grant`]. It names kernel objects and
//! opens none: patterns are resolved by the engine when it prepares the box, and a host without
//! some path loses only that entry. `profile explain` prints this value, so what it says is what
//! an engine is given.

use crate::authorize::Grant;
use crate::profile::{Command, LayerName, Limits, PathPattern, Paths, Profile, Tier};
use crate::request::{Argv, Cwd, Program};
use crate::types::{AbsPath, Arg, ByteSize, Timeout};

pub mod differences;
mod outline;
pub mod seccomp;

pub use outline::{Namespace, Outline};

use seccomp::{Arch, Exec, Filter, Ticket, Unheld};

/// The descriptor of the program: above every descriptor the box may open
/// ([`crate::profile::MOST_OPEN_FILES`] is its `RLIMIT_NOFILE`), so that nothing inside can put
/// another file there.
pub const PROGRAM_FD: u32 = crate::profile::MOST_OPEN_FILES;

/// Devices that hold no data of the host's and stay usable; every other device node is closed.
pub const HARMLESS_DEVICES: [&str; 5] =
    ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

/// The `PATH` along which bare names are looked up, in the box and for authorization.
pub use crate::profile::BOX_PATH;

/// What a plan needs to know of the host, beside the tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The instruction set whose system call numbers the filter checks.
    pub arch: Arch,
    /// A number from the kernel's random source, new for every plan, by which the engine's own
    /// `execveat` is told from any that the command could make.
    pub ticket: Ticket,
    /// The kernel's Landlock ABI; 0 where there is none. `landlock(7)`.
    pub landlock_abi: u32,
    /// The groups `adm` and `systemd-journal`, where the host has them: they own readable logs.
    pub log_groups: Vec<u32>,
}

/// The box as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What the tier and the profile's view alone say.
    pub outline: Outline,
    /// Who the box runs as.
    pub identity: Identity,
    /// Changes of the mount tree that follow those of the outline, in order; empty where the tier
    /// has no mount namespace.
    pub mounts: Vec<Mount>,
    /// What is hidden: covered by [`Mount::Hides`] or left out of [`Reads::Gaps`].
    pub hide: Vec<Hide>,
    /// The Landlock rules.
    pub landlock: Landlock,
    /// The commands, each with its own filter.
    pub stages: Vec<Stage>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Where the commands start.
    pub cwd: Cwd,
    /// The wall-clock limit of this run: the shorter of the profile's and the caller's wish.
    pub wall: Timeout,
    /// The other limits.
    pub limits: Limits,
    /// Layers without which the box is not to be had.
    pub require: Vec<LayerName>,
}

/// Who the box runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The user who started it.
    Caller,
    /// A uid and gid that nothing on the host uses, another for every live box, with these
    /// supplementary groups.
    Unused {
        /// Supplementary groups.
        groups: Vec<u32>,
    },
}

/// One change of the box's mount tree. There is no variant for a writable view of a host path:
/// read-only is a matter of type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mount {
    /// The whole tree in place: read-only, no set-uid, no devices, no propagation, recursively.
    ReadOnlyTree,
    /// A harmless device node usable again.
    Device(AbsPath),
    /// A new `/proc` of the box's own pid namespace, read-only.
    OwnProc,
    /// Nothing to see in the places of [`Plan::hide`].
    Hides,
    /// An empty private tmpfs: no set-uid, no devices, no programs.
    Scratch(AbsPath, ByteSize),
    /// Each stage sees the host's mount table in place of the box's.
    HostMountTable,
}

/// What shows empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hide {
    /// Every file and directory that matches.
    Pattern(PathPattern),
    /// Every home directory but that of the user who runs.
    OtherHomes,
    /// autofs mount points: a look into one makes the host mount something.
    Automounts,
    /// Network and FUSE mounts: a read sends packets and may never return.
    NetworkFilesystems,
}

/// The Landlock ruleset, beside its scopes (signals and abstract sockets, ABI 6) and TCP
/// (ABI 4), which are always closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlock {
    /// The ABI whose rights are used.
    pub abi: u32,
    /// The lowest ABI with which the box may be made.
    pub least_abi: u32,
    /// Directories in which files may be made and written: the scratch mounts.
    pub write: Vec<AbsPath>,
    /// What may be read.
    pub read: Reads,
}

/// What Landlock lets a box read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reads {
    /// Reading is left to the mounts.
    Unhandled,
    /// Only these trees.
    Trees(Vec<AbsPath>),
    /// These trees without the places of [`Plan::hide`] and without device nodes. Names stay
    /// visible, contents do not; what appears later beside a hidden path cannot be read.
    Gaps(Vec<AbsPath>),
}

/// One command of the pipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What runs, as the caller named it or as the profile resolves the name.
    pub program: Program,
    /// `argv[0]`, as the caller wrote it.
    pub arg0: String,
    /// The arguments.
    pub args: Vec<Arg>,
    /// Programs it may start; empty for "execute once".
    pub spawns: Vec<Program>,
    /// The system call filter.
    pub filter: Filter,
}

/// What programs need to start where a profile does not read `/`.
const ESSENTIAL_READS: &[&str] = &[
    "/bin",
    "/etc/alternatives",
    "/etc/group",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/lib",
    "/lib32",
    "/lib64",
    "/proc",
    "/sbin",
    "/usr",
];

impl Plan {
    /// Makes the plan of one run for a tier of a host. Cannot fail: a grant is already proof.
    pub fn new(grant: &Grant, tier: Tier, host: &HostFacts) -> Self {
        let profile = grant.profile();
        let request = grant.request();
        Self {
            outline: Outline::new(tier, profile.view, profile.root_reads),
            identity: match tier {
                Tier::T1 => Identity::Unused { groups: host.log_groups.clone() },
                Tier::T2 | Tier::T3 | Tier::L => Identity::Caller,
            },
            mounts: mounts(profile, tier),
            hide: hides(&profile.paths),
            landlock: landlock(profile, tier, host),
            stages: grant
                .stages()
                .iter()
                .map(|s| stage(profile, s.argv(), s.command(), tier, host))
                .collect(),
            env: environment(profile, request.locale.iter()),
            cwd: request.cwd.clone(),
            wall: grant.wall(),
            limits: profile.limits,
            require: profile.require.iter().copied().collect(),
        }
    }
}

impl Plan {
    /// Whether another plan has the same box, and differs at most in what is run in it, from where,
    /// with which environment and for how long.
    pub fn has_the_box_of(&self, other: &Self) -> bool {
        let Self { outline, identity, mounts, hide, landlock, limits, require, .. } = self;
        *outline == other.outline
            && *identity == other.identity
            && *mounts == other.mounts
            && *hide == other.hide
            && *landlock == other.landlock
            && *limits == other.limits
            && *require == other.require
    }
}

/// Paths of this file's constants, which are all absolute and normal.
fn constant_paths(paths: &[&str]) -> Vec<AbsPath> {
    paths.iter().filter_map(|p| AbsPath::new(*p).ok()).collect()
}

fn hides(paths: &Paths) -> Vec<Hide> {
    let mut hide: Vec<Hide> = paths.hide.iter().cloned().map(Hide::Pattern).collect();
    if paths.hide_other_homes {
        hide.push(Hide::OtherHomes);
    }
    hide.push(Hide::Automounts);
    if !paths.network_filesystems {
        hide.push(Hide::NetworkFilesystems);
    }
    hide
}

fn mounts(profile: &Profile, tier: Tier) -> Vec<Mount> {
    if tier == Tier::L {
        return Vec::new();
    }
    let size = profile.limits.scratch;
    let scratch = profile.paths.scratch.iter().map(|path| Mount::Scratch(path.clone(), size));
    let mut mounts: Vec<Mount> = std::iter::once(Mount::Hides).chain(scratch).collect();
    // Whatever else is the box's own, `df` and `findmnt` answer for the host. bwrap leaves no right
    // to bind it.
    if tier != Tier::T3 {
        mounts.push(Mount::HostMountTable);
    }
    mounts
}

fn landlock(profile: &Profile, tier: Tier, host: &HostFacts) -> Landlock {
    let whole = profile.paths.read.iter().any(|p| p.as_bytes() == b"/");
    let trees = || {
        if whole {
            return vec![AbsPath::root()];
        }
        let mut trees = constant_paths(ESSENTIAL_READS);
        trees.extend(constant_paths(&HARMLESS_DEVICES));
        trees.extend(profile.paths.read.iter().cloned());
        trees.extend(profile.paths.scratch.iter().cloned());
        trees
    };
    Landlock {
        abi: host.landlock_abi,
        least_abi: if tier == Tier::L { profile.landlock_abi } else { 1 },
        write: if tier == Tier::L { Vec::new() } else { profile.paths.scratch.clone() },
        read: match tier {
            Tier::L => Reads::Gaps(trees()),
            _ if whole => Reads::Unhandled,
            _ => Reads::Trees(trees()),
        },
    }
}

fn stage(profile: &Profile, argv: &Argv, command: &Command, tier: Tier, host: &HostFacts) -> Stage {
    let program = match &command.program {
        Some(path) => Program::Absolute(path.clone()),
        None => argv.program.clone(),
    };
    let listed = !command.spawns.is_empty();
    Stage {
        program,
        arg0: argv.program.to_string(),
        args: argv.args.clone(),
        spawns: command.spawns.clone(),
        filter: Filter {
            arch: host.arch,
            exec: if listed {
                Exec::Listed
            } else {
                Exec::Once { fd: PROGRAM_FD, ticket: host.ticket }
            },
            network: profile.view.network,
            forks: command.forks || listed,
            kernel_log: command.kernel_log,
            unheld: unheld(tier, host.landlock_abi),
        },
    }
}

/// In the other tiers, mounts and the pid namespace hold both.
fn unheld(tier: Tier, landlock_abi: u32) -> Unheld {
    match landlock_abi {
        _ if tier != Tier::L => Unheld::Nothing,
        0..3 => Unheld::SignalsAndTruncation,
        3..6 => Unheld::Signals,
        _ => Unheld::Nothing,
    }
}

/// The environment: the profile's, the caller's locale, and a `PATH` and `HOME` that no caller
/// chooses.
fn environment<'a>(
    profile: &Profile,
    locale: impl Iterator<Item = (&'a str, &'a str)>,
) -> Vec<(String, String)> {
    let mut env = std::collections::BTreeMap::new();
    env.insert("HOME".to_owned(), "/".to_owned());
    env.insert("PATH".to_owned(), BOX_PATH.to_owned());
    env.extend(locale.map(|(n, v)| (n.to_owned(), v.to_owned())));
    env.extend(profile.env.iter().map(|(n, v)| (n.as_str().to_owned(), v.clone())));
    env.into_iter().collect()
}
