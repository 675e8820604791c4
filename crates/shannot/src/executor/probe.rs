//! Whether a tier can be had on this host, found by entering its box.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use shannot_policy::profile::Tier;
use shannot_policy::{Grant, Plan};
use shannot_sandbox::{Child, Enforcement, Stdio, prepare};

use super::internal;
use super::local::LocalExecutor;
use super::start::{facts, pipe};
use crate::event::Failure;

/// How long an empty box may take to end.
const PROBE_TIME: Duration = Duration::from_secs(10);

impl LocalExecutor {
    /// Does every step of a grant's box in a tier, up to where the commands would be executed.
    /// Nothing is executed. Call it from a thread that outlives the call.
    ///
    /// # Errors
    /// The step that failed, with the kernel's answer.
    pub fn probe(&self, grant: &Grant, tier: Tier) -> Result<Enforcement, Failure> {
        let plan = Plan::new(grant, tier, &facts(self.host())?);
        let prepared = prepare(&plan, self.host())?.into_probe();
        let (stdin, _feed) = pipe()?;
        let ((_out, stdout), (_err, stderr)) = (pipe()?, pipe()?);
        let mut child = prepared.start(Stdio { stdin, stdout, stderr })?;
        let deadline = Instant::now() + PROBE_TIME;
        while !child.try_wait().map_err(|e| internal("wait for the box", e))? {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let late = std::io::ErrorKind::TimedOut;
                return Err(internal("see the box end", late));
            }
            wait(&child, left)?;
        }
        Ok(prepared.enforcement().clone())
    }
}

fn wait(child: &Child, time: Duration) -> Result<(), Failure> {
    let Some(fd) = child.wait_fd() else { return Ok(()) };
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let timeout = Timespec { tv_sec: seconds, tv_nsec: time.subsec_nanos().into() };
    match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(internal("wait for the box", errno)),
    }
}
