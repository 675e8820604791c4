//! `cargo xtask soak`: a program that lives for long, and what is left of it.
//!
//! Runs of five profiles at once, most of which end by themselves; some are cancelled or dropped, some
//! run out of time; processes of boxes are killed, profiles are edited, what is hidden changes and the
//! host mounts and unmounts. Every run must end as it should, and afterwards this process must have
//! what it had at the start.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shannot::policy::profile::{Examples, PathPattern, Profile};
use shannot::policy::{Argv, Cwd, Locale, Request, Stages};
use shannot::{End, Event, Gate, Io, LocalExecutor, Run};

use crate::say;

const PROFILES: [&str; 5] = ["minimal", "readonly", "network", "systemd", "diagnostics"];

/// Callers that ask one thing after the other.
const CALLERS: u64 = 6;

/// What ends by itself, with what it prints at the least.
const COMMANDS: [(&[&str], usize); 6] = [
    (&["echo", "well"], 5),
    (&["uname", "-a"], 10),
    (&["cat", "/etc/passwd"], 20),
    (&["df", "-h"], 20),
    (&["ls", "/etc"], 100),
    (&["head", "-c", "300000", "/dev/zero"], 300_000),
];

/// Soaks for so many runs.
///
/// # Errors
/// A run that did not end as it should, or what is left afterwards.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let most = match args {
        [] => 100_000,
        [n, ..] => n.parse().map_err(|_| format!("`{n}` is not a number of runs"))?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    let ground = Ground::new()?;
    let before = Left::now();
    let begun = Instant::now();
    let soak = Arc::new(Soak::new(most, &ground.0)?);
    let counts = runtime.block_on(soak.soak())?;
    let lasted = begun.elapsed();
    drop(soak);
    let left = Left::settled(&before);
    say(&format!("{most} runs in {:.0} s: {counts:?}", lasted.as_secs_f64()));
    say(&format!("before {before:?}\nafter  {left:?}"));
    drop(runtime);
    left.is_as(&before)
}

/// A directory in which things happen; gone with the value.
struct Ground(PathBuf);

