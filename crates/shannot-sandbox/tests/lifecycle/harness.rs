//! Boxes to begin, start and end, and what this process has of them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use shannot_policy::plan::Outline;
use shannot_policy::profile::{Examples, Network, Processes, Profile, Tier, View};
use shannot_policy::{Argv, Cwd, Locale, Plan, Request, Stages, authorize};
use shannot_sandbox::{
    Begun, Child, Enforcement, Error, Host, Stdio, Warm, WarmError, begin, start,
};

/// These tests count what a process has, and may run in one.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The best tier with namespaces that this user can have.
pub(crate) fn tier() -> Tier {
    if rustix::process::geteuid().is_root() { Tier::T1 } else { Tier::T2 }
}

/// A plan for a command under a profile with these lines besides its commands.
pub(crate) fn plan(tier: Tier, lines: &str, words: &[&str]) -> Plan {
    let text = format!(
        "version = 1\nname = \"test\"\n{lines}\n[commands.\"*\"]\nabout = \"Anything.\"\nforks = true\n"
    );
    let profile = Profile::parse(&text, "test", Examples::Trust, &|_| Err("none".into()));
    let mut profile = profile.unwrap_or_else(|e| panic!("{e}"));
    profile.tiers = BTreeSet::from([tier]);
    let request = Request {
        profile: profile.name.clone(),
        stages: Stages::new(vec![Argv::from_words(words.iter().copied()).unwrap()]).unwrap(),
        cwd: Cwd::Root,
        timeout: None,
        locale: Locale::default(),
    };
    let grant = authorize(&Arc::new(profile), request).unwrap();
    Plan::new(&grant, tier, &Host::read().facts().unwrap())
}

/// Begins a box, of which there is something to begin.
pub(crate) fn begun(tier: Tier, processes: Processes) -> Begun {
    let network = if processes == Processes::Own { Network::None } else { Network::Tables };
    let outline = Outline::new(tier, View { processes, network }, false);
    begin(&outline, &Host::read()).unwrap().expect("a tier with namespaces")
}

/// A run, what it is told and what it writes.
pub(crate) struct Ran {
    pub(crate) child: Child,
    pub(crate) stdin: File,
    pub(crate) stdout: File,
}

/// Starts a plan.
pub(crate) fn run(plan: &Plan, begun: Option<Begun>) -> Result<Ran, Error> {
    connected(|stdio| start(plan, &Host::read(), begun, stdio))
}

/// A box that is kept for the runs of a plan.
pub(crate) fn warm(plan: &Plan) -> Warm {
    Warm::new(plan, &Arc::new(Host::read())).unwrap_or_else(|e| panic!("{e}: {e:?}"))
}

/// Starts a plan in it.
pub(crate) fn run_in(warm: &Warm, plan: &Plan) -> Result<Ran, Error> {
    connected(|stdio| {
        warm.start(plan, stdio).map_err(|error| match error {
            WarmError::Gone(_) => panic!("what was kept has ended"),
            WarmError::Failed(error) => error,
        })
    })
}

/// Whether what is kept in it has ended, and nothing runs.
pub(crate) fn is_gone(warm: &Warm, plan: &Plan) -> bool {
    let null = || File::options().read(true).write(true).open("/dev/null").unwrap().into();
    let stdio = Stdio { stdin: null(), stdout: null(), stderr: null() };
    matches!(warm.start(plan, stdio), Err(WarmError::Gone(_)))
}

fn connected(
    start: impl FnOnce(Stdio) -> Result<(Child, Enforcement), Error>,
) -> Result<Ran, Error> {
    let (stdout, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (read, stdin) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let null = File::options().write(true).open("/dev/null").unwrap().into();
    let (child, _) = start(Stdio { stdin: read, stdout: write, stderr: null })?;
    Ok(Ran { child, stdin: stdin.into(), stdout: stdout.into() })
}

/// The cgroups of runs that this process has made.
pub(crate) fn groups() -> BTreeSet<PathBuf> {
    let name = format!("shannot-{}-", std::process::id());
    let mut dirs = vec![PathBuf::from("/sys/fs/cgroup")];
    let mut found = BTreeSet::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&name) {
                found.insert(entry.path());
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                dirs.push(entry.path());
            }
        }
    }
    found
}

impl Ran {
    /// What it wrote, once it has ended.
    pub(crate) fn text(mut self) -> String {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).unwrap();
        assert!(ends(&mut self.child, 5), "it ends");
        text
    }
}

/// Whether a run ends within some seconds.
pub(crate) fn ends(child: &mut Child, seconds: i64) -> bool {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    while !child.try_wait().unwrap() {
        let fd = child.wait_fd().expect("it has not ended");
        if poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&time)).unwrap() == 0 {
            return false;
        }
    }
    true
}

/// Whether something comes true within two seconds.
pub(crate) fn eventually(mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(2);
    while !is_so() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// The children of this process, of all its threads.
pub(crate) fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap());
    lists
        .flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter(|pid| !pid.is_empty())
        .collect()
}

/// Whether a process is there and not only waits to be reaped.
pub(crate) fn lives(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// The descriptors of this process.
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Sends a signal to a process of this test's.
pub(crate) fn send(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

const AGAIN: &str = "SHANNOT_TEST_AGAIN";

/// Runs a test of this program once more, as a process of its own below `unshare`, and whatever
/// that takes for this user. True in that process.
pub(crate) fn again_below_unshare(test: &str, options: &[&str]) -> bool {
    if std::env::var_os(AGAIN).is_some() {
        return true;
    }
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-current-user"]);
    }
    unshare.args(options).arg(std::env::current_exe().unwrap()).args(["--exact", test]);
    let out = unshare.env(AGAIN, "1").output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
    false
}
