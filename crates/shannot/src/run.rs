//! The handle on something that runs.

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::event::{End, Event, Failure, Limit, Outcome};

/// A command that runs, or a failure on its way to be told. Dropping it ends the box.
#[derive(Debug)]
pub struct Run {
    events: mpsc::Receiver<Event>,
    orders: mpsc::UnboundedSender<Order>,
    /// The most output that [`Run::collect`] holds, of each stream.
    hold: u64,
}

/// A handle to a run that goes on. It does not keep the run: that ends when [`Run`] is dropped.
#[derive(Debug, Clone)]
pub struct Control(mpsc::UnboundedSender<Order>);

impl Control {
    /// Passes a signal to every command of the run.
    pub fn signal(&self, signal: i32) {
        // A run that has ended needs none.
        let _ = self.0.send(Order::Signal(signal));
    }

    /// Ends the box; the outcome still comes.
    pub fn cancel(&self) {
        // A run that has ended needs none.
        let _ = self.0.send(Order::Cancel);
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
    pub(crate) fn new(
        events: mpsc::Receiver<Event>,
        orders: mpsc::UnboundedSender<Order>,
        hold: u64,
    ) -> Self {
        Self { events, orders, hold }
    }

    /// The next event; `None` after [`Event::Ended`]. A caller that does not ask holds the
    /// command up by its full pipe, and costs no memory.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// A handle to the same run, for whoever does not wait for its events.
    pub fn control(&self) -> Control {
        Control(self.orders.clone())
    }

    /// Passes a signal to every command of the run.
    pub fn signal(&self, signal: i32) {
        self.control().signal(signal);
    }

    /// Ends the box; the outcome still comes.
    pub fn cancel(&self) {
        self.control().cancel();
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
