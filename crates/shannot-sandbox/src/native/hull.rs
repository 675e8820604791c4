//! The hull of a box from the parent's side: namespaces and a first process in them, which is told
//! the rest when the rest is known.
//!
//! Making namespaces takes as long as looking at the host for what a box shall hold, and needs
//! nothing of it: a hull is begun first, and both are done side by side.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use super::child::{KILL_TIME, readable};
use super::lent::Lent;
use super::reports::Reports;
use super::run::{above_stdio, blocked, pipe};
use super::scene::Scene;
use super::spec::{HullShared, HullSpec, MountStep, PlaceSpec, RunSpec, UserMap};
use super::step::{Record, Step};
use super::sys::{self, Asked, Birth, BoxProcess, Errno, Fd, Inbox, Sys};
use crate::proc;

/// A box's first process. Dropped, it ends, and with it the box.
#[derive(Debug)]
pub(super) struct Hull {
    process: BoxProcess,
    shared: Arc<HullShared>,
    /// Its end ends the box. `None` once that is asked for.
    control: Option<OwnedFd>,
    pub(super) reports: Reports,
    /// What the process takes from this one's table of descriptors when it makes its own: the
    /// other ends, and this process. Empty once it has.
    taken: Vec<OwnedFd>,
    /// Whether ending the process ends the box, which a pid namespace makes true.
    namespaced: bool,
    reaped: bool,
}

/// A process that a zygote was asked for.
pub(super) struct Expected {
    ends: Ends,
    shared: Arc<HullShared>,
    asked: Asked,
}

impl Expected {
    /// Where a run in it reports to.
    pub(super) fn status(&self) -> Fd {
        self.shared.status
    }

    /// The descriptors that a run in it needs, beside its own.
    pub(super) fn descriptors(&self) -> [Fd; 2] {
        self.shared.descriptors()
    }

    /// Tells the process, which may not have begun, all that it is to do.
    pub(super) fn tell(&self, place: &Arc<PlaceSpec>, run: &Arc<RunSpec>) {
        self.shared.tell(&self.ends.control, place, run);
    }
}

impl HullShared {
    fn descriptors(&self) -> [Fd; 2] {
        [self.status, self.control]
    }

    /// Tells the process the rest. What it has been told already counts.
    fn tell(&self, control: &OwnedFd, place: &Arc<PlaceSpec>, run: &Arc<RunSpec>) {
        // In this order, and with one byte: it looks at all when it wakes.
        let _ = self.mounts.set(Arc::clone(&place.spec.mounts));
        let _ = self.place.set(Arc::clone(place));
        if self.run.set(Arc::clone(run)).is_ok() {
            // This process holds the other end too.
            let _ = rustix::io::write(control, &[0]);
        }
    }
}

fn no_answer(source: io::Error) -> HullError {
    HullError::Host("get an answer of a zygote", source)
}

/// For how long a process will wait to be told the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Until a run comes.
    Long,
    /// The rest is being found out already.
    Short,
}

/// The descriptors between this process and another, before that is started.
struct Ends {
    control: OwnedFd,
    control_read: OwnedFd,
    status: OwnedFd,
    status_write: OwnedFd,
    own: OwnedFd,
    host_mounts: Option<OwnedFd>,
}

impl Ends {
    /// Makes them; for a process that waits for long with the host's mount table.
    fn new(wait: Wait) -> Result<Self, HullError> {
        let make_pipe = || pipe().map_err(|e| HullError::Host("make a pipe", e));
        let ((control_read, control), (status, status_write)) = (make_pipe()?, make_pipe()?);
        // Of a pipe that was just made: cannot fail.
        let _ = rustix::fs::fcntl_setfl(&control, rustix::fs::OFlags::NONBLOCK);
        let own = pidfd_open(getpid(), PidfdFlags::empty()).map_err(io::Error::from);
        let own = own.and_then(above_stdio);
        let own = own.map_err(|e| HullError::Host("open a descriptor for this process", e))?;
        let open = || above_stdio(File::open("/proc/self/mountinfo")?.into());
        let host_mounts = (wait == Wait::Long).then(open).transpose();
        let host_mounts = host_mounts.map_err(|e| HullError::Host("watch the mounts", e))?;
        Ok(Self { control, control_read, status, status_write, own, host_mounts })
    }

