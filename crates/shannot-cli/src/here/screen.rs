//! The standard streams of this process as descriptors, and the way of output to a terminal, through
//! [`Filter`].

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use shannot::{Input, Output};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::error::Error;
use crate::render::terminal::Filter;

const CHUNK: usize = 64 << 10;
/// What a terminal that is ready takes without holding us up.
const PART: usize = 4096;

/// Standard input, as far as a command reads.
pub(crate) fn stdin() -> Result<Input, Error> {
    Ok(Input::Fd(duplicate(rustix::stdio::stdin())?))
}

/// Output as it is.
pub(crate) fn through() -> Result<Output, Error> {
    let stdout = for_output(rustix::stdio::stdout())?;
    Ok(Output::Fds { stdout, stderr: for_output(rustix::stdio::stderr())? })
}

/// Output of which a terminal is shown nothing that it would obey.
pub(crate) fn behind_screens() -> Result<(Output, Vec<Screen>), Error> {
    let (stdout, out) = Screen::before(for_output(rustix::stdio::stdout())?)?;
    let (stderr, err) = Screen::before(for_output(rustix::stdio::stderr())?)?;
    Ok((Output::Fds { stdout, stderr }, out.into_iter().chain(err).collect()))
}

/// A terminal behind a filter.
#[derive(Debug)]
pub(crate) struct Screen {
    from: OwnedFd,
    terminal: OwnedFd,
}

impl Screen {
    /// Puts a filter before a descriptor that is a terminal; leaves any other as it is.
    fn before(fd: OwnedFd) -> Result<(OwnedFd, Option<Self>), Error> {
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
    pub(crate) async fn show(self) -> io::Result<()> {
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

/// A descriptor of our own for output. A terminal that is stopped, or that nobody reads, must not
/// hold up whoever holds the limits: it is opened again, for its own opening is the caller's too, and
/// stays blocking.
fn for_output(fd: impl AsFd) -> Result<OwnedFd, Error> {
    let own = duplicate(fd)?;
    if !own.is_terminal() {
        return Ok(own);
    }
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", own.as_raw_fd());
    // Somebody else's, after `su`, is written to as it is.
    Ok(rustix::fs::open(path, flags, Mode::empty()).unwrap_or(own))
}

/// A descriptor of our own for the same open file.
fn duplicate(fd: impl AsFd) -> Result<OwnedFd, Error> {
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|source| Error::internal("duplicate a descriptor", source))
}
