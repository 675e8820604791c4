//! One run of a box, from the plan or a box made ready to the commands that run.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{DumpableBehavior, Pid, PidfdFlags, pidfd_open};
use shannot_policy::Plan;
use shannot_policy::plan::Outline;
use shannot_policy::profile::Tier;

use super::base::{self, Base, MadeBy};
use super::cgroup::Groups;
use super::child::{Child, DirectChild, Kind};
use super::commands::Starts;
use super::enter::{StageCall, Told};
use super::error::Error;
use super::hull::{Expected, Hull, HullError, SceneError};
use super::launch::LaunchError;
use super::place::Place;
use super::prepare::{self, Prepared};
use super::ready::Ready;
use super::spec::{BoxSpec, HullSpec, PlaceSpec, Ruleset, RunSpec, StageIo};
use super::step::{Record, Step};
use super::sys::{self, Errno, Fd, SignalMask};
use crate::enforcement::Enforcement;
use crate::host::Host;

/// The ends of the pipes that the box gets. Never a descriptor of the caller's own.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input of the first stage.
    pub stdin: OwnedFd,
    /// Standard output of the last stage.
    pub stdout: OwnedFd,
    /// Standard error of every stage.
    pub stderr: OwnedFd,
}

/// A box begun: namespaces and a first process in them, which waits for the rest. Dropped, it ends.
///
/// Making namespaces takes the kernel as long as it takes this process to find out what the box
/// shall hold, so both are done side by side. A box that waits keeps the host's file systems of the
/// moment when it was begun, and after half a minute ends by itself.
#[derive(Debug)]
pub struct Begun {
    spec: Arc<HullSpec>,
    hull: Hull,
    since: Instant,
}

/// After this time a box that was begun is not used: it shows the mounts of its time.
const LONGEST_USE: Duration = Duration::from_secs(1);

impl Begun {
    /// Whether it can become a box with this outline.
    fn serves(&mut self, spec: &HullSpec) -> bool {
        *self.spec == *spec
            && self.since.elapsed() < LONGEST_USE
            && matches!(self.hull.try_wait(), Ok(false))
    }
}

/// Begins a box. In tier L there is nothing to begin.
///
/// # Errors
/// The tier cannot be had.
pub fn begin(outline: &Outline, host: &Host) -> Result<Option<Begun>, Error> {
    prepare::check_tier(outline.tier, host)?;
    begin_hull(outline.tier, Arc::new(base::hull(outline, host)))
}

fn begin_hull(tier: Tier, spec: Arc<HullSpec>) -> Result<Option<Begun>, Error> {
    if spec.cloned == 0 || tier == Tier::T3 {
        return Ok(None);
    }
    let since = Instant::now();
    let hull = Hull::begin(&spec).map_err(|e| hull_failed(tier, e))?;
    Ok(Some(Begun { spec, hull, since }))
}

/// Makes the box of a plan ready and starts its one run, in a box that was begun for it if that
/// is the same. Call it from a thread that outlives the run, as [`Prepared::start`].
///
/// # Errors
/// As [`prepare()`](super::prepare()) and [`Prepared::start`].
pub fn start(
    plan: &Plan,
    host: &Host,
    begun: Option<Begun>,
    stdio: Stdio,
) -> Result<(Child, Enforcement), Error> {
    let tier = plan.outline.tier;
    prepare::check_tier(tier, host)?;
    let spec = Arc::new(base::hull(&plan.outline, host));
    let serves = |begun: &mut Begun| begun.serves(&spec);
    let begun = match begun.and_then(|mut begun| serves(&mut begun).then_some(begun)) {
        None => begin_hull(tier, Arc::clone(&spec))?,
        some => some,
    };
    let mut hull = begun.map(|begun| begun.hull);
    let scene = match &mut hull {
        Some(hull) => hull.scene().map_err(|e| scene_failed(tier, e))?,
        None => prepare::scene_of_host()?,
    };
    let base = Base::find(plan, host, (MadeBy::Run, spec), scene, |mounts| {
        hull.iter().for_each(|hull| hull.tell_mounts(mounts));
    })?;
    let prepared = Prepared::new(plan, host, Arc::new(base), None)?;
    let child = prepared.start_with(hull, &prepared.pipes(stdio)?)?;
    Ok((child, prepared.enforcement))
}