impl Ground {
    fn new() -> Result<Self, String> {
        let dir = PathBuf::from(format!("/var/tmp/shannot-soak-{}", std::process::id()));
        fs::create_dir_all(dir.join("mount")).map_err(|e| format!("{}: {e}", dir.display()))?;
        Ok(Self(dir))
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Nothing may be mounted there, and nothing is left to do when it has gone.
        let _ = mount(&["umount"], &self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mount(words: &[&str], dir: &Path) -> bool {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(dir.join("mount")).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// How runs ended.
type Counts = BTreeMap<&'static str, u64>;

struct Soak {
    most: u64,
    begun: AtomicU64,
    over: AtomicBool,
    dir: PathBuf,
    executor: Arc<LocalExecutor>,
    /// One for each edition of the profiles.
    gates: Vec<Gate>,
}

impl Soak {
    fn new(most: u64, dir: &Path) -> Result<Self, String> {
        let executor = Arc::new(LocalExecutor::new(None).map_err(|e| e.to_string())?);
        let edition = |n: usize| -> Result<Gate, String> {
            let profiles = PROFILES.map(|name| -> Result<Arc<Profile>, String> {
                let mut profile = load(name)?;
                // The first editions differ; what is hidden comes and goes.
                let pattern = format!("{}/secret-{n}*", dir.display());
                let pattern: PathPattern = pattern.parse().map_err(|e| format!("{e:?}"))?;
                profile.paths.hide.push(pattern);
                Ok(Arc::new(profile))
            });
            let profiles = profiles.into_iter().collect::<Result<Vec<_>, _>>()?;
            Ok(Gate::new(profiles, Arc::clone(&executor) as _))
        };
        let gates = (0..3).map(edition).collect::<Result<_, _>>()?;
        let (begun, over) = (AtomicU64::new(0), AtomicBool::new(false));
        Ok(Self { most, begun, over, dir: dir.to_owned(), executor, gates })
    }

    async fn soak(self: &Arc<Self>) -> Result<Counts, String> {
        let trouble = Arc::clone(self);
        let trouble = std::thread::spawn(move || trouble.make_trouble());
        let callers = (0..CALLERS).map(|seed| {
            let soak = Arc::clone(self);
            tokio::spawn(async move { soak.call(Chance(seed * 77 + 1)).await })
        });
        let mut counts = Counts::new();
        for caller in callers.collect::<Vec<_>>() {
            for (how, n) in caller.await.map_err(|e| e.to_string())?? {
                *counts.entry(how).or_default() += n;
            }
        }
        self.over.store(true, Ordering::Release);
        trouble.join().map_err(|_| "the trouble panicked")?;
        // Of which nobody is left to tell.
        let _ = &self.executor;
        Ok(counts)
    }

    async fn call(&self, mut chance: Chance) -> Result<Counts, String> {
        let mut counts = Counts::new();
        while self.begun.fetch_add(1, Ordering::Relaxed) < self.most {
            let profile = PROFILES[chance.below(PROFILES.len())];
            // An edit of the profiles every few hundred runs.
            let edition = self.begun.load(Ordering::Relaxed) / 400 % 3;
            let gate = &self.gates[usize::try_from(edition).unwrap_or(0)];
            let how = match chance.below(1000) {
                0 => self.run_out_of_time(gate, profile).await?,
                1..20 => {
                    let run = start(gate, profile, &["tail", "-f", "/etc/hostname"], None)?;
                    tokio::time::sleep(Duration::from_millis(chance.below(5) as u64)).await;
                    run.cancel();
                    ended(run).await?.0
                }
                20..40 => {
                    drop(start(gate, profile, &["cat", "/dev/zero"], None)?);
                    "dropped"
                }
                _ => {
                    let (words, least) = COMMANDS[chance.below(COMMANDS.len())];
                    let (how, bytes) = ended(start(gate, profile, words, None)?).await?;
                    if how == "exited" && bytes < least {
                        return Err(format!("{words:?} printed {bytes} bytes"));
                    }
                    how
                }
            };
            *counts.entry(how).or_default() += 1;
        }
        Ok(counts)
    }

    async fn run_out_of_time(&self, gate: &Gate, profile: &str) -> Result<&'static str, String> {
        let run = start(gate, profile, &["tail", "-f", "/etc/hostname"], Some("1s"))?;
        ended(run).await.map(|(how, _)| how)
    }

    /// What happens on the host meanwhile.
    fn make_trouble(&self) {
        let mut chance = Chance(4242);
        let mut mounted = false;
        while !self.over.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(40));
            match chance.below(12) {
                0 => {
                    let words: &[&str] =
                        if mounted { &["umount"] } else { &["mount", "-t", "tmpfs", "soak"] };
                    // Refused to an ordinary user.
                    mounted ^= mount(words, &self.dir);
                }
                1..4 => {
                    let file = self.dir.join(format!("secret-{}", chance.below(4)));
                    let done =
                        if file.exists() { fs::remove_file(&file) } else { fs::write(&file, "x") };
                    // The next one does.
                    let _ = done;
                }
                4..7 => {
                    let children = children();
                    if let Some(pid) = children.get(chance.below(children.len().max(1))) {
                        // It may have ended.
                        let _ = Command::new("kill").args(["-9", pid]).output();
                    }
                }
                _ => {}
            }
        }
        if mounted {
            mount(&["umount"], &self.dir);
        }
    }
}

/// A profile as it is shipped.
fn load(name: &str) -> Result<Profile, String> {
    let path = format!("profiles/{name}.toml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
    let parent = |name: &shannot::policy::types::ProfileName| load(name.as_str()).map(Arc::new);
    Profile::parse(&text, &path, Examples::Trust, &parent).map_err(|e| e.to_string())
}

fn start(gate: &Gate, profile: &str, words: &[&str], time: Option<&str>) -> Result<Run, String> {
    let argv = Argv::from_words(words.iter().copied()).map_err(|e| e.to_string())?;
    let time = time.map(str::parse).transpose();
    let request = Request {
        profile: profile.parse().map_err(|e| format!("{e:?}"))?,
        stages: Stages::new(vec![argv]).map_err(|e| e.to_string())?,
        cwd: Cwd::Root,
        timeout: time.map_err(|e| format!("{e:?}"))?,
        locale: Locale::default(),
    };
    gate.run(request, Io::default()).map_err(|e| e.to_string())
}

/// How a run ended, and what it printed.
async fn ended(mut run: Run) -> Result<(&'static str, usize), String> {
    let mut bytes = 0;
    let wait = async {
        while let Some(event) = run.next().await {
            match event {
                Event::Stdout(chunk) => bytes += chunk.len(),
                Event::Stderr(_) => {}
                Event::Ended(outcome) => return Ok(outcome),
            }
        }
        Err("a run without an end".to_owned())
    };
    let outcome = tokio::time::timeout(Duration::from_secs(60), wait).await;
    let outcome = outcome.map_err(|_| "a run that does not end")??;
    match outcome.end {
        End::Exited(0) => Ok(("exited", bytes)),
        End::Cancelled => Ok(("cancelled", bytes)),
        End::TimedOut => Ok(("timed out", bytes)),
        // Killed as it ran, or before it did.
        End::Signaled(9) => Ok(("killed", bytes)),
        End::Failed(failure) => {
            let told = std::error::Error::source(&failure).map_or(String::new(), |e| e.to_string());
            let text = format!("{failure}: {told}");
            if text.contains("first process") || text.contains("it has ended") {
                return Ok(("killed while it was made", bytes));
            }
            Err(text)
        }
        end => Err(format!("{end:?}")),
    }
}

/// xorshift64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end.max(1) as u64).unwrap_or(0)
    }
}

