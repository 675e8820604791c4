//! The box of one tier in words: the plan that an engine is given and what the engine made of
//! it on this host. Nothing is worked out again here.

use serde::Serialize;
use shannot::TierTrial;
use shannot::policy::Plan;
use shannot::policy::plan::differences::DIFFERENCES;
use shannot::policy::plan::seccomp::Exec;
use shannot::policy::plan::{Hide, Identity, Mount, Reads};

use crate::error::chain;
use crate::render::human::columns;
use crate::render::json::Enforcement;

/// The box of one tier.
#[derive(Debug, Serialize)]
pub(crate) struct TierBox {
    tier: &'static str,
    /// Why it cannot be had; what only shows when it is entered is not known here.
    error: Option<String>,
    enforcement: Option<Enforcement>,
    /// The files that would be executed.
    programs: Vec<String>,
    exec: Vec<String>,
    filters: Vec<FilterSize>,
    identity: String,
    mounts: Vec<String>,
    reads: String,
    hide_patterns: usize,
    /// What else is hidden, by kind.
    hides: Vec<&'static str>,
    /// The paths of this host that are hidden.
    hidden: Vec<String>,
    env: Vec<(String, String)>,
    cwd: String,
    wall: String,
    differences: Vec<Differing>,
}

/// How long the system call filter of a stage is.
#[derive(Debug, Serialize)]
pub(crate) struct FilterSize {
    instructions: usize,
}

/// What a command sees otherwise than on the host.
#[derive(Debug, Serialize)]
pub(crate) struct Differing {
    id: &'static str,
    what: &'static str,
    why: &'static str,
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

    pub(crate) const fn name(&self) -> &'static str {
        self.tier
    }

    /// The box in words, a line each.
    pub(crate) fn text(&self) -> String {
        let tier = self;
        let mut rows: Vec<[String; 3]> = Vec::new();
        let mut add = |name: &str, status: &str, detail: String| {
            rows.push([format!("  {name}"), status.to_owned(), detail]);
        };
        if let Some(error) = &tier.error {
            add("not to be had", "", error.clone());
        }
        for layer in tier.enforcement.iter().flat_map(|enforcement| &enforcement.layers) {
            add(&layer.name, &layer.status, layer.detail.clone());
        }
        for (at, (exec, filter)) in tier.exec.iter().zip(&tier.filters).enumerate() {
            let file = tier.programs.get(at).map(|path| format!("{path} as ")).unwrap_or_default();
            add(
                "executes",
                "",
                format!("{file}{exec}; filter of {} instructions", filter.instructions),
            );
        }
        add("runs as", "", tier.identity.clone());
        if !tier.mounts.is_empty() {
            add("mounts", "", tier.mounts.join("; "));
        }
        add("reads", "", tier.reads.clone());
        let kinds = tier.hides.join(", ");
        let hides =
            format!("{} patterns, {kinds}: {} paths here", tier.hide_patterns, tier.hidden.len());
        add("hides", "", hides);
        if !tier.hidden.is_empty() {
            add("", "", tier.hidden.join(", "));
        }
        let env: Vec<_> = tier.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        add("environment", "", env.join(" "));
        add("starts in", "", tier.cwd.clone());
        add("wall", "", tier.wall.clone());
        for differing in &tier.differences {
            add("differs", "", format!("{}: {}", differing.what, differing.why));
        }
        columns(&rows)
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
