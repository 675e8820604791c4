//! A body of HTTP that is made while it is sent.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use super::{FrameKind, frame, header};

/// The chunks that a sender sends, as a body. When it is dropped, as by a peer that has gone, the
/// sender is told so by its channel.
#[derive(Debug)]
pub struct FrameBody(mpsc::Receiver<Bytes>);

impl FrameBody {
    /// A body and its sender. Chunks are held up while this many wait.
    pub fn channel(waiting: usize) -> (FrameSender, Self) {
        let (sender, receiver) = mpsc::channel(waiting);
        (FrameSender(sender), Self(receiver))
    }
}

impl Body for FrameBody {
    type Data = Bytes;
    type Error = Infallible;
    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let chunk = self.get_mut().0.poll_recv(context);
        chunk.map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}

/// Sends frames.
#[derive(Debug, Clone)]
pub struct FrameSender(mpsc::Sender<Bytes>);

/// Nobody reads the body any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads it any more")]
pub struct Closed;

impl FrameSender {
    /// Sends a frame. A long payload is not copied; a short one goes with its header, in one chunk.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn send(&self, kind: FrameKind, mut payload: Bytes) -> Result<(), Closed> {
        const SHORT: usize = 16 << 10;
        if payload.len() <= SHORT {
            return self.send_raw(frame(kind, &payload)).await;
        }
        loop {
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            let part = payload.split_to(usize::try_from(length).unwrap_or(payload.len()));
            self.send_raw(header(kind, length)).await?;
            self.send_raw(part).await?;
            if payload.is_empty() {
                return Ok(());
            }
        }
    }

    /// Sends bytes that are no frame.
    ///
    /// # Errors
    /// [`Closed`].
    pub async fn send_raw(&self, bytes: Bytes) -> Result<(), Closed> {
        self.0.send(bytes).await.map_err(|_| Closed)
    }

    /// Waits until nobody reads it any more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}
