//! The first process of a box once its mounts are made: it starts the commands, reaps, passes
//! signals on, and ends when the commands have, or when its supervisor has.
//!
//! The command itself is never pid 1: the kernel ignores default-action signals for pid 1, so
//! its exit codes and `SIGPIPE` would lie. Nothing is decided here; the rules of
//! [`super::enter`] hold.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use shannot_policy::MOST_STAGES;

use super::enter::{Reporter, StageCall, Told};
use super::spec::{HullShared, PlaceSpec, RunSpec};
use super::step::{Record, Step};
use super::sys::{self, Errno, Fd};

const SIGCHLD_BIT: sys::SignalMask = 1 << (libc::SIGCHLD - 1);
const CAP_KILL_BIT: u64 = 1 << 5;

/// What a command's process runs on until it has executed, in units of 16 bytes.
const STAGE_STACK: usize = 2048;

/// The commands of a run: process id, or 0 for none.
type Pids = [i32; MOST_STAGES];

/// Starts the commands and sees them to their end. Signals stay blocked; they are read. `first` is
/// the process of the first command, where that was made ahead; `host_proc` the host's `/proc`, where
/// the box has covered it.
pub(super) fn run(
    hull: &HullShared,
    place: &PlaceSpec,
    run: &RunSpec,
    first: Option<i32>,
    host_proc: Option<Fd>,
) -> ! {
    let report = &Reporter::new(place.status, 0);
    let mut pids: Pids = [0; MOST_STAGES];
    let mut stack = [MaybeUninit::<u128>::uninit(); STAGE_STACK];
    let stages = 0..u8::try_from(run.commands.stages.len()).unwrap_or(u8::MAX);
    let in_pid_namespace = run.commands.init_domain.is_none();
    let own_proc = own_proc(place, host_proc, report);
    for (pid, index) in pids.iter_mut().zip(stages) {
        let call = StageCall {
            place,
            run: Told::Now(run),
            index,
            host_proc: own_proc,
            init_pid: hull.init_pid.load(Ordering::Acquire),
            bounds: None,
            die_with: None,
        };
        *pid = match first.filter(|_| index == 0) {
            Some(first) => first,
            None => report.need(Step::StartStage, start(&call, &mut stack)),
        };
    }
    let ended = report.need(Step::Signals, sys::signalfd(SIGCHLD_BIT));
    let mut keep = [hull.control, place.status, ended];
    keep.sort_unstable();
    // The commands have their own copies of all else.
    super::enter::close_all_but(&keep, None);
    if in_pid_namespace {
        // All that is still needed is to signal commands that have another uid.
        let keep = if place.spec.identity.unused.is_some() { CAP_KILL_BIT } else { 0 };
        report.need(Step::Capabilities, sys::capset(keep, 0));
    }
    report.tell(Record::Started { in_root: run.in_root.load(Ordering::Acquire) });
    serve(report, &mut pids, hull.control, ended);
    if !in_pid_namespace {
        end_all();
    }
    // In a pid namespace the kernel ends whatever is left when its first process does.
    sys::exit(0)
}

/// Starts the process of the first command before the command is known. Comes back when that process
/// has executed it, or has waited in vain.
pub(super) fn start_ahead(hull: &HullShared, place: &PlaceSpec, report: &Reporter) -> i32 {
    let mut stack = [MaybeUninit::<u128>::uninit(); STAGE_STACK];
    super::enter::allow_scratch(place, &hull.lent.brief, report);
    let host_proc = match hull.lent.host_proc.get() {
        None => own_proc(place, None, report).map(|proc| hull.lent.host_proc.note(proc)),
        proc => proc,
    };
    let call = StageCall {
        place,
        run: Told::Later(hull),
        index: 0,
        host_proc,
        init_pid: hull.init_pid.load(Ordering::Acquire),
        bounds: None,
        die_with: None,
    };
    report.need(Step::StartStage, start(&call, &mut stack))
}