impl Prepared {
    /// Starts one run. Call it from a thread that outlives the run: a command without an init
    /// dies with the *thread* that started it.
    ///
    /// # Errors
    /// Nothing has been executed, or it has been ended again: the tier could not be had, a
    /// program was not found in the box or could not be executed.
    pub fn start(&self, stdio: Stdio) -> Result<Child, Error> {
        let child = self.start_with(None, &self.pipes(stdio)?)?;
        self.base.groups.iter().for_each(Groups::make_ahead);
        Ok(child)
    }

    /// What the commands are connected to.
    pub(super) fn pipes(&self, stdio: Stdio) -> Result<Pipes, Error> {
        Pipes::new(stdio, self.commands.stages.len())
    }

    /// Starts one run, in a hull that was begun before or, where a box needs one, in a new one.
    pub(super) fn start_with(&self, hull: Option<Hull>, pipes: &Pipes) -> Result<Child, Error> {
        let hull = match (hull, self.starts) {
            (None, Starts::Box) => Some(Hull::begin(&self.base.spec.hull)),
            (hull, _) => hull.map(Ok),
        };
        let hull = hull.transpose().map_err(|e| hull_failed(self.tier, e))?;
        let place = Place::new(&self.base)?;
        let spec = |status| place.spec(&self.base, status, None);
        let (kind, in_root) = match (hull, &self.base.launcher) {
            (Some(hull), _) => return Ok(self.start_in(hull, place, pipes)?),
            (None, Some(launcher)) => {
                let launched = launcher.start(|status, control| {
                    let place = spec(status);
                    let run = self.run(&place, pipes, &[control]);
                    (place, run)
                });
                let (launched, in_root) = launched.map_err(|e| self.launch_failed(e))?;
                (Kind::Launched(launched), in_root)
            }
            (None, None) => {
                let (status, write) = pipe().map_err(|e| Error::host("make a pipe", e))?;
                let place = spec(write.as_raw_fd());
                let run = self.run(&place, pipes, &[]);
                let kind = self.start_direct(&place, &run, &status)?;
                (kind, run.in_root.load(Ordering::Acquire))
            }
        };
        Ok(self.child(kind, in_root, place))
    }

    /// Starts one run in a hull.
    pub(super) fn start_in(
        &self,
        hull: Hull,
        place: Place,
        pipes: &Pipes,
    ) -> Result<Child, EnterError> {
        let spec = Arc::new(place.spec(&self.base, hull.status(), None));
        let (kind, in_root) = self.enter(hull, &spec, pipes)?;
        Ok(self.child(kind, in_root, place))
    }

    /// Starts one run in a box that a zygote was asked for; `born` takes its answer.
    pub(super) fn start_expected(
        &self,
        expected: Expected,
        born: impl FnOnce(Expected) -> Result<Hull, HullError>,
        place: Place,
        pipes: &Pipes,
    ) -> Result<Child, EnterError> {
        let spec = Arc::new(place.spec(&self.base, expected.status(), None));
        let run = Arc::new(self.run(&spec, pipes, &expected.descriptors()));
        let (hull, answer) = keep_dumpable(&self.base.spec, || {
            expected.tell(&spec, &run);
            let unheard = |e| EnterError::without_answer(&run, e);
            let mut hull = born(expected).map_err(|e| unheard(e.into()))?;
            let answer = hull.entered();
            Ok::<_, EnterError>((hull, answer))
        })?;
        let (kind, in_root) = self.started(hull, answer, &run)?;
        Ok(self.child(kind, in_root, place))
    }

    /// Starts one run in a box that is ready; `None` if that has ended without taking the run.
    pub(super) fn start_ready(&self, ready: Ready, pipes: &Pipes) -> Result<Option<Child>, Error> {
        let Ready { mut hull, place, spec, .. } = ready;
        if !matches!(hull.try_wait(), Ok(false)) {
            return Ok(None);
        }
        match self.enter(hull, &spec, pipes) {
            Ok((kind, in_root)) => Ok(Some(self.child(kind, in_root, place))),
            Err(EnterError::NotTaken(_)) => Ok(None),
            Err(EnterError::Failed(error)) => Err(error),
        }
    }

    fn child(&self, kind: Kind, in_root: bool, place: Place) -> Child {
        Child {
            kind,
            statuses: vec![None; self.commands.stages.len()],
            group: place.group,
            in_root,
            tasks_bounded: self.base.counted.tasks,
            alone: self.alone,
        }
    }