    /// What the process will read.
    fn shared(&self, spec: &Arc<HullSpec>, inbox: Option<Inbox>, proc: Fd) -> Arc<HullShared> {
        Arc::new(HullShared {
            spec: Arc::clone(spec),
            init_pid: AtomicI32::new(0),
            status: self.status_write.as_raw_fd(),
            control: self.control_read.as_raw_fd(),
            supervisor: self.own.as_raw_fd(),
            host_mounts: self.host_mounts.as_ref().map_or(-1, AsRawFd::as_raw_fd),
            proc,
            inbox,
            lent: Lent::nothing(),
            mounts: OnceLock::new(),
            place: OnceLock::new(),
            run: OnceLock::new(),
        })
    }

    /// Leaves the process's ends open, for it may yet be started, and would take what has these numbers
    /// by then for its own. It ends for want of the others.
    fn abandon(self) {
        let Self { control, control_read, status, status_write, own, host_mounts } = self;
        drop((control, status));
        std::mem::forget((control_read, status_write, own, host_mounts));
    }

    fn hull(self, process: BoxProcess, shared: Arc<HullShared>) -> Result<Hull, HullError> {
        let Self { control, control_read, status, status_write, own, host_mounts } = self;
        let spec = Arc::clone(&shared.spec);
        let taken = [control_read, status_write, own].into_iter().chain(host_mounts);
        let hull = Hull {
            process,
            shared,
            control: Some(control),
            reports: Reports::new(status),
            taken: taken.collect(),
            namespaced: spec.cloned != 0,
            reaped: false,
        };
        // By this process, which has the time: what the other makes first needs no user.
        if let Some(map) = spec.user_map.as_ref().filter(|_| !spec.maps_itself) {
            let mapped = hull.proc_id().and_then(|pid| map.write(&pid));
            mapped.map_err(|e| match hull.next_record() {
                Ok(Record::Failed { step, errno, .. }) => HullError::Step(step, Errno(errno)),
                _ => HullError::UserMap(e),
            })?;
        }
        Ok(hull)
    }
}

/// Why a box cannot be looked into.
#[derive(Debug)]
pub(super) enum SceneError {
    /// A step of the process failed before.
    Step(Step, Errno),
    /// What it lent could not be opened, or it gave no answer.
    Host(io::Error),
}

impl From<HullError> for io::Error {
    fn from(error: HullError) -> Self {
        match error {
            HullError::Host(_, source) | HullError::UserMap(source) => source,
            HullError::Clone(errno) | HullError::Step(_, errno) => errno.into(),
        }
    }
}

/// Why there is no hull.
#[derive(Debug)]
pub(super) enum HullError {
    /// A descriptor could not be made.
    Host(&'static str, io::Error),
    /// The kernel refuses the process or its namespaces.
    Clone(Errno),
    /// It refuses the user in its namespace.
    UserMap(io::Error),
    /// The process ended before that, at this step.
    Step(Step, Errno),
}

impl UserMap {
    /// Maps the user into the namespace of a child, `user_namespaces(7)`.
    fn write(&self, pid: &str) -> io::Result<()> {
        let write = |file: &str, text: &[u8]| {
            let path = format!("/proc/{pid}/{file}");
            File::options().write(true).open(path)?.write_all(text)
        };
        // Without this, an ordinary user may not map its group.
        write("setgroups", b"deny")?;
        write("uid_map", &self.uid)?;
        write("gid_map", &self.gid)
    }
}

impl Hull {
    /// Starts the process, which goes on by itself.
    pub(super) fn begin(spec: &Arc<HullSpec>) -> Result<Self, HullError> {
        let ends = Ends::new(Wait::Short)?;
        let shared = ends.shared(spec, None, -1);
        let process = blocked(|| BoxProcess::start(Arc::clone(&shared)));
        let process = process.map_err(HullError::Clone)?;
        ends.hull(process, shared)
    }

    /// Starts a zygote: a process that makes its mounts and then waits for others to start.
    pub(super) fn begin_zygote(spec: &Arc<HullSpec>) -> Result<Self, HullError> {
        let ends = Ends::new(Wait::Long)?;
        let shared = ends.shared(spec, Some(Inbox::new()), -1);
        let process = blocked(|| BoxProcess::start(Arc::clone(&shared)));
        ends.hull(process.map_err(HullError::Clone)?, shared)
    }

