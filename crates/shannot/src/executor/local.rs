//! Runs requests on this machine.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use shannot_policy::plan::{HostFacts, Outline};
use shannot_policy::profile::{Prefer, Profile, Tier, View};
use shannot_policy::types::AbsPath;
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{
    Begun, Child, Enforcement, Error, Host, Prepared, StageStatus, Stdio, begin, prepare,
};
use tokio::io::Interest;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::relay::{self, Pipe};
use super::{Executor, Input, Io, Output};
use crate::event::{End, Event, Failure, Limit, Outcome};
use crate::run::{Order, Run};

/// How often a run's memory and processes are looked at, where the kernel does not bound them.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// How long a killed box may take to go before it is given up as stuck in the kernel.
const KILL_TIME: Duration = Duration::from_secs(2);

/// Events that wait for a caller, each a chunk at the most.
const EVENTS: usize = 4;

/// Runs requests on this machine, in the strongest tier that the profile accepts and the host
/// lets be had.
#[derive(Debug)]
pub struct LocalExecutor {
    host: Arc<Host>,
    starter: Starter,
    expected: Mutex<Option<Begun>>,
}

/// Which thread starts boxes. In tier L a command dies with the thread that started it, so that
/// thread must outlive the run.
#[derive(Debug)]
enum Starter {
    Caller,
    Thread(std::sync::mpsc::Sender<Job>),
}

type Job = Box<dyn FnOnce() + Send>;

/// One tier tried for a plan, as `explain` and `doctor` show it.
#[derive(Debug)]
pub struct TierTrial {
    /// The tier.
    pub tier: Tier,
    /// The plan for it.
    pub plan: Plan,
    /// The box made ready, or why it cannot be had.
    pub prepared: Result<Prepared, Error>,
}

impl LocalExecutor {
    /// An executor with a thread of its own that starts boxes, for programs of many threads.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn new() -> Result<Self, Failure> {
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("shannot-starter".into());
        thread
            .spawn(move || queue.into_iter().for_each(|job| job()))
            .map_err(|source| Failure::Internal { what: "start a thread", source })?;
        Ok(Self::with(Starter::Thread(jobs)))
    }

    /// An executor that starts boxes on the thread that calls [`Executor::start`], which must
    /// outlive every run: for programs that run one command from their main thread.
    pub fn on_this_thread() -> Self {
        Self::with(Starter::Caller)
    }

    fn with(starter: Starter) -> Self {
        Self { host: Arc::new(Host::read()), starter, expected: Mutex::default() }
    }

    /// Lets tier T3 be had, for a program that calls [`shannot_sandbox::stage_two`] first of all: by
    /// the path of itself.
    #[must_use]
    pub fn with_stage_two(mut self, program: PathBuf) -> Self {
        self.host = Arc::new(Host::clone(&self.host).with_stage_two(program));
        self
    }

    /// Begins the box of a run that is likely to be asked for next, while the caller finds out
    /// whether it is: empty namespaces and a process that waits in them. The next run takes it if
    /// it needs just that, and any other run drops it.
    pub fn expect(&self, view: View, prefer: Prefer, root_reads: bool) {
        let Some(tier) = tiers_in_order(&self.host, prefer).first() else { return };
        // What is not to be had is told to the run that needs it.
        let begun = begin(&Outline::new(*tier, view, root_reads), &self.host).ok().flatten();
        *self.expected.lock().unwrap_or_else(PoisonError::into_inner) = begun;
    }

    fn take_expected(&self) -> Option<Begun> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The facts that plans are made from.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Every tier that would be tried for a grant, in order, made ready and not started.
    ///
    /// # Errors
    /// The kernel gave no random bytes.
    pub fn trials(&self, grant: &Grant) -> Result<Vec<TierTrial>, Failure> {
        tiers(grant.profile(), &self.host)
            .map(|tier| {
                let plan = Plan::new(grant, tier, &facts(&self.host)?);
                let prepared = prepare(&plan, &self.host);
                Ok(TierTrial { tier, plan, prepared })
            })
            .collect()
    }
}

/// The tiers to try, the best first: what the profile accepts and this user could have.
fn tiers(profile: &Profile, host: &Host) -> impl Iterator<Item = Tier> {
    let order = tiers_in_order(host, profile.prefer);
    order.iter().copied().filter(|tier| profile.tiers.contains(tier))
}

fn tiers_in_order(host: &Host, prefer: Prefer) -> &'static [Tier] {
    match (host.uid, prefer) {
        (0, _) => &[Tier::T1, Tier::T2, Tier::T3, Tier::L],
        (_, Prefer::Isolation) => &[Tier::T2, Tier::T3, Tier::L],
        (_, Prefer::Fidelity) => &[Tier::L, Tier::T2, Tier::T3],
    }
}

