//! `shannot profile list`.

use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::{human, json};
use crate::surroundings::Surroundings;

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    origin: String,
    narrowed_by: Option<String>,
    tiers: Vec<&'static str>,
    description: String,
    commands: usize,
}

/// Prints the profiles that can be named; one that is broken is a finding.
pub(super) fn run(global: &Global, surroundings: &Surroundings) -> Result<ExitCode, Error> {
    let profiles = Profiles::new(surroundings);
    let mut entries = Vec::new();
    let mut code = ExitCode::Fine;
    for name in profiles.names() {
        match profiles.by_name(&name) {
            Ok(found) => entries.push(Entry {
                name: name.to_string(),
                origin: found.origin.to_string(),
                narrowed_by: found.narrowed_by.map(|path| path.display().to_string()),
                tiers: found.profile.tiers.iter().map(|tier| tier.as_str()).collect(),
                description: found.profile.description.clone(),
                commands: found.profile.commands.len(),
            }),
            Err(error) => {
                human::complain_of(&error);
                code = ExitCode::Finding;
            }
        }
    }
    if global.json {
        json::print(&entries);
    } else {
        let mut rows = vec![["NAME", "FROM", "TIERS", "DESCRIPTION"].map(str::to_owned)];
        rows.extend(entries.into_iter().map(|entry| {
            let narrowed = entry.narrowed_by.map(|path| format!(", narrowed by {path}"));
            let origin = entry.origin + narrowed.as_deref().unwrap_or_default();
            [entry.name, origin, entry.tiers.join(" "), entry.description]
        }));
        human::print(&human::columns(&rows));
    }
    Ok(code)
}
