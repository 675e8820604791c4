//! The outline of a box: what its tier and its profile's view alone say, whatever the command and
//! whatever is found on the host. An engine can make this much before the rest is known.

use super::{HARMLESS_DEVICES, Mount, constant_paths};
use crate::profile::{Network, Processes, Tier, View};

/// The outline of a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// The tier.
    pub tier: Tier,
    /// How much of the running host shows.
    pub view: View,
    /// Namespaces the box does not share with the host.
    pub namespaces: Vec<Namespace>,
    /// Whether `CAP_DAC_READ_SEARCH` is kept, alone.
    pub root_reads: bool,
}

/// A kind of namespace, `namespaces(7)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the kernel's own names")]
pub enum Namespace {
    Cgroup,
    Ipc,
    Mount,
    Network,
    Pid,
    User,
    Uts,
}

impl Namespace {
    /// The name under `/proc/<pid>/ns/`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Mount => "mnt",
            Self::Network => "net",
            Self::Pid => "pid",
            Self::User => "user",
            Self::Uts => "uts",
        }
    }
}

impl Outline {
    /// The outline of every box with this view in this tier; only tier T1 can keep a capability.
    pub fn new(tier: Tier, view: View, root_reads: bool) -> Self {
        let root_reads = root_reads && tier == Tier::T1;
        Self { tier, view, namespaces: namespaces(tier, view), root_reads }
    }

    /// The first changes of the mount tree, in order.
    ///
    /// The tree is made read-only first and as a whole: whatever is mounted after it states its
    /// own flags, so no later step can leave a writable mount behind by being forgotten.
    pub fn mounts(&self) -> Vec<Mount> {
        if self.tier == Tier::L {
            return Vec::new();
        }
        let mut mounts = vec![Mount::ReadOnlyTree];
        mounts.extend(constant_paths(&HARMLESS_DEVICES).into_iter().map(Mount::Device));
        if self.view.processes == Processes::Own {
            mounts.push(Mount::OwnProc);
        }
        mounts
    }
}

fn namespaces(tier: Tier, view: View) -> Vec<Namespace> {
    use Namespace::{Cgroup, Ipc, Mount, Network as Net, Pid, User, Uts};
    if tier == Tier::L {
        return Vec::new();
    }
    let mut set = vec![Mount, Pid, Uts];
    if tier != Tier::T1 {
        set.push(User);
    }
    // The host view keeps the host's IPC and cgroup namespaces, as it keeps the host's /proc:
    // `ipcs` and `ps -o cgroup` would answer wrongly. The filter refuses every call that makes,
    // attaches or removes an IPC object.
    if view.processes == Processes::Own {
        set.extend([Cgroup, Ipc]);
    }
    if view.network == Network::None {
        set.push(Net);
    }
    set.sort_unstable();
    set
}
