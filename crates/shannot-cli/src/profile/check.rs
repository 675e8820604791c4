//! `shannot profile check`.

use std::path::Path;

use serde::Serialize;
use shannot::policy::Profile;
use shannot::policy::profile::Examples;

use crate::args::{Global, ProfileCheck as Args};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::file::{self, Role};
use crate::profiles::Profiles;
use crate::render::{human, json};
use crate::surroundings::Surroundings;

/// What came of one file.
#[derive(Debug, Serialize)]
struct Report {
    file: String,
    ok: bool,
    name: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<String>,
    error: Option<String>,
    hint: Option<String>,
    notes: Vec<String>,
}

/// Reads each file as a profile and runs its examples.
pub(super) fn run(
    args: &Args,
    global: &Global,
    surroundings: &Surroundings,
) -> Result<ExitCode, Error> {
    let profiles = Profiles::new(surroundings);
    let reports: Vec<Report> = args.files.iter().map(|path| check(path, &profiles)).collect();
    if global.json {
        json::print(&reports);
    } else {
        human::print(&reports.iter().map(text).collect::<String>());
    }
    let all_well = reports.iter().all(|report| report.ok);
    Ok(if all_well { ExitCode::Fine } else { ExitCode::Finding })
}

fn check(path: &Path, profiles: &Profiles<'_>) -> Report {
    let mut report = Report {
        file: path.display().to_string(),
        ok: true,
        name: None,
        line: None,
        column: None,
        key: None,
        error: None,
        hint: None,
        notes: Vec::new(),
    };
    match read(path, profiles, &mut report.notes) {
        Ok(profile) => report.name = Some(profile.name.to_string()),
        Err(error) => {
            report.ok = false;
            report.hint = error.hint();
            report.error = Some(error.chain());
            if let Error::Text(error) = &error {
                report.line = Some(error.line());
                report.column = Some(error.column());
                report.key = error.key().map(str::to_owned);
                report.error = Some(error.message().to_owned());
            }
        }
    }
    report
}

fn read(path: &Path, profiles: &Profiles<'_>, notes: &mut Vec<String>) -> Result<Profile, Error> {
    let text = file::read_any(Role::Profile, path)?;
    let text = text.ok_or_else(|| Error::Read {
        path: path.to_owned(),
        source: std::io::ErrorKind::NotFound.into(),
    })?;
    if text.is_legacy() {
        let converted = Profile::parse_legacy(&text.text, &text.origin)?;
        notes.extend(converted.notes.iter().map(|note| format!("{}: {}", note.field, note.note)));
    }
    let profile = profiles.parse_text(&text, Examples::Check)?;
    // Who may write the file is no fault of its text, but `run` would not take it.
    if let Some(doubt) = file::doubt(Role::Profile, path)? {
        notes.push(doubt.to_string());
    }
    Ok(profile)
}

fn text(report: &Report) -> String {
    let file = &report.file;
    let mut text = match (&report.error, report.line, report.column) {
        (None, ..) => format!("{file}: ok\n"),
        (Some(error), Some(line), Some(column)) => {
            let key = report.key.as_ref().map(|key| format!("`{key}`: ")).unwrap_or_default();
            format!("{file}:{line}:{column}: {key}{error}\n")
        }
        (Some(error), ..) => format!("{file}: {error}\n"),
    };
    if let Some(hint) = &report.hint {
        text.push_str(&format!("{file}: hint: {hint}\n"));
    }
    for note in &report.notes {
        text.push_str(&format!("{file}: note: {note}\n"));
    }
    text
}
