//! `shannot remote list`.

use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::{human, json};
use crate::surroundings::Surroundings;
use crate::targets::{Executor, Files, Target, Targets};

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    default: bool,
    r#type: &'static str,
    /// The destination or the URL; `None` for this machine.
    address: Option<String>,
    profile: Option<String>,
    groups: Vec<String>,
    /// The file that states it; `None` for what is there without one.
    file: Option<String>,
    line: Option<usize>,
}

/// Prints the targets.
pub(super) fn run(
    global: &Global,
    files: &Files,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let targets = Targets::read(files, surroundings)?;
    let entries: Vec<_> = targets.targets.values().map(|t| entry(t, &targets)).collect();
    if global.json {
        json::print(&entries);
        return Ok(ExitCode::Fine);
    }
    let mut rows = vec![["NAME", "TYPE", "ADDRESS", "PROFILE", "GROUPS"].map(str::to_owned)];
    rows.extend(entries.into_iter().map(|entry| {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mark = if entry.default { " (default)" } else { "" };
        let groups = entry.groups.iter().map(|group| format!("@{group}")).collect::<Vec<_>>();
        [
            entry.name + mark,
            entry.r#type.to_owned(),
            or_dash(entry.address),
            or_dash(entry.profile),
            or_dash(Some(groups.join(" ")).filter(|groups| !groups.is_empty())),
        ]
    }));
    human::print(&human::columns(&rows));
    Ok(ExitCode::Fine)
}

fn entry(target: &Target, targets: &Targets) -> Entry {
    let name = &target.name.value;
    let is_in = |members: &[crate::targets::Value<_>]| members.iter().any(|m| m.value == *name);
    let groups = targets.groups.iter().filter(|(_, group)| is_in(&group.members));
    Entry {
        name: name.to_string(),
        default: targets.default.value == *name,
        r#type: target.executor.kind(),
        address: match &target.executor {
            Executor::Local => None,
            Executor::Ssh(ssh) => Some(ssh.destination().to_string()),
            Executor::Http(http) => Some(http.url.value.to_string()),
        },
        profile: target.profile.as_ref().map(|profile| profile.value.to_string()),
        groups: groups.map(|(group, _)| group.to_string()).collect(),
        file: target.name.origin.file().map(|path| path.display().to_string()),
        line: target.name.origin.place().map(|(line, _)| line),
    }
}
