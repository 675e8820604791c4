//! `shannot config check`.

use std::path::Path;

use serde::Serialize;

use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::profiles::Profiles;
use crate::render::{human, json};
use crate::surroundings::Surroundings;
use crate::system;
use crate::targets::{Executor, Files, Target, Targets, Value};

/// Something that is wrong.
#[derive(Debug, Serialize)]
struct Finding {
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<String>,
    error: String,
    hint: Option<String>,
}

/// Reads the configuration and looks for the files and profiles that it names.
pub(super) fn run(files: &Files, global: &Global, surroundings: &Surroundings) -> ExitCode {
    let findings = match Targets::read(files, surroundings) {
        Ok(targets) => {
            let profiles = Profiles::new(surroundings);
            targets.targets.values().flat_map(|target| of_target(target, &profiles)).collect()
        }
        Err(error) => vec![of_error(&error)],
    };
    if global.json {
        json::print(&findings);
    } else {
        human::print(&findings.iter().map(text).collect::<String>());
    }
    if findings.is_empty() { ExitCode::Fine } else { ExitCode::Finding }
}

fn of_error(error: &Error) -> Finding {
    let mut finding = Finding {
        file: None,
        line: None,
        column: None,
        key: None,
        error: error.chain(),
        hint: error.hint(),
    };
    if let Error::Text(error) = error {
        finding.file = Some(error.origin().to_owned());
        finding.line = Some(error.line());
        finding.column = Some(error.column());
        finding.key = error.key().map(str::to_owned);
        finding.error = error.message().to_owned();
    }
    finding
}

/// What is wrong with what a target names.
fn of_target(target: &Target, profiles: &Profiles<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(profile) = &target.profile
        && let Err(error) = profiles.by_name(&profile.value)
    {
        findings.push(of_value(target, "profile", profile, &error));
    }
    match &target.executor {
        Executor::Local => {}
        Executor::Ssh(ssh) => {
            if let Some(key) = &ssh.key_file
                && let Err(error) = check_secret(&key.value)
            {
                findings.push(of_value(target, "key_file", key, &error));
            }
        }
        Executor::Http(http) => {
            if let Some(token) = &http.token_file
                && let Err(error) = check_secret(&token.value)
            {
                findings.push(of_value(target, "token_file", token, &error));
            }
        }
    }
    findings
}

fn of_value<T>(target: &Target, key: &str, value: &Value<T>, error: &Error) -> Finding {
    let (line, column) = value.origin.place().unzip();
    Finding {
        file: value.origin.file().map(|path| path.display().to_string()),
        line,
        column,
        key: Some(format!("executor.{}.{key}", target.name.value.toml_key())),
        error: error.chain(),
        hint: error.hint(),
    }
}

/// Whether a file is there that its user alone can read, as `ssh` asks of a private key.
///
/// # Errors
/// It is not.
pub(crate) fn check_secret(path: &Path) -> Result<(), Error> {
    let read = |source| Error::Read { path: path.to_owned(), source };
    let found = system::open_at_once(path).and_then(|file| file.metadata()).map_err(read)?;
    if !found.is_file() {
        let what = format!("`{}` is no regular file", path.display());
        return Err(Error::Asked { what, hint: "give a file".to_owned() });
    }
    match system::exposure(path, &found) {
        Some((what, hint)) => Err(Error::Asked { what, hint }),
        None => Ok(()),
    }
}

fn text(finding: &Finding) -> String {
    let mut text = String::new();
    if let Some(file) = &finding.file {
        text.push_str(file);
        if let (Some(line), Some(column)) = (finding.line, finding.column) {
            text.push_str(&format!(":{line}:{column}"));
        }
        text.push_str(": ");
    }
    if let Some(key) = &finding.key {
        text.push_str(&format!("`{key}`: "));
    }
    text.push_str(&finding.error);
    text.push('\n');
    if let Some(hint) = &finding.hint {
        text.push_str(&format!("hint: {hint}\n"));
    }
    text
}
