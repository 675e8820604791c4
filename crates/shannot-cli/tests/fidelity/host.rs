//! Runs a command on the host and in the box, with nothing else different between the two.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use shannot::policy::plan::BOX_PATH;
use shannot::policy::profile::Tier;

use crate::account::Account;
use crate::compare::Answer;

/// No diagnostic takes longer, not even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A user, a tier and the files of one test.
#[derive(Debug)]
pub(crate) struct Host {
    account: Account,
    profile: String,
    dir: PathBuf,
}

impl Host {
    /// Makes the place of a test: the program where every user can execute it, and some logs.
    pub(crate) fn new(tier: Tier, account: Account) -> Self {
        let dir = PathBuf::from(format!("/tmp/shannot-fidelity-{}-{tier}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let host = Self { account, profile: profile(tier, &dir), dir };
        fs::copy(env!("CARGO_BIN_EXE_shannot"), host.path("shannot")).unwrap();
        host.make_logs();
        for entry in fs::read_dir(&host.dir).unwrap() {
            let path = entry.unwrap().path();
            let mode = if path.ends_with("shannot") { 0o755 } else { 0o644 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(&host.dir, fs::Permissions::from_mode(0o755)).unwrap();
        host
    }

    fn make_logs(&self) {
        let log = |days: &[u32]| {
            let lines = days.iter().flat_map(|day| (0..400).map(move |n| (day, n)));
            lines
                .map(|(day, n)| {
                    let level = if n % 50 == 0 { "error: timed out" } else { "ok" };
                    let (hour, minute) = (n / 60, n % 60);
                    format!(
                        "2026-01-{day:02} {hour:02}:{minute:02}:07 app[71]: request {n} {level}\n"
                    )
                })
                .collect::<String>()
        };
        fs::write(self.path("app.log"), log(&[3, 4])).unwrap();
        fs::write(self.path("app.log.1"), log(&[1, 2])).unwrap();
        let packed = Command::new("gzip").arg(self.path("app.log.1")).status().unwrap();
        assert!(packed.success());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The directory that `LOGS` stands for.
    pub(crate) fn logs(&self) -> &str {
        self.dir.to_str().unwrap()
    }

    /// Runs a command as it is.
    pub(crate) fn outside(&self, words: &[String]) -> Answer {
        self.run(words)
    }

    /// Runs a command in the box.
    pub(crate) fn inside(&self, words: &[String]) -> Answer {
        self.run(&self.shannot(&[], words))
    }

    /// The tier in which the box really is.
    pub(crate) fn tier(&self) -> String {
        let answer = self.run(&self.shannot(&["--json"], &["true".to_owned()]));
        let json: serde_json::Value =
            serde_json::from_slice(&answer.stdout).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
        json["enforcement"]["tier"].as_str().unwrap_or("none").to_owned()
    }

    fn shannot(&self, options: &[&str], words: &[String]) -> Vec<String> {
        let program = self.path("shannot").to_str().unwrap().to_owned();
        let mut all = vec![program, "run".to_owned(), "--profile".to_owned(), self.profile.clone()];
        all.extend(options.iter().map(|o| (*o).to_owned()));
        all.push("--".to_owned());
        all.extend(words.iter().cloned());
        all
    }

    /// Both sides: the same short environment without a configuration of Shannot's, `/`, pipes, no
    /// terminal, nothing on stdin.
    fn run(&self, words: &[String]) -> Answer {
        let launcher = self.account.launcher();
        let (nothing, _) = rustix::pipe::pipe().unwrap();
        let child = Command::new(&launcher[0])
            .args(&launcher[1..])
            .args(words)
            .env_clear()
            .envs([("PATH", BOX_PATH), ("LC_ALL", "C"), ("HOME", "/")])
            .env("XDG_CONFIG_HOME", self.path("config"))
            .current_dir("/")
            .stdin(Stdio::from(nothing))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("`{}`, of the package util-linux: {e}", launcher[0]));
        let session = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        let (ended, end) = mpsc::channel();
        let watch = thread::spawn(move || {
            let late = end.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
            // The command is the first of its session. That it ends and its number is used again
            // just when the patience is over is too much of a chance.
            late.then(|| kill_process_group(session, Signal::KILL))
        });
        let output = child.wait_with_output().unwrap();
        // Nobody listens once the patience is over.
        let _ = ended.send(());
        let killed = watch.join().unwrap();
        assert!(killed.is_none(), "no end after {PATIENCE:?}: {words:?}");
        Answer { stdout: output.stdout, stderr: output.stderr, code: output.status.code() }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What cannot be removed does no harm in /tmp.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The profile as shipped; for T2, which it does not prefer, as shipped but for that.
fn profile(tier: Tier, dir: &Path) -> String {
    if tier != Tier::T2 {
        return "diagnostics".to_owned();
    }
    let path = dir.join("isolated.toml");
    let text = "version = 1\nname = \"isolated\"\ndescription = \"diagnostics in tier T2\"\n\
                extends = [\"diagnostics\"]\nprefer = \"isolation\"\n";
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}
