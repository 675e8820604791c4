//! The streams of a client on standard input and output: when it has gone, and that one which takes no
//! answers cannot ask for ever more of them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// How much is read from a client that takes no answers, in bytes: each answer that waits has its memory.
const AHEAD: usize = 256 << 10;

/// The same streams, and what tells when the client has ended its requests, or has been waited for in vain.
pub(super) fn watched<R, W>(
    input: R,
    output: W,
    patience: Duration,
) -> (Input<R>, Output<W>, Arc<Notify>) {
    let (balance, ended) = (Arc::new(Mutex::default()), Arc::new(Notify::new()));
    let own = Arc::clone(&balance);
    let input = Input { input, balance: own, ended: Arc::clone(&ended), patience, waited: None };
    (input, Output { output, balance }, ended)
}

/// What a client has sent beyond what it has taken.
#[derive(Debug, Default)]
struct Balance {
    /// Whether an answer waits for it.
    is_waiting: bool,
    /// Bytes that came while one did, less those that went.
    ahead: usize,
    /// Who waits to read on.
    reader: Option<Waker>,
}

/// What a client sends.
pub(super) struct Input<R> {
    input: R,
    balance: Arc<Mutex<Balance>>,
    ended: Arc<Notify>,
    patience: Duration,
    /// Ends with the patience.
    waited: Option<Pin<Box<Sleep>>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Input<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let balance = Arc::clone(&self.balance);
        let mut balance = balance.lock().unwrap_or_else(PoisonError::into_inner);
        if balance.is_waiting && balance.ahead >= AHEAD {
            balance.reader = Some(context.waker().clone());
            let patience = self.patience;
            let waited = self.waited.get_or_insert_with(|| Box::pin(sleep(patience)));
            if waited.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.ended.notify_one();
            return Poll::Ready(Ok(()));
        }
        self.waited = None;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.input).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        let is_over = match &read {
            Poll::Ready(Ok(())) => bytes == 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
        if is_over {
            self.ended.notify_one();
        }
        if balance.is_waiting {
            balance.ahead += bytes;
        }
        read
    }
}

/// What a client is sent.
pub(super) struct Output<W> {
    output: W,
    balance: Arc<Mutex<Balance>>,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Output<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.output).poll_write(context, bytes);
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        balance.is_waiting = written.is_pending();
        if let Poll::Ready(written) = &written {
            let taken = written.as_ref().map_or(usize::MAX, |bytes| *bytes);
            balance.ahead = balance.ahead.saturating_sub(taken);
            if let Some(reader) = balance.reader.take() {
                reader.wake();
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, sink};
    use tokio::time::timeout;

    use super::*;

    /// How much of endless requests is read within a moment.
    async fn read<R: AsyncRead + Unpin>(input: &mut Input<R>) -> usize {
        let (mut all, mut buffer) = (0, vec![0; 8 << 10]);
        let moment = Duration::from_millis(100);
        while all < 4 * AHEAD
            && let Ok(read) = timeout(moment, input.read(&mut buffer)).await
        {
            all += read.unwrap();
        }
        all
    }

    #[tokio::test]
    async fn a_client_that_takes_no_answers_is_not_read_without_end() {
        let (mut theirs, output) = duplex(1 << 10);
        let (mut input, mut output, ended) =
            watched(tokio::io::repeat(b' '), output, Duration::from_secs(60));
        assert!(read(&mut input).await >= 4 * AHEAD, "nothing waits for it");
        let answer = tokio::spawn(async move { output.write_all(&[b'x'; 3 << 10]).await });
        tokio::task::yield_now().await;
        let all = read(&mut input).await;
        assert!((AHEAD..2 * AHEAD).contains(&all), "{all}");
        // It goes on as soon as the client does.
        theirs.read_exact(&mut [0; 3 << 10]).await.unwrap();
        answer.await.unwrap().unwrap();
        assert!(read(&mut input).await >= 4 * AHEAD);
        assert!(timeout(Duration::ZERO, ended.notified()).await.is_err());
    }

    #[tokio::test]
    async fn a_client_that_takes_no_answers_is_waited_for_so_long() {
        let (_theirs, output) = duplex(1);
        let (mut input, mut output, ended) =
            watched(tokio::io::repeat(b' '), output, Duration::from_millis(10));
        tokio::spawn(async move { output.write_all(&[b'x'; 8]).await });
        tokio::task::yield_now().await;
        tokio::io::copy(&mut input, &mut sink()).await.unwrap();
        ended.notified().await;
    }
}
