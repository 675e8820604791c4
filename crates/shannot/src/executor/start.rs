//! Starts what was granted in the best tier to be had.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use shannot_policy::plan::HostFacts;
use shannot_policy::profile::{Prefer, Profile, Tier};
use shannot_policy::types::AbsPath;
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{Begun, Child, Enforcement, Error, Host, Stdio, WarmError};

use super::conduct::Watch;
use super::internal;
use super::relay;
use super::warm::WarmBoxes;
use crate::event::Failure;

/// A box that runs, and our ends of its pipes.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) cwd: AbsPath,
    pub(super) enforcement: Enforcement,
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    pub(super) watch: Watch,
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// For another run in the same box.
    pub(super) plan: Plan,
}

/// Starts a grant in the best tier to be had. What fails in one tier has left nothing behind.
pub(super) fn start(
    grant: &Grant,
    host: &Host,
    warm: Option<&WarmBoxes>,
    mut begun: Option<Begun>,
) -> Result<Started, Failure> {
    let mut tried = Vec::new();
    for tier in tiers(grant.profile(), host) {
        match start_in(grant, tier, host, warm, begun.take()) {
            Err(Failure::Start(error)) if error.is_of_tier() => tried.push(error),
            Ok(mut started) => {
                started.enforcement.passed_over =
                    tried.iter().filter_map(Error::passed_over).collect();
                return Ok(started);
            }
            failed => return failed,
        }
    }
    Err(Failure::NoTier { profile: grant.profile().name.to_string(), tried })
}

fn start_in(
    grant: &Grant,
    tier: Tier,
    host: &Host,
    warm: Option<&WarmBoxes>,
    begun: Option<Begun>,
) -> Result<Started, Failure> {
    let plan = Plan::new(grant, tier, &facts(host)?);
    let (stdin_box, stdin) = pipe()?;
    let (stdout, stdout_box) = pipe()?;
    let (stderr, stderr_box) = pipe()?;
    // Refused beyond the user's share; the default size works too.
    let _ = fcntl_setpipe_size(&stdout, relay::CHUNK);
    for end in [&stdin, &stdout, &stderr] {
        let set = rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK);
        set.map_err(|e| internal("set up a pipe", e))?;
    }
    let stdio = Stdio { stdin: stdin_box, stdout: stdout_box, stderr: stderr_box };
    let (child, enforcement) = match warm.and_then(|boxes| boxes.find(&plan)) {
        Some(warm) => match warm.start(&plan, stdio) {
            Err(WarmError::Gone(stdio)) => shannot_sandbox::start(&plan, host, None, stdio)?,
            Err(WarmError::Failed(error)) => return Err(error.into()),
            Ok(started) => started,
        },
        None => shannot_sandbox::start(&plan, host, begun, stdio)?,
    };
    let watch = Watch {
        // Where nothing in the kernel counts them.
        memory: (!child.memory_is_bounded()).then_some(plan.limits.memory.0),
        tasks: (!child.tasks_are_bounded()).then_some(plan.limits.processes),
    };
    let cwd = if child.started_in_root() { AbsPath::root() } else { plan.cwd.path() };
    Ok(Started {
        child,
        cwd,
        enforcement,
        wall: plan.wall.as_duration(),
        cpu: plan.limits.cpu.as_duration(),
        watch,
        stdin,
        stdout,
        stderr,
        plan,
    })
}

pub(super) fn facts(host: &Host) -> Result<HostFacts, Failure> {
    host.facts().map_err(|e| internal("get random bytes", e))
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| internal("make a pipe", e))
}

/// The tiers to try, the best first: what the profile accepts and this user could have.
pub(super) fn tiers(profile: &Profile, host: &Host) -> impl Iterator<Item = Tier> {
    let order = tiers_in_order(host, profile.prefer);
    order.iter().copied().filter(|tier| profile.tiers.contains(tier))
}

pub(super) fn tiers_in_order(host: &Host, prefer: Prefer) -> &'static [Tier] {
    match (host.uid, prefer) {
        (0, _) => &[Tier::T1, Tier::T2, Tier::T3, Tier::L],
        (_, Prefer::Isolation) => &[Tier::T2, Tier::T3, Tier::L],
        (_, Prefer::Fidelity) => &[Tier::L, Tier::T2, Tier::T3],
    }
}
