//! The machine that is watched: this one, in namespaces of the oracle's own.
//!
//! Tests run beside each other, and machines do other things too. What a difference is looked for
//! in must belong to the oracle alone, so a test starts itself again with mounts, processes,
//! System V objects, name and network of its own, and private directories in place of `/tmp`,
//! `/var/tmp` and `/dev/shm`. For the boxes this is the host. It also means that a box that does
//! not hold is caught in there: what a command could do to the whole machine, it does to that one.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shannot::policy::profile::Tier;

use crate::harness::{Column, is_root, place, probe, user, word};

/// Who else changes what is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Nobody: everything is the oracle's own, also this group, where cgroups can be made.
    Own { group: Option<PathBuf> },
    /// Other tests and programs. Only what is the oracle's own by name or number is looked at.
    Shared,
}

impl Machine {
    /// Whether nobody else is here.
    pub(crate) const fn is_own(&self) -> bool {
        matches!(self, Self::Own { .. })
    }

    /// The group below which those of boxes are made: in v1 the oracle's own, in v2 the one above
    /// it, for one that holds processes hands nothing down.
    pub(crate) fn groups_of_boxes(&self) -> Option<&Path> {
        let Self::Own { group: Some(group) } = self else { return None };
        if group.ends_with(LEAF) { group.parent() } else { Some(group) }
    }
}

/// Where the processes are in a group of v2.
const LEAF: &str = "test";

/// Tells the test that it is started again, and its cgroup.
const INSIDE: &str = "SHANNOT_ORACLE_GROUP";

/// The first process of the machine: it makes what is private, then starts the test, and reaps.
/// The last line keeps it from becoming the test.
const SCRIPT: &str = r#"
set -e
for dir in $DIRECTORIES; do mount -t tmpfs -o mode=1777 tmpfs "$dir"; done
mount --bind "$PLACE" "$PLACE"
mount -o remount,bind,strictatime "$PLACE" 2>/dev/null || echo "reads are seen as the mount has it"
mount -t mqueue mqueue "$PLACE/mqueue" || echo "no message queues by name here"
ip link set lo up
ip addr add 192.0.2.1/32 dev lo
[ -z "$SHANNOT_ORACLE_GROUP" ] || echo 0 > "$SHANNOT_ORACLE_GROUP/cgroup.procs"
status=0
"$@" || status=$?
exit $status
"#;

/// Does a check of the column on a machine of its own; where none can be made, on this one.
pub(crate) fn watched(test: &str, column: Column, check: impl FnOnce(Column, &Machine)) {
    if let Some(group) = env::var_os(INSIDE) {
        let group = (!group.is_empty()).then(|| PathBuf::from(group));
        return check(column, &Machine::Own { group });
    }
    // Whatever all columns share is made before they are apart, where names by process id clash.
    probe();
    user();
    fs::create_dir_all(place().join("mqueue")).expect("a mount point");
    if let Some(why) = refused(column) {
        println!("this user may make no machine of its own ({why}): others' doings are left out");
        return check(column, &Machine::Shared);
    }
    let group = Group::new(column);
    let outer = outer();
    let name = format!("{test}::{}", column.name().to_lowercase().replace('-', "_"));
    let mut again = namespaces();
    again.args(["sh", "-c", SCRIPT, "sh"]);
    if !is_root() {
        // Rights in the user namespace made the mounts; a user's test has none.
        again.args(["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"]);
    }
    again.arg(env::current_exe().expect("this test"));
    again.args(["--exact", &name, "--nocapture", "--test-threads=1"]).env(INSIDE, group.path());
    again.env("PLACE", place()).env("DIRECTORIES", directories()).stdin(Stdio::null());
    let out = again.output().expect("unshare, of the package util-linux");
    let (stdout, stderr) = (&out.stdout, &out.stderr);
    println!("{}{}", String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr));
    assert!(out.status.success(), "see above");
    assert_eq!(self::outer(), outer, "the machine around it is not as it was");
}

/// What an observer outside the oracle's own machine can compare.
fn outer() -> [String; 2] {
    ["/proc/self/mountinfo", "/proc/sys/kernel/hostname"]
        .map(|file| fs::read_to_string(file).expect("a file of /proc"))
}

fn namespaces() -> Command {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-current-user", "--keep-caps"]);
    }
    command.args(["--mount", "--propagation", "private", "--ipc", "--uts", "--net"]);
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command
}

/// Why there can be no such machine, if so.
fn refused(column: Column) -> Option<String> {
    if !is_root() && column.tier == Tier::T3 {
        // Tier T3 takes no bwrap but root's.
        return Some("root's files would show as nobody's".to_owned());
    }
    let tried = namespaces().args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]).output();
    let out = tried.expect("unshare, of the package util-linux");
    (!out.status.success()).then(|| String::from_utf8_lossy(&out.stderr).trim().to_owned())
}

/// Directories in which everybody may make files, but for those that the test itself needs.
fn directories() -> OsString {
    let exe = env::current_exe().expect("this test");
    let needed = [&exe, place(), Path::new(env!("CARGO_MANIFEST_DIR"))];
    let program = Path::new(env!("CARGO_BIN_EXE_shannot"));
    let free = |dir: &&str| {
        Path::new(dir).is_dir() && !needed.iter().chain([&program]).any(|n| n.starts_with(dir))
    };
    let all: Vec<_> = ["/tmp", "/var/tmp", "/dev/shm"].into_iter().filter(free).collect();
    all.join(" ").into()
}

/// A memory cgroup for one column, so that the groups of its boxes are nobody else's; removed
/// with the value.
struct Group(Option<PathBuf>);

impl Group {
    /// None where this user may make none.
    fn new(column: Column) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let path = |prefix: &str| own.lines().find_map(|l| l.split_once(prefix)).map(|l| l.1);
        let v1 = path(":memory:/").map(|p| Path::new("/sys/fs/cgroup/memory").join(p));
        let v2 = path("0::/").map(|p| Path::new("/sys/fs/cgroup").join(p));
        let name = format!("watched-{}-{}", column.name(), std::process::id());
        let made = |dir: &PathBuf| fs::create_dir(dir).is_ok();
        let first = v1.map(|dir| dir.join(&name)).filter(made);
        Self(first.or_else(|| {
            let dir = v2.map(|dir| dir.join(&name)).filter(made)?;
            let leaf = dir.join(LEAF);
            let ready = fs::write(dir.join("cgroup.subtree_control"), "+memory")
                .and_then(|()| fs::create_dir(&leaf));
            if ready.is_err() {
                fs::remove_dir(&dir).expect("the new group");
                return None;
            }
            Some(leaf)
        }))
    }

    fn path(&self) -> &str {
        self.0.as_deref().map_or("", word)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What is left in it is a difference that the test has told of.
        let Some(dir) = &self.0 else { return };
        let _ = fs::remove_dir(dir);
        if let (true, Some(above)) = (dir.ends_with(LEAF), dir.parent()) {
            let _ = fs::remove_dir(above);
        }
    }
}
