//! What this program says to a person: on stderr each line begins with `shannot: `, so that it
//! can be told from the command's.

use std::io::Write as _;

use shannot::policy::types::Timeout;
use shannot::sandbox::Status;
use shannot::{End, Limit, Outcome};

use super::stdout;
use super::terminal::inert;
use crate::error::{Error, chain, hint_of_failure};

/// Prints a text on stdout; a terminal is shown nothing in it that it would obey.
pub(crate) fn print(text: &str) {
    let lines = text.lines().map(inert);
    let text: String = lines.flat_map(|line| [line, "\n".to_owned()]).collect();
    stdout::write(text.as_bytes());
}

/// Rows with each column but the last as wide as its widest cell.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Says something on stderr.
pub(crate) fn complain(text: &str) {
    let mut lines = String::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        lines.push_str("shannot: ");
        lines.push_str(&inert(line));
        lines.push('\n');
    }
    // In one piece, so that a command's line does not come between. With stderr closed nobody
    // is left to tell.
    let _ = std::io::stderr().lock().write_all(lines.as_bytes());
}

/// Says what went wrong and what can be done about it.
pub(crate) fn complain_of(error: &Error) {
    of_error(error).iter().for_each(|line| complain(line));
}

/// What went wrong and what can be done about it.
pub(super) fn of_error(error: &Error) -> Vec<String> {
    let hint = error.hint().map(|hint| format!("hint: {hint}"));
    std::iter::once(error.chain()).chain(hint).collect()
}

/// Says how a run ended, where its exit code does not say enough.
pub(crate) fn complain_of_end(outcome: &Outcome, wall: Timeout) {
    of_end(outcome, wall).iter().for_each(|line| complain(line));
}

/// How a run ended, where its exit code does not say enough.
pub(super) fn of_end(outcome: &Outcome, wall: Timeout) -> Vec<String> {
    let mut lines = Vec::new();
    match &outcome.end {
        End::Failed(failure) => {
            lines.push(chain(failure));
            lines.extend(hint_of_failure(failure).map(|hint| format!("hint: {hint}")));
        }
        End::TimedOut => lines.push(format!("timed out after {wall}")),
        End::LimitReached(_) | End::Exited(_) | End::Signaled(_) | End::Cancelled => {
            let limits = outcome.limits_hit.iter();
            lines.extend(
                limits.map(|l| format!("ended by the profile's limit {}", shown_limit(*l))),
            );
        }
    }
    if let (End::Signaled(signal), []) = (&outcome.end, &*outcome.limits_hit)
        && let Some(name) = alarming(*signal)
    {
        lines.push(format!("the command was ended by {name}"));
    }
    if outcome.lingering {
        let what = "it was told to end, and is not known to have ended: what is stuck in a kernel ends \
                    when it is let go, and on a host that was lost with its connection";
        lines.push(what.to_owned());
    }
    lines
}

fn shown_limit(limit: Limit) -> String {
    format!("`limits.{}`", limit.as_str())
}

/// Signals that neither the caller nor a closed pipe sends.
fn alarming(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// Says on one line what was in force.
pub(crate) fn tell_enforcement(outcome: &Outcome) {
    of_enforcement(outcome).iter().for_each(|line| complain(line));
}

/// What was in force, on one line.
pub(super) fn of_enforcement(outcome: &Outcome) -> Option<String> {
    let ms = outcome.duration.as_secs_f64() * 1000.0;
    let enforcement = outcome.enforcement.as_ref()?;
    let names = |status: Status| {
        let layers = enforcement.layers.iter().filter(|layer| layer.status == status);
        layers.map(|layer| &*layer.name).collect::<Vec<_>>().join(", ")
    };
    let mut line = format!("tier {}, {ms:.1} ms", enforcement.tier);
    for (status, word) in [
        (Status::Enforced, "enforced"),
        (Status::Supervised, "supervised"),
        (Status::NotEnforced, "not enforced"),
    ] {
        let names = names(status);
        if !names.is_empty() {
            line.push_str(&format!("; {word}: {names}"));
        }
    }
    for passed in &enforcement.passed_over {
        line.push_str(&format!("; passed over: {}", passed.why));
    }
    Some(line)
}
