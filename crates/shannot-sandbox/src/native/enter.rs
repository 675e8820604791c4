//! The child side: from the clone to `execve`, one straight list of steps.
//!
//! Both functions that start here run in a process that shares the memory of its parent, which
//! may have many threads: no heap, no lock, no panic, no thread-local state, no libc. They read
//! what [`mod@super::prepare`] made ready, make bare system calls, and on the first one that fails
//! write a [`Record`] and end. Nothing is retried and nothing is left out: a box that starts is
//! the whole box.
//!
//! Order, for the box: namespaces, session, user map, bounds, the read-only tree; then what the
//! host was looked at for: descriptors, the other mounts. For each stage: the host's mount table,
//! the program, identity and capabilities, `no_new_privs`, Landlock, limits, descriptors, signals,
//! seccomp, `execveat`. Each step needs something that a later one takes away.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use shannot_policy::MOST_STAGES;

use super::cgroup::Join;
use super::init;
use super::spec::{
    Bounds, HullShared, HullSpec, IdentitySpec, MOUNT_TABLE, MaskKind, MountStep, RunSpec,
    StageSpec,
};
use super::step::{Record, Step};
use super::sys::{self, Errno, Fd, Sys};

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
    make_hull(&hull.spec, &report);
    let run = await_run(hull);
    // Until here the descriptors are the parent's own, so that what it opened meanwhile is here.
    report.need(Step::Descriptors, sys::unshare(u64::from(libc::CLONE_FILES.cast_unsigned())));
    // What the parent's other threads and other runs have open must not stay open here: a pipe
    // of another run would never end, a caller's file would be held.
    close_all_but(&run.keep);
    // Otherwise what is opened below would get the numbers that a command's standard streams are
    // about to take.
    for standard in 0..=2 {
        report.need(Step::Descriptors, sys::dup3(run.status, standard, libc::O_CLOEXEC));
    }
    let prepared = &*run.prepared;
    let mut tables: MountTables = [[-1; MOUNT_TABLE.len()]; MOST_STAGES];
    let stages = prepared.stages.len();
    make_mounts(&prepared.mounts, tables.iter_mut().take(stages), &report);
    for path in &prepared.scratch_rules {
        let dir = report.need(Step::LandlockRule, sys::open(path, libc::O_PATH | libc::O_CLOEXEC));
        let allowed = sys::landlock_allow(run.ruleset, dir, prepared.scratch_access);
        report.need(Step::LandlockRule, allowed);
        sys::close(dir);
    }
    if let Some(domain) = &prepared.init_domain {
        report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
        report.need(Step::Landlock, sys::landlock_restrict_self(domain.as_raw_fd()));
        report.need(Step::Subreaper, sys::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0));
    }
    init::run(hull, run, &tables, &report)
}

/// Namespaces, session, user map, the read-only tree. Whatever is opened here is closed again: the
/// table of descriptors is the parent's.
fn make_hull(spec: &HullSpec, report: &Reporter) {
    if spec.unshared != 0 {
        report.need(Step::Namespaces, sys::unshare(spec.unshared));
    }
    report.need(Step::Session, sys::setsid());
    if let Some(map) = &spec.user_map {
        report.need(Step::UserMap, write_file(c"/proc/self/setgroups", b"deny"));
        report.need(Step::UserMap, write_file(c"/proc/self/uid_map", &map.uid));
        report.need(Step::UserMap, write_file(c"/proc/self/gid_map", &map.gid));
    }
    if let Some(pid_max) = &spec.pid_max {
        // This namespace's own, from here on. Refused where /proc/sys is read-only already, as in
        // containers: columns get wider, and that is all.
        let _ = write_file(c"/proc/sys/kernel/pid_max", pid_max);
    }
    set_bounds(&spec.bounds, report);
    make_mounts(&spec.mounts, std::iter::empty(), report);
}