    fn run(&self, place: &PlaceSpec, pipes: &Pipes, more: &[Fd]) -> RunSpec {
        let commands = Arc::clone(&self.commands);
        let stage_io = pipes.stage_io();
        let mut keep: Vec<Fd> = place.descriptors().chain(more.iter().copied()).collect();
        keep.extend(stage_io.iter().flat_map(|io| [io.stdin, io.stdout, io.stderr]));
        keep.extend(commands.init_domain.as_ref().map(AsRawFd::as_raw_fd));
        let rulesets = commands.stages.iter().filter_map(|s| s.exec_ruleset.as_ref());
        keep.extend(rulesets.map(Ruleset::fd));
        keep.sort_unstable();
        keep.dedup();
        RunSpec::new(commands, stage_io, keep)
    }

    fn enter(
        &self,
        mut hull: Hull,
        place: &Arc<PlaceSpec>,
        pipes: &Pipes,
    ) -> Result<(Kind, bool), EnterError> {
        let run = Arc::new(self.run(place, pipes, &hull.descriptors()));
        let answer = keep_dumpable(&self.base.spec, || {
            hull.tell_run(place, &run);
            hull.entered()
        });
        self.started(hull, answer, &run)
    }

    /// What a hull that was told a run has answered.
    fn started(
        &self,
        hull: Hull,
        answer: io::Result<Record>,
        run: &RunSpec,
    ) -> Result<(Kind, bool), EnterError> {
        // A hull that is dropped ends.
        Err(EnterError::Failed(match answer {
            Ok(Record::Started { in_root }) => return Ok((Kind::Box(hull), in_root)),
            Ok(Record::Failed { stage, step, errno }) => self.failed(stage, step, Errno(errno)),
            Ok(Record::Apart | Record::Ready | Record::Born | Record::Exited { .. }) => {
                let source = io::Error::other("its first process gave a wrong answer");
                Error::host("start the box", source)
            }
            Err(source) => return Err(EnterError::without_answer(run, source)),
        }))
    }

    fn start_direct(
        &self,
        place: &PlaceSpec,
        run: &RunSpec,
        status: &OwnedFd,
    ) -> Result<Kind, Error> {
        let mut stack = Box::new_uninit_slice(2048);
        let mut children = Vec::with_capacity(self.commands.stages.len());
        let own = rustix::process::getpid().as_raw_nonzero().get();
        for index in (0..).take(self.commands.stages.len()) {
            let call = StageCall {
                place,
                run: Told::Now(run),
                index,
                host_proc: None,
                init_pid: 0,
                bounds: Some(&self.base.spec.hull.bounds),
                die_with: Some(own),
            };
            let pid = blocked(|| sys::start_stage(&call, &[], &mut stack))
                .map_err(|e| self.failed(index, Step::StartStage, e))?;
            let pidfd = Pid::from_raw(pid).ok_or(rustix::io::Errno::SRCH);
            let pidfd = pidfd.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let pidfd = pidfd.map_err(|e| Error::host("open a descriptor for a command", e))?;
            children.push(DirectChild { pid, pidfd });
        }
        let mut kind = Kind::Direct(children);
        // Every child has executed or ended by now: what is in the pipe is all there will be. It
        // need not be closed, for execve returns to us before it closes descriptors.
        let _ = rustix::fs::fcntl_setfl(status, rustix::fs::OFlags::NONBLOCK);
        let mut record = [0u8; Record::BYTES];
        let failure = match rustix::io::read(status, &mut record) {
            Ok(0) | Err(rustix::io::Errno::AGAIN) => return Ok(kind),
            Ok(_) => match Record::from_bytes(record) {
                Some(Record::Failed { stage, step, errno }) => {
                    self.failed(stage, step, Errno(errno))
                }
                _ => Error::host("start a command", io::Error::other("it gave a wrong answer")),
            },
            Err(e) => Error::host("read the answer of a command", e),
        };
        kind.kill();
        kind.wait_briefly();
        Err(failure)
    }

    fn launch_failed(&self, error: LaunchError) -> Error {
        match error {
            LaunchError::Host(what, source) => Error::host(what, source),
            LaunchError::Refused(said) => Error::Tier {
                tier: self.tier,
                step: "have bwrap make the box",
                source: io::Error::other(said),
            },
            LaunchError::Step { stage, step, errno } => self.failed(stage, step, errno),
        }
    }

    fn failed(&self, stage: u8, step: Step, errno: Errno) -> Error {
        let stage = self.commands.stages.get(usize::from(stage));
        let program = stage.and_then(|s| s.program.as_ref());
        let program = program.map(|program| program.path.to_string_lossy()).unwrap_or_default();
        Error::step(self.tier, step, errno, &program, &self.commands.cwd.to_string_lossy())
    }
}

