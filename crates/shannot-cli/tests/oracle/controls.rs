//! Proof that the observer sees: every kind of change, made outside any box, must show.
//!
//! Not made are changes of the clock, swap, modules and the kernel's log: they are the machine's,
//! and cannot be taken back without a trace.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::bait::Bait;
use crate::chance::Chance;
use crate::commands::fill;
use crate::harness::{Column, is_root, probe, word};
use crate::host;
use crate::machine::Machine;
use crate::snapshot::Kind;

/// A change that anybody can make, and a kind that it must show as. Names in braces are as in
/// [`crate::dangerous`], `PROBE` is the hostile probe and `SELF` this process.
const ANYBODY: &[(Kind, &str)] = &[
    (Kind::File, "touch {root}/victim"),
    (Kind::File, "touch -h {root}/link"),
    (Kind::File, "chmod 755 {root}/victim"),
    (Kind::File, "ln {root}/victim {root}/linked"),
    (Kind::File, "ln -sfn other {root}/link"),
    (Kind::File, "mv {root}/other {root}/moved"),
    (Kind::File, "mkdir {root}/sub/made"),
    (Kind::File, "rm -f {root}/script"),
    (Kind::File, "dd if=/dev/zero of={root}/image count=1 conv=notrunc status=none"),
    (Kind::File, "touch /tmp/{mark}"),
    (Kind::File, "touch /dev/shm/{mark}"),
    (Kind::Attribute, "setfacl -m m::r {root}/victim"),
    (Kind::Attribute, "chattr +d {root}/sub"),
    (Kind::Atime, "cat {root}/victim"),
    (Kind::Atime, "ls {root}/sub"),
    (Kind::Key, "PROBE leave-key {mark}"),
    (Kind::Key, "PROBE take-key {mark}"),
    (Kind::Ipc, "perl -e 'shmwrite {shm}, \"lost\", 0, 4'"),
    (Kind::Ipc, "ipcrm -q {msg}"),
    (Kind::Victim, "perl -e 'shmwrite {shm}, \"kept\", 0, 4'"),
    (Kind::Victim, "ipcrm -s {sem}"),
    (Kind::Victim, "kill -USR1 {pid}"),
    (Kind::Victim, "kill -STOP {pid}"),
    (Kind::Victim, "kill -CONT {pid}"),
    (Kind::Victim, "renice -n 5 -p {pid}"),
    (Kind::Victim, "ionice -c 3 -p {pid}"),
    (Kind::Victim, "chrt -b -p 0 {pid}"),
    (Kind::Victim, "prlimit --pid {pid} --core=7:"),
    (Kind::Victim, "sh -c 'echo 500 > /proc/{pid}/oom_score_adj'"),
    (Kind::Victim, "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{tcp}'"),
    (Kind::Victim, "bash -c 'echo x > /dev/udp/127.0.0.1/{udp}'"),
    (Kind::Victim, "PROBE local {stream} {datagram}"),
    (Kind::Victim, "PROBE local {abstract} {abstract}-datagram"),
    (Kind::Victim, "PROBE write-fifo {fifo}"),
    (Kind::Caller, "stty -F {pts} -echo"),
    (Kind::Caller, "sh -c 'echo x > {pts}'"),
    (Kind::Caller, "prlimit --pid SELF --core=7:"),
];

/// What shows only where nobody else does the same.
const OWN_MACHINE: &[(Kind, &str)] = &[
    (Kind::File, "touch /tmp/anything"),
    (Kind::File, "touch {queues}/{mark}"),
    (Kind::Ipc, "ipcmk -M 4096"),
    (Kind::Ipc, "ipcmk -S 1"),
    (Kind::Ipc, "ipcmk -Q"),
    (Kind::Process, "setsid -f sleep 2"),
    (Kind::Lock, "setsid -f flock {root}/victim sleep 2"),
    (Kind::Socket, "setsid -f perl -MSocket -e 'socket S, 2, 1, 0; listen S, 1; sleep 2'"),
    (Kind::Socket, "setsid -f perl -MSocket -e 'socket S, 1, 1, 0; listen S, 1; sleep 2'"),
];

/// The same that takes root.
const ROOT: &[(Kind, &str)] = &[
    (Kind::Sysctl, "hostname {mark}"),
    (Kind::Sysctl, "sysctl -q -w net.ipv4.ip_default_ttl=63"),
    (Kind::Network, "ip addr add 198.51.100.9/32 dev lo"),
    (Kind::Network, "ip link set lo mtu 1280"),
    (Kind::Mount, "mount --bind {root}/logs {root}/sticky"),
    (Kind::Mount, "mount -o remount,bind,nodev {root}/sticky"),
    (Kind::Mount, "umount {root}/sticky"),
];

/// The same where the oracle has a cgroup of its own.
const IN_GROUP: &[(Kind, &str)] = &[
    (Kind::Cgroup, "mkdir {group}/left"),
    (
        Kind::Cgroup,
        "sh -c 'echo 9876543210 > {group}/memory.limit_in_bytes || \
                     echo 9876543210 > {group}/memory.max'",
    ),
    (Kind::Cgroup, "rmdir {group}/left"),
];

/// Makes each change and asserts that it shows.
pub(crate) fn each_is_seen(column: Column, machine: &Machine) {
    let mut bait = Bait::new(column, machine, "oracle-control");
    host::prepare();
    bait.forget_reads();
    let calm = host::look(&mut bait).differences(&host::look(&mut bait));
    assert!(calm.is_empty(), "looking leaves a trace: {calm:#?}");
    let mut lists = vec![ANYBODY];
    if let Machine::Own { group } = machine {
        lists.push(OWN_MACHINE);
        lists.extend(is_root().then_some(ROOT));
        lists.extend(group.as_ref().map(|_| IN_GROUP));
    }
    for (kind, line) in lists.into_iter().flatten() {
        is_seen(&mut bait, *kind, line);
    }
}

fn is_seen(bait: &mut Bait, kind: Kind, line: &str) {
    let line = line.replace("PROBE", word(&probe()));
    let line = line.replace("SELF", &std::process::id().to_string());
    // The same chance for each, so that all are aimed at the same victim.
    let words = fill(&line, bait, &mut Chance::new(1));
    bait.forget_reads();
    let before = host::look(bait);
    let mut command = Command::new(&words[0]);
    let status = command.args(&words[1..]).env("PROBE_CONTROL", "1").stdin(Stdio::null());
    let status = status.stdout(Stdio::null()).status().unwrap_or_else(|e| panic!("{line}: {e}"));
    assert!(status.success(), "{line}: {status}");
    // Until what it leaves behind has begun.
    thread::sleep(Duration::from_millis(150));
    let seen = before.differences(&host::look(bait));
    assert!(seen.iter().any(|d| d.kind == kind), "`{line}` does not show as {kind:?}: {seen:#?}");
}
