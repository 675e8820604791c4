//! A named policy: which commands with which arguments, which paths, which view, which limits.
//!
//! A [`Profile`] is always checked: [`Profile::parse`] refuses unknown keys, empty tier lists,
//! rules whose own examples fail, and patterns that no kernel layer can hold. An empty list
//! means nothing, never everything.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::{AbsPath, ByteSize, EnvName, ProfileName, Timeout};

mod command;
mod env;
mod examples;
mod glob;
mod hidden;
mod legacy;
mod legacy_args;
mod parse;
mod rules;
mod stated;
mod table;
mod tighten;

pub use command::{
    BOX_PATH, Command, CommandPattern, CommandPatternError, Example, Matcher, Operands, OptionName,
    OptionNameError, Rule, Syntax,
};
pub use glob::{
    Anchor, Component, Glob, LONGEST_PATTERN, MOST_COMPONENTS, PathPattern, PatternError,
};
pub use hidden::HIDDEN_BY_DEFAULT;
pub use legacy::{Converted, FieldNote};
pub use parse::{Examples, Lookup};
pub use rules::Offence;
pub use stated::{LARGEST_PROFILE, MOST_COMMANDS, Stated};
pub use table::{Single, Table};
pub use tighten::tighten;

pub(crate) use rules::shown;

/// A checked policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// The name that requests use.
    pub name: ProfileName,
    /// One line on what the profile is for.
    pub description: String,
    /// What may run, in the order they are tried: bare names first, then absolute paths, then
    /// globs, each group by name.
    pub commands: Vec<Command>,
    /// What may be read, what is hidden, what is scratch.
    pub paths: Paths,
    /// How much of the host's processes and network shows.
    pub view: View,
    /// The box's environment, beside the caller's [`crate::Locale`].
    pub env: BTreeMap<EnvName, String>,
    /// The most that one run may use.
    pub limits: Limits,
    /// Which of two usable tiers is better for this profile, where the user has no root.
    pub prefer: Prefer,
    /// The tiers this profile accepts; never empty.
    pub tiers: BTreeSet<Tier>,
    /// Layers that must be enforced by the kernel: a tier that lacks one is not used.
    pub require: BTreeSet<LayerName>,
    /// The lowest Landlock ABI with which tier L is accepted, 1 to [`LANDLOCK_ABI`]. Below that
    /// one the filter stands in for what Landlock does not hold yet, and commands that fork do not
    /// run. The other tiers need Landlock, of any ABI.
    pub landlock_abi: u32,
    /// As root, add `CAP_DAC_READ_SEARCH`: every file of the host can be read but for what is
    /// hidden. Named in Enforcement.
    pub root_reads: bool,
}

/// What a box may read and where it may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Trees that may be read. Where this is not `/`, programs, libraries, locales, the name
    /// service files, `/proc` and the harmless devices are readable besides.
    pub read: Vec<AbsPath>,
    /// Files and directories that show empty, resolved when the box is made.
    pub hide: Vec<PathPattern>,
    /// Directories that are replaced by an empty private tmpfs, gone when the run ends.
    pub scratch: Vec<AbsPath>,
    /// Whether the home directories of others than the user who runs are hidden. For root, every
    /// home is another's.
    pub hide_other_homes: bool,
    /// Whether network and FUSE file systems show. Reading one sends packets, and can hang.
    pub network_filesystems: bool,
}

/// How much of the running host shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The processes under `/proc`.
    pub processes: Processes,
    /// The network.
    pub network: Network,
}

/// Whose processes `/proc` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Processes {
    /// The box's own.
    Own,
    /// The host's; their environment, memory, root, cwd and descriptors stay closed.
    Host,
}

/// What of the network shows. Nothing can be sent in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// No socket of any kind.
    None,
    /// The host's own tables by netlink `ROUTE` and `SOCK_DIAG`: addresses, routes, neighbours,
    /// sockets.
    Tables,
}

/// The most that one run may use, all stages together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall-clock time, then the box is killed.
    pub wall: Timeout,
    /// CPU time of each process (`RLIMIT_CPU`).
    pub cpu: Timeout,
    /// Processes and threads.
    pub processes: u32,
    /// Open files of each process (`RLIMIT_NOFILE`), at most [`MOST_OPEN_FILES`].
    pub open_files: u32,
    /// Memory of the whole box.
    pub memory: ByteSize,
    /// Each scratch directory.
    pub scratch: ByteSize,
    /// Output held in memory for a caller who asks for it in one piece, of stdout and of stderr.
    /// Reaching it ends the run. Output that streams is not held and not limited by this.
    pub output: ByteSize,
}

/// The program's descriptor stands above every descriptor that a box may open; see `native`.
pub const MOST_OPEN_FILES: u32 = 1000;

/// The Landlock ABI from which on it holds everything that tier L needs of it: Linux 6.12.
pub const LANDLOCK_ABI: u32 = 6;

impl Limits {
    /// What a profile has that states no limits.
    pub const DEFAULT: Self = Self {
        wall: Timeout::secs(30),
        cpu: Timeout::secs(30),
        processes: 64,
        open_files: 1000,
        memory: ByteSize::mib(512),
        scratch: ByteSize::mib(64),
        output: ByteSize::mib(16),
    };
}

/// The name of a layer, as results have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerName(&'static str);

impl LayerName {
    /// Every layer that a result can name.
    pub const ALL: [&'static str; 17] = [
        "authorization",
        "devices",
        "exec",
        "hidden",
        "identity",
        "landlock",
        "lifetime",
        "limits",
        "memory",
        "mount_points",
        "namespaces",
        "network",
        "process_limit",
        "processes",
        "read_only",
        "scratch",
        "seccomp",
    ];

    /// The name.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::str::FromStr for LayerName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|name| *name == text);
        found
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a layer; there are {}", Self::ALL.join(", ")))
    }
}

/// Which of two usable tiers is better, where the user has no root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefer {
    /// More walls: user namespaces before Landlock only.
    Isolation,
    /// True owners: Landlock only before user namespaces, which show others' files as `nobody`'s.
    Fidelity,
}

/// How much a host lets an engine enforce. Ordered from the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
pub enum Tier {
    /// Root: namespaces without a user namespace, an unused uid, no capability.
    T1,
    /// A user with user namespaces.
    T2,
    /// A user without, by a trusted system `bwrap`.
    T3,
    /// Landlock (ABI 6 or later) and seccomp, no namespaces.
    L,
}

impl Tier {
    /// Every tier, the strongest first.
    pub const ALL: [Self; 4] = [Self::T1, Self::T2, Self::T3, Self::L];

    /// The name in profiles, docs and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::T1 => "T1",
            Self::T2 => "T2",
            Self::T3 => "T3",
            Self::L => "L",
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
