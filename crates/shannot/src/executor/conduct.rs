//! Sees a run from its start to its last event.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shannot_sandbox::{Child, Enforcement, StageStatus};
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::relay::{self, Pipe};
use super::start::Started;
use super::threads::Tidier;
use super::{Input, Io, Output, internal};
use crate::event::{End, Event, Failure, Limit, Outcome, OutputStream};
use crate::run::{Caller, Order, Unread};

/// How often a run's memory and processes are looked at, where the kernel does not bound them.
const LOOK_PERIOD: Duration = Duration::from_millis(50);

/// How long a killed box may take to go before it is given up as stuck in the kernel.
const KILL_TIME: Duration = Duration::from_secs(2);

/// Sees a run from its start to its last event.
pub(super) async fn conduct(
    started: Result<Started, Failure>,
    io: Io,
    caller: Caller,
    since: Instant,
    tidier: Option<Tidier>,
) {
    let events = caller.events.clone();
    let outcome = match started {
        Ok(started) => attend(started, io, caller, since, tidier).await,
        Err(failure) => Err(failure),
    };
    let outcome = outcome.unwrap_or_else(|failure| Outcome::never(End::Failed(failure)));
    tell(outcome, &events, since).await;
}

/// Sends the last event.
pub(super) async fn tell(mut outcome: Outcome, events: &mpsc::Sender<Event>, since: Instant) {
    outcome.duration = since.elapsed();
    // A caller that dropped the run does not want to know.
    let _ = events.send(Event::Ended(Box::new(outcome))).await;
}

async fn attend(
    started: Started,
    io: Io,
    caller: Caller,
    since: Instant,
    tidier: Option<Tidier>,
) -> Result<Outcome, Failure> {
    let Caller { events, mut orders, unread } = caller;
    let Started { child, cwd, enforcement, wall, cpu, watch, stdin, stdout, stderr, plan } =
        started;
    let counts = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let feed = feed(io.stdin, stdin)?;
    let [out, err] = drain(io.output, [stdout, stderr], &events, &unread, &counts)?;
    let leaves = tidier.is_some();
    let mut watched = Watched { child, cpu, watch, why: None, leaves };
    let lingering =
        !watched.end(wall.saturating_sub(since.elapsed()), &events, &mut orders).await?;
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
    if let Some(tidier) = tidier {
        tidier.tidy(watched.child, plan);
    }
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
        Input::Reader(reader) => tokio::spawn(relay::from_reader(reader, pipe()?)),
        Input::Fd(fd) => tokio::spawn(relay::from_fd(fd, pipe()?)),
    })
}

/// Starts passing standard output and error on.
fn drain(
    output: Output,
    [stdout, stderr]: [OwnedFd; 2],
    events: &mpsc::Sender<Event>,
    unread: &watch::Receiver<Unread>,
    counts: &[Arc<AtomicU64>; 2],
) -> Result<[JoinHandle<std::io::Result<()>>; 2], Failure> {
    let pipe = |fd| -> Result<Pipe, Failure> {
        relay::watch(fd, Interest::READABLE).map_err(|(_, e)| internal("watch a pipe", e))
    };
    let (stdout, stderr) = (pipe(stdout)?, pipe(stderr)?);
    let [out_count, err_count] = counts.clone();
    let (of_stdout, of_stderr) = (OutputStream::Stdout, OutputStream::Stderr);
    Ok(match output {
        Output::Events => [
            while_read(
                relay::to_events(stdout, Event::Stdout, events.clone(), out_count),
                of_stdout,
                unread,
            ),
            while_read(
                relay::to_events(stderr, Event::Stderr, events.clone(), err_count),
                of_stderr,
                unread,
            ),
        ],
        Output::Writers { stdout: out, stderr: err } => [
            while_read(relay::to_writer(stdout, out, out_count), of_stdout, unread),
            while_read(relay::to_writer(stderr, err, err_count), of_stderr, unread),
        ],
        Output::Fds { stdout: out, stderr: err } => [
            while_read(relay::to_fd(stdout, out, out_count), of_stdout, unread),
            while_read(relay::to_fd(stderr, err, err_count), of_stderr, unread),
        ],
    })
}

/// Starts what passes a stream on, until its caller reads it no more: with it goes our end of the pipe,
/// and so the command is told.
fn while_read(
    pump: impl Future<Output = std::io::Result<()>> + Send + 'static,
    stream: OutputStream,
    unread: &watch::Receiver<Unread>,
) -> JoinHandle<std::io::Result<()>> {
    let mut unread = unread.clone();
    tokio::spawn(async move {
        tokio::select! {
            Ok(_) = unread.wait_for(|unread| unread.has(stream)) => Ok(()),
            passed = pump => passed,
        }
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
    /// Whether somebody else sees to what is left when nothing of the run can act any more.
    leaves: bool,
}

/// Limits that are held by looking from time to time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    /// Bytes.
    pub(super) memory: Option<u64>,
    /// Processes and threads.
    pub(super) tasks: Option<u32>,
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
    fn has_ended(&mut self) -> Result<bool, Failure> {
        let ended = if self.leaves { self.child.try_end() } else { self.child.try_wait() };
        ended.map_err(|e| internal("wait for the box", e))
    }

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
                        if self.has_ended()? {
                            return Ok(true);
                        }
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
            if self.has_ended()? {
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
        &self,
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
