//! What the kernel keeps for processes: themselves, locks, keys, System V objects, sockets.

use std::path::Path;

use crate::bait::Bait;
use crate::files::names;
use crate::host::read;
use crate::snapshot::{Kind, Snapshot};

/// Everything, on a machine that nobody else uses.
pub(crate) fn everything(seen: &mut Snapshot) {
    processes(seen);
    note_all(seen, Kind::Lock, locks());
    for kind in ["shm", "sem", "msg"] {
        note_all(seen, Kind::Ipc, objects(kind));
    }
    for table in ["unix", "tcp", "tcp6", "udp", "udp6", "raw", "raw6", "icmp", "packet", "netlink"]
    {
        // Without the first column, which is an index or an address in the kernel.
        let text = read(format!("/proc/net/{table}"));
        let lines = text.lines().skip(1).map(|line| {
            // A connection that is being closed has timers that run.
            let words: Vec<_> = after_first(line).split_whitespace().collect();
            let kept = if table.starts_with("tcp") { words.len().min(4) } else { words.len() };
            format!("{table} {}", words[..kept].join(" "))
        });
        note_all(seen, Kind::Socket, lines.collect());
    }
}

/// What is the oracle's own by its number or name, on any machine.
pub(crate) fn marked(seen: &mut Snapshot, bait: &Bait) {
    let numbers: Vec<&str> = bait.victims.iter().flat_map(|v| v.numbers()).collect();
    let ours = |line: &String| line.split_whitespace().any(|word| numbers.contains(&word));
    note_all(seen, Kind::Lock, locks().into_iter().filter(ours).collect());
    for kind in ["shm", "sem", "msg"] {
        note_all(seen, Kind::Ipc, objects(kind).into_iter().filter(ours).collect());
    }
    // There are no namespaces for keys, so those of other processes are here on every machine;
    // the keyrings that they are in count them. The third column is how often a key is in use.
    let keys = read("/proc/keys");
    // A mark that begins like this one is another column's.
    let is_marked = |line: &&str| {
        line.split_once(&bait.mark)
            .is_some_and(|(_, after)| !after.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let ours = keys.lines().filter(is_marked);
    let ours = ours.map(|line| {
        let words = line.split_whitespace().enumerate().filter(|(n, _)| *n != 2);
        words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
    });
    note_all(seen, Kind::Key, ours.collect());
}

fn note_all(seen: &mut Snapshot, kind: Kind, lines: Vec<String>) {
    seen.note_lines(kind, lines.iter().map(String::as_str));
}

fn after_first(line: &str) -> &str {
    line.trim_start().split_once(' ').map_or("", |(_, rest)| rest.trim_start())
}

fn locks() -> Vec<String> {
    read("/proc/locks").lines().map(|line| after_first(line).to_owned()).collect()
}

fn objects(kind: &str) -> Vec<String> {
    let text = read(format!("/proc/sysvipc/{kind}"));
    let lines = text.lines().skip(1).map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        // How much of shared memory is in memory or swapped out is the kernel's affair.
        let kept = if kind == "shm" { words.len().saturating_sub(2) } else { words.len() };
        format!("{kind} {}", words[..kept].join(" "))
    });
    lines.collect()
}

/// Every process there is, and what one process can do to another.
fn processes(seen: &mut Snapshot) {
    for name in names(Path::new("/proc")) {
        let Some(pid) = name.to_str().filter(|n| n.bytes().all(|b| b.is_ascii_digit())) else {
            continue;
        };
        let file = |name: &str| read(format!("/proc/{pid}/{name}"));
        let stat = file("stat");
        let Some((_, fields)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let field = |n: usize| fields.get(n - 3).copied().unwrap_or_default();
        // As proc_pid_stat(5) counts: parent, group, session, terminal, nice, start, policy.
        let numbers = [4, 5, 6, 7, 19, 22, 41].map(field).join(" ");
        let state = if "TtZXx".contains(field(3)) { field(3) } else { "alive" };
        let status = file("status");
        let wanted =
            ["Uid", "Gid", "TracerPid", "Cpus_allowed:", "NoNewPrivs", "Seccomp:", "SigIgn"];
        let wanted = |line: &&str| wanted.iter().any(|w| line.starts_with(w));
        let status: Vec<&str> = status.lines().filter(wanted).collect();
        let rest = ["comm", "oom_score_adj", "limits", "cgroup"].map(file).join("");
        let is = format!("{state} {numbers} {status:?} {rest}");
        seen.note(Kind::Process, pid, is);
    }
}
