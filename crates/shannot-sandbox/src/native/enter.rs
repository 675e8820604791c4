//! The child side: from the clone to `execve`, one straight list of steps.
//!
//! Both functions that start here run in a process that shares the memory of its parent, which
//! may have many threads: no heap, no lock, no panic, no thread-local state, no libc. They read
//! what [`mod@super::prepare`] made ready, make bare system calls, and on the first one that fails
//! write a [`Record`] and end. Nothing is retried and nothing is left out: a box that starts is
//! the whole box.
//!
//! Order, for the box: session, signals, the read-only tree, bounds, namespaces; then what the host was
//! looked at for: hidden paths and scratch, descriptors. For each stage, what no command changes:
//! cgroup, the host's mount table, identity and capabilities, `no_new_privs`, Landlock, limits; then
//! what the command says: standard streams, all other descriptors closed, the program, working
//! directory, the programs it may start, signal mask, seccomp, `execveat`. Each step needs something that
//! a later one takes away.
//!
//! A box that is made ahead of its run waits between these two, in the first command's own process.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::cgroup::Join;
use super::init;
use super::lent::Slot;
use super::spec::{
    Ahead, Bounds, FilterSpec, HullShared, IdentitySpec, OpenFiles, PlaceSpec, Ruleset, RunSpec,
    StageSpec,
};
use super::step::{Record, Step};
use super::sys::{self, Errno, Fd, Inbox, Sys};
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
        self.tell(Record::Failed { stage: self.stage, step, errno: errno.0 });
        sys::exit(125)
    }

    pub(super) fn tell(&self, record: Record) {
        // With the pipe gone there is nobody to tell.
        let _ = sys::write(self.status, &record.to_bytes());
    }
}

/// The first process of a box: pid 1 of its pid namespace or, in tier L, the subreaper of its
/// commands. Makes what the plan alone says while its parent looks at the host, waits for the
/// rest, makes the mounts, starts the stages, then becomes [`init`].
pub(super) extern "C" fn box_main(hull: &HullShared) -> ! {
    let report = Reporter::new(hull.status, 0);
    make_hull(hull, &report);
    let mounts = await_told(hull, &hull.mounts);
    tree::make(mounts, &hull.lent, &report);
    if let Some(inbox) = &hull.inbox {
        serve_births(hull, inbox, &report);
    }
    let place = await_told(hull, &hull.place);
    let first = place.ahead.as_ref().map(|_| init::start_ahead(hull, place, &report));
    let run = match (hull.run.get(), first) {
        // The process of the first command has taken it.
        (Some(run), Some(_)) if run.is_taken() => {
            own_descriptors(&report);
            run
        }
        // It has waited in vain.
        (_, Some(_)) => sys::exit(0),
        (_, None) => take_run(hull, &report),
    };
    fit_out(hull, place, run, first, &report)
}

/// Leaves the descriptors of another process for a copy of them. Not by unshare(2), which containers
/// refuse whatever is asked of it; no descriptor has this number, so none is closed.
fn own_descriptors(report: &Reporter) {
    let own = libc::CLOSE_RANGE_UNSHARE;
    report.need(Step::Descriptors, sys::close_range(u32::MAX, u32::MAX, own));
}

/// What is left once the box has its mounts and namespaces, and this process descriptors of its own.
/// `first` is the first command's process, where it was made ahead.
pub(super) fn fit_out(
    hull: &HullShared,
    place: &PlaceSpec,
    run: &RunSpec,
    first: Option<i32>,
    report: &Reporter,
) -> ! {
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
        report.need(Step::Descriptors, sys::dup3(place.status, standard, libc::O_CLOEXEC));
    }
    if first.is_none() {
        allow_scratch(place, &Slot::empty(), report);
    }
    if let Some(domain) = &run.commands.init_domain {
        report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
        report.need(Step::Landlock, sys::landlock_restrict_self(domain.as_raw_fd()));
        report.need(Step::Subreaper, sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0));
    }
    init::run(hull, place, run, first, host_proc)
}

