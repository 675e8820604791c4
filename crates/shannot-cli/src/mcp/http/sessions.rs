//! The sessions of the era of the handshake: bounded in number and time, and a client that goes away
//! has ended what it asked for, as in the era without them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use rmcp::model::{
    CancelledNotification, CancelledNotificationParam, ClientJsonRpcMessage, ClientNotification,
    RequestId,
};
use rmcp::transport::common::server_side_http::ServerSseMessage;
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError, SessionError,
};
use rmcp::transport::streamable_http_server::{SessionId, SessionManager};
use tokio::runtime::Handle;

/// Sessions at once. One more takes the place of the one that was unused for the longest time: a client
/// whose session has gone is told so, and makes another.
const MOST: usize = 32;

/// How long a session may be unused: a person comes back to a question after lunch.
const IDLE: Duration = Duration::from_secs(3600);

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    inner: Arc<LocalSessionManager>,
    uses: Arc<Uses>,
}

impl Default for Sessions {
    fn default() -> Self {
        let mut inner = LocalSessionManager::default();
        // What counts is whether a stream is open: a long run says nothing for a long time.
        inner.session_config.keep_alive = None;
        // Answers are not kept for whoever has gone.
        inner.session_config.sse_retry = None;
        inner.session_config.completed_cache_ttl = Duration::ZERO;
        Self { inner: Arc::new(inner), uses: Arc::default() }
    }
}

impl Sessions {
    /// Ends those that nobody has used for long.
    pub(super) async fn close_idle(&self) {
        for id in self.uses.unused_for(IDLE) {
            // It may have ended by itself.
            let _ = self.close_session(&id).await;
        }
    }
}

impl Sessions {
    /// Counts a call, which is known by its number until it is answered.
    ///
    /// # Errors
    /// Another has that number: one of the two could not be cancelled.
    fn call(&self, session: &SessionId, request: RequestId) -> Result<Call, SessionError> {
        if let Some(used) = self.uses.lock().get_mut(session) {
            if used.calls.contains(&request) {
                let why = "a call with the same id is not answered yet";
                return Err(SessionError::Io(std::io::Error::other(why)));
            }
            used.calls.push(request.clone());
        }
        let (inner, uses) = (Arc::clone(&self.inner), Arc::clone(&self.uses));
        Ok(Call { request, session: session.clone(), is_answered: false, inner, uses })
    }
}

impl SessionManager for Sessions {
    type Error = LocalSessionManagerError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let (id, transport) = self.inner.create_session().await?;
        if let Some((other, used)) = self.uses.insert(&id) {
            cancel(&self.inner, &other, used.calls).await;
            // It may have ended by itself.
            let _ = self.inner.close_session(&other).await;
        }
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<rmcp::model::ServerJsonRpcMessage, Self::Error> {
        self.inner.initialize_session(id, message).await
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        self.inner.has_session(id).await
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let used = self.uses.lock().remove(id);
        if let Some(used) = used {
            // A session that ends waits for its calls otherwise.
            cancel(&self.inner, id, used.calls).await;
        }
        self.inner.close_session(id).await
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let request = match &message {
            ClientJsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        // Before it is asked, for its client may go at any moment.
        let using = Uses::using(&self.uses, id);
        let call = request.map(|request| self.call(id, request)).transpose()?;
        let stream = self.inner.create_stream(id, message).await?;
        Ok(Watched { stream: Box::pin(stream), call, _using: using })
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), Self::Error> {
        drop(Uses::using(&self.uses, id));
        self.inner.accept_message(id, message).await
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let using = Uses::using(&self.uses, id);
        let stream = self.inner.create_standalone_stream(id).await?;
        Ok(Watched { stream: Box::pin(stream), call: None, _using: using })
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        let using = Uses::using(&self.uses, id);
        let stream = self.inner.resume(id, last_event_id).await?;
        Ok(Watched { stream: Box::pin(stream), call: None, _using: using })
    }
}

/// Who uses which session.
#[derive(Debug, Default)]
struct Uses(Mutex<HashMap<SessionId, Use>>);

#[derive(Debug)]
struct Use {
    streams: usize,
    /// What is not answered yet.
    calls: Vec<RequestId>,
    /// When the last one ended, or began.
    last: Instant,
}

impl Uses {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Use>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more, and says which one has lost its place.
    fn insert(&self, id: &SessionId) -> Option<(SessionId, Use)> {
        let mut all = self.lock();
        // One in use goes only where all are.
        let oldest = all.iter().min_by_key(|(_, used)| (used.streams > 0, used.last));
        let other = oldest.map(|(id, _)| id.clone()).filter(|_| all.len() >= MOST);
        let other = other.and_then(|other| all.remove_entry(&other));
        all.insert(id.clone(), Use { streams: 0, calls: Vec::new(), last: Instant::now() });
        other
    }