/// Why a box did not start the commands.
pub(super) enum EnterError {
    /// It has ended or gives no answer, and none of its processes does anything for the run.
    NotTaken(io::Error),
    Failed(Error),
}

impl EnterError {
    /// Takes the run back, so that no process of the box does anything for it any more.
    fn without_answer(run: &RunSpec, source: io::Error) -> Self {
        if run.take_back() {
            return Self::NotTaken(source);
        }
        Self::Failed(no_answer(source))
    }
}

fn no_answer(source: io::Error) -> Error {
    Error::host("get an answer of the box's first process", source)
}

impl From<EnterError> for Error {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotTaken(source) => no_answer(source),
            EnterError::Failed(error) => error,
        }
    }
}

/// Does `f`, in which a process of a box may take another uid. That marks the memory as not dumpable,
/// and this process shares it. Threads do this at once: the first sees how it was, the last restores it.
/// What holds a command off the memory meanwhile is Landlock, which lets no domain trace one outside.
pub(super) fn keep_dumpable<T>(spec: &BoxSpec, f: impl FnOnce() -> T) -> T {
    static KEPT: Mutex<(usize, Option<DumpableBehavior>)> = Mutex::new((0, None));
    if spec.identity.unused.is_none() {
        return f();
    }
    let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let (inside, before) = &mut *kept();
        if *inside == 0 {
            *before = rustix::process::dumpable_behavior().ok();
        }
        *inside += 1;
    }
    let value = f();
    let (inside, before) = &mut *kept();
    *inside -= 1;
    if let (0, Some(before)) = (*inside, *before) {
        // Refused where it was readable by root alone, which no program can ask for.
        let _ = rustix::process::set_dumpable_behavior(before);
    }
    value
}

pub(super) fn scene_failed(tier: Tier, error: SceneError) -> Error {
    match error {
        SceneError::Step(step, errno) => Error::step(tier, step, errno, "", ""),
        SceneError::Host(source) => Error::host("look into the box", source),
    }
}

pub(super) fn hull_failed(tier: Tier, error: HullError) -> Error {
    match error {
        HullError::Host(what, source) => Error::host(what, source),
        HullError::Clone(errno) => Error::step(tier, Step::Clone, errno, "", ""),
        HullError::Step(step, errno) => Error::step(tier, step, errno, "", ""),
        HullError::UserMap(source) => Error::Tier { tier, step: "map the user", source },
    }
}

/// Does `f` with every signal blocked, so that no handler of this process can run in a child
/// that shares its memory.
pub(super) fn blocked<T>(f: impl FnOnce() -> T) -> T {
    let before = sys::set_signal_mask(SignalMask::MAX);
    let value = f();
    if let Ok(before) = before {
        // Cannot fail: the mask came from the kernel.
        let _ = sys::set_signal_mask(before);
    }
    value
}

/// The pipes of a run's commands.
pub(super) struct Pipes {
    stdio: Stdio,
    /// Between each stage and the next: read end, write end.
    between: Vec<(OwnedFd, OwnedFd)>,
}

impl Pipes {
    pub(super) fn new(stdio: Stdio, stages: usize) -> Result<Self, Error> {
        let above = |fd| above_stdio(fd).map_err(|e| Error::host("duplicate a descriptor", e));
        let between = || pipe().map_err(|e| Error::host("make a pipe", e));
        Ok(Self {
            stdio: Stdio {
                stdin: above(stdio.stdin)?,
                stdout: above(stdio.stdout)?,
                stderr: above(stdio.stderr)?,
            },
            between: (1..stages).map(|_| between()).collect::<Result<_, _>>()?,
        })
    }

    /// The caller's own again.
    pub(super) fn into_stdio(self) -> Stdio {
        self.stdio
    }

    fn stage_io(&self) -> Vec<StageIo> {
        let ins = std::iter::once(&self.stdio.stdin).chain(self.between.iter().map(|(r, _)| r));
        let outs = self.between.iter().map(|(_, w)| w).chain(std::iter::once(&self.stdio.stdout));
        ins.zip(outs)
            .map(|(stdin, stdout)| StageIo {
                stdin: stdin.as_raw_fd(),
                stdout: stdout.as_raw_fd(),
                stderr: self.stdio.stderr.as_raw_fd(),
            })
            .collect()
    }
}

/// A pipe, read end first.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((above_stdio(read)?, above_stdio(write)?))
}

/// A descriptor above 2, so that making a stage's 0, 1 and 2 cannot overwrite one still needed.
pub(super) fn above_stdio(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 {
        return Ok(fd);
    }
    Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?)
}
