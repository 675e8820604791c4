//! `cargo xtask oracle`: whether the host is equal before and after thousands of commands.
//!
//! The test target `oracle` does it; this spreads the commands over its columns, one after the
//! other, and makes a table of what each says.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::say;
use crate::test::{cargo, set_up};

const COMMANDS: usize = 10_000;
/// Who starts the box, and its tier. Only root has the first four.
const COLUMNS: [&str; 7] =
    ["root-T1", "root-T2", "root-T3", "root-L", "user-T2", "user-T3", "user-L"];

/// Runs them all and prints the table.
///
/// # Errors
/// Something differed, or a column did not run.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let commands = match args {
        [] => COMMANDS,
        [n, ..] => n.parse().map_err(|_| format!("`{n}` is not a number of commands"))?,
    };
    set_up()?;
    let root = rustix::process::geteuid().is_root();
    let columns: Vec<&str> =
        COLUMNS.into_iter().filter(|c| root || c.starts_with("user")).collect();
    let each = commands.div_ceil(columns.len());
    // Another one each time, so that many runs see more than one; the table repeats it.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seed = std::env::var("SHANNOT_ORACLE_SEED").unwrap_or_else(|_| now.to_string());
    let mut failed = Vec::new();
    let mut rows = Vec::new();
    for column in columns {
        let (row, good) = column_of(column, each, &seed)?;
        rows.extend(row);
        if !good {
            failed.push(column);
        }
    }
    say(&format!("\nseed {seed}"));
    say(&format!(
        "{:<8} {:>8} {:>11}  {:<24} {}",
        "column", "commands", "differences", "by kind", "outcomes"
    ));
    let mut total = 0;
    for row in &rows {
        let [column, commands, differences, kinds, outcomes] = row.each_ref().map(String::as_str);
        total += commands.parse::<usize>().unwrap_or(0);
        say(&format!("{column:<8} {commands:>8} {differences:>11}  {kinds:<24} {outcomes}"));
    }
    say(&format!("{total} commands"));
    if failed.is_empty() {
        return Ok(());
    }
    Err(format!("not as it was, or not run: {}", failed.join(", ")))
}

/// Runs one column, passes on what it says, and returns its row and whether all is well.
fn column_of(
    column: &str,
    commands: usize,
    seed: &str,
) -> Result<(Option<[String; 5]>, bool), String> {
    let test = format!("the_host_stays::{}", column.to_lowercase().replace('-', "_"));
    let mut command = cargo();
    command.args(["test", "--quiet", "--package", "shannot-cli", "--test", "oracle", "--"]);
    command.args(["--exact", &test, "--nocapture"]);
    command.env("SHANNOT_ORACLE_COMMANDS", commands.to_string()).env("SHANNOT_ORACLE_SEED", seed);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|e| format!("cargo: {e}"))?;
    let mut row = None;
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
        let line = line.map_err(|e| format!("{test}: {e}"))?;
        let fields: Option<Vec<_>> =
            line.split_once("oracle\t").map(|(_, f)| f.split('\t').collect());
        if let Some([name, done, differences, kinds, outcomes, ..]) = fields.as_deref() {
            row = Some([name, done, differences, kinds, outcomes].map(|f| (*f).to_owned()));
        }
        say(&line);
    }
    let status = child.wait().map_err(|e| format!("cargo: {e}"))?;
    let good = status.success() && row.is_some();
    Ok((row, good))
}
