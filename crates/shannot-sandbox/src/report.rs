//! The layers of a box in words that its plan alone tells, whoever makes it.

use shannot_policy::Plan;
use shannot_policy::plan::seccomp::allowed_count;
use shannot_policy::plan::{Mount, Namespace};
use shannot_policy::profile::{Network, Processes, Tier};

use crate::enforcement::{Enforcement, Layer, Status};
use crate::error::Error;

/// The layer for what can be found below the root beside what was there at the start.
pub(crate) const MOUNT_POINTS: &str = "mount_points";
pub(crate) const LATER_MOUNTS: &str =
    "what the host mounts while the box runs comes in, with the host's flags";

pub(crate) fn namespaces(plan: &Plan) -> Layer {
    let names: Vec<_> = plan.outline.namespaces.iter().map(|n| n.as_str()).collect();
    match plan.outline.tier {
        Tier::L => Layer::not_enforced("namespaces", "none in tier L"),
        Tier::T3 => Layer::enforced("namespaces", format!("{}; made by bwrap", names.join(", "))),
        Tier::T1 | Tier::T2 => Layer::enforced("namespaces", names.join(", ")),
    }
}

pub(crate) fn devices(plan: &Plan) -> Layer {
    let by = if plan.outline.tier == Tier::L { "Landlock below /dev" } else { "nodev" };
    Layer::enforced("devices", format!("closed by {by}, but for null, zero, full, random, urandom"))
}

pub(crate) fn hides(plan: &Plan, n: usize) -> Layer {
    let how = match plan.outline.tier {
        Tier::L => "cannot be read; their names and sizes show",
        Tier::T3 => "covered: directories by empty mounts, files by a device that cannot be opened",
        Tier::T1 | Tier::T2 => "covered by empty mounts of mode 000",
    };
    Layer::enforced("hidden", format!("{n} paths {how}"))
}

pub(crate) fn scratch(plan: &Plan) -> Option<Layer> {
    let mounts: Vec<_> = plan
        .mounts
        .iter()
        .filter_map(|m| match m {
            Mount::Scratch(path, size) => Some(format!("{path} ({size})")),
            _ => None,
        })
        .collect();
    (!mounts.is_empty()).then(|| Layer::enforced("scratch", mounts.join(", ")))
}

pub(crate) fn seccomp(plan: &Plan) -> Layer {
    let allowed = plan.stages.first().map_or(0, |s| allowed_count(s.filter.arch));
    Layer::enforced("seccomp", format!("{allowed} system calls allowed, all others refused"))
}

pub(crate) fn network(plan: &Plan) -> Layer {
    let own = plan.outline.namespaces.contains(&Namespace::Network);
    match plan.outline.view.network {
        Network::None if own => Layer::enforced("network", "none: no socket call, own namespace"),
        Network::None => Layer::enforced("network", "none: no socket call"),
        Network::Tables => Layer::enforced("network", "tables: netlink ROUTE and SOCK_DIAG only"),
    }
}

pub(crate) fn processes(plan: &Plan) -> Layer {
    match plan.outline.view.processes {
        Processes::Host => Layer::enforced("processes", "the host's, read-only"),
        Processes::Own if plan.outline.tier == Tier::L => {
            Layer::not_enforced("processes", "the host's processes show in tier L")
        }
        Processes::Own => Layer::enforced("processes", "the box's own"),
    }
}

pub(crate) fn lifetime(plan: &Plan) -> Layer {
    let forks = plan.stages.iter().any(|s| s.filter.forks);
    let by = match (plan.outline.tier, forks) {
        (Tier::L, false) => "a command cannot fork and dies with its supervisor",
        (Tier::L, true) => "a subreaper ends the Landlock domain of the run",
        _ => "the pid namespace ends with the run",
    };
    Layer::enforced("lifetime", by)
}

/// Whether every layer that the profile requires is enforced.
pub(crate) fn check_required(plan: &Plan, enforcement: &Enforcement) -> Result<(), Error> {
    let weak = |layer: &&Layer| {
        let required = plan.require.iter().any(|name| name.as_str() == layer.name);
        required && layer.status != Status::Enforced
    };
    match enforcement.layers.iter().find(weak) {
        None => Ok(()),
        Some(Layer { name, status, detail }) => Err(Error::Lacks {
            tier: enforcement.tier,
            lacks: format!("the profile requires `{name}`, which is {}: {detail}", status.as_str()),
        }),
    }
}