    /// Asks this zygote to start the process, in copies of what the zygote has. One at a time, and
    /// the answer must be taken.
    pub(super) fn ask(&mut self, spec: &Arc<HullSpec>, wait: Wait) -> Result<Expected, HullError> {
        let (Some(inbox), Some(control)) = (&self.shared.inbox, &self.control) else {
            return Err(no_answer(io::ErrorKind::NotFound.into()));
        };
        let ends = Ends::new(wait)?;
        let proc = self.shared.lent.writable_proc.get().unwrap_or(-1);
        let shared = ends.shared(spec, None, proc);
        let asked = inbox.put(Birth::new(Arc::clone(&shared)));
        rustix::io::write(control, &[0]).map_err(|e| no_answer(e.into()))?;
        Ok(Expected { ends, shared, asked })
    }

    /// Takes the answer of this zygote.
    pub(super) fn bear(&mut self, expected: Expected) -> Result<Self, HullError> {
        let Expected { ends, shared, asked } = expected;
        let answer = match self.next_record() {
            Ok(answer) => answer,
            // It has ended, perhaps after it had started the process.
            Err(_) if matches!(self.try_wait(), Ok(true)) => {
                match shared.init_pid.load(Ordering::Acquire) {
                    0 => {
                        drop(asked.answered());
                        return Err(no_answer(io::ErrorKind::UnexpectedEof.into()));
                    }
                    _ => Record::Born,
                }
            }
            Err(e) => {
                // What it answers later would be taken for the answer to another question.
                self.control = None;
                ends.abandon();
                return Err(no_answer(e));
            }
        };
        let birth = asked.answered();
        match answer {
            Record::Born => {}
            Record::Failed { step, errno, .. } => return Err(HullError::Step(step, Errno(errno))),
            _ => return Err(no_answer(io::Error::other("it gave a wrong answer"))),
        }
        let process = BoxProcess::born(birth).map_err(HullError::Clone)?;
        ends.hull(process, shared)
    }

    /// The process's id as this process's `/proc` counts, which may be another pid namespace's.
    fn proc_id(&self) -> io::Result<String> {
        let info = format!("/proc/self/fdinfo/{}", self.process.pidfd.as_raw_fd());
        let info = String::from_utf8(proc::read(&info)?).map_err(io::Error::other)?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")).map(str::trim);
        let pid = pid.filter(|pid| pid.parse::<u32>().is_ok_and(|pid| pid > 0));
        pid.map(str::to_owned).ok_or_else(|| io::Error::other("/proc does not show it"))
    }

    /// The descriptors that a run in this hull needs, beside its own.
    pub(super) fn descriptors(&self) -> [Fd; 2] {
        self.shared.descriptors()
    }

    /// Where a run in this hull reports to.
    pub(super) fn status(&self) -> Fd {
        self.shared.status
    }

    /// What the box shows, once its tree is its own.
    pub(super) fn scene(&mut self) -> Result<Scene, SceneError> {
        match self.next_record().map_err(SceneError::Host)? {
            Record::Apart => {}
            Record::Failed { step, errno, .. } => {
                return Err(SceneError::Step(step, Errno(errno)));
            }
            Record::Ready | Record::Born | Record::Started { .. } | Record::Exited { .. } => {
                return Err(SceneError::Host(io::Error::other("it gave a wrong answer")));
            }
        }
        let Lent { root, mount_table, .. } = &self.shared.lent;
        match (root.get(), mount_table.get()) {
            (Some(root), Some(table)) => Scene::lent(root, table).map_err(SceneError::Host),
            _ => Err(SceneError::Host(io::Error::other("it lent nothing"))),
        }
    }

    /// Tells the process the mounts that depend on the host. Only the first time counts.
    pub(super) fn tell_mounts(&self, mounts: &Arc<[MountStep]>) {
        self.tell(&self.shared.mounts, mounts);
    }

    /// Tells the process all but the commands. Only the first time counts.
    pub(super) fn tell_place(&self, place: &Arc<PlaceSpec>) {
        self.tell_mounts(&place.spec.mounts);
        self.tell(&self.shared.place, place);
    }

    fn tell<T>(&self, slot: &OnceLock<T>, value: &T)
    where
        T: Clone,
    {
        if let Some(control) = &self.control
            && slot.set(value.clone()).is_ok()
        {
            // This process holds the other end too.
            let _ = rustix::io::write(control, &[0]);
        }
    }

    /// Tells the process the rest.
    pub(super) fn tell_run(&self, place: &Arc<PlaceSpec>, run: &Arc<RunSpec>) {
        if let Some(control) = &self.control {
            self.shared.tell(control, place, run);
        }
    }

