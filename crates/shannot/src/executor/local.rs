//! Runs requests on this machine.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use shannot_policy::plan::Outline;
use shannot_policy::profile::{Prefer, Tier, View};
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{Begun, Error, Host, Prepared, begin, prepare};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::conduct::{conduct, tell};
use super::start::{facts, start, tiers, tiers_in_order};
use super::threads::{Starters, Tidier};
use super::warm::WarmBoxes;
use super::{Executor, Io};
use crate::event::{End, Event, Failure, Outcome};
use crate::run::{Order, Run};

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

/// Who starts boxes, and sees to what is left of them.
#[derive(Debug)]
enum Starter {
    /// The caller's thread, which outlives every run.
    Caller,
    /// Threads of the executor's own, in a process that lives for long.
    Threads(Threads),
}

#[derive(Debug)]
struct Threads {
    starters: Starters,
    tidier: Tidier,
    boxes: Arc<WarmBoxes>,
    /// How many runs there may be at once; the others wait in the order in which they came.
    room: Arc<Semaphore>,
}

/// How many runs there may be at once, if nothing else is said.
const CONCURRENCY: usize = 32;

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
    /// An executor for programs that live for long: with threads of its own, that keeps the boxes of
    /// the profiles in use warm and has at most 32 runs at once.
    ///
    /// `program` is the path of this program, if it calls [`shannot_sandbox::stage_two`] first of all:
    /// that lets tier T3 be had.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn new(program: Option<PathBuf>) -> Result<Self, Failure> {
        let host = Host::read();
        let host = Arc::new(match program {
            Some(program) => host.with_stage_two(program),
            None => host,
        });
        let boxes = Arc::new(WarmBoxes::new(Arc::clone(&host)));
        let threads = Threads {
            starters: Starters::new()?,
            tidier: Tidier::new(Arc::clone(&boxes))?,
            boxes,
            room: Arc::new(Semaphore::new(CONCURRENCY)),
        };
        Ok(Self { host, starter: Starter::Threads(threads), expected: Mutex::default() })
    }

    /// The same with so many runs at once, at least one. What is beyond waits, and its time runs.
    #[must_use]
    pub fn with_concurrency(mut self, runs: usize) -> Self {
        if let Starter::Threads(threads) = &mut self.starter {
            threads.room = Arc::new(Semaphore::new(runs.clamp(1, Semaphore::MAX_PERMITS)));
        }
        self
    }

    /// An executor that starts boxes on the thread that calls [`Executor::start`], which must
    /// outlive every run: for programs that run one command from their main thread.
    /// `program` is as for [`LocalExecutor::new`].
    pub fn on_this_thread(program: PathBuf) -> Self {
        let host = Arc::new(Host::read().with_stage_two(program));
        Self { host, starter: Starter::Caller, expected: Mutex::default() }
    }

    /// Makes the box of a grant ready before it is asked for, with room for more than one run, so that
    /// the first is as fast as those that follow. Does nothing for an executor without threads.
    ///
    /// # Errors
    /// No tier that the profile accepts can be had.
    pub fn warm(&self, grant: &Grant) -> Result<(), Failure> {
        let Starter::Threads(threads) = &self.starter else { return Ok(()) };
        let mut tried = Vec::new();
        for tier in tiers(grant.profile(), &self.host) {
            match threads.boxes.warm(&Plan::new(grant, tier, &facts(&self.host)?)) {
                Err(error) if error.is_of_tier() => tried.push(error),
                warmed => {
                    threads.tidier.watch();
                    return Ok(warmed?);
                }
            }
        }
        Err(Failure::NoTier { profile: grant.profile().name.to_string(), tried })
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

impl Executor for LocalExecutor {
    fn start(&self, grant: Grant, io: Io) -> Run {
        let (run, mut caller) = Run::new(EVENTS, grant.profile().limits.output.0);
        let since = Instant::now();
        let begun = self.take_expected();
        match &self.starter {
            Starter::Caller => {
                let started = start(&grant, &self.host, None, begun);
                tokio::spawn(conduct(started, io, caller, since, None));
            }
            Starter::Threads(threads) => {
                let Threads { starters, tidier, boxes, room } = threads;
                let (starters, tidier) = (starters.clone(), tidier.clone());
                let (boxes, room) = (Arc::clone(boxes), Arc::clone(room));
                let host = Arc::clone(&self.host);
                tokio::spawn(async move {
                    let wall = grant.wall().as_duration();
                    let place = match admitted(room, wall, &caller.events, &mut caller.orders).await
                    {
                        Ok(place) => place,
                        Err(end) => return tell(Outcome::never(end), &caller.events, since).await,
                    };
                    let running = tidier.run();
                    let (answer, started) = oneshot::channel();
                    starters.start(Box::new(move || {
                        // A caller that has gone drops the answer and with it the box.
                        let _ = answer.send(start(&grant, &host, Some(&boxes), begun));
                    }));
                    let gone = || std::io::Error::other("its thread has ended");
                    let started = started.await.unwrap_or_else(|_| {
                        Err(Failure::Internal { what: "start a box", source: gone() })
                    });
                    conduct(started, io, caller, since, Some(tidier)).await;
                    drop((place, running));
                });
            }
        }
        run
    }
}

/// Waits for a place among the runs, but not for longer than the run may take, nor than the caller
/// wants it.
async fn admitted(
    room: Arc<Semaphore>,
    wall: Duration,
    events: &mpsc::Sender<Event>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<OwnedSemaphorePermit, End> {
    let unwanted = async {
        // There is nobody yet for a signal to go to.
        while let Some(Order::Signal(_)) = orders.recv().await {}
    };
    tokio::select! {
        biased;
        // Never closed.
        place = room.acquire_owned() => place.map_err(|_| End::Cancelled),
        () = tokio::time::sleep(wall) => Err(End::TimedOut),
        () = events.closed() => Err(End::Cancelled),
        () = unwanted => Err(End::Cancelled),
    }
}
