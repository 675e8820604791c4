//! What the first process of a box tells its supervisor: how far it has come, then how each command
//! ended.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::child::readable;
use super::step::Record;
use crate::status::StageStatus;

/// How long the steps into the box may take. They are system calls on local state; one that
/// blocks (a mount point on a dead server) must not hold the caller.
const SETUP_TIME: Duration = Duration::from_secs(10);

/// The reading end of the pipe.
#[derive(Debug)]
pub(super) struct Reports {
    pipe: OwnedFd,
    /// Whether nothing more is to come of the commands: all have ended.
    told: bool,
}

impl Reports {
    /// Takes the reading end, which will not block.
    pub(super) fn new(pipe: OwnedFd) -> Self {
        // Of a pipe that was just made: cannot fail.
        let _ = rustix::fs::fcntl_setfl(&pipe, rustix::fs::OFlags::NONBLOCK);
        Self { pipe, told: false }
    }

    /// Waits for the next record, but not for ever. `process` becomes readable when nothing more
    /// can come: others may hold the writing end.
    pub(super) fn next(&self, process: BorrowedFd<'_>) -> io::Result<Record> {
        if !readable(&[self.pipe.as_fd(), process], SETUP_TIME) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let mut bytes = [0u8; Record::BYTES];
        let read = match rustix::io::read(&self.pipe, &mut bytes) {
            Err(Errno::AGAIN) => 0,
            read => read?,
        };
        let record = (read == Record::BYTES).then(|| Record::from_bytes(bytes)).flatten();
        record.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Reads what is there of the commands. True the first time that nothing more is to come.
    pub(super) fn collect(&mut self, statuses: &mut [Option<StageStatus>]) -> bool {
        let before = self.told;
        let mut bytes = [0u8; Record::BYTES];
        while !self.told {
            match rustix::io::read(&self.pipe, &mut bytes) {
                Ok(Record::BYTES) => {}
                Err(Errno::AGAIN | Errno::INTR) => break,
                // Its end: the process was killed.
                Ok(_) | Err(_) => {
                    self.told = true;
                    break;
                }
            }
            if let Some(Record::Exited { stage, status }) = Record::from_bytes(bytes)
                && let Some(slot) = statuses.get_mut(usize::from(stage))
            {
                *slot = Some(StageStatus::from_wait(status));
            }
            self.told |= statuses.iter().all(Option::is_some);
        }
        self.told && !before
    }

    /// Readable when there is more to collect; `None` when there never will be.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        (!self.told).then(|| self.pipe.as_fd())
    }
}
