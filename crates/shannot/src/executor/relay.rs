//! Bytes between the box's pipes and the caller, at the pace of the slower side.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, fcntl_setpipe_size, splice};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, Interest};
use tokio::sync::mpsc;

use super::Writer;
use crate::event::Event;

/// What a pipe holds, where this user may have that much, and so what one event carries and one
/// splice moves at the most. A bigger pipe interrupts its writer less often. Users may have 1 MiB
/// each and 16 MiB together before the kernel gives out two pages (`pipe(7)`).
pub(super) const CHUNK: usize = 1 << 20;

/// Our end of a pipe of the box, non-blocking.
pub(super) type Pipe = AsyncFd<OwnedFd>;

/// Registers a descriptor with the runtime, or gives it back: a regular file cannot be watched.
#[expect(deprecated, reason = "unsound for types that change their descriptor; an OwnedFd cannot")]
pub(super) fn watch(fd: OwnedFd, interest: Interest) -> Result<Pipe, (OwnedFd, io::Error)> {
    AsyncFd::try_with_interest(fd, interest).map_err(|e| e.into_parts())
}

/// Reads a pipe of the box to its end and sends what comes as events.
pub(super) async fn to_events(
    pipe: Pipe,
    wrap: fn(Bytes) -> Event,
    events: mpsc::Sender<Event>,
    count: Arc<AtomicU64>,
) -> io::Result<()> {
    loop {
        // Waiting for room before reading leaves what is not wanted yet in the pipe.
        let Ok(room) = events.reserve().await else { return Ok(()) };
        // A fresh buffer each time: the caller may keep what it was given.
        let mut buffer = Vec::new();
        let read = pipe.async_io(Interest::READABLE, |fd| read_chunk(fd, &mut buffer)).await;
        match read {
            Ok(0) => return Ok(()),
            Err(e) => return Err(e),
            Ok(n) => {
                count.fetch_add(n as u64, Ordering::Relaxed);
                if buffer.len() < CHUNK / 2 {
                    buffer.shrink_to_fit();
                }
                room.send(wrap(Bytes::from(buffer)));
            }
        }
    }
}

/// Reads a pipe of the box to its end and writes what comes. When nobody reads there any more,
/// closing our end tells the command so, and that is no error.
pub(super) async fn to_writer(
    pipe: Pipe,
    mut writer: Writer,
    count: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        match pipe.async_io(Interest::READABLE, |fd| read_chunk(fd, &mut buffer)).await? {
            0 => return writer.close().await,
            n => match writer.put(&buffer).await {
                Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                written => {
                    written?;
                    count.fetch_add(n as u64, Ordering::Relaxed);
                }
            },
        }
    }
}

