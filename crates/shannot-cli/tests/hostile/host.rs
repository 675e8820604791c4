//! The host beside the box: processes that must not be harmed, and waiting for what the kernel
//! does in its own time.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use crate::harness::{Column, Fixture, Profile, Report, as_runner, shannot_with, word};

/// A process of the host's, of the user who starts the boxes of a tier; ended with the value.
#[derive(Debug)]
pub(crate) struct Victim(pub(crate) std::process::Child);

impl Victim {
    /// One that sleeps.
    pub(crate) fn sleeping(column: Column) -> Self {
        let mut command = as_runner(column, "sleep");
        command.arg("300").stdin(Stdio::null()).stdout(Stdio::null());
        Self::start(&mut command)
    }

    pub(crate) fn start(command: &mut Command) -> Self {
        let victim = Self(command.spawn().expect("a process of the host's"));
        // Until setpriv has become the program.
        std::thread::sleep(std::time::Duration::from_millis(200));
        victim
    }

    pub(crate) fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// It has not ended, is not stopped or traced, and has the limits and priority of its start.
    pub(crate) fn assert_unharmed(&mut self) {
        assert_eq!(self.0.try_wait().expect("wait"), None, "the host's process has ended");
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("status");
        let state = status.lines().find(|l| l.starts_with("State:")).expect("a state");
        assert!(state.contains("sleeping") || state.contains("running"), "{state}");
        assert!(status.contains("TracerPid:\t0"), "{status}");
        let allowed = |status: &str| {
            let line = status.lines().find(|l| l.starts_with("Cpus_allowed_list:"));
            line.expect("processors").to_owned()
        };
        let own = fs::read_to_string("/proc/self/status").expect("status");
        assert_eq!(allowed(&status), allowed(&own));
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("stat");
        // Counted after the name: niceness is field 19, the policy 41; proc_pid_stat(5).
        let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        assert_eq!((fields[16], fields[38]), ("0", "0"), "niceness and policy: {stat}");
        let read = |name| fs::read_to_string(format!("/proc/{}/{name}", self.0.id()));
        let own = fs::read_to_string("/proc/self/oom_score_adj").expect("oom_score_adj");
        assert_eq!(read("oom_score_adj").expect("oom_score_adj"), own);
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A probe, boxed or not, that says `ready` and waits for the end of its input.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) child: std::process::Child,
    stdout: Option<std::io::BufReader<std::process::ChildStdout>>,
    text: String,
}

impl Held {
    pub(crate) fn start(command: &mut Command) -> Self {
        use std::io::BufRead as _;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let mut stdout = std::io::BufReader::new(child.stdout.take().expect("a pipe"));
        let mut text = String::new();
        while !text.ends_with("ready\n") {
            let read = stdout.read_line(&mut text).expect("its output");
            assert_ne!(read, 0, "it ended before it was ready: {text}");
        }
        Self { child, stdout: Some(stdout), text }
    }

    /// What it has said so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has, though the end of its input has not come.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }

    /// Lets it go on to its end.
    pub(crate) fn finish(&mut self) -> Report {
        use std::io::Read as _;
        drop(self.child.stdin.take());
        if let Some(mut stdout) = self.stdout.take() {
            stdout.read_to_string(&mut self.text).expect("its output");
        }
        self.child.wait().expect("its end");
        Report::read(&self.text)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until something holds; for what the kernel does in its own time.
pub(crate) fn eventually(seconds: u64, mut holds: impl FnMut() -> bool) -> bool {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    while std::time::Instant::now() < end {
        if holds() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    holds()
}

/// The words of a command line as a shell takes them, for cases that need `$$` or descriptors.
pub(crate) fn in_shell(script: &str, command: &Command) -> Command {
    let quote = |word: &OsStr| format!("'{}'", word.to_str().expect("plain words"));
    let mut words = vec![quote(command.get_program())];
    words.extend(command.get_args().map(quote));
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(script.replace("SHANNOT", &words.join(" "))).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    shell
}

/// `shannot run` where a shell starts the supervisor after these lines: here or, in a far column, the
/// agent there.
pub(crate) fn shannot_after(
    lines: &str,
    column: Column,
    profile: &Profile,
    flags: &[&str],
    words: &[&str],
) -> Command {
    let command = shannot_with(column, profile, flags, words, lines);
    if column.far { command } else { in_shell(&format!("{lines}\nexec SHANNOT"), &command) }
}

/// A note of the supervisor's pid, for who attacks it: whether it is here or on a far host, nobody knows
/// the number before it is started.
#[derive(Debug)]
pub(crate) struct Note {
    fixture: Fixture,
    /// As the probe reads it.
    word: String,
}

impl Note {
    pub(crate) fn new(column: Column) -> Self {
        let fixture = Fixture::new(column, "note");
        let word = format!("@{}", word(&fixture.file(column, "pid", "")));
        Self { fixture, word }
    }

    /// What the shell does that becomes the supervisor.
    pub(crate) fn lines(&self) -> String {
        format!("echo $$ >{}", word(&self.fixture.path("pid")))
    }

    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    /// The supervisor's, once it was started.
    pub(crate) fn pid(&self) -> u32 {
        let text = fs::read_to_string(self.fixture.path("pid")).expect("the note");
        text.trim().parse().expect("a pid")
    }
}

/// The command in a mount namespace of its own, out of which no mount goes.
pub(crate) fn among_own_mounts(script: &str, command: &Command) -> Command {
    let shell = in_shell(script, command);
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--propagation", "private"]).arg("bash").args(shell.get_args());
    unshare.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
    unshare.stdin(Stdio::null());
    unshare
}
