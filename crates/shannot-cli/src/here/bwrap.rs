//! `shannot profile explain --bwrap`: the box of a command as one line for the shell of a host that
//! has bwrap and nothing of ours.

use std::fmt::Write as _;

use serde::Serialize;
use shannot::Failure;
use shannot::policy::profile::Tier;
use shannot::policy::{Grant, Plan};
use shannot::sandbox::{BwrapCall, FILTER_FD, Host, Status, bwrap_call};

use crate::args::Global;
use crate::error::Error;
use crate::exit_code::ExitCode;
use crate::render::json::Enforcement;
use crate::render::{human, json};

/// The box as JSON.
#[derive(Debug, Serialize)]
struct Line {
    /// For `sh`.
    line: String,
    enforcement: Enforcement,
}

/// Prints the line for a command that the profile allows and, on stderr, what does not hold there.
pub(crate) fn print(grant: Grant, global: &Global) -> Result<ExitCode, Error> {
    let host = Host::read();
    let facts = host.facts().map_err(|e| Error::internal("get random bytes", e))?;
    let call = bwrap_call(&Plan::new(&grant, Tier::T3, &facts), &host).map_err(Failure::from)?;
    let line = line(&call)?;
    if global.json {
        json::print(&Line { line, enforcement: (&call.enforcement).into() });
        return Ok(ExitCode::Fine);
    }
    human::print(&format!("{line}\n"));
    let weak = call.enforcement.layers.iter().filter(|layer| layer.status != Status::Enforced);
    for layer in weak {
        human::complain(&format!("not enforced there: {}: {}", layer.name, layer.detail));
    }
    Ok(ExitCode::Fine)
}

/// The filter comes by a pipe, whose reading end is bwrap's descriptor, and standard input is what
/// it was before: nothing is written on that host.
fn line(call: &BwrapCall) -> Result<String, Error> {
    let octal = call.filter.iter().fold(String::new(), |mut text, byte| {
        // To a string, which takes all. Three digits, so that none that follows is read with it.
        let _ = write!(text, "\\{byte:03o}");
        text
    });
    let quote = |word: &Vec<u8>| -> std::io::Result<String> {
        let text = std::str::from_utf8(word).map_err(std::io::Error::other)?;
        let quoted = shlex::try_quote(text).map(std::borrow::Cow::into_owned);
        quoted.map_err(|_| std::io::Error::other("a word holds a NUL"))
    };
    let words: std::io::Result<Vec<_>> = call.argv.iter().map(quote).collect();
    let words = words.map_err(|e| Error::internal("quote the command line", e))?.join(" ");
    let limits: String =
        call.limits.iter().map(|limit| format!("ulimit {limit} 2> /dev/null; ")).collect();
    let wall = call.wall.as_secs_f64();
    Ok(format!(
        "{{ printf '{octal}' | ( {limits}exec timeout -s KILL {wall} env -i {words} ) {FILTER_FD}<&0 0<&4 4<&-; }} 4<&0"
    ))
}
