//! The box of one tier in words: the plan that an engine is given and what the engine made of
//! it on this host. Nothing is worked out again here.

use serde::Serialize;
use shannot::TierTrial;
use shannot::policy::Plan;
use shannot::policy::plan::differences::DIFFERENCES;
use shannot::policy::plan::seccomp::Exec;
use shannot::policy::plan::{Hide, Identity, Mount, Reads};

use crate::error::chain;
use crate::render::json::Enforcement;

/// The box of one tier.
#[derive(Debug, Serialize)]
pub(super) struct TierBox {
    pub(super) tier: &'static str,
    /// Why it cannot be had; what only shows when it is entered is not known here.
    pub(super) error: Option<String>,
    pub(super) enforcement: Option<Enforcement>,
    /// The files that would be executed.
    pub(super) programs: Vec<String>,
    pub(super) exec: Vec<String>,
    pub(super) filters: Vec<FilterSize>,
    pub(super) identity: String,
    pub(super) mounts: Vec<String>,
    pub(super) reads: String,
    pub(super) hide_patterns: usize,
    /// What else is hidden, by kind.
    pub(super) hides: Vec<&'static str>,
    /// The paths of this host that are hidden.
    pub(super) hidden: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) cwd: String,
    pub(super) wall: String,
    pub(super) differences: Vec<Differing>,
}

/// How long the system call filter of a stage is.
#[derive(Debug, Serialize)]
pub(super) struct FilterSize {
    pub(super) instructions: usize,
}

/// What a command sees otherwise than on the host.
#[derive(Debug, Serialize)]
pub(super) struct Differing {
    pub(super) id: &'static str,
    pub(super) what: &'static str,
    pub(super) why: &'static str,
}

impl TierBox {
    pub(super) fn new(trial: TierTrial) -> Self {
        let TierTrial { tier, plan, prepared } = trial;
        let mut shown = Self::of_plan(&plan);
        shown.tier = tier.as_str();
        match prepared {
            Ok(prepared) => {
                shown.enforcement = Some(prepared.enforcement().into());
                shown.programs = prepared.programs();
                let hidden = prepared.hidden();
                shown.hidden = hidden.map(|path| path.display().to_string()).collect();
            }
            Err(error) => shown.error = Some(chain(&error)),
        }
        shown
    }

    fn of_plan(plan: &Plan) -> Self {
        let differs = DIFFERENCES.iter();
        let differs = differs.filter(|d| {
            d.applies(plan.outline.tier, plan.outline.view.processes, plan.outline.view.network)
        });
        Self {
            tier: plan.outline.tier.as_str(),
            error: None,
            enforcement: None,
            programs: Vec::new(),
            exec: plan.stages.iter().map(exec).collect(),
            filters: plan
                .stages
                .iter()
                .map(|s| FilterSize { instructions: s.filter.compile().insns().len() })
                .collect(),
            identity: match &plan.identity {
                Identity::Caller => "the user who runs".to_owned(),
                Identity::Unused { groups } => {
                    format!("an unused uid and gid, groups {groups:?}")
                }
            },
            mounts: plan.outline.mounts().iter().chain(&plan.mounts).map(mount).collect(),
            reads: match &plan.landlock.read {
                Reads::Unhandled => "whatever the mounts show".to_owned(),
                Reads::Trees(trees) => format!("only {}", list(trees)),
                Reads::Gaps(trees) => {
                    format!("{}, but for what is hidden and for devices", list(trees))
                }
            },
            hide_patterns: plan.hide.iter().filter(|h| hides(h).is_none()).count(),
            hides: plan.hide.iter().filter_map(hides).collect(),
            hidden: Vec::new(),
            env: plan.env.clone(),
            cwd: plan.cwd.to_string(),
            wall: plan.wall.to_string(),
            differences: differs
                .map(|d| Differing { id: d.id, what: d.what, why: d.why })
                .collect(),
        }
    }
}

fn exec(stage: &shannot::policy::plan::Stage) -> String {
    match stage.filter.exec {
        Exec::Once { .. } => format!("{}: once, and nothing after it", stage.program),
        // No plan says it: it is how bwrap alone is called.
        Exec::ByAnother => format!("{}: and whatever shows", stage.program),
        Exec::Listed => format!("{}: may start {}", stage.program, list(&stage.spawns)),
    }
}

/// A change of the mount tree.
fn mount(mount: &Mount) -> String {
    match mount {
        Mount::ReadOnlyTree => "/ read-only, nosuid, nodev, private, recursively".to_owned(),
        Mount::Device(path) => format!("{path} usable"),
        Mount::OwnProc => "/proc of the box's own processes".to_owned(),
        Mount::Hides => "what is hidden covered by empty files and directories".to_owned(),
        Mount::Scratch(path, size) => format!("{path} an empty tmpfs of {size}"),
        Mount::HostMountTable => "the host's mount table in /proc".to_owned(),
    }
}

/// What is hidden beside the patterns, of which what they match on this host is listed.
fn hides(hide: &Hide) -> Option<&'static str> {
    match hide {
        Hide::Pattern(_) => None,
        Hide::OtherHomes => Some("other users' homes"),
        Hide::Automounts => Some("automounts"),
        Hide::NetworkFilesystems => Some("network file systems"),
    }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
