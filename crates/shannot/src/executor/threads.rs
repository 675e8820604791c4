//! The threads of an executor: some that start boxes, one that sees to what is left of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shannot_policy::Plan;
use shannot_sandbox::Child;

use super::warm::WarmBoxes;
use crate::event::Failure;

/// What a thread is given to do.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// How long a box that serves nobody any more may be kept.
const RETIRE_PERIOD: Duration = Duration::from_secs(5);

/// Threads that start boxes, one each time. In tier L a command dies with the thread that started it,
/// so these live as long as the process.
#[derive(Debug, Clone)]
pub(super) struct Starters(Sender<Job>);

impl Starters {
    pub(super) fn new() -> Result<Self, Failure> {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..cpus().min(4) {
            let queue = Arc::clone(&queue);
            thread("shannot-starter", move || {
                // Held while this thread waits, so that each job is taken by one.
                let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                while let Ok(job) = next() {
                    job();
                }
            })?;
        }
        Ok(Self(jobs))
    }

    /// Has a thread do it, in the order of the calls.
    pub(super) fn start(&self, job: Job) {
        // The threads do not end before this value.
        let _ = self.0.send(job);
    }
}

/// Sees to boxes that have ended, and to those that wait for runs to come.
#[derive(Debug, Clone)]
pub(super) struct Tidier {
    ended: Sender<Option<Ended>>,
    running: Arc<AtomicUsize>,
}

/// What is left of a run.
struct Ended {
    child: Child,
    plan: Plan,
}

impl Tidier {
    pub(super) fn new(boxes: Arc<WarmBoxes>) -> Result<Self, Failure> {
        let (ended, queue) = channel::<Option<Ended>>();
        let running = Arc::new(AtomicUsize::new(0));
        let runs = Arc::clone(&running);
        thread("shannot-tidier", move || serve(&queue, &boxes, &runs))?;
        Ok(Self { ended, running })
    }

    /// A run is about to start, and has the first call on the processors until it is over.
    pub(super) fn run(&self) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running(Arc::clone(&self.running))
    }

    /// There are boxes that may be of no use some day.
    pub(super) fn watch(&self) {
        // As below.
        let _ = self.ended.send(None);
    }

    /// Takes what is left of a run of this plan.
    pub(super) fn tidy(&self, child: Child, plan: Plan) {
        // The thread does not end before this value.
        let _ = self.ended.send(Some(Ended { child, plan }));
    }
}

/// A run that is not over.
#[derive(Debug)]
pub(super) struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve(queue: &Receiver<Option<Ended>>, boxes: &WarmBoxes, running: &AtomicUsize) {
    let mut some = false;
    loop {
        let next = if some {
            queue.recv_timeout(RETIRE_PERIOD)
        } else {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        match next {
            Ok(ended) => {
                if let Some(Ended { child, plan }) = ended {
                    drop(child);
                    let has_time = running.load(Ordering::Acquire) < cpus();
                    boxes.replenish(&plan, has_time);
                }
                some = true;
            }
            Err(RecvTimeoutError::Timeout) => some = boxes.retire(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    started.map(drop).map_err(|source| Failure::Internal { what: "start a thread", source })
}
