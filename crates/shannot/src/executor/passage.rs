//! The way of output from another host to a descriptor of the caller's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;

use super::far::Ended;
use super::internal;
use super::relay::{self, Pipe};
use super::start::pipe;
use crate::event::Failure;

/// A way to a descriptor of the caller's: a pipe of our own before it, so that one that blocks holds
/// nobody up who holds the limits.
pub(super) struct Passage {
    to: tokio::sync::Mutex<Option<Pipe>>,
    task: Ended<std::io::Result<()>>,
}

impl Passage {
    pub(super) fn before(fd: OwnedFd) -> Result<Self, Failure> {
        let (from, to) = pipe()?;
        for end in [&from, &to] {
            let set = rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK);
            set.map_err(|errno| internal("set up a pipe", errno))?;
        }
        // Refused beyond the user's share; the default size works too.
        let _ = rustix::pipe::fcntl_setpipe_size(&to, relay::CHUNK);
        let watch = |fd, interest| {
            relay::watch(fd, interest).map_err(|(_, error)| internal("watch a pipe", error))
        };
        let from = watch(from, Interest::READABLE)?;
        let to = tokio::sync::Mutex::new(Some(watch(to, Interest::WRITABLE)?));
        let task = Ended(tokio::spawn(relay::to_fd(from, fd, Arc::default())));
        Ok(Self { to, task })
    }

    /// Fails once, when nobody reads any more; what comes later is dropped.
    pub(super) async fn write(&self, mut bytes: &[u8]) -> Result<(), ()> {
        let mut to = self.to.lock().await;
        while !bytes.is_empty() {
            let Some(pipe) = &*to else { return Ok(()) };
            let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, bytes)?);
            match pipe.async_io(Interest::WRITABLE, write).await {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(_) => {
                    *to = None;
                    return Err(());
                }
            }
        }
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<(), Failure> {
        let Self { to, mut task } = self;
        drop(to);
        match (&mut task.0).await {
            Ok(passed) => passed.map_err(|error| internal("pass the output on", error)),
            Err(_) => Ok(()),
        }
    }
}
