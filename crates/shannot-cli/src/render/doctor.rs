//! What a host can enforce: as it is told, and as it comes from another host.

use serde::{Deserialize, Serialize};

use super::human::{self, columns};
use super::json::{self, Enforcement};
use crate::args::Global;
use crate::exit_code::ExitCode;

/// What a host can enforce.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Report {
    pub(crate) version: String,
    pub(crate) profile: String,
    /// The tier that `run` would use for the profile.
    pub(crate) runs_in: Option<String>,
    pub(crate) tiers: Vec<TierReport>,
    pub(crate) facts: Facts,
    pub(crate) advice: Vec<String>,
}

/// What became of one tier.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct TierReport {
    pub(crate) tier: String,
    pub(crate) works: bool,
    /// Whether the profile accepts it.
    pub(crate) accepted: bool,
    pub(crate) error: Option<String>,
    pub(crate) enforcement: Option<Enforcement>,
}

/// Facts about a host and the process that looked at it.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Facts {
    pub(crate) kernel: String,
    pub(crate) uid: u32,
    pub(crate) landlock_abi: u32,
    /// The groups `adm` and `systemd-journal`, where the host has them.
    pub(crate) log_groups: Vec<u32>,
    /// The program that a crash starts on the host. A core limit of 1 keeps a box from it.
    pub(crate) core_handler: Option<String>,
    /// `kernel.apparmor_restrict_unprivileged_userns`.
    pub(crate) apparmor_restricts_userns: bool,
    /// `user.max_user_namespaces`.
    pub(crate) most_user_namespaces: Option<u64>,
    /// The hard limit of open files; none where there is no limit.
    pub(crate) open_files: Option<u64>,
    /// Whether this process has a seccomp filter already, as in most containers.
    pub(crate) filtered: bool,
    /// Whether `/proc` hides other users' processes (`hidepid`).
    pub(crate) proc_hides: bool,
    /// Hidden files that have other names, which are not hidden.
    pub(crate) hard_links: Vec<HardLinks>,
}

/// A hidden file with other names.
#[derive(Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct HardLinks {
    pub(crate) path: String,
    pub(crate) names: u64,
}

/// Prints a report.
pub(crate) fn tell(report: &Report, global: &Global) -> ExitCode {
    if global.json {
        json::print(report);
    } else {
        human::print(&text(report));
    }
    if report.runs_in.is_some() { ExitCode::Fine } else { ExitCode::Finding }
}

fn text(report: &Report) -> String {
    let mut text = columns(&tier_rows(&report.tiers));
    text.push_str(&match &report.runs_in {
        Some(tier) => format!("\nprofile `{}` runs in tier {tier}\n", report.profile),
        None => format!("\nprofile `{}` cannot run here: nothing runs unboxed\n", report.profile),
    });
    let used = report.tiers.iter().find(|tier| Some(&tier.tier) == report.runs_in.as_ref());
    let layers = used.iter().flat_map(|tier| &tier.enforcement).flat_map(|e| &e.layers);
    let row = |layer: &json::Layer| {
        [format!("  {}", layer.name), layer.status.to_string(), layer.detail.clone()]
    };
    text.push_str(&columns(&layers.map(row).collect::<Vec<_>>()));
    text.push_str("\nthis host\n");
    text.push_str(&columns(&fact_rows(report)));
    for advice in &report.advice {
        text.push_str(&format!("\nhint: {advice}\n"));
    }
    text
}

fn tier_rows(tiers: &[TierReport]) -> Vec<[String; 4]> {
    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
    let mut rows = vec![["TIER", "WORKS", "ACCEPTED", "WHAT IS MISSING"].map(str::to_owned)];
    rows.extend(tiers.iter().map(|tier| {
        let layers = tier.enforcement.iter().flat_map(|enforcement| &enforcement.layers);
        let weak = layers.filter(|layer| layer.status != "enforced");
        let weak: Vec<_> = weak.map(|layer| format!("{} {}", layer.name, layer.status)).collect();
        let missing = tier.error.clone().unwrap_or_else(|| weak.join(", "));
        [tier.tier.clone(), word(tier.works), word(tier.accepted), missing]
    }));
    rows
}

fn fact_rows(report: &Report) -> Vec<[String; 2]> {
    let facts = &report.facts;
    let log_groups: Vec<_> = facts.log_groups.iter().map(ToString::to_string).collect();
    let mut rows: Vec<[String; 2]> = [
        ("kernel", facts.kernel.clone()),
        ("uid", facts.uid.to_string()),
        ("Landlock ABI", facts.landlock_abi.to_string()),
        ("log groups", log_groups.join(" ")),
        ("core handler", facts.core_handler.clone().unwrap_or_else(|| "none".to_owned())),
    ]
    .into_iter()
    .map(|(name, value)| [format!("  {name}"), value])
    .collect();
    rows.extend(facts.hard_links.iter().map(|file| {
        ["  hard links".to_owned(), format!("{} has {} names", file.path, file.names)]
    }));
    rows
}
