//! The child side: from the clone to `execve`, one straight list of steps.
//!
//! Both functions that start here run in a process that shares the memory of its parent, which
//! may have many threads: no heap, no lock, no panic, no thread-local state, no libc. They read
//! what [`mod@super::prepare`] made ready, make bare system calls, and on the first one that fails
//! write a [`Record`] and end. Nothing is retried and nothing is left out: a box that starts is
//! the whole box.
//!
//! Order, for the box: session, the read-only tree, bounds, namespaces; then what the host was
//! looked at for: hidden paths and scratch, descriptors, the host's mount table. For each stage:
//! that table, the program, identity and capabilities, `no_new_privs`, Landlock, limits,
//! descriptors, signals, seccomp, `execveat`. Each step needs something that a later one takes away.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use shannot_policy::MOST_STAGES;

use super::cgroup::Join;
use super::init;
use super::lent::Slot;
use super::spec::{Bounds, HullShared, IdentitySpec, MOUNT_TABLE, RunSpec, StageSpec};
use super::step::{Record, Step};
use super::sys::{self, Errno, Fd, Sys};
use super::tree;

/// One step that fails ends this process, after telling the parent which and why.
pub(super) struct Reporter {
    status: Fd,
    stage: u8,
}

impl Reporter {
    pub(super) fn new(status: Fd, stage: u8) -> Self {
        Self { status, stage }
    }

    pub(super) fn need<T>(&self, step: Step, result: Sys<T>) -> T {
        match result {
            Ok(value) => value,
            Err(errno) => self.fail(step, errno),
        }
    }

    fn fail(&self, step: Step, errno: Errno) -> ! {
        let record = Record::Failed { stage: self.stage, step, errno: errno.0 };
        // With the pipe gone there is nobody to tell.
        let _ = sys::write(self.status, &record.to_bytes());
        sys::exit(125)
    }
}

/// The first process of a box: pid 1 of its pid namespace or, in tier L, the subreaper of its
/// commands. Makes what the plan alone says while its parent looks at the host, waits for the
/// rest, makes the mounts, starts the stages, then becomes [`init`].
pub(super) extern "C" fn box_main(hull: &HullShared) -> ! {
    let report = Reporter::new(hull.status, 0);
    make_hull(hull, &report);
    let places = await_told(hull, &hull.places);
    tree::make(places, &hull.lent, &report);
    let run = await_told(hull, &hull.run);
    if let Some(cpus) = &hull.cpus {
        // They were this process's before.
        let _ = sys::set_cpus(0, cpus);
    }
    // Until here the descriptors are the parent's own, so that what it opened meanwhile is here.
    // Not by unshare(2), which containers refuse whatever is asked of it; no descriptor has this
    // number, so none is closed.
    let own = libc::CLOSE_RANGE_UNSHARE;
    report.need(Step::Descriptors, sys::close_range(u32::MAX, u32::MAX, own));
    fit_out(hull, run, &report)
}

/// What is left once the box has its mounts and namespaces, and this process descriptors of its own.
pub(super) fn fit_out(hull: &HullShared, run: &RunSpec, report: &Reporter) -> ! {
    // What the parent's other threads and other runs have open must not stay open here: a pipe
    // of another run would never end, a caller's file would be held.
    let mut host_proc = hull.lent.host_proc.get();
    close_all_but(&run.keep, host_proc);
    if let (Some(low @ 0..=2), Some(last)) = (host_proc, run.keep.last()) {
        report.need(Step::Descriptors, sys::dup3(low, last + 1, libc::O_CLOEXEC));
        host_proc = Some(last + 1);
    }
    // Otherwise what is opened below would get the numbers that a command's standard streams are
    // about to take.
    for standard in 0..=2 {
        report.need(Step::Descriptors, sys::dup3(run.status, standard, libc::O_CLOEXEC));
    }
    let (spec, commands) = (&*run.spec, &*run.commands);
    let mut tables = [[-1; MOUNT_TABLE.len()]; MOST_STAGES];
    if let Some(sources) = &spec.mount_table {
        let tables = tables.iter_mut().take(commands.stages.len());
        report.need(Step::HostMountTable, tree::host_tables(sources, host_proc, tables));
    }
    for path in &spec.scratch_rules {
        let dir = report.need(Step::LandlockRule, sys::open(path, libc::O_PATH | libc::O_CLOEXEC));
        let allowed = sys::landlock_allow(run.ruleset, dir, spec.scratch_access);
        report.need(Step::LandlockRule, allowed);
        sys::close(dir);
    }
    if let Some(domain) = &commands.init_domain {
        report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
        report.need(Step::Landlock, sys::landlock_restrict_self(domain.as_raw_fd()));
        report.need(Step::Subreaper, sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0));
    }
    init::run(hull, run, &tables, report)
}

