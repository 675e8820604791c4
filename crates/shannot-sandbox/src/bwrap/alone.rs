//! A box that bwrap alone makes: on a host that has `bwrap` and nothing of ours, a plan is one
//! command line, with the system call filter on a descriptor.
//!
//! A pure function of the plan, so that it can be made for a host far away. What a command line
//! cannot say stands in the Enforcement as not enforced, and a profile that requires it refuses.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use shannot_policy::Plan;
use shannot_policy::plan::seccomp::{Exec, Filter};
use shannot_policy::plan::{Mount, Reads};
use shannot_policy::profile::Tier;

use super::program::Version;
use super::render::{self, Cover, SIZE};
use crate::enforcement::{Enforcement, Engine, Layer};
use crate::native::{Error, check_required, report};

/// `--clearenv` and `--perms` came with this version.
const LEAST: Version = Version(0, 5);

/// The descriptor on which bwrap reads the filter.
pub const FILTER_FD: u32 = 3;

/// One call of bwrap.
#[derive(Debug, Clone)]
pub struct BwrapCall {
    /// All words, `bwrap` first.
    pub argv: Vec<OsString>,
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
    hidden: &[(PathBuf, Cover)],
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
        layers: layers(plan, hidden.len()),
        passed_over: Vec::new(),
    };
    check_required(plan, &enforcement)?;
    let mut argv: Vec<OsString> =
        vec!["bwrap".into(), "--seccomp".into(), FILTER_FD.to_string().into()];
    let covers = hidden.iter().map(|(path, cover)| (&**path as &Path, *cover));
    argv.extend(render::words(&plan.outline, &plan.mounts, covers, version));
    argv.push("--clearenv".into());
    for (name, value) in &plan.env {
        argv.extend(["--setenv".into(), name.into(), value.into()]);
    }
    let bytes = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    argv.extend(["--chdir".into(), bytes(plan.cwd.path().as_bytes()), "--".into()]);
    argv.push(stage.program.to_string().into());
    argv.extend(stage.args.iter().map(|arg| bytes(arg.as_bytes())));
    let filter = Filter { exec: Exec::ByAnother, ..stage.filter };
    Ok(BwrapCall { argv, filter: filter.compile().to_bytes(), enforcement })
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
        Layer::not_enforced("memory", "no cgroup and no rlimit"),
        Layer::not_enforced("process_limit", "no rlimit"),
        Layer::not_enforced("limits", "whoever waits for bwrap can end it; a core may be dumped"),
    ]);
    layers
}
