//! The report as text.

use super::{Report, TierReport};
use crate::render::human::columns;

pub(super) fn report(report: &Report) -> String {
    let mut text = columns(&tier_rows(&report.tiers));
    text.push_str(&match report.runs_in {
        Some(tier) => format!("\nprofile `{}` runs in tier {tier}\n", report.profile),
        None => format!("\nprofile `{}` cannot run here: nothing runs unboxed\n", report.profile),
    });
    let used = report.tiers.iter().find(|tier| Some(tier.tier) == report.runs_in);
    let layers = used.iter().flat_map(|tier| &tier.enforcement).flat_map(|e| &e.layers);
    let row = |layer: &crate::render::json::Layer| {
        [format!("  {}", layer.name), layer.status.to_owned(), layer.detail.clone()]
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
        [tier.tier.to_owned(), word(tier.works), word(tier.accepted), missing]
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
