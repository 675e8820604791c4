//! The report as text: one row for each attack, with the worst that any of the boxes gave.

use super::verdict::{Row, Verdict};
use super::{Attacked, Report};
use crate::render::human::columns;

pub(super) fn report(report: &Report) -> String {
    let mut rows = vec![["AREA", "ATTACK", "RESULT", "BECAUSE"].map(str::to_owned)];
    rows.extend(worst(&report.boxes).iter().map(|row| {
        let result = match row.result {
            Verdict::Blocked => "blocked",
            Verdict::Unenforced => "unenforced",
            Verdict::Escaped => "ESCAPED",
        };
        [row.area, row.attack, result, &because(row)].map(str::to_owned)
    }));
    let mut text = columns(&rows);
    let tiers: Vec<_> = report.boxes.iter().map(|b| format!("{} ({})", b.tier, kind(b))).collect();
    text.push_str(&format!("\nprofile `{}` in tier {}\n", report.profile, tiers.join(", ")));
    text.push_str(&format!(
        "{} blocked ({} of them outside too, for this user), {} unenforced, {} escaped\n",
        report.blocked, report.blocked_everywhere, report.unenforced, report.escaped
    ));
    text
}

fn kind(attacked: &Attacked) -> String {
    let kind = attacked.kind;
    let all = [
        (kind.forks && !kind.spawns, "forks"),
        (kind.spawns, "spawns"),
        (kind.kernel_log, "kernel log"),
    ];
    let named: Vec<_> = all.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if named.is_empty() { "one program".to_owned() } else { named.join(", ") }
}

/// Of each attack, the row of the box in which it came furthest.
fn worst(boxes: &[Attacked]) -> Vec<Row> {
    let mut all: Vec<Row> = Vec::new();
    for row in boxes.iter().flat_map(|attacked| &attacked.attacks) {
        match all.iter_mut().find(|r| (r.area, r.attack) == (row.area, row.attack)) {
            Some(seen) if seen.result < row.result => *seen = row.clone(),
            Some(_) => {}
            None => all.push(row.clone()),
        }
    }
    all
}

fn because(row: &Row) -> String {
    let outside = if row.works_outside { "" } else { ", as it is outside for this user" };
    match (&row.reason, &row.refused_with) {
        (Some(reason), _) => (*reason).to_owned(),
        (None, Some(error)) => format!("{error}{outside}"),
        (None, None) => String::new(),
    }
}