/// Moves a pipe of the box to a descriptor of the caller's, without a copy where the kernel can.
/// When nobody reads there any more, closing our end tells the command so, and that is no error;
/// a full disk is.
pub(super) async fn to_fd(pipe: Pipe, out: OwnedFd, count: Arc<AtomicU64>) -> io::Result<()> {
    // Not pollable (a file, /dev/null): always ready.
    // A pipe of the caller's is as big as ours, or every chunk would wait for its reader four
    // times. What is no pipe, or belongs to somebody else, stays as it is.
    let _ = fcntl_setpipe_size(&out, CHUNK);
    let out = watch(not_blocking(out), Interest::WRITABLE).map_err(|(fd, _)| fd);
    // Into a socket of the caller's splice waits for room, whatever its flags say.
    let mut spliceable = !is_socket(out_fd(&out));
    let mut buffer = Vec::new();
    loop {
        // Both before the attempt: what changes after it is not forgotten by `clear_ready`.
        let mut ready = pipe.readable().await?;
        let mut writable = match &out {
            Ok(out) => Some(out.writable().await?),
            Err(_) => None,
        };
        let moved =
            if spliceable { move_chunk(pipe.get_ref(), out_fd(&out)) } else { Err(Errno::INVAL) };
        match moved {
            Ok(0) => return Ok(()),
            Ok(n) => {
                count.fetch_add(n as u64, Ordering::Relaxed);
            }
            // Either side was not ready, and may be so by now. Only one that is not may be
            // waited for: no event would tell of the other again.
            Err(Errno::AGAIN) => {
                if is_empty(pipe.get_ref()) {
                    ready.clear_ready();
                } else if let Some(writable) = &mut writable
                    && !has_room(out_fd(&out))
                {
                    writable.clear_ready();
                }
            }
            // The other end is one that splice does not serve, such as a terminal.
            Err(Errno::INVAL) => {
                spliceable = false;
                match read_chunk(pipe.get_ref(), &mut buffer) {
                    Ok(0) => return Ok(()),
                    Ok(n) => {
                        match write_all(&out, &buffer).await {
                            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                            written => written?,
                        }
                        count.fetch_add(n as u64, Ordering::Relaxed);
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
                    Err(e) => return Err(e),
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::PIPE) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// A terminal is ready when it takes a byte, and a longer write waits for the rest: it is opened
/// again, for the caller's own opening is to stay as it is. One that is stopped, or that nobody reads,
/// must not hold up whoever holds the limits.
fn not_blocking(out: OwnedFd) -> OwnedFd {
    if !out.is_terminal() {
        return out;
    }
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", out.as_raw_fd());
    // Somebody else's, after `su`, is written to as it is.
    rustix::fs::open(path, flags, Mode::empty()).unwrap_or(out)
}

/// Reads what is there, at most a chunk, in place of what the buffer held.
fn read_chunk(fd: &OwnedFd, buffer: &mut Vec<u8>) -> io::Result<usize> {
    buffer.clear();
    buffer.reserve(CHUNK);
    Ok(rustix::io::read(fd, rustix::buffer::spare_capacity(buffer))?)
}

fn move_chunk(from: &OwnedFd, to: &OwnedFd) -> rustix::io::Result<usize> {
    splice(from, None, to, None, CHUNK, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)
}

fn is_socket(fd: &OwnedFd) -> bool {
    let is_one = |mode| FileType::from_raw_mode(mode) == FileType::Socket;
    rustix::fs::fstat(fd).is_ok_and(|stat| is_one(stat.st_mode))
}

fn is_empty(pipe: &OwnedFd) -> bool {
    matches!(rustix::io::ioctl_fionread(pipe), Ok(0))
}

/// Whether a write would not have to wait, as far as can be told.
fn has_room(fd: &OwnedFd) -> bool {
    is_ready(fd, PollFlags::OUT)
}

fn is_ready(fd: &OwnedFd, what: PollFlags) -> bool {
    let mut fds = [PollFd::new(fd, what)];
    !matches!(poll(&mut fds, Some(&Timespec::default())), Ok(0))
}

/// What the runtime knows of a descriptor is as old as its last event. One of the caller's own may
/// block, and whoever waits in it holds up the whole run, its limits included: so it is asked again.
fn again(ready: bool) -> io::Result<()> {
    if ready { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
}

fn out_fd(out: &Result<AsyncFd<OwnedFd>, OwnedFd>) -> &OwnedFd {
    match out {
        Ok(fd) => fd.get_ref(),
        Err(fd) => fd,
    }
}

/// Writes all of `bytes`. The descriptor may block, being the caller's own, so each write is of
/// no more than what a ready pipe or terminal takes (`PIPE_BUF`).
async fn write_all(out: &Result<AsyncFd<OwnedFd>, OwnedFd>, mut bytes: &[u8]) -> io::Result<()> {
    const PIPE_BUF: usize = 4096;
    while !bytes.is_empty() {
        let written = match out {
            Ok(fd) => {
                let part = bytes.get(..PIPE_BUF).unwrap_or(bytes);
                let write = |fd: &OwnedFd| {
                    again(has_room(fd))?;
                    Ok(rustix::io::write(fd, part)?)
                };
                fd.async_io(Interest::WRITABLE, write).await?
            }
            Err(fd) => rustix::io::write(fd, bytes)?,
        };
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// A descriptor of the caller's that is read.
pub(super) struct Reader(Result<AsyncFd<OwnedFd>, OwnedFd>);

impl Reader {
    pub(super) fn new(input: OwnedFd) -> Self {
        Self(watch(input, Interest::READABLE).map_err(|(fd, _)| fd))
    }

    /// Reads what is there, at most a chunk, in place of what the buffer held. 0 is the end.
    pub(super) async fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        match &self.0 {
            Ok(fd) => {
                let mut read = |fd: &OwnedFd| {
                    again(is_ready(fd, PollFlags::IN))?;
                    read_chunk(fd, buffer)
                };
                fd.async_io(Interest::READABLE, &mut read).await
            }
            Err(fd) => read_chunk(fd, buffer),
        }
    }
}

/// Feeds a descriptor of the caller's to the box, as far as the box reads.
pub(super) async fn from_fd(input: OwnedFd, pipe: Pipe) {
    let mut input = Reader::new(input);
    let pipe = Ok(pipe);
    let mut buffer = Vec::new();
    while let Ok(1..) = input.read(&mut buffer).await {
        if write_all(&pipe, &buffer).await.is_err() {
            return;
        }
    }
}

/// Feeds what a reader of the caller's gives to the box, as far as the box reads.
pub(super) async fn from_reader(mut reader: super::Reader, pipe: Pipe) {
    let pipe = Ok(pipe);
    let mut buffer = vec![0; super::io::CHUNK];
    while let Ok(read @ 1..) = reader.0.read(&mut buffer).await {
        if write_all(&pipe, buffer.get(..read).unwrap_or_default()).await.is_err() {
            return;
        }
    }
}

/// Feeds bytes to the box, as far as it reads.
pub(super) async fn from_bytes(bytes: Bytes, pipe: Pipe) {
    // A command that does not read its input is no error.
    let _ = write_all(&Ok(pipe), &bytes).await;
}
