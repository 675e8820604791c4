//! The layers of a box in words, from the same plan and the same findings that it is built from.

use shannot_policy::Plan;
use shannot_policy::plan::seccomp::{Exec, Unheld, allowed_count};
use shannot_policy::plan::{Identity, Mount, Namespace};
use shannot_policy::profile::{LANDLOCK_ABI, Network, Processes, Tier};

use super::base::Base;
use super::counted::Counted;
use crate::distant;
use crate::enforcement::Layer;
use crate::host::Host;
use crate::mounts::MountEntry;

/// The layer for what can be found below the root beside what was there at the start.
pub(crate) const MOUNT_POINTS: &str = "mount_points";
pub(crate) const LATER_MOUNTS: &str =
    "what the host mounts while the box runs comes in, with the host's flags";

pub(super) fn layers(plan: &Plan, host: &Host, base: &Base) -> Vec<Layer> {
    let mut layers =
        vec![namespaces(plan), read_only(plan), devices(plan), hides(plan, base.hidden.len())];
    layers.extend(mount_points(plan, &base.mounts));
    layers.extend(scratch(plan));
    layers.extend([identity(plan, host), landlock(plan), seccomp(plan), exec(plan)]);
    layers.extend([network(plan), processes(plan), lifetime(plan)]);
    layers.extend(limits(plan, &base.counted));
    layers
}

pub(crate) fn namespaces(plan: &Plan) -> Layer {
    let names: Vec<_> = plan.outline.namespaces.iter().map(|n| n.as_str()).collect();
    match plan.outline.tier {
        Tier::L => Layer::not_enforced("namespaces", "none in tier L"),
        Tier::T3 => Layer::enforced("namespaces", format!("{}; made by bwrap", names.join(", "))),
        Tier::T1 | Tier::T2 => Layer::enforced("namespaces", names.join(", ")),
    }
}

fn read_only(plan: &Plan) -> Layer {
    let how = match plan.outline.tier {
        Tier::L => {
            "Landlock refuses changes of files, seccomp changes of their metadata; reads update atime"
        }
        Tier::T3 => {
            "every mount read-only, nosuid, nodev, but for the five devices' own; looked at"
        }
        Tier::T1 | Tier::T2 => "every mount read-only, nosuid, nodev, private",
    };
    Layer::enforced("read_only", how)
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

/// In tier L a look at an automount or a network mount cannot be prevented. Mounts that bwrap makes
/// follow the host's.
fn mount_points(plan: &Plan, mounts: &[MountEntry]) -> Option<Layer> {
    let open = |wanted: fn(&str) -> bool| mounts.iter().filter(|m| wanted(&m.fstype)).count();
    match plan.outline.tier {
        Tier::T1 | Tier::T2 => return None,
        Tier::T3 => {
            let detail = format!("{LATER_MOUNTS}; Landlock refuses writes there too");
            return Some(Layer::not_enforced(MOUNT_POINTS, detail));
        }
        Tier::L => {}
    }
    let (automounts, network) = (open(distant::is_automount), open(distant::is_network));
    (automounts + network > 0).then(|| {
        Layer::not_enforced(
            MOUNT_POINTS,
            format!("{automounts} automounts and {network} network mounts can be walked into"),
        )
    })
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

fn identity(plan: &Plan, host: &Host) -> Layer {
    let caps = if plan.outline.root_reads { "CAP_DAC_READ_SEARCH only" } else { "no capability" };
    match &plan.identity {
        Identity::Unused { groups } => Layer::enforced(
            "identity",
            format!("an unused uid and gid with {} log groups, {caps}, no_new_privs", groups.len()),
        ),
        Identity::Caller => {
            Layer::enforced("identity", format!("uid {}, {caps}, no_new_privs", host.uid))
        }
    }
}

fn landlock(plan: &Plan) -> Layer {
    let abi = plan.landlock.abi;
    let unheld = plan.stages.first().map_or(Unheld::Nothing, |s| s.filter.unheld);
    let more = match unheld {
        Unheld::Nothing if abi >= LANDLOCK_ABI => "; signals and abstract sockets scoped",
        Unheld::Nothing => "",
        Unheld::Signals => "; not signals, so seccomp refuses every one",
        Unheld::SignalsAndTruncation => {
            "; neither signals nor O_TRUNC, so seccomp refuses every one"
        }
    };
    Layer::enforced("landlock", format!("ABI {abi}; no writes{more}"))
}

pub(crate) fn seccomp(plan: &Plan) -> Layer {
    let allowed = plan.stages.first().map_or(0, |s| allowed_count(s.filter.arch));
    Layer::enforced("seccomp", format!("{allowed} system calls allowed, all others refused"))
}

fn exec(plan: &Plan) -> Layer {
    let listed = plan.stages.iter().any(|s| matches!(s.filter.exec, Exec::Listed));
    if listed {
        let names: Vec<_> =
            plan.stages.iter().flat_map(|s| &s.spawns).map(ToString::to_string).collect();
        Layer::enforced("exec", format!("listed: {}", names.join(", ")))
    } else {
        Layer::enforced("exec", "once")
    }
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

fn limits(plan: &Plan, counted: &Counted) -> Vec<Layer> {
    let limits = &plan.limits;
    let memory = match &counted.memory {
        Some(parent) => {
            Layer::enforced("memory", format!("{} by {}", limits.memory, parent.name()))
        }
        None => Layer::supervised("memory", format!("{} by polling and rlimits", limits.memory)),
    };
    let processes = if counted.tasks {
        Layer::enforced("process_limit", limits.processes.to_string())
    } else {
        Layer::supervised("process_limit", format!("{} by polling", limits.processes))
    };
    let rest = format!(
        "wall {}, cpu {} a process, {} open files, core 1 byte",
        plan.wall, limits.cpu, limits.open_files
    );
    vec![memory, processes, Layer::enforced("limits", rest)]
}
