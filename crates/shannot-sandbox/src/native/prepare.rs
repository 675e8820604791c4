//! The parent side: everything that may fail, allocate or look at the host, before any clone.

use std::path::Path;
use std::sync::Arc;

use shannot_policy::Plan;
use shannot_policy::plan::seccomp::Filter;
use shannot_policy::profile::Tier;

use super::base::{self, Base, MadeBy};
use super::commands::{self, Starts};
use super::error::Error;
use super::hides;
use super::report;
use super::scene::Scene;
use super::spec::CommandSpec;
use super::{CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_ADMIN};
use crate::bwrap::alone::{self, BwrapCall};
use crate::bwrap::program::Bwrap;
use crate::enforcement::{Decider, Enforcement, Engine};
use crate::host::Host;
use crate::report::check_required;

/// A box made ready: it can be started any number of times.
#[derive(Debug)]
pub struct Prepared {
    pub(super) tier: Tier,
    pub(super) base: Arc<Base>,
    pub(super) starts: Starts,
    pub(super) commands: Arc<CommandSpec>,
    pub(super) enforcement: Enforcement,
    /// Whether none of the commands can have a child.
    pub(super) alone: bool,
}

/// Makes the box of a plan ready, for the host as it is now: what appears later is not hidden.
///
/// # Errors
/// What the tier needs and this host lacks, a program that is not there, a hidden path that
/// cannot be looked at.
pub fn prepare(plan: &Plan, host: &Host) -> Result<Prepared, Error> {
    check_tier(plan.outline.tier, host)?;
    let hull = Arc::new(base::hull(&plan.outline, host));
    let base = Base::find(plan, host, (MadeBy::Run, hull), scene_of_host()?, |_| {})?;
    Prepared::new(plan, host, Arc::new(base), None)
}

/// The tree of this process.
pub(super) fn scene_of_host() -> Result<Scene, Error> {
    Scene::of_host()
        .map_err(|e| Error::host("read /proc/self/mountinfo, which tells what to hide", e))
}

impl Prepared {
    /// Makes the commands of a plan ready in the box of that plan. `in_force` is the filter that the
    /// first one's process has already.
    pub(super) fn new(
        plan: &Plan,
        host: &Host,
        base: Arc<Base>,
        in_force: Option<&Filter>,
    ) -> Result<Self, Error> {
        check_landlock(plan)?;
        let (starts, commands) = commands::find(plan, host, &base, in_force)?;
        let tier = plan.outline.tier;
        let enforcement = Enforcement {
            engine: if tier == Tier::T3 { Engine::Bwrap } else { Engine::Native },
            tier,
            decided_by: Decider::Host,
            layers: report::layers(plan, host, &base),
            passed_over: Vec::new(),
        };
        check_required(plan, &enforcement)?;
        let alone = !plan.stages.iter().any(|stage| stage.filter.may_fork());
        Ok(Self { tier, base, starts, commands: Arc::new(commands), enforcement, alone })
    }

    /// What will be in force for every run of this box.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// The paths of this host that are hidden, found when the box was prepared.
    pub fn hidden(&self) -> impl Iterator<Item = &Path> {
        self.base.hidden.iter().map(|hidden| &*hidden.path)
    }

    /// The files that the stages execute.
    pub fn programs(&self) -> Vec<String> {
        let programs = self.commands.stages.iter().filter_map(|s| s.program.as_ref());
        programs.map(|program| program.path.to_string_lossy().into_owned()).collect()
    }

    /// Turns the box into a probe of its tier: every step is done, and where the commands would
    /// be executed their processes end.
    #[must_use]
    pub fn into_probe(mut self) -> Self {
        if let Some(commands) = Arc::get_mut(&mut self.commands) {
            commands.stages.iter_mut().for_each(|stage| stage.program = None);
        }
        self
    }
}

pub(super) fn check_tier(tier: Tier, host: &Host) -> Result<(), Error> {
    let lacks = |lacks: String| Err(Error::Lacks { tier, lacks });
    let caps = CAP_SYS_ADMIN | CAP_SETUID | CAP_SETGID | CAP_SETPCAP;
    if tier == Tier::T3 {
        if let Err(what) = Bwrap::find() {
            return lacks(format!("it needs {what}"));
        }
        if host.stage_two.is_none() {
            return lacks("this program does not go on inside a box of another's making".into());
        }
    }
    if tier == Tier::T1 && (host.uid != 0 || host.effective_caps & caps != caps) {
        return lacks(
            "it needs root with CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID and CAP_SETPCAP".into(),
        );
    }
    if host.landlock_abi == 0 {
        return lacks("it needs Landlock, and this kernel has none".into());
    }
    let fd = u64::from(shannot_policy::plan::PROGRAM_FD);
    if host.open_files <= fd {
        let has = host.open_files;
        return lacks(format!(
            "it needs a hard limit of open files above {fd}, and this process has {has}"
        ));
    }
    Ok(())
}

/// Writes a plan for tier T3 as one call of bwrap, for a host that has nothing of ours: with what is
/// hidden on this one, and for a bwrap of the version that this one has.
///
/// # Errors
/// This host cannot be looked at; what the profile requires and one call cannot give; a plan with
/// several commands; a bwrap that is too old.
pub fn bwrap_call(plan: &Plan, host: &Host) -> Result<BwrapCall, Error> {
    let bwrap = Bwrap::find().map_err(|what| {
        let lacks = format!("it needs {what}");
        Error::Lacks { tier: plan.outline.tier, lacks }
    })?;
    let scene = scene_of_host()?;
    let hidden = hides::find(&plan.hide, host.uid, &scene)?;
    let covers = super::launch::covers(&hidden, &scene.mounts)?;
    alone::render(plan, bwrap.version, &covers)
}

/// Whether this kernel's Landlock is enough for a plan.
fn check_landlock(plan: &Plan) -> Result<(), Error> {
    let (has, least) = (plan.landlock.abi, plan.landlock.least_abi);
    if has < least {
        let lacks = format!("it needs Landlock ABI {least}, and this kernel has {has}");
        return Err(Error::Lacks { tier: plan.outline.tier, lacks });
    }
    Ok(())
}
