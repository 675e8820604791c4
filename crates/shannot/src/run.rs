//! The handle on something that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::event::{End, Event, Failure, Limit, Outcome, OutputStream};
use crate::gate::Passage;

/// A command that runs, or a failure on its way to be told. Dropping it ends the box.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<Event>,
    control: Control,
    /// The most output that [`Run::collect`] holds, of each stream.
    hold: u64,
    /// What a guard has let in.
    passage: Option<Passage>,
}

/// A handle to a run that goes on. It does not keep the run: that ends when [`Run`] is dropped.
#[derive(Debug, Clone)]
pub struct Control {
    orders: mpsc::UnboundedSender<Order>,
    unread: watch::Sender<Unread>,
    /// Bytes that have been told.
    output: Arc<AtomicU64>,
}

impl Control {
    /// Passes a signal to every command of the run.
    pub fn signal(&self, signal: i32) {
        // A run that has ended needs none.
        let _ = self.orders.send(Order::Signal(signal));
    }

    /// Ends the box; the outcome still comes.
    pub fn cancel(&self) {
        // A run that has ended needs none.
        let _ = self.orders.send(Order::Cancel);
    }

    /// How many bytes of output [`Run::next`] has told so far, of both streams.
    pub fn output_bytes(&self) -> u64 {
        self.output.load(Ordering::Relaxed)
    }

    /// Reads a stream no more: what the commands write to it fails from now on, as to any pipe that
    /// nobody reads (`EPIPE` and SIGPIPE, pipe(7)). They go on otherwise.
    pub fn close(&self, stream: OutputStream) {
        self.unread.send_modify(|unread| unread.add(stream));
    }
}

/// What a caller asks of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Pass this signal to the commands.
    Signal(i32),
    /// End the box.
    Cancel,
}

/// The streams that a caller reads no more: it holds whenever the run comes to it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unread {
    stdout: bool,
    stderr: bool,
}

impl Unread {
    fn add(&mut self, stream: OutputStream) {
        match stream {
            OutputStream::Stdout => self.stdout = true,
            OutputStream::Stderr => self.stderr = true,
        }
    }

    pub(crate) fn has(self, stream: OutputStream) -> bool {
        match stream {
            OutputStream::Stdout => self.stdout,
            OutputStream::Stderr => self.stderr,
        }
    }
}

/// What of its caller an executor has.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) orders: mpsc::UnboundedReceiver<Order>,
    pub(crate) unread: watch::Receiver<Unread>,
}

/// A run in one piece.
#[derive(Debug)]
pub struct Collected {
    /// Standard output, at most as long as the profile's `limits.output`.
    pub stdout: Vec<u8>,
    /// Standard error, at most as long as the profile's `limits.output`.
    pub stderr: Vec<u8>,
    /// Whether output was left out.
    pub truncated: bool,
    /// How it ended.
    pub outcome: Outcome,
}

impl Run {
    /// A run, and its caller as its executor has it. So many events wait for the caller; `hold` is the
    /// most output that [`Run::collect`] holds, of each stream.
    pub(crate) fn new(waiting: usize, hold: u64) -> (Self, Caller) {
        let (sender, events) = mpsc::channel(waiting);
        let (orders, ordered) = mpsc::unbounded_channel();
        let (unread, is_unread) = watch::channel(Unread::default());
        let control = Control { orders, unread, output: Arc::default() };
        let run = Self { events, control, hold, passage: None };
        (run, Caller { events: sender, orders: ordered, unread: is_unread })
    }

    /// The next event; `None` after [`Event::Ended`]. A caller that does not ask holds the
    /// command up by its full pipe, and costs no memory.
    pub async fn next(&mut self) -> Option<Event> {
        let mut event = self.events.recv().await;
        match &mut event {
            Some(Event::Stdout(bytes) | Event::Stderr(bytes)) => {
                self.control.output.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Some(Event::Ended(outcome)) => {
                if let Some(passage) = self.passage.take() {
                    passage.ended(outcome);
                }
            }
            None => {}
        }
        event
    }

    /// A handle to the same run, for whoever does not wait for its events.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Passes a signal to every command of the run.
    pub fn signal(&self, signal: i32) {
        self.control.signal(signal);
    }

    /// Ends the box; the outcome still comes.
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// The same run, whose end is recorded.
    pub(crate) fn through(self, passage: Passage) -> Self {
        Self { passage: Some(passage), ..self }
    }

    /// The same, of which [`Run::collect`] holds no more than so many bytes of each stream.
    #[must_use]
    pub fn held_to(mut self, bytes: u64) -> Self {
        self.hold = self.hold.min(bytes);
        self
    }

    /// Gathers the run's output up to the profile's `limits.output`. A command that writes more
    /// is ended there.
    pub async fn collect(mut self) -> Collected {
        let hold = usize::try_from(self.hold).unwrap_or(usize::MAX);
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut truncated = false;
        let keep = |held: &mut Vec<u8>, bytes: &Bytes| {
            let room = hold.saturating_sub(held.len());
            held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            room < bytes.len()
        };
        while let Some(event) = self.next().await {
            let over = match event {
                Event::Stdout(bytes) => keep(&mut stdout, &bytes),
                Event::Stderr(bytes) => keep(&mut stderr, &bytes),
                Event::Ended(outcome) => {
                    let mut outcome = *outcome;
                    if truncated {
                        outcome.end = End::LimitReached(Limit::Output);
                        outcome.limits_hit.push(Limit::Output);
                    }
                    return Collected { stdout, stderr, truncated, outcome };
                }
            };
            if over && !truncated {
                truncated = true;
                self.cancel();
            }
        }
        // The runtime was shut down under the run, and its box with it.
        let source = std::io::Error::other("the runtime has stopped");
        let failure = Failure::Internal { what: "wait for the run", source };
        Collected { stdout, stderr, truncated, outcome: Outcome::never(End::Failed(failure)) }
    }
}