/// The host's `/proc`, if its mount table is to be shown: the covered one, or the one that is seen.
fn own_proc(place: &PlaceSpec, covered: Option<Fd>, report: &Reporter) -> Option<Fd> {
    let open = || sys::open(c"/proc", libc::O_PATH | libc::O_CLOEXEC);
    let shown = place.spec.mount_table.is_some();
    let proc = || covered.unwrap_or_else(|| report.need(Step::HostMountTable, open()));
    shown.then(proc)
}

/// Starts a command. Where the box shows the host's `/proc`, the command's process id in the box
/// is, if the kernel lets us choose, the one that it has there: `pgrep` and `pidof` leave out the
/// process whose id is their own, which would otherwise be one of the host's first processes.
fn start(call: &StageCall, stack: &mut [MaybeUninit<u128>]) -> sys::Sys<i32> {
    /// Ids above that of this process are free but for a few.
    const TRIES: i32 = 256;
    let own = call.init_pid;
    if call.place.spec.host_pids {
        for id in (1..=TRIES).map(|n| own.saturating_add(n)) {
            match sys::start_stage(call, &[id, id], stack) {
                Err(Errno(libc::EEXIST)) => {}
                Err(Errno(libc::EPERM | libc::EINVAL)) => break,
                other => return other,
            }
        }
        // Over the host's ids a user has no power. This process's own id belongs to nobody else.
        match sys::start_stage(call, &[own], stack) {
            Err(Errno(libc::EEXIST | libc::EPERM | libc::EINVAL)) => {}
            other => return other,
        }
    }
    sys::start_stage(call, &[], stack)
}

/// Passes signals on and reaps until every command has ended or the supervisor has gone.
fn serve(report: &Reporter, pids: &mut Pids, orders: sys::Fd, ended: sys::Fd) {
    loop {
        // First, for a command that ended before the signal descriptor was there.
        if reap_all(report, pids) {
            return;
        }
        let wait = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let mut fds = [wait(orders), wait(ended)];
        if sys::poll(&mut fds, None).is_err() {
            continue;
        }
        let [control, child] = fds;
        if child.revents != 0 {
            // Which child does not matter: `reap_all` looks at all of them.
            let mut info = [0u8; 128];
            let _ = sys::read(ended, &mut info);
        }
        if control.revents != 0 {
            let mut signals = [0u8; 16];
            match sys::read(orders, &mut signals) {
                Ok(0) => return,
                Ok(n) => signals.iter().take(n).for_each(|s| signal_all(pids, i32::from(*s))),
                Err(Errno(libc::EINTR | libc::EAGAIN)) => {}
                Err(_) => return,
            }
        }
    }
}

/// Reaps what has ended; true when no command is left.
///
/// The last command is only looked at. Reaping it would take its /proc entries away, and with them
/// the host's mount table that is mounted there: a grace period for each run. When this process
/// ends, the mounts go first, and the kernel reaps.
fn reap_all(report: &Reporter, pids: &mut Pids) -> bool {
    while let Ok(Some(ended)) = sys::peek(libc::WNOHANG) {
        for (pid, stage) in pids.iter_mut().zip(0u8..) {
            if *pid == ended.pid {
                *pid = 0;
                report.tell(Record::Exited { stage, status: ended.status });
            }
        }
        if pids.iter().all(|pid| *pid == 0) {
            return true;
        }
        // Ended, as was just seen.
        let _ = sys::reap(ended.pid);
    }
    false
}

fn signal_all(pids: &Pids, signal: i32) {
    for pid in pids.iter().filter(|pid| **pid > 0) {
        // One that has just ended needs none.
        let _ = sys::kill(*pid, signal);
    }
}

/// Ends every process of the run, where no pid namespace does. This process is in the Landlock
/// domain around the whole run, whose scope lets `kill(-1)` reach only that domain: one call,
/// atomic against forks, that cannot hit the user's other processes.
fn end_all() {
    loop {
        let _ = sys::kill(-1, libc::SIGKILL);
        loop {
            match sys::reap(-1) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        // Orphans come to this process, the subreaper, as their parents end: wait for the next.
        let _ = sys::peek(0);
    }
}
