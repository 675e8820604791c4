//! The way of output from another host to a descriptor of the caller's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::sync::mpsc;

use super::far::Ended;
use super::internal;
use super::relay::{self, Pipe};
use super::start::pipe;
use crate::event::{Failure, OutputStream};

/// A way to a descriptor of the caller's: a pipe of our own before it, so that one that blocks holds
/// nobody up who holds the limits.
pub(super) struct Passage {
    to: tokio::sync::Mutex<Option<Pipe>>,
    task: Ended<std::io::Result<()>>,
}

impl Passage {
    /// `gone` is told when nobody reads the descriptor any more, also before there is more to write.
    pub(super) fn before(
        fd: OwnedFd,
        stream: OutputStream,
        gone: &mpsc::UnboundedSender<OutputStream>,
    ) -> Result<Self, Failure> {
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
        let gone = gone.clone();
        let task = Ended(tokio::spawn(async move {
            let passed = relay::to_fd(from, fd, Arc::default()).await;
            // With the run over nobody wants to know.
            let _ = gone.send(stream);
            passed
        }));
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