/// Gives the run's ruleset rules for scratch, which exists by now.
pub(super) fn allow_scratch(place: &PlaceSpec, brief: &Slot, report: &Reporter) {
    let spec = &*place.spec;
    for path in &spec.scratch_rules {
        let dir = sys::open(path, libc::O_PATH | libc::O_CLOEXEC);
        let dir = brief.note(report.need(Step::LandlockRule, dir));
        let allowed = sys::landlock_allow(place.ruleset, dir, spec.scratch_access);
        brief.close();
        report.need(Step::LandlockRule, allowed);
    }
}

/// The session, the read-only tree, what no process of the box can ever have, and last the
/// namespaces that take long. Whatever is opened here is noted: the table of descriptors is the
/// parent's.
fn make_hull(hull: &HullShared, report: &Reporter) {
    let spec = &*hull.spec;
    report.need(Step::Session, sys::setsid());
    if !spec.born {
        default_signals();
    }
    if spec.keeps_proc {
        let proc = sys::open_tree_clone(libc::AT_FDCWD, c"/proc");
        hull.lent.writable_proc.note(report.need(Step::OwnProc, proc));
    }
    let write = |path, bytes: &[u8]| write_proc(hull, path, bytes);
    if let Some(map) = spec.user_map.as_ref().filter(|_| spec.maps_itself) {
        // In this order: without the first, an ordinary user may not map its group.
        report.need(Step::UserMap, write(c"/proc/self/setgroups", b"deny"));
        report.need(Step::UserMap, write(c"/proc/self/uid_map", &map.uid));
        report.need(Step::UserMap, write(c"/proc/self/gid_map", &map.gid));
    }
    if let Some(pid_max) = &spec.pid_max {
        // This namespace's own, from here on. Refused where /proc/sys is read-only already, as in
        // containers: columns get wider, and that is all.
        let _ = write(c"/proc/sys/kernel/pid_max", pid_max);
    }
    // Until the tree is private, what is mounted on the host is mounted here too.
    tree::make(&spec.mounts, &hull.lent, report);
    if spec.lends {
        report.need(Step::Lend, tree::lend(&hull.lent));
        report.need(Step::Lend, sys::write(hull.status, &Record::Apart.to_bytes()));
    }
    set_bounds(&spec.bounds, report);
    if spec.unshared != 0 {
        report.need(Step::Namespaces, sys::unshare(spec.unshared));
    }
}

/// Rust ignores SIGPIPE, and a caller may ignore others; a command expects the defaults, and without
/// that of SIGCHLD the kernel would reap commands by itself. A clone resets handlers, but not what is
/// ignored.
pub(super) fn default_signals() {
    // SIGKILL and SIGSTOP answer EINVAL, which is as good.
    for signal in 1..=64 {
        let _ = sys::default_action(signal);
    }
}

/// How long a box that is begun waits to be told the rest, in seconds.
const LONGEST_WAIT: i64 = 30;

/// Waits until the parent has put something into `told`.
fn await_told<'a, T>(hull: &'a HullShared, told: &'a OnceLock<T>) -> &'a T {
    loop {
        if let Some(value) = told.get() {
            // Its byte, if it is still to be read, is a signal of number zero, which is none.
            return value;
        }
        await_word(hull);
    }
}

/// Waits for the run, and takes it. Ends this process if the parent has taken it back.
fn take_run<'a>(hull: &'a HullShared, report: &Reporter) -> &'a RunSpec {
    let run = await_told(hull, &hull.run);
    // Until here the descriptors are the parent's own, so that what it opened meanwhile is here. Before
    // the run is taken: once the parent has taken it back, its numbers are used for others.
    own_descriptors(report);
    if !run.take() {
        sys::exit(0);
    }
    run
}

