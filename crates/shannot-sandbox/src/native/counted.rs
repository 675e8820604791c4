//! What the kernel counts of a run. For the rest, somebody must look from time to time.

use shannot_policy::Plan;
use shannot_policy::plan::Identity;
use shannot_policy::profile::Tier;

use super::cgroup::MemoryParent;
use crate::host::Host;
use crate::mounts::MountEntry;

#[derive(Debug)]
pub(super) struct Counted {
    /// Where a cgroup can be made that counts the memory of the run.
    pub(super) memory: Option<MemoryParent>,
    /// Whether `RLIMIT_NPROC` counts the run's processes and threads, and nothing else.
    pub(super) tasks: bool,
}

impl Counted {
    pub(super) fn find(plan: &Plan, host: &Host, mounts: &[MountEntry]) -> Self {
        // The limit is of a user in a user namespace, and never of the host's root. In tier L it
        // would be that of the user's whole session.
        let by_root = plan.identity == Identity::Caller && host.uid == 0;
        Self { memory: MemoryParent::find(mounts), tasks: plan.outline.tier != Tier::L && !by_root }
    }
}
