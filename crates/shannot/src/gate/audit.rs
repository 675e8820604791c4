//! What is asked and what comes of it, kept before and after it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;
use shannot_policy::Request;

use super::Refusal;
use crate::event::{End, Outcome};

/// The most bytes of a request's words that a record has, and the most words of a command.
const MOST_WORDS: usize = 4 << 10;
const MOST_ARGS: usize = 256;

/// Where records go. What cannot be recorded does not run.
pub trait Audit: fmt::Debug + Send + Sync {
    /// Keeps a record, or fails.
    ///
    /// # Errors
    /// It is not kept.
    fn record(&self, record: &Record<'_>) -> io::Result<()>;
}

/// One record.
#[derive(Debug, Serialize)]
pub struct Record<'r> {
    /// When, in UTC, as RFC 3339 has it.
    pub time: String,
    /// The same for the intent and the outcome of one request, and for no other.
    pub id: &'r str,
    /// Who asks.
    pub caller: &'r str,
    /// By which tool.
    pub tool: &'r str,
    /// Where it is to run.
    pub target: &'r str,
    /// What is recorded.
    #[serde(flatten)]
    pub what: &'r What,
}

/// What is recorded of a request.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// It was asked, and this is the verdict; nothing has run yet.
    Intent {
        /// By which profile.
        profile: String,
        /// The words of each command, up to a bound. What is not UTF-8 is replaced.
        argv: Vec<Vec<String>>,
        /// Where they are to start.
        cwd: String,
        /// `allowed`, `denied` or `not_admitted`.
        verdict: &'static str,
        /// Why not.
        #[serde(skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// It has run, or should have.
    Outcome {
        /// How it ended.
        end: String,
        /// Bytes of standard output that were passed on.
        stdout_bytes: u64,
        /// Bytes of standard error.
        stderr_bytes: u64,
        /// How long it took.
        duration_ms: u64,
        /// The tier of its box, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        tier: Option<&'static str>,
    },
    /// Whoever asked has gone before the end, and the box with them.
    Dropped,
}

impl<'r> Record<'r> {
    /// A record of now.
    pub(super) fn now([id, caller, tool, target]: [&'r str; 4], what: &'r What) -> Self {
        let time = humantime::format_rfc3339_micros(SystemTime::now()).to_string();
        Self { time, id, caller, tool, target, what }
    }
}

impl What {
    /// What is asked, and allowed unless [`What::refused`] says otherwise.
    pub(super) fn asked(request: &Request) -> Self {
        // A caller must not fill the disk with words that never run.
        let mut left = MOST_WORDS;
        let mut word = |text: String| {
            let length = text.len();
            let end = text.floor_char_boundary(left.min(length));
            left -= end;
            match end == length {
                true => text,
                false => format!("{}… ({length} bytes)", &text[..end]),
            }
        };
        let mut words = |argv: &shannot_policy::Argv| {
            let args = argv.args.iter().map(|arg| arg.lossy().into_owned());
            let all = std::iter::once(argv.program.to_string()).chain(args);
            all.take(MOST_ARGS).map(&mut word).collect()
        };
        Self::Intent {
            profile: request.profile.to_string(),
            argv: request.stages.as_slice().iter().map(&mut words).collect(),
            cwd: request.cwd.to_string(),
            verdict: "allowed",
            why: None,
        }
    }

    /// The same, refused for this reason.
    pub(super) fn refused(mut self, refusal: &Refusal) -> Self {
        if let Self::Intent { verdict, why, .. } = &mut self {
            *verdict = match refusal {
                Refusal::TooMuch(_) => "not_admitted",
                _ => "denied",
            };
            *why = Some(refusal.to_string());
        }
        self
    }

    pub(super) fn outcome(outcome: &Outcome) -> Self {
        let end = match &outcome.end {
            End::Exited(code) => format!("exited {code}"),
            End::Signaled(signal) => format!("signaled {signal}"),
            End::TimedOut => "timed_out".to_owned(),
            End::LimitReached(limit) => format!("limit {}", limit.as_str()),
            End::Cancelled => "cancelled".to_owned(),
            End::Failed(failure) => format!("failed: {failure}"),
        };
        Self::Outcome {
            end,
            stdout_bytes: outcome.stdout_bytes,
            stderr_bytes: outcome.stderr_bytes,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            tier: outcome.enforcement.as_ref().map(|enforcement| enforcement.tier.as_str()),
        }
    }
}

/// A file of records, one JSON object a line. It is only ever appended to, also by other processes.
#[derive(Debug)]
pub struct AuditFile(Mutex<File>);

impl AuditFile {
    /// Opens it, or makes it for this user alone.
    ///
    /// # Errors
    /// It cannot be appended to.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map(|file| Self(Mutex::new(file)))
    }
}

impl Audit for AuditFile {
    fn record(&self, record: &Record<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // In one call: lines of other processes stay whole too.
        let written = file.write(&line)?;
        match written == line.len() {
            true => Ok(()),
            // A half line must not become the beginning of the next.
            false => file.write_all(b"\n").and(Err(io::ErrorKind::WriteZero.into())),
        }
    }
}
