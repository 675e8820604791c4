//! The standard streams of this process, by the runtime's own threads, and the way of output to a
//! terminal, through [`Filter`].

use std::io::{self, IsTerminal};

use shannot::{Input, Output, Reader, Writer};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use crate::error::Error;
use crate::render::terminal::Filter;

/// What is on its way to a terminal at the most.
const CHUNK: usize = 64 << 10;

/// Standard input, as far as a command reads.
pub(crate) fn stdin() -> Result<Input, Error> {
    Ok(Input::Reader(Reader::new(tokio::io::stdin())))
}

/// Output as it is.
pub(crate) fn through() -> Result<Output, Error> {
    let (stdout, stderr) = (Writer::new(tokio::io::stdout()), Writer::new(tokio::io::stderr()));
    Ok(Output::Writers { stdout, stderr })
}

/// Output of which a terminal is shown nothing that it would obey.
pub(crate) fn behind_screens() -> Result<(Output, Vec<Screen>), Error> {
    let (stdout, out) = Screen::before(&io::stdout(), tokio::io::stdout());
    let (stderr, err) = Screen::before(&io::stderr(), tokio::io::stderr());
    Ok((Output::Writers { stdout, stderr }, out.into_iter().chain(err).collect()))
}

/// A terminal behind a filter.
pub(crate) struct Screen {
    from: DuplexStream,
    terminal: Box<dyn AsyncWrite + Send + Unpin>,
}

impl Screen {
    /// Puts a filter before a stream that is a terminal; leaves any other as it is.
    fn before(
        stream: &impl IsTerminal,
        writer: impl AsyncWrite + Send + Sync + Unpin + 'static,
    ) -> (Writer, Option<Self>) {
        if !stream.is_terminal() {
            return (Writer::new(writer), None);
        }
        let (from, to) = tokio::io::duplex(CHUNK);
        (Writer::new(to), Some(Self { from, terminal: Box::new(writer) }))
    }

    /// Shows all that comes, until the other end is closed or the terminal is gone.
    pub(crate) async fn show(mut self) -> io::Result<()> {
        let mut filter = Filter::default();
        let mut buffer = vec![0; CHUNK];
        let mut harmless = Vec::new();
        loop {
            let count = self.from.read(&mut buffer).await?;
            if count == 0 {
                break;
            }
            filter.push(&buffer[..count], &mut harmless);
            self.terminal.write_all(&harmless).await?;
            self.terminal.flush().await?;
            harmless.clear();
        }
        filter.finish(&mut harmless);
        self.terminal.write_all(&harmless).await?;
        self.terminal.flush().await
    }
}
