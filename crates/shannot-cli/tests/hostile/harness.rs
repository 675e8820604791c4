//! Who attacks, from which tier, with which profile; what is believed of the answer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use crate::column::refused_as_it_should;
pub(crate) use crate::column::{Column, in_column};
use crate::far;

/// The user of the rows without root.
const USER: &str = "shannot-test";

pub(crate) fn bwrap_works(column: Column) -> bool {
    let mut probe = as_runner(column, "/usr/bin/bwrap");
    probe.args(["--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "true"]);
    probe.stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").expect("/proc").uid() == 0
}

pub(crate) fn user_namespaces() -> bool {
    let mut probe = as_user(OsStr::new("unshare"));
    probe.args(["--user", "--mount", "--map-root-user", "true"]);
    probe.stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// A command as the ordinary user.
fn as_user(program: &OsStr) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let user = user();
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={}", user.uid), format!("--regid={}", user.gid)];
    command.args(ids).arg("--init-groups").arg("--").arg(program);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", &user.home);
    command
}

/// A command as whoever starts the boxes of a tier.
pub(crate) fn as_runner(column: Column, program: impl AsRef<OsStr>) -> Command {
    if column.by_root() { Command::new(program) } else { as_user(program.as_ref()) }
}

/// The ordinary user.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: PathBuf,
}

/// The ordinary user: who runs the tests or, where that is root, one made for them.
pub(crate) fn user() -> &'static User {
    static USER_ENTRY: OnceLock<User> = OnceLock::new();
    USER_ENTRY.get_or_init(|| {
        let own = fs::metadata("/proc/self").expect("/proc").uid();
        let find = || {
            let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
            passwd.lines().find_map(|line| {
                let f: Vec<_> = line.split(':').collect();
                let uid = f.get(2)?.parse().ok()?;
                let ours = if own == 0 { f[0] == USER } else { uid == own };
                let gid = f[3].parse().expect("a gid");
                let user = || User { name: f[0].to_owned(), uid, gid, home: f[5].into() };
                ours.then(user)
            })
        };
        for _ in 0..50 {
            if let Some(user) = find() {
                return user;
            }
            // Another test may be making it at this moment, and then this fails.
            let _ = Command::new("useradd")
                .args(["--system", "--create-home", "--home-dir", "/home/shannot-test", USER])
                .stderr(Stdio::null())
                .status();
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("there is no user `{USER}`, and useradd cannot make it");
    })
}

/// What the profile of a case says, beside its one tier and `"*"` as its one command.
#[derive(Debug, Clone)]
pub(crate) struct Profile {
    pub(crate) host_processes: bool,
    pub(crate) tables: bool,
    /// Keys of the command.
    pub(crate) command: String,
    /// Keys below `[paths]`.
    pub(crate) paths: String,
    /// Keys below `[limits]`.
    pub(crate) limits: String,
    /// Lines before the first table.
    pub(crate) top: String,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            host_processes: false,
            tables: false,
            command: String::new(),
            paths: "hide_other_homes = false\n".to_owned(),
            limits: String::new(),
            top: String::new(),
        }
    }
}

impl Profile {
    /// The view with everything of the host in it.
    pub(crate) fn host_view() -> Self {
        Self { host_processes: true, tables: true, ..Self::default() }
    }

    pub(crate) fn forks(mut self) -> Self {
        self.command.push_str("forks = true\n");
        self
    }

    pub(crate) fn limit(mut self, line: &str) -> Self {
        self.limits.push_str(line);
        self.limits.push('\n');
        self
    }

    pub(crate) fn path(mut self, line: &str) -> Self {
        self.paths.push_str(line);
        self.paths.push('\n');
        self
    }

    /// The same, with commands that have no children.
    #[cfg_attr(test, allow(dead_code, reason = "the oracle's"))]
    pub(crate) fn without_children(mut self) -> Self {
        let key = |line: &str| line.starts_with("forks") || line.starts_with("spawns");
        let kept: Vec<_> = self.command.lines().filter(|line| !key(line)).collect();
        self.command = kept.join("\n");
        self
    }

    /// Whether commands may have children.
    pub(crate) fn may_fork(&self) -> bool {
        ["forks", "spawns"].iter().any(|key| self.command.contains(key))
    }

