//! Attacks on a process of the same user, outside the box.

use std::fs;

use rustix::io::Errno;

use super::files::{done, opens_for_writing};
use super::numbers::{Call, WRONG};
use super::{Attack, Ground};

const AREA: &str = "processes";

/// A box that has processes of its own does not know the victim.
const UNKNOWN: &[Errno] = &[Errno::SRCH, Errno::NOENT];

const PTRACE_SEIZE: isize = 0x4206;
const RLIMIT_CORE: isize = 4;

pub(super) const ATTACKS: &[Attack] = &[
    victim("signal a process", |g| Call::KILL.with([pid(g), 0])),
    victim("signal a thread", |g| Call::TKILL.with([pid(g), 0])),
    victim("queue a signal", |g| Call::RT_SIGQUEUEINFO.with([pid(g), 0, 0])),
    victim("trace a process", |g| Call::PTRACE.with([PTRACE_SEIZE, pid(g), WRONG])),
    victim("read a process's memory", |g| Call::PROCESS_VM_READV.with([pid(g)])),
    victim("write a process's memory", |g| Call::PROCESS_VM_WRITEV.with([pid(g)])),
    victim("compare processes", |g| Call::KCMP.with([pid(g), pid(g)])),
    victim("read another's limits", |g| Call::PRLIMIT.with([pid(g), RLIMIT_CORE])),
    victim("renice a process", |g| Call::SETPRIORITY.with([0, pid(g), 0])),
    victim("move a process to other CPUs", |g| Call::SCHED_SETAFFINITY.with([pid(g), 0, 0])),
    victim("change a process's I/O priority", |g| Call::IOPRIO_SET.with([1, pid(g), 0])),
    Attack::new(AREA, "signal by a pidfd", |_| Call::PIDFD_SEND_SIGNAL.with([WRONG])),
    Attack::new(AREA, "take a descriptor from a process", |_| Call::PIDFD_GETFD.with([WRONG])),
    Attack::new(AREA, "open a process's memory", |g| {
        opens_for_writing(&format!("/proc/{}/mem", g.victim()))
    })
    .or(UNKNOWN),
    Attack::new(AREA, "read a process's environment", |g| {
        done(|| fs::read(format!("/proc/{}/environ", g.victim())).map(drop))
    })
    .or(UNKNOWN),
    Attack::new(AREA, "look into a process's directory", |g| {
        done(|| fs::read_dir(format!("/proc/{}/cwd/", g.victim())).map(drop))
    })
    .or(UNKNOWN),
    Attack::new(AREA, "offer a process to the OOM killer", |g| {
        opens_for_writing(&format!("/proc/{}/oom_score_adj", g.victim()))
    })
    .or(UNKNOWN),
];

fn pid(ground: &Ground) -> isize {
    isize::try_from(ground.victim()).unwrap_or(WRONG)
}

const fn victim(what: &'static str, run: fn(&Ground) -> Result<(), Errno>) -> Attack {
    Attack::new(AREA, what, run).or(UNKNOWN)
}