    /// Waits until every command is executed or a step has failed.
    pub(super) fn entered(&mut self) -> io::Result<Record> {
        let record = self.next_but_apart()?;
        // After any other answer it may still have to make a table of its own.
        if let Record::Started { .. } = record {
            self.close_taken();
        }
        Ok(record)
    }

    /// Waits for the next thing that the process tells, where nobody has asked for its tree.
    pub(super) fn next_but_apart(&self) -> io::Result<Record> {
        loop {
            match self.next_record()? {
                Record::Apart => {}
                other => return Ok(other),
            }
        }
    }

    /// Waits until a zygote has made its mounts.
    pub(super) fn await_ready(&self) -> Result<(), HullError> {
        match self.next_record().map_err(no_answer)? {
            Record::Ready => Ok(()),
            Record::Failed { step, errno, .. } => Err(HullError::Step(step, Errno(errno))),
            _ => Err(no_answer(io::Error::other("it gave a wrong answer"))),
        }
    }

    /// Waits for the next thing that the process tells, but not for ever.
    fn next_record(&self) -> io::Result<Record> {
        self.reports.next(self.process.pidfd.as_fd())
    }

    /// Closes what the process has in a table of its own by now, or will never need.
    fn close_taken(&mut self) {
        self.taken.clear();
        self.shared.lent.close();
    }

    /// The process's id.
    pub(super) fn pid(&self) -> i32 {
        self.process.pid
    }

    /// Readable when the process has ended; `None` once [`Hull::try_wait`] was true.
    pub(super) fn wait_fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.reaped).then(|| self.process.pidfd.as_fd())
    }

    /// Whether a zygote can be asked.
    pub(super) fn answers(&mut self) -> bool {
        self.control.is_some() && matches!(self.try_wait(), Ok(false))
    }

    /// Whether the process has ended, and with it the box.
    pub(super) fn try_wait(&mut self) -> io::Result<bool> {
        if !self.reaped {
            self.reaped = self.process.reap()?.is_some();
        }
        Ok(self.reaped)
    }

    /// Has the process pass a signal to its commands.
    pub(super) fn signal(&self, signal: i32) {
        if let (Some(control), Ok(byte)) = (&self.control, u8::try_from(signal)) {
            // A full pipe means thousands of signals that were not taken yet.
            let _ = rustix::io::write(control, &[byte]);
        }
    }

    /// Ends the box.
    pub(super) fn kill(&mut self) {
        // Without a pid namespace the first process ends the others, and must live to.
        self.control = None;
        // One that waits for the rest ends by itself. It shares this process's descriptors, and
        // what it has open when it is killed would stay open here.
        if self.namespaced && !self.reaped && !self.waits() {
            // One that has just ended needs none.
            let _ = pidfd_send_signal(&self.process.pidfd, Signal::KILL);
        }
    }

    /// Whether it has not been told the rest.
    fn waits(&self) -> bool {
        self.shared.run.get().is_none()
    }

    /// Waits until the process has ended, but not for ever.
    pub(super) fn wait_briefly(&mut self) {
        if !self.reaped && readable(&[self.process.pidfd.as_fd()], KILL_TIME) {
            self.reaped = matches!(self.process.reap(), Ok(Some(_)));
        }
    }
}

/// Opens a descriptor for a child that was made without one. If that fails, the child has ended, and
/// may lose the memory that it ran on.
///
/// # Errors
/// As `pidfd_open(2)`: `EMFILE` at the limit of open files.
pub(super) fn open_pidfd(pid: i32) -> Sys<OwnedFd> {
    // To kill(2) zero is this process's own group.
    let known = Pid::from_raw(pid).ok_or(Errno(libc::ESRCH))?;
    pidfd_open(known, PidfdFlags::empty()).map_err(|e| {
        let _ = sys::kill(pid, libc::SIGKILL);
        while matches!(sys::reap(pid), Ok(None)) {
            std::thread::yield_now();
        }
        Errno(e.raw_os_error())
    })
}

impl Drop for Hull {
    fn drop(&mut self) {
        if !matches!(self.try_wait(), Ok(true)) {
            self.kill();
            self.wait_briefly();
            if !self.reaped && self.namespaced {
                // Stuck in the kernel, perhaps waiting; `BoxProcess` keeps its memory. In tier L
                // it has the others to end when it goes on.
                let _ = pidfd_send_signal(&self.process.pidfd, Signal::KILL);
            }
        }
        self.close_taken();
    }
}