impl Executor for LocalExecutor {
    fn start(&self, grant: Grant, io: Io) -> Run {
        let (events, receiver) = mpsc::channel(EVENTS);
        let (orders, ordered) = mpsc::unbounded_channel();
        let run = Run::new(receiver, orders, grant.profile().limits.output.0);
        let since = Instant::now();
        let begun = self.take_expected();
        match &self.starter {
            Starter::Caller => {
                let started = start(&grant, &self.host, begun);
                tokio::spawn(conduct(started, io, events, ordered, since));
            }
            Starter::Thread(jobs) => {
                let (answer, started) = oneshot::channel();
                let host = Arc::clone(&self.host);
                let job = move || {
                    // A caller that has gone drops the answer and with it the box.
                    let _ = answer.send(start(&grant, &host, begun));
                };
                // Without the thread the answer is dropped, which is told below.
                let _ = jobs.send(Box::new(job));
                tokio::spawn(async move {
                    let gone = || std::io::Error::other("its thread has ended");
                    let started = started.await.unwrap_or_else(|_| {
                        Err(Failure::Internal { what: "start a box", source: gone() })
                    });
                    conduct(started, io, events, ordered, since).await;
                });
            }
        }
        run
    }
}

/// A box that runs, and our ends of its pipes.
struct Started {
    child: Child,
    cwd: AbsPath,
    enforcement: Enforcement,
    wall: Duration,
    cpu: Duration,
    watch: Watch,
    stdin: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

/// Starts a grant in the best tier to be had. What fails in one tier has left nothing behind.
fn start(grant: &Grant, host: &Host, mut begun: Option<Begun>) -> Result<Started, Failure> {
    let mut tried = Vec::new();
    for tier in tiers(grant.profile(), host) {
        match start_in(grant, tier, host, begun.take()) {
            Err(Failure::Start(error)) if error.is_of_tier() => tried.push(error),
            Ok(mut started) => {
                started.enforcement.passed_over =
                    tried.iter().filter_map(Error::passed_over).collect();
                return Ok(started);
            }
            failed => return failed,
        }
    }
    Err(Failure::NoTier { profile: grant.profile().name.to_string(), tried })
}

fn start_in(
    grant: &Grant,
    tier: Tier,
    host: &Host,
    begun: Option<Begun>,
) -> Result<Started, Failure> {
    let plan = Plan::new(grant, tier, &facts(host)?);
    let (stdin_box, stdin) = pipe()?;
    let (stdout, stdout_box) = pipe()?;
    let (stderr, stderr_box) = pipe()?;
    // Refused beyond the user's share; the default size works too.
    let _ = fcntl_setpipe_size(&stdout, relay::CHUNK);
    for end in [&stdin, &stdout, &stderr] {
        let set = rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK);
        set.map_err(|e| internal("set up a pipe", e))?;
    }
    let stdio = Stdio { stdin: stdin_box, stdout: stdout_box, stderr: stderr_box };
    let (child, enforcement) = shannot_sandbox::start(&plan, host, begun, stdio)?;
    let watch = Watch {
        // Where nothing in the kernel counts them.
        memory: (!child.memory_is_bounded()).then_some(plan.limits.memory.0),
        tasks: (!child.tasks_are_bounded()).then_some(plan.limits.processes),
    };
    let cwd = if child.started_in_root() { AbsPath::root() } else { plan.cwd.path() };
    Ok(Started {
        child,
        cwd,
        enforcement,
        wall: plan.wall.as_duration(),
        cpu: plan.limits.cpu.as_duration(),
        watch,
        stdin,
        stdout,
        stderr,
    })
}

pub(super) fn facts(host: &Host) -> Result<HostFacts, Failure> {
    host.facts().map_err(|e| internal("get random bytes", e))
}

pub(super) fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    pipe_with(PipeFlags::CLOEXEC).map_err(|e| internal("make a pipe", e))
}

pub(super) fn internal(what: &'static str, source: impl Into<std::io::Error>) -> Failure {
    Failure::Internal { what, source: source.into() }
}

/// Sees a run from its start to its last event.
async fn conduct(
    started: Result<Started, Failure>,
    io: Io,
    events: mpsc::Sender<Event>,
    orders: mpsc::UnboundedReceiver<Order>,
    since: Instant,
) {
    let outcome = match started {
        Ok(started) => attend(started, io, &events, orders, since).await,
        Err(failure) => Err(failure),
    };
    let mut outcome = outcome.unwrap_or_else(Outcome::failed);
    outcome.duration = since.elapsed();
    // A caller that dropped the run does not want to know.
    let _ = events.send(Event::Ended(Box::new(outcome))).await;
}