    fn unused_for(&self, time: Duration) -> Vec<SessionId> {
        let all = self.lock();
        let unused = all.iter().filter(|(_, used)| used.streams == 0 && used.last.elapsed() > time);
        unused.map(|(id, _)| id.clone()).collect()
    }

    /// Counts a stream for as long as the value lives.
    fn using(all: &Arc<Self>, id: &SessionId) -> Using {
        if let Some(used) = all.lock().get_mut(id) {
            used.streams += 1;
        }
        Using { all: Arc::clone(all), id: id.clone() }
    }
}

/// A stream of a session.
#[derive(Debug)]
struct Using {
    all: Arc<Uses>,
    id: SessionId,
}

impl Drop for Using {
    fn drop(&mut self) {
        if let Some(used) = self.all.lock().get_mut(&self.id) {
            used.streams = used.streams.saturating_sub(1);
            used.last = Instant::now();
        }
    }
}

/// What a client waits for; dropped before it is answered, it is cancelled.
#[derive(Debug)]
struct Call {
    request: RequestId,
    session: SessionId,
    is_answered: bool,
    inner: Arc<LocalSessionManager>,
    uses: Arc<Uses>,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(used) = self.uses.lock().get_mut(&self.session) {
            used.calls.retain(|other| *other != self.request);
        }
        // Where the program ends, everything does.
        if let Some(runtime) = Handle::try_current().ok().filter(|_| !self.is_answered) {
            let (inner, session) = (Arc::clone(&self.inner), self.session.clone());
            let calls = vec![self.request.clone()];
            runtime.spawn(async move { cancel(&inner, &session, calls).await });
        }
    }
}

/// Ends what was asked for, as its client would.
async fn cancel(inner: &LocalSessionManager, session: &SessionId, calls: Vec<RequestId>) {
    for call in calls {
        let params = CancelledNotificationParam::new(Some(call), None);
        let cancelled = CancelledNotification::new(params);
        let cancelled = ClientNotification::CancelledNotification(cancelled);
        let message = ClientJsonRpcMessage::notification(cancelled);
        // A session that has ended has nothing that goes on.
        let _ = inner.accept_message(session, message).await;
    }
}

/// A stream to a client that may go away.
struct Watched<S> {
    stream: Pin<Box<S>>,
    call: Option<Call>,
    _using: Using,
}

impl<S: Stream<Item = ServerSseMessage>> Stream for Watched<S> {
    type Item = ServerSseMessage;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<ServerSseMessage>> {
        let next = self.stream.as_mut().poll_next(context);
        if let (Poll::Ready(None), Some(call)) = (&next, &mut self.call) {
            // It was answered.
            call.is_answered = true;
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_that_was_unused_for_longest_makes_room() {
        let uses = Arc::new(Uses::default());
        let id = |n: usize| SessionId::from(n.to_string());
        let in_use = Uses::using(&uses, &id(0));
        drop(in_use);
        assert_eq!((0..MOST).filter_map(|n| uses.insert(&id(n))).count(), 0);
        let in_use = Uses::using(&uses, &id(0));
        drop(Uses::using(&uses, &id(1)));
        let out = |n: usize| uses.insert(&id(n)).map(|(other, _)| other);
        assert_eq!(out(MOST), Some(id(2)));
        drop(in_use);
        uses.lock().remove(&id(3));
        assert_eq!(out(MOST + 1), None);
        assert_eq!(out(MOST + 2), Some(id(4)));
        assert_eq!(uses.unused_for(IDLE).len(), 0);
        assert_eq!(uses.unused_for(Duration::ZERO).len(), MOST);
    }
}
