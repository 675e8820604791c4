//! The signals that a caller sends to end a run.

use std::fs::File;
use std::io::{self, Read as _};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;
use crate::run::{SIGINT, SIGTERM};

const SIGHUP: i32 = 1;
const SIGQUIT: i32 = 3;

/// Those of the four that this process was not started to ignore.
#[derive(Debug)]
pub(crate) struct Signals {
    hup: Option<Signal>,
    int: Option<Signal>,
    quit: Option<Signal>,
    term: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self, Error> {
        let ignored = ignored();
        let listen = |number: i32| -> io::Result<Option<Signal>> {
            // `nohup` and shells that start a job in the background mean it.
            if ignored & (1 << (number - 1)) != 0 {
                return Ok(None);
            }
            signal(SignalKind::from_raw(number)).map(Some)
        };
        let failed = |source| Error::internal("listen for signals", source);
        Ok(Self {
            hup: listen(SIGHUP).map_err(failed)?,
            int: listen(SIGINT).map_err(failed)?,
            quit: listen(SIGQUIT).map_err(failed)?,
            term: listen(SIGTERM).map_err(failed)?,
        })
    }

    /// The next signal.
    pub(crate) async fn next(&mut self) -> i32 {
        tokio::select! {
            () = one(&mut self.hup) => SIGHUP,
            () = one(&mut self.int) => SIGINT,
            () = one(&mut self.quit) => SIGQUIT,
            () = one(&mut self.term) => SIGTERM,
        }
    }
}

async fn one(signal: &mut Option<Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        std::future::pending().await
    }
}

/// The signals that this process ignores, as bits; none where that cannot be read.
fn ignored() -> u64 {
    // In one piece: its size is not known before it is read.
    let mut status = String::with_capacity(4096);
    if File::open("/proc/self/status").and_then(|mut f| f.read_to_string(&mut status)).is_err() {
        return 0;
    }
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}