    fn text(&self, column: Column) -> String {
        let Self { host_processes, tables, command, paths, limits, top } = self;
        let abi = column.landlock.map(|abi| format!("landlock_abi = {abi}")).unwrap_or_default();
        let processes = if *host_processes { "host" } else { "own" };
        let network = if *tables { "tables" } else { "none" };
        format!(
            "version = 1\nname = \"hostile\"\ndescription = \"hostile\"\ntiers = [\"{}\"]\n{abi}\n{top}\n\
             [view]\nprocesses = \"{processes}\"\nnetwork = \"{network}\"\n\
             [paths]\n{paths}\n[limits]\n{limits}\n\
             [commands.\"*\"]\nabout = \"anything\"\n{command}\n",
            column.tier
        )
    }
}

/// `shannot run` with a profile of this tier, as its user.
pub(crate) fn shannot<A: AsRef<OsStr>>(
    column: Column,
    profile: &Profile,
    flags: &[&str],
    words: &[A],
) -> Command {
    shannot_with(column, profile, flags, words, "")
}

/// The same; on a far host the agent is started after these lines of a shell.
pub(crate) fn shannot_with<A: AsRef<OsStr>>(
    column: Column,
    profile: &Profile,
    flags: &[&str],
    words: &[A],
    lines: &str,
) -> Command {
    let file = profile_file(&profile.text(column));
    let mut command = as_runner(column, client(column));
    command.arg("run").args(flags);
    if column.far {
        command.args(far::options(lines));
    }
    command.arg("--profile").arg(file).arg("--").args(words);
    if let Some(abi) = column.landlock {
        command = forced(&format!("landlock={abi}"), &command);
        if profile.may_fork() {
            let out = command.output().expect("shannot starts");
            refused_for_landlock(&out, "that may fork needs Landlock ABI 6");
        }
    }
    command.stdin(Stdio::null());
    command
}

/// A file with this profile.
pub(crate) fn profile_file(text: &str) -> PathBuf {
    let file = place().join(format!("profile-{:016x}.toml", digest(text.as_bytes())));
    install(&file, text.as_bytes(), 0o644);
    file
}

/// Ends a check in a column with an older Landlock, where shannot must have refused the command for
/// this reason.
pub(crate) fn refused_for_landlock(out: &Output, reason: &str) -> ! {
    let text = [&*out.stdout, &*out.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(!out.status.success() && text.contains(reason), "{text}");
    refused_as_it_should()
}

/// The command on a host that has less: see `probe/forced.c`.
pub(crate) fn forced(layers: &str, command: &Command) -> Command {
    let mut forced = Command::new(probe());
    forced.args(["force", layers]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => forced.env(name, value),
            None => forced.env_remove(name),
        };
    }
    forced
}

/// The program under test, where both users can execute it.
pub(crate) fn program() -> PathBuf {
    open_to_all(Path::new(env!("CARGO_BIN_EXE_shannot")))
}

/// The program that callers of a column start.
pub(crate) fn client(column: Column) -> PathBuf {
    match column {
        Column { far: true, .. } => far::client(column),
        Column { warm: true, .. } => warm_program(),
        _ => program(),
    }
}

/// The library's example that keeps a box warm and then runs a command in it. It is built with the
/// workspace's tests.
fn warm_program() -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_shannot"));
    let example = built.with_file_name("examples").join("warm");
    assert!(example.exists(), "not built: cargo build -p shannot --example warm");
    open_to_all(&example)
}

fn open_to_all(built: &Path) -> PathBuf {
    if is_open_to_all(built) {
        return built.to_owned();
    }
    let bytes = fs::read(built).expect("the program is built");
    let name = built.file_name().and_then(OsStr::to_str).expect("a plain name");
    let copy = place().join(format!("{name}-{:016x}", digest(&bytes)));
    install(&copy, &bytes, 0o755);
    copy
}

/// The attacker, compiled once for each state of its sources.
pub(crate) fn probe() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/probe");
    let mut files: Vec<_> = fs::read_dir(&sources)
        .expect("the probe's sources")
        .map(|e| e.expect("an entry").path())
        .collect();
    files.sort();
    let all: Vec<u8> = files.iter().flat_map(|f| fs::read(f).expect("a source")).collect();
    let probe = place().join(format!("probe-{:016x}", digest(&all)));
    if !probe.exists() {
        let made = probe.with_extension(std::process::id().to_string());
        let c = files.iter().filter(|f| f.extension() == Some(OsStr::new("c")));
        let cc =
            Command::new("cc").args(["-O1", "-static", "-w", "-o"]).arg(&made).args(c).output();
        let cc = cc.expect("a C compiler, which every Rust toolchain needs");
        assert!(cc.status.success(), "{}", String::from_utf8_lossy(&cc.stderr));
        fs::set_permissions(&made, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::rename(&made, &probe).expect("rename");
    }
    probe
}

