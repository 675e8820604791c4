//! The layers of a box of this host's in words, from the same plan and the same findings that it is
//! built from.

use shannot_policy::Plan;
use shannot_policy::plan::Identity;
use shannot_policy::plan::seccomp::{Exec, Unheld};
use shannot_policy::profile::{LANDLOCK_ABI, Tier};

use super::base::Base;
use super::counted::Counted;
use crate::distant;
use crate::enforcement::Layer;
use crate::host::Host;
use crate::mounts::MountEntry;
use crate::report::{
    LATER_MOUNTS, MOUNT_POINTS, devices, hides, lifetime, namespaces, network, processes, scratch,
    seccomp,
};

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