/// The session, the read-only tree, what no process of the box can ever have, and last the
/// namespaces that take long. Whatever is opened here is noted: the table of descriptors is the
/// parent's.
fn make_hull(hull: &HullShared, report: &Reporter) {
    let spec = &*hull.spec;
    report.need(Step::Session, sys::setsid());
    if let Some(pid_max) = &spec.pid_max {
        // This namespace's own, from here on. Refused where /proc/sys is read-only already, as in
        // containers: columns get wider, and that is all.
        let _ = write_file(c"/proc/sys/kernel/pid_max", pid_max, &hull.lent.brief);
    }
    // Until the tree is private, what is mounted on the host is mounted here too.
    tree::make(&spec.mounts, &hull.lent, report);
    if !spec.mounts.is_empty() {
        report.need(Step::Lend, tree::lend(&hull.lent));
        report.need(Step::Lend, sys::write(hull.status, &Record::Apart.to_bytes()));
    }
    set_bounds(&spec.bounds, report);
    if spec.unshared != 0 {
        report.need(Step::Namespaces, sys::unshare(spec.unshared));
    }
}

/// How long a box that is begun waits to be told the rest, in seconds.
const LONGEST_WAIT: i64 = 30;

/// Waits until the parent has put something into `slot`, which it tells by a byte. Ends this
/// process when nothing more is to come: the parent could not make the box ready and closed
/// `control`, or it has ended, which does not close `control` as long as this process shares the
/// table with its other end.
fn await_told<'a, T>(hull: &'a HullShared, slot: &'a OnceLock<T>) -> &'a T {
    let wait = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    loop {
        let mut fds = [wait(hull.control), wait(hull.supervisor)];
        // Not for ever: a supervisor that executes another program keeps its id, and the table.
        match sys::poll(&mut fds, Some(LONGEST_WAIT)) {
            Err(_) => continue,
            Ok(0) => sys::exit(0),
            Ok(_) => {}
        }
        let mut byte = [0u8; 1];
        let [control, _] = fds;
        let told = control.revents & libc::POLLIN != 0
            && matches!(sys::read(hull.control, &mut byte), Ok(1));
        match slot.get() {
            Some(value) if told => return value,
            _ => sys::exit(0),
        }
    }
}

/// One command of the box, or of tier L without an init. Never returns.
pub(super) extern "C" fn stage_main(call: &StageCall) -> ! {
    let run = call.run;
    let stage = call.stage;
    let report = Reporter::new(run.status, call.index);
    let (spec, commands) = (&*run.spec, &*run.commands);
    if let Some(Join::Tasks(group)) = run.cgroup {
        report.need(Step::Cgroup, sys::write(group, b"0"));
    }
    if let Some(io) = run.stage_io.get(usize::from(call.index)) {
        for (standard, fd) in (0..).zip([io.stdin, io.stdout, io.stderr]) {
            report.need(Step::Stdio, sys::dup3(fd, standard, 0));
        }
    }
    for (mount, (_, own)) in call.mount_table.iter().zip(MOUNT_TABLE) {
        report.need(Step::HostMountTable, sys::attach(*mount, own));
    }
    open_program(stage, &report);
    if let Some(bounds) = call.bounds {
        set_bounds(bounds, &report);
    }
    take_identity(&spec.identity, call.init_pid, &report);
    let mut entered = sys::chdir(&commands.cwd);
    if entered.is_err() && commands.cwd_or_root {
        run.in_root.store(true, Ordering::Release);
        entered = sys::chdir(c"/");
    }
    report.need(Step::Cwd, entered);
    report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
    report.need(Step::Landlock, sys::landlock_restrict_self(run.ruleset));
    if let Some(ruleset) = &stage.exec_ruleset {
        report.need(Step::Landlock, sys::landlock_restrict_self(ruleset.fd()));
    }
    if let Some(parent) = call.die_with {
        // After the change of uid, which clears it. A parent that died before this line cannot
        // send the signal any more.
        let signal = libc::SIGKILL as usize;
        report.need(Step::ParentDeath, sys::prctl(libc::PR_SET_PDEATHSIG, signal, 0));
        if sys::parent() != parent {
            sys::exit(125);
        }
        report.need(Step::Session, sys::setsid());
    }
    for limit in &spec.rlimits {
        report.need(Step::Limits, sys::setrlimit(limit.resource, limit.soft, limit.hard));
    }
    let cloexec = libc::CLOSE_RANGE_CLOEXEC;
    report.need(Step::Descriptors, sys::close_range(3, u32::MAX, cloexec));
    // Rust ignores SIGPIPE, and a caller may ignore others; a command expects the defaults. The
    // clone has reset handlers, but not what is ignored. SIGKILL and SIGSTOP answer EINVAL, which
    // is as good.
    for signal in 1..=64 {
        let _ = sys::default_action(signal);
    }
    report.need(Step::Signals, sys::set_signal_mask(0));
    report.need(Step::Seccomp, sys::seccomp(&stage.filter));
    let Some(program) = &stage.program else {
        // A probe of the tier: all that had to hold, holds.
        sys::exit(0)
    };
    let errno = sys::exec(super::PROGRAM_FD, &program.argv, &commands.env, stage.ticket);
    report.fail(Step::Exec, errno)
}

