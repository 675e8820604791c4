//! How far the way to a host leads.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{ChildStderr, Command};

use super::command::SshTarget;
use super::connection::spawn;
use super::diagnosis::hint_of;
use crate::event::Unreachable;

/// The longest line of ssh's log that is read.
const LONGEST_LINE: u64 = 8 << 10;
/// The most lines of it.
const MOST_LINES: usize = 10_000;

/// One step on the way to a host.
#[derive(Debug, Clone)]
pub struct Step {
    /// What it is: `name`, `tcp`, `host key`, `authentication` or `login shell`.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// What was found, or what is wrong.
    pub found: Result<String, Unreachable>,
}

/// Logs in to a host and out again. Returns the steps that were taken, of which the last may be one
/// that failed. On the way through a jump host its own steps come first.
pub async fn probe(target: &SshTarget) -> Vec<Step> {
    let mut command = Command::new("ssh");
    // Every shell knows `exit`.
    command.arg("-v").args(target.words("exit 0"));
    let since = Instant::now();
    let mut log =
        Log { since, steps: Vec::new(), key: None, offered: Vec::new(), said: Vec::new() };
    let (mut child, stdin, stdout, stderr) = match spawn(&mut command, target) {
        Ok(spawned) => spawned,
        Err(why) => {
            return vec![Step { name: "name", took: since.elapsed(), found: Err(why) }];
        }
    };
    drop((stdin, stdout));
    let read = tokio::time::timeout(target.connect_timeout, log.read(stderr)).await;
    let status = match read {
        Ok(()) => tokio::time::timeout(Duration::from_secs(1), child.wait()).await.ok(),
        Err(_) => None,
    };
    let status = status.and_then(Result::ok);
    if !status.is_some_and(|status| status.success()) {
        let code = status.and_then(|status| status.code());
        log.fail(code, target);
    }
    log.steps
}

/// What is read of ssh's log.
struct Log {
    /// When the last step was done.
    since: Instant,
    steps: Vec<Step>,
    /// The host's, as it was shown.
    key: Option<String>,
    /// The user's that were tried.
    offered: Vec<String>,
    /// What is no debug message.
    said: Vec<String>,
}

impl Log {
    async fn read(&mut self, stderr: ChildStderr) {
        let mut stderr = BufReader::new(stderr);
        for _ in 0..MOST_LINES {
            let mut line = Vec::new();
            let read = (&mut stderr).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
            if !matches!(read, Ok(1..)) {
                return;
            }
            let line = String::from_utf8_lossy(&line);
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        let about_itself = ["OpenSSH_", "Transferred: ", "Bytes per second: "];
        if let Some(line) = line.strip_prefix("debug1: ") {
            self.debug(line);
        } else if let Some(rest) = line.strip_prefix("Authenticated to ") {
            self.done("authentication", rest.trim_end_matches('.').to_owned());
        } else if !line.trim().is_empty() && !about_itself.iter().any(|own| line.starts_with(own)) {
            self.said.push(line.to_owned());
        }
    }

    fn debug(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("Connecting to ") {
            self.done("name", rest.trim_end_matches('.').to_owned());
        } else if line == "Connection established." {
            self.done("tcp", "connected".to_owned());
        } else if let Some(key) = line.strip_prefix("Server host key: ") {
            self.key = Some(key.to_owned());
        } else if line.starts_with("SSH2_MSG_NEWKEYS sent") {
            // It goes on only with a key that it accepts.
            if let Some(key) = self.key.take() {
                self.done("host key", key);
            }
        } else if let Some(key) = line.strip_prefix("Offering public key: ") {
            self.offered.push(key.to_owned());
        }
    }

    fn done(&mut self, name: &'static str, found: String) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        self.steps.push(Step { name, took, found: Ok(found) });
    }

    /// The step that was not done.
    fn fail(&mut self, code: Option<i32>, target: &SshTarget) {
        let name = match self.steps.last().map(|step| step.name) {
            None => "name",
            Some("name") => "tcp",
            Some("tcp") => "host key",
            Some("host key") => "authentication",
            Some(_) => "login shell",
        };
        let said = self.said.join("; ");
        let mut what = match code {
            None => format!("no answer within {:?}", target.connect_timeout),
            Some(code) if said.is_empty() => format!("ssh ended with exit code {code}"),
            Some(_) => said.clone(),
        };
        if let Some(key) = &self.key {
            what.push_str(&format!(" (it showed {key})"));
        }
        if name == "authentication" {
            what.push_str(&match &self.offered[..] {
                [] => " (there was no key to try)".to_owned(),
                offered => format!(" (tried: {})", offered.join(", ")),
            });
        }
        let hint = hint_of(&said, target);
        let why = Unreachable::new(&target.name, what, hint);
        self.steps.push(Step { name, took: self.since.elapsed(), found: Err(why) });
    }
}
