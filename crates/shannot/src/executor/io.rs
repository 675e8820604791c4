//! What a run is fed and where its output goes, at the pace of the slower side.
//!
//! Where boxes are made, a caller's descriptors are passed on without a copy; elsewhere there are
//! only readers and writers of the runtime.

use std::fmt;
use std::io;
#[cfg(boxes)]
use std::os::fd::OwnedFd;
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, mpsc};

#[cfg(boxes)]
use super::{passage::Passage, relay};
use crate::event::{Event, Failure, OutputStream};

/// The most that is read of a [`Reader`] at once.
pub(super) const CHUNK: usize = 64 << 10;

/// What a run is fed and where its output goes.
#[derive(Debug, Default)]
pub struct Io {
    /// Standard input of the first stage.
    pub stdin: Input,
    /// Standard output and error.
    pub output: Output,
}

/// Standard input of the first stage. The box never gets the caller's own descriptor, only a
/// pipe that is filled from it.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: the end of the file at once.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Bytes),
    /// Whatever this gives, as far as the command reads. An error is the end.
    Reader(Reader),
    /// Whatever this descriptor gives, as far as the command reads. Only on Linux.
    #[cfg(boxes)]
    Fd(OwnedFd),
}

/// Where standard output and error go.
#[derive(Debug, Default)]
pub enum Output {
    /// To the caller, as events.
    #[default]
    Events,
    /// To these, byte for byte; the events then only tell the end. They are shut down there.
    Writers {
        /// For standard output.
        stdout: Writer,
        /// For standard error.
        stderr: Writer,
    },
    /// Straight to these descriptors, byte for byte; the events then only tell the end. Only on
    /// Linux.
    #[cfg(boxes)]
    Fds {
        /// For standard output.
        stdout: OwnedFd,
        /// For standard error.
        stderr: OwnedFd,
    },
}

/// Something of the runtime's that is read.
pub struct Reader(pub(super) Pin<Box<dyn AsyncRead + Send + Sync>>);

/// Something of the runtime's that is written to.
pub struct Writer(pub(super) Pin<Box<dyn AsyncWrite + Send + Sync>>);

impl Reader {
    /// Reads from this.
    pub fn new(reader: impl AsyncRead + Send + Sync + 'static) -> Self {
        Self(Box::pin(reader))
    }
}

impl Writer {
    /// Writes to this.
    pub fn new(writer: impl AsyncWrite + Send + Sync + 'static) -> Self {
        Self(Box::pin(writer))
    }

    /// Writes all of it, and waits until it has gone where it shall go.
    pub(super) async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Tells it that there is no more. That nobody reads any more is no error.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        match self.0.shutdown().await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            closed => closed,
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Input as it is sent to another host.
pub(super) enum Source {
    Bytes(Bytes),
    Reader(Reader),
    #[cfg(boxes)]
    Fd(relay::Reader),
}

impl Source {
    /// `None` where there is nothing to send.
    pub(super) fn new(input: Input) -> Option<Self> {
        Some(match input {
            Input::Empty => return None,
            Input::Bytes(bytes) => Self::Bytes(bytes),
            Input::Reader(reader) => Self::Reader(reader),
            #[cfg(boxes)]
            Input::Fd(fd) => Self::Fd(relay::Reader::new(fd)),
        })
    }

    /// What comes next; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let bytes = match self {
            Self::Bytes(bytes) => std::mem::take(bytes),
            Self::Reader(reader) => {
                let mut buffer = BytesMut::with_capacity(CHUNK);
                reader.0.read_buf(&mut buffer).await.ok()?;
                buffer.freeze()
            }
            #[cfg(boxes)]
            Self::Fd(reader) => {
                let mut buffer = Vec::new();
                reader.read(&mut buffer).await.ok()?;
                buffer.into()
            }
        };
        (!bytes.is_empty()).then_some(bytes)
    }
}

/// Where output goes that comes from another host.
pub(super) enum Sink<'e> {
    Events(&'e mpsc::Sender<Event>),
    Ways {
        stdout: Way,
        stderr: Way,
        /// Is told when nobody reads one of them any more.
        gone: mpsc::UnboundedSender<OutputStream>,
    },
}

/// Where one stream goes.
pub(super) enum Way {
    Writer(Mutex<Outlet>),
    #[cfg(boxes)]
    Passage(Passage),
}

/// A writer, as long as it takes something.
pub(super) enum Outlet {
    Open(Writer),
    /// Nobody reads it any more.
    Closed,
    /// It could not be written to, as on a full disk.
    Lost(io::Error),
}

impl<'e> Sink<'e> {
    /// `gone` is told when nobody reads a stream any more.
    pub(super) fn new(
        output: Output,
        events: &'e mpsc::Sender<Event>,
        gone: &mpsc::UnboundedSender<OutputStream>,
    ) -> Result<Self, Failure> {
        let gone = gone.clone();
        let writer = |writer| Way::Writer(Mutex::new(Outlet::Open(writer)));
        Ok(match output {
            Output::Events => Self::Events(events),
            Output::Writers { stdout, stderr } => {
                Self::Ways { stdout: writer(stdout), stderr: writer(stderr), gone }
            }
            #[cfg(boxes)]
            Output::Fds { stdout, stderr } => Self::Ways {
                stdout: Way::Passage(Passage::before(stdout, OutputStream::Stdout, &gone)?),
                stderr: Way::Passage(Passage::before(stderr, OutputStream::Stderr, &gone)?),
                gone,
            },
        })
    }

    /// Fails once, when nobody reads any more; what comes later is dropped.
    pub(super) async fn stdout(&self, bytes: Bytes) -> Result<(), ()> {
        match self {
            Self::Events(events) => events.send(Event::Stdout(bytes)).await.map_err(drop),
            // With the run over nobody wants to know.
            Self::Ways { stdout, gone, .. } => stdout.write(&bytes).await.inspect_err(|()| {
                let _ = gone.send(OutputStream::Stdout);
            }),
        }
    }

    /// As [`Sink::stdout`].
    pub(super) async fn stderr(&self, bytes: Bytes) -> Result<(), ()> {
        match self {
            Self::Events(events) => events.send(Event::Stderr(bytes)).await.map_err(drop),
            Self::Ways { stderr, gone, .. } => stderr.write(&bytes).await.inspect_err(|()| {
                let _ = gone.send(OutputStream::Stderr);
            }),
        }
    }

    /// Waits until all has come where it shall go.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Events(_) => Ok(()),
            Self::Ways { stdout, stderr, .. } => {
                stdout.finish().await?;
                stderr.finish().await
            }
        }
    }
}

impl Way {
    async fn write(&self, bytes: &[u8]) -> Result<(), ()> {
        match self {
            Self::Writer(writer) => {
                let mut open = writer.lock().await;
                let Outlet::Open(writer) = &mut *open else { return Ok(()) };
                let Err(error) = writer.put(bytes).await else { return Ok(()) };
                *open = match error.kind() {
                    io::ErrorKind::BrokenPipe => Outlet::Closed,
                    _ => Outlet::Lost(error),
                };
                Err(())
            }
            #[cfg(boxes)]
            Self::Passage(passage) => passage.write(bytes).await,
        }
    }

    async fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Writer(writer) => {
                let passed = match writer.into_inner() {
                    Outlet::Open(mut writer) => writer.close().await,
                    Outlet::Closed => Ok(()),
                    Outlet::Lost(error) => Err(error),
                };
                passed.map_err(|source| super::internal("pass the output on", source))
            }
            #[cfg(boxes)]
            Self::Passage(passage) => passage.finish().await,
        }
    }
}
