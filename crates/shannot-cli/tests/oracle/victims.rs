//! Processes of the host's that have one of everything, and tell what has reached them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::harness::{Column, Report, as_runner, is_root, probe, word};
use crate::snapshot::{Kind, Snapshot};

/// Ended with the value.
#[derive(Debug)]
pub(crate) struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    /// What it said of itself when it started.
    facts: BTreeMap<String, String>,
    /// Its files, and what its names begin with.
    pub(crate) dir: PathBuf,
    pub(crate) mark: String,
}

impl Victim {
    /// One of each user there is.
    pub(crate) fn all(dir: &Path, mark: &str) -> Vec<Self> {
        let root = is_root().then(|| Self::start(Column::ROOT_T1, &dir.join("of-root"), mark));
        root.into_iter().chain([Self::start(Column::USER_L, &dir.join("of-user"), mark)]).collect()
    }

    fn start(column: Column, dir: &Path, mark: &str) -> Self {
        let mark = format!("{mark}-{}", if column.by_root() { "root" } else { "user" });
        let mut command = as_runner(column, probe());
        command.args(["victim", &mark, word(dir)]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process of the host's");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let dir = dir.to_owned();
        let mut victim = Self { child, stdin, stdout, facts: BTreeMap::new(), dir, mark };
        victim.facts = victim.listen();
        victim
    }

    /// What it says next.
    fn listen(&mut self) -> BTreeMap<String, String> {
        let mut text = String::new();
        while !text.ends_with("ready\n") {
            let read = self.stdout.read_line(&mut text).expect("its output");
            if read == 0 {
                return BTreeMap::from([("ended".to_owned(), "early".to_owned())]);
            }
        }
        let report = Report::read(&text);
        assert!(report.errors.is_empty(), "the victim is not what it should be: {report:?}");
        report.facts
    }

    /// A number of it, such as `pid`, `tcp`, `shm`.
    pub(crate) fn number(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("no `{name}` in {:?}", self.facts))
    }

    /// Its numbers as `/proc/locks` and `/proc/sysvipc` have them.
    pub(crate) fn numbers(&self) -> Vec<&str> {
        ["pid", "shm", "sem", "msg"].into_iter().map(|n| self.number(n)).collect()
    }

    /// Notes what has reached it, as it says itself and as the kernel does.
    pub(crate) fn note(&mut self, seen: &mut Snapshot) {
        let proc = Path::new("/proc").join(self.number("pid"));
        let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(":\t"));
            line.unwrap_or("none").to_owned()
        };
        let mut note = |what: &str, is: String| {
            seen.note(Kind::Victim, format!("{} {what}", self.mark), is);
        };
        // Asleep or just awake are one, and one that is stopped would never answer.
        let state = field("State").replace("R (running)", "S (sleeping)");
        let answers = state.starts_with('S');
        note("state", state);
        for name in
            ["TracerPid", "Uid", "Gid", "Groups", "Umask", "NSpid", "SigPnd", "ShdPnd", "Seccomp"]
        {
            note(name, field(name));
        }
        for file in ["limits", "oom_score_adj", "cgroup", "comm", "coredump_filter", "autogroup"] {
            note(file, fs::read_to_string(proc.join(file)).unwrap_or_default());
        }
        // Its own limit on open files is for the user to see, its links for the owner.
        for link in ["cwd", "root", "exe"] {
            let target = fs::read_link(proc.join(link));
            note(link, target.map_or_else(|e| e.to_string(), |t| t.display().to_string()));
        }
        if answers {
            // It has ended by now at the worst, and then its silence is what differs.
            let _ = self.stdin.as_mut().map(|stdin| stdin.write_all(b"?"));
            for (name, value) in self.listen() {
                seen.note(Kind::Victim, format!("{} says {name}", self.mark), value);
            }
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Where it has been stopped, it must go on to its end.
        let _ = Command::new("kill").args(["-CONT", self.number("pid")]).status();
        // The end of its input lets it remove its objects.
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
