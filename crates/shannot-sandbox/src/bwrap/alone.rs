//! A box that bwrap alone makes: on a host that has `bwrap` and nothing of ours, a plan is one
//! command line, with the system call filter on a descriptor.
//!
//! A pure function of the plan, so that it can be made for a host far away. What a command line
//! cannot say stands in the Enforcement as not enforced, and a profile that requires it refuses.

use std::time::Duration;

use super::render::{self, Cover, SIZE};
use super::version::{PATH, Version};
use crate::enforcement::{Decider, Enforcement, Engine, Layer};
use crate::error::Error;
use crate::report::{self, check_required};
use shannot_policy::Plan;
use shannot_policy::plan::seccomp::{Exec, Filter};
use shannot_policy::plan::{Mount, Reads};
use shannot_policy::profile::{Limits, Tier};
use shannot_policy::types::AbsPath;

/// `--clearenv` and `--perms` came with this version.
const LEAST: Version = Version(0, 5);

/// The descriptor on which bwrap reads the filter.
pub const FILTER_FD: u32 = 3;

/// One call of bwrap.
#[derive(Debug, Clone)]
pub struct BwrapCall {
    /// All words, the program first.
    pub argv: Vec<Vec<u8>>,
    /// Where the command starts.
    pub cwd: AbsPath,
    /// Arguments of `ulimit` in the shell that starts it.
    pub limits: Vec<String>,
    /// How long it may take: arguments of timeout(1), which is to start it.
    pub wall: Duration,
    /// What bwrap must be able to read on [`FILTER_FD`]: instructions of `struct sock_filter`.
    pub filter: Vec<u8>,
    /// What holds in that box, and what does not.
    pub enforcement: Enforcement,
}

/// Writes a plan for tier T3 as a call of a bwrap of this version, on a host where these paths are
/// to be hidden.
///
/// # Errors
/// What the profile requires and a command line cannot give; a plan with several commands, which
/// would have to share one box; a bwrap older than 0.5, or 0.7 for scratch directories.
pub(crate) fn render(
    plan: &Plan,
    version: Version,
    hidden: &[(AbsPath, Cover)],
) -> Result<BwrapCall, Error> {
    let lacks = |lacks: &str| Error::Lacks { tier: Tier::T3, lacks: lacks.to_owned() };
    let [stage] = &plan.stages[..] else {
        return Err(lacks("several commands in one box need a Shannot there"));
    };
    if version < LEAST {
        return Err(lacks("this bwrap cannot clear the environment, for which it needs 0.5"));
    }
    let scratch = plan.mounts.iter().any(|mount| matches!(mount, Mount::Scratch(..)));
    if scratch && version < SIZE {
        return Err(lacks("this bwrap cannot bound a scratch directory, for which it needs 0.7"));
    }
    let enforcement = Enforcement {
        engine: Engine::Bwrap,
        tier: Tier::T3,
        decided_by: Decider::Client,
        layers: layers(plan, hidden.len()),
        passed_over: Vec::new(),
    };
    check_required(plan, &enforcement)?;
    let mut argv: Vec<Vec<u8>> =
        vec![PATH.into(), "--seccomp".into(), FILTER_FD.to_string().into()];
    let covers = hidden.iter().map(|(path, cover)| (path, *cover));
    argv.extend(render::words(&plan.outline, &plan.mounts, covers, version));
    argv.push("--clearenv".into());
    for (name, value) in &plan.env {
        argv.extend(["--setenv".into(), name.clone().into(), value.clone().into()]);
    }
    argv.extend(["--chdir".into(), plan.cwd.path().as_bytes().to_vec(), "--".into()]);
    argv.push(stage.program.to_string().into());
    argv.extend(stage.args.iter().map(|arg| arg.as_bytes().to_vec()));
    let filter = Filter { exec: Exec::ByAnother, ..stage.filter };
    let limits = limits(&plan.limits);
    let wall = plan.wall.as_duration();
    let cwd = plan.cwd.path();
    Ok(BwrapCall { argv, cwd, limits, wall, filter: filter.compile().to_bytes(), enforcement })
}

fn layers(plan: &Plan, hidden: usize) -> Vec<Layer> {
    let mut layers = vec![
        report::namespaces(plan),
        Layer::enforced(
            "read_only",
            "every mount that bwrap reached read-only, nosuid, nodev, but for the five devices' own",
        ),
        report::devices(plan),
        report::hides(plan, hidden),
    ];
    layers.push(Layer::not_enforced(report::MOUNT_POINTS, report::LATER_MOUNTS));
    layers.extend(report::scratch(plan));
    let reads = match plan.landlock.read {
        Reads::Unhandled => "",
        _ => "; all of / can be read that the user may read, whatever the profile says",
    };
    layers.extend([
        Layer::enforced("identity", "the user there, no capability, no_new_privs"),
        Layer::not_enforced(
            "landlock",
            format!("not there: FIFOs can be written, and sockets reached if seccomp fails{reads}"),
        ),
        report::seccomp(plan),
        Layer::not_enforced(
            "exec",
            "bwrap executes under the filter, so any program that shows can be executed",
        ),
        report::network(plan),
        report::processes(plan),
        report::lifetime(plan),
        Layer::not_enforced(
            "memory",
            format!("no cgroup; {} a process by rlimits, and any number of processes", plan.limits.memory),
        ),
        Layer::not_enforced("process_limit", "no rlimit counts those of a box alone"),
        Layer::not_enforced(
            "limits",
            format!(
                "cpu {} a process, {} open files by rlimits; wall {} by whoever waits for bwrap; a core \
                 may be handed to the host's handler",
                plan.limits.cpu, plan.limits.open_files, plan.wall
            ),
        ),
        Layer::not_enforced(
            "authorization",
            "by the caller's side alone: the host has nothing of ours, and holds nobody to a profile",
        ),
    ]);
    layers
}

/// What `ulimit` of every `sh` can say, in KiB where it is about memory.
fn limits(limits: &Limits) -> Vec<String> {
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let cpu = limits.cpu.as_duration().as_millis().div_ceil(1000);
    vec![
        "-c 0".to_owned(),
        format!("-t {cpu}"),
        format!("-n {}", limits.open_files),
        format!("-s {}", 8 << 10),
        format!("-d {}", kib(limits.memory.0)),
        format!("-v {}", kib(limits.memory.0.saturating_add(4 << 30))),
    ]
}
