//! The way of output to a terminal, through [`Filter`].

use std::io;
use std::os::fd::OwnedFd;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Error;
use crate::render::terminal::Filter;

const CHUNK: usize = 64 << 10;
/// What a terminal that is ready takes without holding us up.
const PART: usize = 4096;

/// A terminal behind a filter.
#[derive(Debug)]
pub(super) struct Screen {
    from: OwnedFd,
    terminal: OwnedFd,
}

impl Screen {
    /// Puts a filter before a descriptor that is a terminal; leaves any other as it is.
    pub(super) fn before(fd: OwnedFd) -> Result<(OwnedFd, Option<Self>), Error> {
        if !rustix::termios::isatty(&fd) {
            return Ok((fd, None));
        }
        let failed = |errno| Error::internal("make a pipe", errno);
        let (from, to) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        let flags = rustix::fs::OFlags::NONBLOCK;
        rustix::fs::fcntl_setfl(&from, flags).map_err(failed)?;
        Ok((to, Some(Self { from, terminal: fd })))
    }

    /// Shows all that comes, until the other end is closed or the terminal is gone.
    pub(super) async fn show(self) -> io::Result<()> {
        let from = watch(self.from, Interest::READABLE)?;
        let terminal = watch(self.terminal, Interest::WRITABLE)?;
        let mut filter = Filter::default();
        let mut buffer = vec![0; CHUNK];
        let mut harmless = Vec::new();
        loop {
            let read = |fd: &OwnedFd| Ok(rustix::io::read(fd, &mut buffer[..])?);
            let count = from.async_io(Interest::READABLE, read).await?;
            if count == 0 {
                break;
            }
            filter.push(&buffer[..count], &mut harmless);
            write_all(&terminal, &harmless).await?;
            harmless.clear();
        }
        filter.finish(&mut harmless);
        write_all(&terminal, &harmless).await
    }
}

#[expect(deprecated, reason = "unsound for types that change their descriptor; an OwnedFd cannot")]
fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, interest)
}

/// One that could not be opened again may block, so each write is a small one.
async fn write_all(terminal: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let part = bytes.get(..PART).unwrap_or(bytes);
        let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, part)?);
        let written = terminal.async_io(Interest::WRITABLE, write).await?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}