/// Waits for one byte of the parent's. Ends this process when nothing more is to come: the parent
/// could not make the box ready and closed `control`, or it has ended, which does not close `control`
/// as long as this process shares the table with its other end; or the host's mounts have changed.
fn await_word(hull: &HullShared) {
    let wait = |fd, events| libc::pollfd { fd, events, revents: 0 };
    loop {
        let mut fds = [
            wait(hull.control, libc::POLLIN),
            wait(hull.supervisor, libc::POLLIN),
            // proc_pid_mountinfo(5).
            wait(hull.host_mounts, libc::POLLPRI),
        ];
        // Not for ever: a supervisor that executes another program keeps its id, and the table.
        match sys::poll(&mut fds, Some(LONGEST_WAIT)) {
            Err(_) => continue,
            Ok(0) => sys::exit(0),
            Ok(_) => {}
        }
        let [control, supervisor, mounts] = fds;
        if supervisor.revents != 0 || mounts.revents != 0 {
            sys::exit(0);
        }
        let mut byte = [0u8; 1];
        match sys::read(hull.control, &mut byte) {
            Ok(1) if control.revents & libc::POLLIN != 0 => return,
            _ => sys::exit(0),
        }
    }
}

/// A zygote: keeps its namespaces and mounts, and starts the first processes of boxes in copies of
/// them, until nobody has asked for one for long.
fn serve_births(hull: &HullShared, inbox: &Inbox, report: &Reporter) -> ! {
    report.tell(Record::Ready);
    loop {
        await_word(hull);
        match inbox.bear() {
            Ok(Some(())) => report.tell(Record::Born),
            // The byte was of something else that it was told.
            Ok(None) => {}
            Err(errno) => {
                report.tell(Record::Failed { stage: 0, step: Step::Clone, errno: errno.0 });
            }
        }
    }
}

/// One command of the box, or of tier L without an init. Never returns.
pub(super) extern "C" fn stage_main(call: &StageCall) -> ! {
    let report = Reporter::new(call.place.status, call.index);
    confine(call, &report);
    let run = match call.run {
        Told::Now(run) => run,
        Told::Later(hull) => {
            if let Some(Ahead::Filtered(filter)) = &call.place.ahead {
                report.need(Step::Seccomp, sys::seccomp(filter));
            }
            report.tell(Record::Ready);
            take_run(hull, &report)
        }
    };
    execute(call, run, &report)
}

/// What is the same for every command of a box.
fn confine(call: &StageCall, report: &Reporter) {
    let spec = &*call.place.spec;
    if let Some(Join::Tasks(group)) = call.place.cgroup {
        report.need(Step::Cgroup, sys::write(group, b"0"));
    }
    if let (Some(sources), Some(proc)) = (&spec.mount_table, call.host_proc) {
        report.need(Step::HostMountTable, tree::host_table(sources, proc));
    }
    // What the directory was until now is not the box's, and a link of /proc leads there.
    report.need(Step::Cwd, sys::chdir(c"/"));
    if let Some(bounds) = call.bounds {
        default_signals();
        set_bounds(bounds, report);
    }
    take_identity(&spec.identity, call.init_pid, report);
    report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
    report.need(Step::Landlock, sys::landlock_restrict_self(call.place.ruleset));
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
}

