//! `shannot config …`: looks at the configuration, changes nothing.

use serde::Serialize;

use crate::args::{Config as Args, Global};
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::{human, json};
use crate::surroundings::Surroundings;
use crate::targets::{Files, Row, Targets};

mod check;

pub(crate) use check::check_secret;

/// What editors check a configuration against.
const SCHEMA: &str = include_str!("../../../../docs/config.schema.json");

/// Answers a question about the configuration.
pub(crate) fn run(args: &Args, global: &Global) -> ExitCode {
    let surroundings = Surroundings::read();
    let files = Files::new(&surroundings, global.config.as_deref());
    let answer = match args {
        Args::Show => show(&files, global, &surroundings),
        Args::Path => path(&files, global),
        Args::Check => Ok(check::run(&files, global, &surroundings)),
        Args::Schema => {
            human::print(SCHEMA);
            Ok(ExitCode::Fine)
        }
    };
    answer.unwrap_or_else(|error| {
        human::complain_of(&error);
        ExitCode::Usage
    })
}

fn show(files: &Files, global: &Global, surroundings: &Surroundings) -> Result<ExitCode, Error> {
    let rows = Targets::read(files, surroundings)?.rows();
    if global.json {
        json::print(&rows);
    } else {
        human::print(&text(&rows));
    }
    Ok(ExitCode::Fine)
}

/// TOML with the origin of each value beside it.
fn text(rows: &[Row]) -> String {
    let lines: Vec<String> =
        rows.iter().map(|row| format!("{} = {}", row.key, row.value)).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (mut text, mut table) = (String::new(), "");
    for (row, line) in rows.iter().zip(&lines) {
        if row.table != table {
            table = &row.table;
            text.push_str(&format!("\n[{table}]\n"));
        }
        text.push_str(&format!("{line:width$}  # {}\n", row.origin));
    }
    text
}

#[derive(Debug, Serialize)]
struct Place {
    path: String,
    exists: bool,
    /// Whether `remote add` and `remote remove` change it.
    edited: bool,
}

/// The file that is edited; with `--json` all that are read, the first first.
fn path(files: &Files, global: &Global) -> Result<ExitCode, Error> {
    let edited = files.edited.as_ref();
    if global.json {
        let place = |path: &std::path::PathBuf| Place {
            path: path.display().to_string(),
            exists: path.symlink_metadata().is_ok(),
            edited: Some(path) == edited,
        };
        json::print(&files.read.iter().map(place).collect::<Vec<_>>());
    } else {
        human::print(&format!("{}\n", edited.ok_or(Error::NoHome)?.display()));
    }
    Ok(ExitCode::Fine)
}
