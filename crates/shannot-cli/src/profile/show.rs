//! `shannot profile show`.

use std::ffi::OsStr;

use serde::Serialize;
use shannot::policy::profile::Table;

use crate::args::{Global, ProfileShow as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::{human, json};
use crate::surroundings::Surroundings;

#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    narrowed_by: Option<String>,
    profile: Table,
}

/// Prints a profile with all that it inherits.
pub(super) fn run(
    args: Args,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let asked = args.name.as_deref().or(global.profile.as_deref());
    let found = Profiles::new(surroundings).select(asked.map(OsStr::new))?;
    let shown = Shown {
        origin: found.origin.to_string(),
        narrowed_by: found.narrowed_by.map(|path| path.display().to_string()),
        profile: Table::new(&found.profile),
    };
    if global.json {
        json::print(&shown);
        return Ok(ExitCode::Fine);
    }
    let toml = toml::to_string_pretty(&shown.profile)
        .map_err(|error| Error::internal("write TOML", std::io::Error::other(error)))?;
    let narrowed = shown.narrowed_by.map(|path| format!("# Narrowed by {path}.\n"));
    let head = format!("# {}, with all that it inherits.\n", shown.origin);
    human::print(&format!("{head}{}{toml}", narrowed.unwrap_or_default()));
    Ok(ExitCode::Fine)
}