/// The children of this process, of all its threads.
fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// What this process has.
#[derive(Debug)]
struct Left {
    descriptors: usize,
    children: usize,
    mounts: usize,
    cgroups: usize,
    temporary: usize,
    resident: usize,
}

impl Left {
    fn now() -> Self {
        let count = |dir: &str| fs::read_dir(dir).map_or(0, Iterator::count);
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm.split(' ').nth(1).and_then(|n| n.parse::<usize>().ok());
        Self {
            descriptors: count("/proc/self/fd"),
            children: children().len(),
            mounts: fs::read_to_string("/proc/self/mountinfo").map_or(0, |t| t.lines().count()),
            cgroups: groups(Path::new("/sys/fs/cgroup")),
            temporary: count("/tmp") + count("/dev/shm"),
            resident: pages.unwrap_or(0) * 4096,
        }
    }

    /// Once what the kernel does in its own time is done.
    fn settled(before: &Self) -> Self {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::now();
            if now.is_as(before).is_ok() || Instant::now() > deadline {
                return now;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn is_as(&self, before: &Self) -> Result<(), String> {
        /// What the allocator and the runtime keep for next time.
        const SLACK: usize = 24 << 20;
        let same = |of: fn(&Self) -> usize| of(self) == of(before);
        if same(|l| l.descriptors)
            && same(|l| l.children)
            && same(|l| l.mounts)
            && same(|l| l.cgroups)
            && same(|l| l.temporary)
            && self.resident <= before.resident + SLACK
        {
            return Ok(());
        }
        Err(format!("something is left: {self:?}, and it was {before:?}"))
    }
}

/// The cgroups of runs of this process.
fn groups(dir: &Path) -> usize {
    let own = format!("shannot-{}-", std::process::id());
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| {
        let is_own = entry.file_name().to_string_lossy().starts_with(&own);
        usize::from(is_own) + groups(&entry.path())
    })
    .sum()
}