async fn attend(
    started: Started,
    io: Io,
    events: &mpsc::Sender<Event>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    since: Instant,
) -> Result<Outcome, Failure> {
    let Started { child, cwd, enforcement, wall, cpu, watch, stdin, stdout, stderr } = started;
    let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let feed = feed(io.stdin, stdin)?;
    let [out, err] = drain(io.output, stdout, stderr, events, &counts)?;
    let mut watched = Watched { child, cpu, watch, why: None };
    let lingering = !watched.end(wall.saturating_sub(since.elapsed()), events, &mut orders).await?;
    feed.abort();
    let pumps = [out.abort_handle(), err.abort_handle()];
    if lingering {
        // A process that still holds the pipes will not let them end.
        pumps.iter().for_each(tokio::task::AbortHandle::abort);
    }
    let both = async { [out.await, err.await] };
    tokio::pin!(both);
    // The box has gone, but a reader that stopped reading would hold its caller here.
    let passed = tokio::select! {
        passed = &mut both => passed,
        () = unwanted(watched.why, &mut orders) => {
            pumps.iter().for_each(tokio::task::AbortHandle::abort);
            both.await
        }
    };
    // One that was aborted has nothing more to say.
    let lost = passed.into_iter().flatten().find_map(Result::err);
    let mut outcome = watched.outcome(enforcement, lingering, since.elapsed(), &counts);
    outcome.cwd = Some(cwd);
    if let Some(source) = lost {
        outcome.end = End::Failed(Failure::Internal { what: "pass the output on", source });
    }
    Ok(outcome)
}

/// Waits until the caller wants no more of a run that has ended, and a little longer for what can
/// still be passed on. Signals have nobody left to go to.
async fn unwanted(why: Option<Why>, orders: &mut mpsc::UnboundedReceiver<Order>) {
    if why != Some(Why::Cancelled) {
        while let Some(Order::Signal(_)) = orders.recv().await {}
    }
    tokio::time::sleep(KILL_TIME).await;
}

/// Starts feeding standard input.
fn feed(input: Input, pipe: OwnedFd) -> Result<JoinHandle<()>, Failure> {
    let pipe =
        || relay::watch(pipe, Interest::WRITABLE).map_err(|(_, e)| internal("watch a pipe", e));
    Ok(match input {
        // Dropping our end is the end of the file.
        Input::Empty => tokio::spawn(async {}),
        Input::Bytes(bytes) => tokio::spawn(relay::from_bytes(bytes, pipe()?)),
        Input::Fd(fd) => tokio::spawn(relay::from_fd(fd, pipe()?)),
    })
}

/// Starts passing standard output and error on.
fn drain(
    output: Output,
    stdout: OwnedFd,
    stderr: OwnedFd,
    events: &mpsc::Sender<Event>,
    counts: &[Arc<AtomicU64>; 2],
) -> Result<[JoinHandle<std::io::Result<()>>; 2], Failure> {
    let pipe = |fd| -> Result<Pipe, Failure> {
        relay::watch(fd, Interest::READABLE).map_err(|(_, e)| internal("watch a pipe", e))
    };
    let (stdout, stderr) = (pipe(stdout)?, pipe(stderr)?);
    let [out_count, err_count] = counts.clone();
    Ok(match output {
        Output::Events => [
            tokio::spawn(relay::to_events(stdout, Event::Stdout, events.clone(), out_count)),
            tokio::spawn(relay::to_events(stderr, Event::Stderr, events.clone(), err_count)),
        ],
        Output::Fds { stdout: out, stderr: err } => [
            tokio::spawn(relay::to_fd(stdout, out, out_count)),
            tokio::spawn(relay::to_fd(stderr, err, err_count)),
        ],
    })
}

/// Watches a descriptor of a box.
fn watch(fd: BorrowedFd<'_>) -> Result<Pipe, Failure> {
    let fd = fd.try_clone_to_owned().map_err(|e| internal("watch the box", e))?;
    relay::watch(fd, Interest::READABLE).map_err(|(_, e)| internal("watch the box", e))
}

/// Waits until a descriptor becomes readable once more.
async fn heard(news: Option<&Pipe>) {
    match news {
        // Whoever hears it reads all there is.
        Some(fd) => fd.readable().await.map_or_else(drop, |mut ready| ready.clear_ready()),
        None => std::future::pending().await,
    }
}

/// A box and why it was ended, if it was.
struct Watched {
    child: Child,
    cpu: Duration,
    watch: Watch,
    why: Option<Why>,
}

/// Limits that are held by looking from time to time.
#[derive(Debug, Clone, Copy)]
struct Watch {
    /// Bytes.
    memory: Option<u64>,
    /// Processes and threads.
    tasks: Option<u32>,
}