/// Waits for the rest. Ends this process when nothing more is to come: the parent could not make
/// the box ready and closed `control`, or it has ended, which does not close `control` as long as
/// this process shares the table with its other end.
fn await_run(hull: &HullShared) -> &RunSpec {
    let wait = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    loop {
        let mut fds = [wait(hull.control), wait(hull.supervisor)];
        if sys::poll(&mut fds).is_err() {
            continue;
        }
        let mut go = [0u8; 1];
        let [control, _] = fds;
        let told = control.revents & libc::POLLIN != 0
            && matches!(sys::read(hull.control, &mut go), Ok(1));
        match hull.run.get() {
            Some(run) if told => {
                if let Some(cpus) = &hull.cpus {
                    // They were this process's before.
                    let _ = sys::set_cpus(0, cpus);
                }
                return run;
            }
            _ => sys::exit(0),
        }
    }
}

/// One command of the box, or of tier L without an init. Never returns.
pub(super) extern "C" fn stage_main(call: &StageCall) -> ! {
    let run = call.run;
    let stage = call.stage;
    let report = Reporter::new(run.status, call.index);
    let prepared = &*run.prepared;
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
    take_identity(&prepared.identity, call.init_pid, &report);
    report.need(Step::Cwd, sys::chdir(&prepared.cwd));
    report.need(Step::NoNewPrivs, sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0));
    report.need(Step::Landlock, sys::landlock_restrict_self(run.ruleset));
    if let Some(ruleset) = &stage.exec_ruleset {
        report.need(Step::Landlock, sys::landlock_restrict_self(ruleset.as_raw_fd()));
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
    for limit in &prepared.rlimits {
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
    let errno = sys::exec(super::PROGRAM_FD, &program.argv, &prepared.env, stage.ticket);
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

/// Closes every descriptor but those, which are in ascending order.
pub(super) fn close_all_but(keep: &[Fd]) {
    let mut first = 0u32;
    for fd in keep {
        let fd = fd.cast_unsigned();
        if fd > first {
            let _ = sys::close_range(first, fd - 1, 0);
        }
        first = fd.saturating_add(1);
    }
    let _ = sys::close_range(first, u32::MAX, 0);
}

fn write_file(path: &CStr, bytes: &[u8]) -> Sys {
    let fd = sys::open(path, libc::O_WRONLY | libc::O_CLOEXEC)?;
    let written = sys::write(fd, bytes);
    sys::close(fd);
    written.map(drop)
}

/// The detached mounts of the host's mount table for each stage.
pub(super) type MountTables = [[Fd; MOUNT_TABLE.len()]; MOST_STAGES];

/// Makes the mount tree of the box.
fn make_mounts<'a>(
    steps: &[MountStep],
    mut tables: impl Iterator<Item = &'a mut [Fd; MOUNT_TABLE.len()]>,
    report: &Reporter,
) {
    let mut masks = Masks { dir: Tree::NONE, file: Tree::NONE };
    for step in steps {
        match step {
            MountStep::ReadOnlyTree => {
                let attr = libc::mount_attr {
                    attr_set: libc::MOUNT_ATTR_RDONLY
                        | libc::MOUNT_ATTR_NOSUID
                        | libc::MOUNT_ATTR_NODEV,
                    attr_clr: 0,
                    // Private, or what follows would be mounted on the host too.
                    propagation: libc::MS_PRIVATE,
                    userns_fd: 0,
                };
                let set = sys::mount_setattr(libc::AT_FDCWD, c"/", libc::AT_RECURSIVE, &attr);
                report.need(Step::ReadOnlyTree, set);
            }
            MountStep::HostMountTable(sources) => {
                // After the tree is read-only, so that these are too; before an own /proc covers
                // the sources. One for each stage: a detached mount can be attached once.
                for (mount, source) in tables.by_ref().flat_map(|t| t.iter_mut().zip(sources)) {
                    let copy = sys::open_tree_clone(libc::AT_FDCWD, source);
                    *mount = report.need(Step::HostMountTable, copy);
                }
            }
            MountStep::Device(path) => report.need(Step::Device, allow_device(path)),
            MountStep::OwnProc => {
                let flags = libc::MS_RDONLY | libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                let done = sys::mount(c"proc", c"/proc", Some(c"proc"), flags, None);
                report.need(Step::OwnProc, done);
            }
            MountStep::MaskSource(at) => {
                masks = report.need(Step::Hide, Masks::new(at.as_deref()));
            }
            MountStep::Mask(path, kind) => report.need(Step::Hide, masks.cover(path, *kind)),
            MountStep::Scratch { path, options } => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                let done = sys::mount(c"tmpfs", path, Some(c"tmpfs"), flags, Some(options));
                report.need(Step::Scratch, done);
            }
        }
    }
}

