//! The host around the bait: its files, mounts, settings, network, and what the kernel keeps.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use rustix::time::{ClockId, clock_gettime};

use crate::bait::Bait;
use crate::files::{self, Look, tree};
use crate::snapshot::{ANOTHERS, Kind, Snapshot};

/// Trees of the host and how closely each is looked at. Left out are `/var/log`, `/var/cache`,
/// `/run`, `/proc` and `/sys`, which change by themselves; names with the oracle's mark are looked
/// for there too.
const TREES: [(&str, usize, Look); 16] = [
    ("/etc", 9, Look::Content),
    ("/", 1, Look::Node),
    ("/usr/bin", 1, Look::Metadata),
    ("/usr/sbin", 1, Look::Metadata),
    ("/usr/local", 2, Look::Metadata),
    ("/boot", 3, Look::Metadata),
    ("/var/lib/dpkg", 2, Look::Metadata),
    ("/var/spool/cron", 2, Look::Metadata),
    // Other programs keep caches there: names, modes and owners are compared.
    ("/root", 1, Look::Node),
    ("/home", 2, Look::Node),
    ("/srv", 1, Look::Node),
    ("/opt", 1, Look::Node),
    ("/var/lib", 1, Look::Node),
    ("/dev", 1, Look::Node),
    ("/tmp", 9, Look::Content),
    ("/dev/shm", 9, Look::Content),
];

/// Settings that change by themselves, and why.
const CHANGING: [(&str, &str); 13] = [
    ("fs/aio-nr", "counts requests of every process"),
    ("fs/dentry-state", "counts cached names"),
    ("fs/file-nr", "counts open files"),
    ("fs/inode-nr", "counts cached inodes"),
    ("fs/inode-state", "counts cached inodes"),
    ("fs/quota", "counts quota operations"),
    ("kernel/hung_task_detect_count", "counts tasks that wait for a slow disk"),
    ("kernel/ns_last_pid", "is the last process id"),
    ("kernel/perf_event_max_sample_rate", "is lowered by the kernel itself under load"),
    ("kernel/pty/nr", "counts terminals, which other tests open"),
    ("kernel/random/entropy_avail", "is what entropy there is"),
    ("kernel/random/uuid", "is another at each read"),
    ("net/netfilter/nf_conntrack_count", "counts connections"),
];

/// Looks at everything.
pub(crate) fn look(bait: &mut Bait) -> Snapshot {
    let mut seen = Snapshot::default();
    bait.note(&mut seen);
    for (root, depth, look) in TREES {
        // Names in them are everybody's on a machine that others use too.
        if bait.machine.is_own() || !["/tmp", "/dev/shm"].contains(&root) {
            tree(&mut seen, Path::new(root), depth, look);
        }
    }
    settings(&mut seen, Path::new("/proc/sys"));
    let mounts = read("/proc/self/mountinfo");
    seen.note_lines(Kind::Mount, mounts.lines());
    machine(&mut seen);
    seen.note(Kind::Caller, "limits", read("/proc/self/limits"));
    seen.note(Kind::Caller, "umask and groups", of_status(&["Umask", "Groups", "SigIgn"]));
    if let Some(group) = bait.machine.groups_of_boxes() {
        cgroups(&mut seen, group);
    }
    if bait.machine.is_own() {
        tree(&mut seen, &crate::harness::place().join("mqueue"), 1, Look::Content);
        network(&mut seen);
        crate::kept::everything(&mut seen);
    }
    crate::kept::marked(&mut seen, bait);
    seen
}

/// Reads what others read too, so that no later read of theirs is the first. See
/// [`files::be_read`].
pub(crate) fn prepare() {
    for (root, _, look) in TREES {
        if look == Look::Content {
            files::be_read(Path::new(root));
        }
    }
}

pub(crate) fn read(file: impl AsRef<Path>) -> String {
    fs::read(file).map_or_else(|e| e.to_string(), |b| String::from_utf8_lossy(&b).into_owned())
}

fn of_status(names: &[&str]) -> String {
    let status = read("/proc/self/status");
    let wanted = |line: &&str| names.iter().any(|n| line.starts_with(n));
    status.lines().filter(wanted).collect::<Vec<_>>().join(", ")
}

fn settings(seen: &mut Snapshot, dir: &Path) {
    for name in files::names(dir) {
        let path = dir.join(name);
        let short = path.strip_prefix("/proc/sys").expect("below it");
        if CHANGING.iter().any(|(name, _)| short.starts_with(name)) {
            continue;
        }
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        if is_dir {
            settings(seen, &path);
        } else if let Ok(value) = fs::read(&path) {
            // What only takes commands cannot be read.
            let value = String::from_utf8_lossy(&value);
            // The hostile cases have a handler of core dumps for a moment, in their own place.
            let anothers = short == Path::new("kernel/core_pattern") && value.contains("/hostile-");
            let is = if anothers { ANOTHERS } else { value.trim() };
            seen.note(Kind::Sysctl, short.display().to_string(), is);
        }
    }
}

fn machine(seen: &mut Snapshot) {
    let mut note = |what: &str, is: String| seen.note(Kind::Machine, what, is);
    note("swaps", read("/proc/swaps"));
    // Without the counts of users, which come and go.
    let modules = read("/proc/modules");
    let names = modules.lines().filter_map(|l| l.split(' ').next());
    note("modules", names.collect::<Vec<_>>().join(" "));
    // A step of the clock shows, against the one that nobody can set and the offset of the first
    // look; that time servers correct it slowly does not.
    static FIRST: OnceLock<i128> = OnceLock::new();
    let milliseconds = |id| {
        let time = clock_gettime(id);
        i128::from(time.tv_sec) * 1000 + i128::from(time.tv_nsec) / 1_000_000
    };
    let offset = milliseconds(ClockId::Realtime) - milliseconds(ClockId::Boottime);
    let steps = (offset - FIRST.get_or_init(|| offset)).abs() / 400;
    note("clock", if steps == 0 { "as at first".to_owned() } else { format!("off by {steps}") });
    // Old lines are pushed out by new ones; a log that is cleared is empty.
    let log = Command::new("dmesg").output().expect("dmesg, of the package util-linux");
    note("kernel log", if log.stdout.is_empty() { "empty" } else { "there" }.to_owned());
}

/// The groups below one, and the limits of each.
fn cgroups(seen: &mut Snapshot, group: &Path) {
    for name in files::names(group) {
        let path = group.join(&name);
        let is_dir = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        let name = path.display().to_string();
        if is_dir {
            seen.note(Kind::Cgroup, name, "a group");
            cgroups(seen, &path);
        } else if ["limit_in_bytes", "max", "subtree_control", "swappiness", "notify_on_release"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            seen.note(Kind::Cgroup, name, read(&path));
        }
    }
}

fn network(seen: &mut Snapshot) {
    let listings = [
        "-d address",
        "-d link",
        "route show table all",
        "-6 route show table all",
        "rule",
        "neighbour",
        "maddress",
        "netconf",
        "tunnel",
    ];
    for listing in listings {
        let out = Command::new("ip").args(listing.split(' ')).output();
        let text = out.map(|o| o.stdout).unwrap_or_default();
        seen.note(Kind::Network, format!("ip {listing}"), String::from_utf8_lossy(&text));
    }
}