/// What [`stage_main`] is given.
pub(super) struct StageCall<'a> {
    pub(super) run: &'a RunSpec,
    pub(super) stage: &'a StageSpec,
    pub(super) index: u8,
    /// Detached mounts of the host's mount table, one for each of [`MOUNT_TABLE`]; empty where
    /// the mounts are the host's own.
    pub(super) mount_table: &'a [Fd],
    /// The id of the box's first process, where there is one.
    pub(super) init_pid: i32,
    /// What no first process has seen to.
    pub(super) bounds: Option<&'a Bounds>,
    /// The parent whose end must end this process, where no init sees to it.
    pub(super) die_with: Option<i32>,
}

/// Closes every descriptor but those, which are in ascending order, and one more, if it is one.
pub(super) fn close_all_but(keep: &[Fd], mut and: Option<Fd>) {
    let mut first = 0u32;
    let mut keep = keep.iter().copied().peekable();
    while let Some(fd) = match (keep.peek(), and) {
        (Some(next), Some(fd)) if fd < *next => and.take(),
        (None, Some(_)) => and.take(),
        (_, _) => keep.next(),
    } {
        let fd = fd.cast_unsigned();
        if fd > first {
            let _ = sys::close_range(first, fd - 1, 0);
        }
        first = fd.saturating_add(1);
    }
    let _ = sys::close_range(first, u32::MAX, 0);
}

fn write_file(path: &CStr, bytes: &[u8], slot: &Slot) -> Sys {
    let fd = slot.note(sys::open(path, libc::O_WRONLY | libc::O_CLOEXEC)?);
    let written = sys::write(fd, bytes);
    slot.close();
    written.map(drop)
}

/// Opens the program where the box shows it, at the one number the filter lets be executed.
fn open_program(stage: &StageSpec, report: &Reporter) {
    let Some(program) = &stage.program else { return };
    let fd = report.need(Step::Program, sys::open(&program.path, libc::O_PATH | libc::O_CLOEXEC));
    let raised = sys::setrlimit(libc::RLIMIT_NOFILE, program.nofile, program.nofile);
    report.need(Step::Limits, raised);
    report.need(Step::Program, sys::dup3(fd, super::PROGRAM_FD, libc::O_CLOEXEC));
}

/// Takes what no program executed later could get otherwise than from these sets.
fn set_bounds(bounds: &Bounds, report: &Reporter) {
    for capability in 0..64usize {
        if bounds.drop & (1 << capability) != 0 {
            let dropped = sys::prctl(libc::PR_CAPBSET_DROP, capability, 0);
            report.need(Step::Capabilities, dropped);
        }
    }
    if bounds.lock_securebits {
        let locked = sys::prctl(libc::PR_SET_SECUREBITS, super::SECUREBITS, 0);
        report.need(Step::Capabilities, locked);
    }
}

/// Becomes who the box runs as, without any capability but those of the plan.
fn take_identity(identity: &IdentitySpec, init_pid: i32, report: &Reporter) {
    if let Some(groups) = &identity.unused {
        let id = super::unused_id(init_pid);
        if identity.keep != 0 {
            report.need(Step::Capabilities, sys::prctl(libc::PR_SET_KEEPCAPS, 1, 0));
        }
        report.need(Step::Identity, sys::setgroups(groups));
        report.need(Step::Identity, sys::setresgid(id));
        report.need(Step::Identity, sys::setresuid(id));
    }
    report.need(Step::Capabilities, sys::capset(identity.keep, identity.keep));
    for capability in 0..64usize {
        if identity.keep & (1 << capability) != 0 {
            let raise = libc::PR_CAP_AMBIENT_RAISE.cast_unsigned() as usize;
            let raised = sys::prctl(libc::PR_CAP_AMBIENT, raise, capability);
            report.need(Step::Capabilities, raised);
        }
    }
}