/// Where the programs and fixtures of this set lie: both users can read and execute there.
pub(crate) fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let own = fs::metadata("/proc/self").expect("/proc").uid();
        let make = |dir: &Path| {
            fs::create_dir_all(dir)
                .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o755)))
        };
        let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("hostile-{own}"));
        if make(&place).is_ok() && is_open_to_all(&place) {
            return place;
        }
        let place = PathBuf::from(format!("/var/tmp/shannot-hostile-{own}"));
        make(&place).expect("a directory for fixtures");
        place
    })
}

fn is_open_to_all(path: &Path) -> bool {
    path.ancestors().all(|p| fs::metadata(p).is_ok_and(|m| m.mode() & 0o005 == 0o005))
}

/// Copies a program. Another process writes it, for a descriptor of ours that is open for writing
/// could be inherited by what other threads start, and the copy could not be executed.
pub(crate) fn copy_program(from: &Path, to: &Path, mode: &str) {
    let copied = Command::new("install").args(["-m", mode]).args([from, to]).status();
    assert!(copied.expect("install").success());
}

/// Writes a file in one step, for other tests may be doing the same.
pub(crate) fn install(path: &Path, bytes: &[u8], mode: u32) {
    let thread = std::thread::current().id();
    let made = path.with_extension(format!("{}-{thread:?}", std::process::id()));
    fs::write(&made, bytes).expect("write a file");
    fs::set_permissions(&made, fs::Permissions::from_mode(mode)).expect("chmod");
    fs::rename(&made, path).expect("rename");
}

/// FNV-1a: names files by what they hold.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// What a probe said.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) blocked: BTreeMap<String, String>,
    pub(crate) escaped: Vec<String>,
    pub(crate) absent: Vec<String>,
    pub(crate) facts: BTreeMap<String, String>,
    pub(crate) errors: Vec<String>,
}

impl Report {
    pub(crate) fn read(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            let Some((kind, rest)) = line.split_once(": ") else { continue };
            match kind {
                "blocked" => {
                    let (what, errno) = rest.rsplit_once(": ").expect("blocked: CALL: ERRNO");
                    report.blocked.insert(what.to_owned(), errno.to_owned());
                }
                "escaped" => report.escaped.push(rest.to_owned()),
                "absent" => report.absent.push(rest.to_owned()),
                "error" => report.errors.push(rest.to_owned()),
                "fact" => {
                    let (name, value) = rest.split_once('=').expect("fact: NAME=VALUE");
                    report.facts.insert(name.to_owned(), value.to_owned());
                }
                _ => {}
            }
        }
        report
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("no fact `{name}` in {self:?}"))
    }

    /// Every attempt was refused, and there was one.
    pub(crate) fn assert_blocked(&self) {
        assert!(self.errors.is_empty(), "the probe failed: {:#?}", self.errors);
        assert!(self.escaped.is_empty(), "not refused: {:#?}", self.escaped);
        assert!(!self.blocked.is_empty(), "the probe attempted nothing: {self:?}");
    }

    /// Something no layer of this tier can hold, and `SECURITY.md` says so in these words. When
    /// it is refused one day, this fails and the words go.
    pub(crate) fn assert_known_gap(&self, words: &str) {
        let page = include_str!("../../../../SECURITY.md");
        assert!(page.contains(words), "SECURITY.md does not say: {words}");
        assert!(!self.escaped.is_empty(), "refused by now, so it is no gap: {self:?}");
    }
}

/// One run of `shannot run --json`.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) json: serde_json::Value,
    pub(crate) report: Report,
}

impl Ran {
    /// What the result says of a layer: `enforced`, `supervised` or `not_enforced`.
    pub(crate) fn layer(&self, name: &str) -> &str {
        let layers = self.json["enforcement"]["layers"].as_array().expect("layers");
        let layer = layers.iter().find(|l| l["name"] == name).expect("a layer of that name");
        layer["status"].as_str().expect("a status")
    }

    pub(crate) fn read(out: &Output) -> Self {
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
            let stderr = String::from_utf8_lossy(&out.stderr);
            let stdout = String::from_utf8_lossy(&out.stdout);
            panic!("no JSON ({e}), {}: {stdout}{stderr}", out.status)
        });
        let report = Report::read(json["stdout"].as_str().unwrap_or_default());
        Self { json, report }
    }

    /// The tier that the result names.
    pub(crate) fn assert_tier(&self, column: Column) {
        assert_eq!(self.json["enforcement"]["tier"], column.tier.as_str(), "{:#}", self.json);
    }

    pub(crate) fn limits_hit(&self) -> Vec<String> {
        let hit = self.json["limits_hit"].as_array().expect("limits_hit");
        hit.iter().map(|l| l.as_str().expect("a name").to_owned()).collect()
    }
}