impl Watch {
    fn reached(self, child: &Child) -> Option<Limit> {
        if self.memory.is_some_and(|most| child.resident_bytes() > most) {
            return Some(Limit::Memory);
        }
        let most = usize::try_from(self.tasks?).unwrap_or(usize::MAX);
        (child.tasks() > most).then_some(Limit::Processes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Limit(Limit),
    Cancelled,
}

impl Watched {
    /// Waits until the box has gone, ending it at its limits and on the caller's word. False when
    /// it was killed and is still there.
    async fn end(
        &mut self,
        wall: Duration,
        events: &mpsc::Sender<Event>,
        orders: &mut mpsc::UnboundedReceiver<Order>,
    ) -> Result<bool, Failure> {
        let deadline = tokio::time::sleep(wall);
        tokio::pin!(deadline);
        let mut look = tokio::time::interval(LOOK_PERIOD);
        let supervised = self.watch.memory.is_some() || self.watch.tasks.is_some();
        let mut news = self.child.status_fd().map(watch).transpose()?;
        loop {
            let Some(fd) = self.child.wait_fd() else { return Ok(true) };
            let gone = watch(fd)?;
            loop {
                tokio::select! {
                    biased;
                    _ = gone.readable() => break,
                    () = heard(news.as_ref()), if news.is_some() => {
                        self.child.try_wait().map_err(|e| internal("wait for the box", e))?;
                        if self.child.status_fd().is_none() {
                            news = None;
                        }
                    }
                    () = events.closed(), if self.why.is_none() => self.stop(Why::Cancelled, deadline.as_mut()),
                    order = orders.recv(), if self.why.is_none() => match order {
                        Some(Order::Signal(signal)) => self.child.signal(signal),
                        Some(Order::Cancel) | None => self.stop(Why::Cancelled, deadline.as_mut()),
                    },
                    () = deadline.as_mut() => {
                        if self.why.is_some() {
                            return Ok(false);
                        }
                        self.stop(Why::Limit(Limit::Wall), deadline.as_mut());
                    }
                    _ = look.tick(), if supervised && self.why.is_none() => {
                        if let Some(limit) = self.watch.reached(&self.child) {
                            self.stop(Why::Limit(limit), deadline.as_mut());
                        }
                    }
                }
            }
            if self.child.try_wait().map_err(|e| internal("wait for the box", e))? {
                return Ok(true);
            }
        }
    }

    fn stop(&mut self, why: Why, deadline: std::pin::Pin<&mut tokio::time::Sleep>) {
        self.why = Some(why);
        self.child.kill();
        deadline.reset(tokio::time::Instant::now() + KILL_TIME);
    }

    fn outcome(
        self,
        enforcement: Enforcement,
        lingering: bool,
        lasted: Duration,
        counts: &[Arc<AtomicU64>; 2],
    ) -> Outcome {
        let stages = self.child.statuses().to_vec();
        let mut limits_hit = Vec::new();
        if let Some(Why::Limit(limit)) = self.why {
            limits_hit.push(limit);
        }
        if self.child.out_of_memory() && !limits_hit.contains(&Limit::Memory) {
            limits_hit.push(Limit::Memory);
        }
        // The soft limit sends SIGXCPU; a command that ignores it gets SIGKILL a second later,
        // which nothing else in a box sends by itself but the memory limit.
        let killed = StageStatus::Signaled(SIGKILL);
        let by_hard_limit = limits_hit.is_empty() && self.why.is_none() && lasted > self.cpu;
        if stages
            .iter()
            .flatten()
            .any(|end| *end == StageStatus::Signaled(SIGXCPU) || (*end == killed && by_hard_limit))
        {
            limits_hit.push(Limit::Cpu);
        }
        let end = match (self.why, stages.last().copied().flatten()) {
            (Some(Why::Limit(Limit::Wall)), _) => End::TimedOut,
            (Some(Why::Limit(limit)), _) => End::LimitReached(limit),
            (Some(Why::Cancelled), _) => End::Cancelled,
            (None, Some(StageStatus::Exited(code))) => End::Exited(code),
            (None, Some(StageStatus::Signaled(signal))) => End::Signaled(signal),
            // Somebody outside killed the box's first process.
            (None, None) => End::Signaled(SIGKILL),
        };
        let [stdout_bytes, stderr_bytes] =
            [0, 1].map(|i: usize| counts.get(i).map_or(0, |count| count.load(Ordering::Relaxed)));
        Outcome {
            end,
            stages,
            cwd: None,
            limits_hit,
            stdout_bytes,
            stderr_bytes,
            duration: lasted,
            enforcement: Some(enforcement),
            lingering,
        }
    }
}

/// `signal(7)`.
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;
