//! Explanations as text.

use std::fmt::Write as _;

use shannot::policy::Denial;
use shannot::policy::profile::{CommandPattern, Network, Prefer, Processes};

use super::Explanation;
use crate::profiles::Found;
use crate::render::human::columns;

/// What a profile allows.
pub(super) fn profile(found: &Found) -> String {
    let profile = &found.profile;
    let mut text = head(profile.name.as_str(), &found.origin.to_string());
    if let Some(path) = &found.narrowed_by {
        line(&mut text, format_args!("narrowed by {}", path.display()));
    }
    line(&mut text, format_args!("{}\n", profile.description));
    let mut rows = vec![["COMMAND", "RULES", "STARTS", "ABOUT"].map(str::to_owned)];
    rows.extend(profile.commands.iter().map(|command| {
        let spawns: Vec<_> = command.spawns.iter().map(ToString::to_string).collect();
        let starts = match (spawns.is_empty(), command.forks) {
            (false, _) => spawns.join(" "),
            (true, true) => "forks".to_owned(),
            (true, false) => "-".to_owned(),
        };
        let glob = matches!(command.pattern, CommandPattern::Glob(_));
        let key = format!("{}{}", command.pattern, if glob { " (glob)" } else { "" });
        [key, command.rules.len().to_string(), starts, command.about.clone()]
    }));
    text.push_str(&columns(&rows));
    text.push('\n');
    let list = |items: &[String]| match items {
        [] => "nothing".to_owned(),
        _ => items.join(", "),
    };
    let strings = |paths: &[shannot::policy::types::AbsPath]| -> Vec<String> {
        paths.iter().map(ToString::to_string).collect()
    };
    let (paths, limits) = (&profile.paths, &profile.limits);
    let tiers: Vec<_> = profile.tiers.iter().map(ToString::to_string).collect();
    let hidden: Vec<_> = paths.hide.iter().map(ToString::to_string).collect();
    let rows = [
        ["reads", &list(&strings(&paths.read))],
        ["scratch", &list(&strings(&paths.scratch))],
        ["other homes", if paths.hide_other_homes { "hidden" } else { "shown" }],
        ["network mounts", if paths.network_filesystems { "shown" } else { "hidden" }],
        [
            "processes",
            match profile.view.processes {
                Processes::Own => "the box's own",
                Processes::Host => "the host's",
            },
        ],
        [
            "network",
            match profile.view.network {
                Network::None => "none",
                Network::Tables => "the host's tables",
            },
        ],
        [
            "limits",
            &format!(
                "wall {}, cpu {}, memory {}, {} processes, {} open files, scratch {}, output {}",
                limits.wall,
                limits.cpu,
                limits.memory,
                limits.processes,
                limits.open_files,
                limits.scratch,
                limits.output
            ),
        ],
        [
            "tiers",
            &format!(
                "{}, as a user preferring {}",
                tiers.join(", "),
                match profile.prefer {
                    Prefer::Isolation => "isolation",
                    Prefer::Fidelity => "fidelity",
                }
            ),
        ],
        ["root reads", if profile.root_reads { "every file that is not hidden" } else { "no" }],
        ["hides", &list(&hidden)],
    ];
    text.push_str(&columns(&rows.map(|row| row.map(str::to_owned))));
    text
}

/// What becomes of a command.
pub(super) fn command(explanation: &Explanation, denial: Option<&Denial>) -> String {
    let mut text = head(&explanation.profile, &explanation.origin);
    if let Some(path) = &explanation.narrowed_by {
        line(&mut text, format_args!("narrowed by {path}"));
    }
    if let Some(denial) = denial {
        line(&mut text, format_args!("denied: {denial}"));
        if let Some(hint) = &denial.hint {
            line(&mut text, format_args!("hint: {hint}"));
        }
    }
    for stage in &explanation.stages {
        let (words, key) = (stage.argv.join(" "), &stage.command);
        line(&mut text, format_args!("allowed: `{words}` by commands.{key} ({})", stage.about));
        for (at, why) in stage.rules.iter().enumerate() {
            line(&mut text, format_args!("  passes rules[{at}]: {why}"));
        }
    }
    for (at, tier) in explanation.tiers.iter().enumerate() {
        let when = if at == 0 { "tried first" } else { "tried next" };
        line(&mut text, format_args!("\ntier {}, {when}", tier.name()));
        text.push_str(&tier.text());
    }
    text
}

fn head(profile: &str, origin: &str) -> String {
    format!("profile `{profile}`, {origin}\n")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}