/// Runs the probe in the box.
pub(crate) fn inside(column: Column, profile: &Profile, words: &[&str]) -> Ran {
    let probe = probe();
    let all: Vec<&str> = [word(&probe)].into_iter().chain(words.iter().copied()).collect();
    let out = shannot(column, profile, &["--json"], &all).output().expect("shannot starts");
    let ran = Ran::read(&out);
    ran.assert_tier(column);
    ran
}

/// Runs the probe in the box: it must come to its end, and every attempt must be refused.
pub(crate) fn refused(column: Column, profile: &Profile, words: &[&str]) -> Ran {
    let ran = inside(column, profile, words);
    assert_eq!(ran.json["exit_code"], 0, "the probe did not come to its end: {:#}", ran.json);
    ran.report.assert_blocked();
    ran
}

/// Runs the probe outside any box, as the tier's own user.
pub(crate) fn outside(column: Column, words: &[&str]) -> Report {
    run_outside(as_runner(column, probe()), words)
}

/// Runs the probe outside any box as root; `None` where the tests do not run as root.
pub(crate) fn outside_as_root(words: &[&str]) -> Option<Report> {
    is_root().then(|| run_outside(Command::new(probe()), words))
}

fn run_outside(mut command: Command, words: &[&str]) -> Report {
    command.env("PROBE_CONTROL", "1").args(words).stdin(Stdio::null());
    let out = command.output().expect("the probe starts");
    let report = Report::read(&String::from_utf8_lossy(&out.stdout));
    assert!(report.errors.is_empty(), "the control failed: {:#?}", report.errors);
    report
}

/// What was refused inside must work outside, or the refusal proves nothing. `except` names
/// attempts that this user or a usual kernel refuses everywhere, each a case of its own.
pub(crate) fn assert_control(inside: &Report, outside: &Report, except: &[&str]) {
    let worked = |what: &String| {
        outside.escaped.contains(what)
            || outside.absent.contains(what)
            || except.iter().any(|e| what.starts_with(e))
    };
    let idle: Vec<_> = inside.blocked.iter().filter(|(what, _)| !worked(what)).collect();
    assert!(idle.is_empty(), "refused outside the box too, so no proof: {idle:#?}\n{outside:#?}");
}

/// A directory of one test, gone with the value.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) dir: PathBuf,
}

impl Fixture {
    /// Makes an empty directory in which everyone may do everything, so that nothing but the box
    /// stands in an attacker's way, owned by who runs the boxes of the tier.
    pub(crate) fn new(column: Column, name: &str) -> Self {
        let dir = place().join(format!("{name}-{}-{}", column.name(), std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("a fixture");
        let fixture = Self { dir };
        fixture.give(column, &fixture.dir, 0o777);
        fixture
    }

    /// A path below it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file that everyone may read and write.
    pub(crate) fn file(&self, column: Column, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("a fixture's file");
        self.give(column, &path, 0o666);
        path
    }

    /// A directory that everyone may write.
    pub(crate) fn sub(&self, column: Column, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir(&path).expect("a fixture's directory");
        self.give(column, &path, 0o777);
        path
    }

    fn give(&self, column: Column, path: &Path, mode: u32) {
        if is_root() && !column.by_root() {
            std::os::unix::fs::chown(path, Some(user().uid), Some(user().gid)).expect("chown");
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        // A test that failed may have left what cannot be removed; the next run does it.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A path as a word for the probe.
pub(crate) fn word(path: &Path) -> &str {
    path.to_str().expect("fixtures have plain names")
}

/// What an observer sees of a file: content, and every number of `stat(2)`, access time included.
pub(crate) fn seen(path: &Path) -> (Vec<u8>, [i64; 9]) {
    let content = fs::read(path).unwrap_or_default();
    let m = fs::symlink_metadata(path).expect("the fixture is there");
    let numbers = [
        i64::from(m.mode()),
        i64::from(m.uid()),
        i64::from(m.gid()),
        m.nlink().cast_signed(),
        m.mtime(),
        m.mtime_nsec(),
        m.ctime(),
        m.ctime_nsec(),
        m.ino().cast_signed(),
    ];
    (content, numbers)
}