/// The rest, up to the program.
fn execute(call: &StageCall, run: &RunSpec, report: &Reporter) -> ! {
    let commands = &*run.commands;
    let Some(stage) = commands.stages.get(usize::from(call.index)) else { sys::exit(0) };
    if let Some(io) = run.stage_io.get(usize::from(call.index)) {
        for (standard, fd) in (0..).zip([io.stdin, io.stdout, io.stderr]) {
            report.need(Step::Stdio, sys::dup3(fd, standard, 0));
        }
    }
    // Before the caller's paths are walked, which may lead through links to descriptors of this process:
    // by the host's /proc or a cgroup one would lead out of the box.
    let ruleset = stage.exec_ruleset.as_ref().map(Ruleset::fd);
    close_all_but(&[0, 1, 2, report.status], ruleset);
    let ruleset = ruleset.map(|fd| out_of_the_way(fd, report.status, report));
    let status = out_of_the_way(report.status, ruleset.unwrap_or(-1), report);
    let report = &Reporter::new(status, call.index);
    open_program(stage, call.place.spec.open_files, report);
    let mut entered = sys::chdir(&commands.cwd);
    if entered.is_err() && commands.cwd_or_root {
        run.in_root.store(true, Ordering::Release);
        entered = sys::chdir(c"/");
    }
    report.need(Step::Cwd, entered);
    if let Some(ruleset) = ruleset {
        report.need(Step::Landlock, sys::landlock_restrict_self(ruleset));
    }
    let cloexec = libc::CLOSE_RANGE_CLOEXEC;
    report.need(Step::Descriptors, sys::close_range(3, u32::MAX, cloexec));
    report.need(Step::Signals, sys::set_signal_mask(0));
    match &stage.filter {
        FilterSpec::Install(filter) => report.need(Step::Seccomp, sys::seccomp(filter)),
        // What is called above is what every filter lets through.
        FilterSpec::InForce => {}
    }
    let Some(program) = &stage.program else {
        // A probe of the tier: all that had to hold, holds.
        sys::exit(0)
    };
    let errno = sys::exec(super::PROGRAM_FD, &program.argv, &commands.env, stage.ticket);
    report.fail(Step::Exec, errno)
}

/// A descriptor below that of the program, which in a process with many open may have the same number.
/// From 3 on only `other` is open.
fn out_of_the_way(fd: Fd, other: Fd, report: &Reporter) -> Fd {
    if fd < super::PROGRAM_FD {
        return fd;
    }
    let low = if other == 3 { 4 } else { 3 };
    report.need(Step::Descriptors, sys::dup3(fd, low, libc::O_CLOEXEC));
    low
}

/// What [`stage_main`] is given.
pub(super) struct StageCall<'a> {
    pub(super) place: &'a PlaceSpec,
    pub(super) run: Told<'a>,
    pub(super) index: u8,
    /// The host's `/proc`, where its mount table is to be shown.
    pub(super) host_proc: Option<Fd>,
    /// The id of the box's first process, where there is one.
    pub(super) init_pid: i32,
    /// What no first process has seen to.
    pub(super) bounds: Option<&'a Bounds>,
    /// The parent whose end must end this process, where no init sees to it.
    pub(super) die_with: Option<i32>,
}

/// When a process learns what to execute.
pub(super) enum Told<'a> {
    Now(&'a RunSpec),
    /// It is told by way of the box's first process, whose descriptors it shares until then.
    Later(&'a HullShared),
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

/// Writes a file of the host's `/proc`: of the one that a zygote keeps or, as long as the tree has not
/// been made read-only, of the one that shows.
fn write_proc(hull: &HullShared, path: &CStr, bytes: &[u8]) -> Sys {
    let below = path.to_bytes_with_nul().get(b"/proc/".len()..).unwrap_or_default();
    let flags = libc::O_WRONLY | libc::O_CLOEXEC;
    let fd = match CStr::from_bytes_with_nul(below) {
        Ok(below) if hull.proc >= 0 => sys::open_at(hull.proc, below, flags),
        _ => sys::open(path, flags),
    };
    let fd = hull.lent.brief.note(fd?);
    let written = sys::write(fd, bytes);
    hull.lent.brief.close();
    written.map(drop)
}

/// Opens the program where the box shows it, at the one number the filter lets be executed.
fn open_program(stage: &StageSpec, limit: OpenFiles, report: &Reporter) {
    if let Some(program) = &stage.program {
        let fd = sys::open(&program.path, libc::O_PATH | libc::O_CLOEXEC);
        let fd = report.need(Step::Program, fd);
        let raised = sys::setrlimit(libc::RLIMIT_NOFILE, limit.program, limit.program);
        report.need(Step::Limits, raised);
        report.need(Step::Program, sys::dup3(fd, super::PROGRAM_FD, libc::O_CLOEXEC));
    }
    let lowered = sys::setrlimit(libc::RLIMIT_NOFILE, limit.command, limit.command);
    report.need(Step::Limits, lowered);
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
