//! The standard streams of this process as one connection.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};

use crate::error::Error;

/// What is read from standard input and written to standard output.
#[derive(Debug)]
pub(super) struct Streams {
    input: AsyncFd<OwnedFd>,
    output: AsyncFd<OwnedFd>,
    heard: Heard,
}

/// When something was read.
#[derive(Debug, Clone)]
pub(super) struct Heard(Arc<Mutex<Instant>>);

impl Heard {
    fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits until nothing has been read for so long.
    pub(super) async fn silent_for(&self, time: Duration) {
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match time.checked_sub(last.elapsed()) {
                Some(left) => tokio::time::sleep(left + Duration::from_millis(10)).await,
                None => return,
            }
        }
    }
}

impl Streams {
    /// # Errors
    /// One is a terminal or a file.
    pub(super) fn of_this_process() -> Result<Self, Error> {
        let own = |fd: rustix::fd::BorrowedFd<'_>, interest| {
            if rustix::termios::isatty(fd) {
                return Err(Error::Asked {
                    what: "this speaks HTTP/2 over its standard streams, not to people".to_owned(),
                    hint: "`shannot run --target` starts it on another host".to_owned(),
                });
            }
            let failed = |source: io::Error| Error::internal("use a standard stream", source);
            let fd = fd.try_clone_to_owned().map_err(failed)?;
            let flags = fcntl_getfl(&fd).map_err(|errno| failed(errno.into()))?;
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(|errno| failed(errno.into()))?;
            watch(fd, interest).map_err(failed)
        };
        let input = own(rustix::stdio::stdin(), Interest::READABLE)?;
        let output = own(rustix::stdio::stdout(), Interest::WRITABLE)?;
        // A bigger pipe interrupts its writer less often; it works with the default size too.
        let _ = rustix::pipe::fcntl_setpipe_size(&output, 1 << 20);
        let heard = Heard(Arc::new(Mutex::new(Instant::now())));
        Ok(Self { input, output, heard })
    }

    /// When something was read.
    pub(super) fn heard(&self) -> Heard {
        self.heard.clone()
    }

    /// Says who answers.
    pub(super) async fn greet(&mut self, line: &str) -> Result<(), Error> {
        let failed = |source| Error::internal("greet", source);
        self.write_all(line.as_bytes()).await.map_err(failed)
    }
}

#[expect(deprecated, reason = "unsound for types that change their descriptor; an OwnedFd cannot")]
fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

impl AsyncRead for Streams {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.input.poll_read_ready(context))?;
            let space = buffer.initialize_unfilled();
            let read = |fd: &AsyncFd<OwnedFd>| Ok(rustix::io::read(fd.get_ref(), &mut *space)?);
            if let Ok(read) = guard.try_io(read) {
                buffer.advance(read?);
                self.heard.now();
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Streams {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.output.poll_write_ready(context))?;
            if let Ok(written) = guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), bytes)?)) {
                return Poll::Ready(written);
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.output.poll_write_ready(context))?;
            let write = |fd: &AsyncFd<OwnedFd>| Ok(rustix::io::writev(fd.get_ref(), parts)?);
            if let Ok(written) = guard.try_io(write) {
                return Poll::Ready(written);
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