/// Puts the device's own mount over the device, and makes devices work on that one. By path, not
/// by descriptors: see [`make_hull`].
fn allow_device(path: &CStr) -> Sys {
    match sys::mount(path, path, None, libc::MS_BIND, None) {
        Err(Errno(libc::ENOENT)) => return Ok(()),
        bound => bound?,
    }
    let attr = libc::mount_attr {
        attr_set: 0,
        attr_clr: libc::MOUNT_ATTR_NODEV,
        propagation: 0,
        userns_fd: 0,
    };
    sys::mount_setattr(libc::AT_FDCWD, path, 0, &attr)
}

/// The empty file and the empty directory that hidden paths show: of one tmpfs, read-only, mode
/// 000. Not `/dev/null`, which a program would take for a device and, under `nodev`, could not
/// read.
#[derive(Clone, Copy)]
struct Masks {
    dir: Tree,
    file: Tree,
}

/// Something that mounts are copied from: a path from a descriptor.
#[derive(Clone, Copy)]
struct Tree {
    from: Fd,
    path: &'static CStr,
}

impl Tree {
    /// Of masks that are not mounted yet, of which there are none.
    const NONE: Self = Self { from: -1, path: c"" };

    fn copy(self) -> Sys<Fd> {
        sys::open_tree_clone(self.from, self.path)
    }
}

impl Masks {
    /// Mounts the tmpfs on the hidden directory `at` and copies from there. Where no directory is
    /// hidden, it is mounted on /proc for a moment, for only a mount that is attached somewhere
    /// can be copied (before Linux 6.15). That is not the rule, because a detached mount, whether
    /// detached here or never attached, takes a grace period to go.
    fn new(at: Option<&CStr>) -> Sys<Self> {
        let target = at.unwrap_or(c"/proc");
        let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
        let options = c"size=4096,nr_inodes=4,mode=0";
        sys::mount(c"tmpfs", target, Some(c"tmpfs"), flags, Some(options))?;
        let root = sys::open(target, libc::O_PATH | libc::O_CLOEXEC)?;
        sys::make_file(root, c"hidden", 0)?;
        let attr = libc::mount_attr {
            attr_set: libc::MOUNT_ATTR_RDONLY,
            attr_clr: 0,
            propagation: 0,
            userns_fd: 0,
        };
        sys::mount_setattr(root, c"", libc::AT_EMPTY_PATH, &attr)?;
        let attached = Self {
            dir: Tree { from: root, path: c"" },
            file: Tree { from: root, path: c"hidden" },
        };
        if at.is_some() {
            return Ok(attached);
        }
        let dir = Tree { from: attached.dir.copy()?, path: c"" };
        let file = Tree { from: attached.file.copy()?, path: c"" };
        sys::close(root);
        sys::detach(target)?;
        Ok(Self { dir, file })
    }

    fn cover(self, path: &CStr, kind: MaskKind) -> Sys {
        let (first, second) = match kind {
            MaskKind::Dir => (self.dir, self.file),
            MaskKind::File => (self.file, self.dir),
        };
        match Self::put(first, path) {
            // Gone since the box was prepared: there is nothing left to hide.
            Err(Errno(libc::ENOENT)) => Ok(()),
            // Closed to this user, who has more rights here than the commands will have. Looked
            // at again, for a security module may answer the same of the mount.
            Err(Errno(libc::EACCES)) if is_closed(path) => Ok(()),
            // Mount points are not looked at before, so their kind was a guess.
            Err(Errno(libc::ENOTDIR | libc::EINVAL)) => Self::put(second, path),
            other => other,
        }
    }

    fn put(source: Tree, path: &CStr) -> Sys {
        let copy = source.copy()?;
        let attached = sys::attach(copy, path);
        sys::close(copy);
        attached
    }
}

/// Whether a path cannot be walked to.
fn is_closed(path: &CStr) -> bool {
    match sys::open(path, libc::O_PATH | libc::O_CLOEXEC) {
        Err(Errno(libc::EACCES)) => true,
        Err(_) => false,
        Ok(fd) => {
            sys::close(fd);
            false
        }
    }
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
