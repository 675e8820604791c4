//! One run on another host, over a connection to its agent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::io::{Sink, Source};
use super::{Io, internal};
use crate::event::{End, Event, Failure, FailureKind, Outcome, OutputStream, Unreachable};
use crate::run::{Caller, Order, Unread};
use crate::wire::{
    Decoder, FailureMessage, FrameBody, FrameKind, FrameSender, OutcomeMessage, Piece,
    ProblemMessage, RUN_ID, RunRequest, STREAM, SignalMessage,
};

/// Chunks of a request that wait to be sent.
const WAITING: usize = 4;
/// How long the other side may take to end what it was told to end, or what its own limit ends.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most of an answer that is no run.
const LARGEST_PROBLEM: usize = 64 << 10;

/// A run that is asked for.
pub(super) struct Asked {
    pub(super) host: Arc<str>,
    pub(super) request: RunRequest,
    /// The most that it may take, by its profile.
    pub(super) wall: Duration,
    pub(super) io: Io,
}

/// Sends the request and passes on what comes, until the last event.
///
/// # Errors
/// What the outcome is instead of one of the far host's.
pub(super) async fn conduct(
    send: SendRequest<FrameBody>,
    asked: Asked,
    caller: &mut Caller,
) -> Result<Outcome, Failure> {
    let Asked { host, request, wall, io } = asked;
    let Caller { events, orders, unread } = caller;
    let json = serde_json::to_vec(&request);
    let json = json.map_err(|error| internal("write a request", std::io::Error::other(error)))?;
    let (sender, body) = FrameBody::channel(WAITING);
    let (gone, readers) = Readers::of(unread);
    let sink = Sink::new(io.output, events, &gone)?;
    // There is room for it; and where there is no input, all of the request is there before it is sent.
    let _ = sender.send(FrameKind::Control, json.into()).await;
    let feed = match Source::new(io.stdin) {
        None => {
            drop(sender);
            None
        }
        Some(source) => Some(Ended(tokio::spawn(feed(source, sender)))),
    };
    let counts = [AtomicU64::new(0), AtomicU64::new(0)];
    let (named, id) = watch::channel(None);
    let outcome = {
        let read = read(send.clone(), body, &host, wall + PATIENCE, &sink, &named, &counts);
        let asks = Asks { send, id, waiting: Vec::new() };
        attend(read, asks, readers, events, orders).await
    };
    drop(feed);
    // What has come is passed on, also of a run that failed.
    let passed = tokio::select! {
        biased;
        passed = sink.finish() => passed,
        // A reader that stopped reading would hold its caller here.
        () = unwanted(orders) => Ok(()),
    };
    let mut outcome = outcome?;
    passed?;
    let [stdout, stderr] = &counts;
    outcome.stdout_bytes = stdout.load(Ordering::Relaxed);
    outcome.stderr_bytes = stderr.load(Ordering::Relaxed);
    Ok(outcome)
}

/// What is asked of a run that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Signal(i32),
    Cancel,
    /// To close its own end of a stream that nobody reads any more.
    Close(OutputStream),
}

impl From<Order> for Ask {
    fn from(order: Order) -> Self {
        match order {
            Order::Signal(signal) => Self::Signal(signal),
            Order::Cancel => Self::Cancel,
        }
    }
}

/// Who reads the output here.
pub(super) struct Readers {
    /// What the caller has said.
    unread: watch::Receiver<Unread>,
    /// The streams whose descriptors nobody reads any more.
    lost: mpsc::UnboundedReceiver<OutputStream>,
    known: Vec<OutputStream>,
}

impl Readers {
    /// Of a run, and who tells that nobody reads a descriptor any more.
    pub(super) fn of(
        unread: &watch::Receiver<Unread>,
    ) -> (mpsc::UnboundedSender<OutputStream>, Self) {
        let (gone, lost) = mpsc::unbounded_channel();
        (gone, Self { unread: unread.clone(), lost, known: Vec::new() })
    }

    /// Waits until a stream is read no more; once for each.
    pub(super) async fn gone(&mut self) -> OutputStream {
        loop {
            let stream = tokio::select! {
                stream = unread(&mut self.unread, &self.known) => stream,
                Some(stream) = self.lost.recv() => stream,
            };
            if !self.known.contains(&stream) {
                self.known.push(stream);
                return stream;
            }
        }
    }
}

/// Waits until the caller reads a stream no more that is not known yet.
async fn unread(unread: &mut watch::Receiver<Unread>, known: &[OutputStream]) -> OutputStream {
    let both = [OutputStream::Stdout, OutputStream::Stderr];
    loop {
        let now = *unread.borrow_and_update();
        if let Some(new) = both.into_iter().find(|one| now.has(*one) && !known.contains(one)) {
            return new;
        }
        if unread.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// What is asked of a run that goes on: by requests of their own, which no input holds up.
struct Asks {
    send: SendRequest<FrameBody>,
    /// The run's, once the agent has taken the request.
    id: watch::Receiver<Option<String>>,
    /// What was asked before.
    waiting: Vec<Ask>,
}

impl Asks {
    fn ask(&mut self, what: Ask) {
        self.waiting.push(what);
        let Some(id) = self.id.borrow().clone() else { return };
        for what in self.waiting.drain(..) {
            tokio::spawn(ask(self.send.clone(), id.clone(), what));
        }
    }

    /// Asks what waits, once the run has a name.
    async fn named(&mut self) {
        if self.waiting.is_empty() || self.id.wait_for(Option::is_some).await.is_err() {
            return std::future::pending().await;
        }
        if let Some(last) = self.waiting.pop() {
            self.ask(last);
        }
    }
}

/// The longest answer that is no run.
const LARGEST_ANSWER: usize = 4 << 20;

/// Asks for something that is no run, and returns the JSON of the answer.
///
/// # Errors
/// The agent does not answer, or refuses.
pub(super) async fn fetch(
    mut send: SendRequest<FrameBody>,
    host: &str,
    path: &'static str,
    json: Vec<u8>,
) -> Result<Bytes, Failure> {
    let (sender, body) = FrameBody::channel(1);
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(path);
    let json_type = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json_type);
    let cut =
        |error: hyper::Error| lost(host, format!("the connection was lost: {}", chain(&error)));
    // There is room for it.
    let _ = sender.send_raw(json.into()).await;
    drop(sender);
    send.ready().await.map_err(cut)?;
    let response = send.send_request(request).await.map_err(cut)?;
    let status = response.status();
    let mut body = response.into_body();
    if status != StatusCode::OK {
        return Err(problem(host, status, &mut body).await);
    }
    let mut answer = BytesMut::new();
    while let Some(part) = chunk(&mut body).await {
        answer.extend_from_slice(&part.map_err(cut)?);
        if answer.len() > LARGEST_ANSWER {
            return Err(lost(host, "its answer does not end"));
        }
    }
    Ok(answer.freeze())
}

/// One request about a run. That it fails is told by the run's own answer.
async fn ask(mut send: SendRequest<FrameBody>, id: String, what: Ask) {
    let (method, path, json) = match what {
        Ask::Signal(signal) => {
            let json = serde_json::to_vec(&SignalMessage { signal }).unwrap_or_default();
            (Method::POST, "/signals", json)
        }
        Ask::Cancel => (Method::DELETE, "", Vec::new()),
        Ask::Close(OutputStream::Stdout) => (Method::DELETE, "/stdout", Vec::new()),
        Ask::Close(OutputStream::Stderr) => (Method::DELETE, "/stderr", Vec::new()),
    };
    let Ok(uri) = format!("http://agent/v1/runs/{id}{path}").parse() else { return };
    let (sender, body) = FrameBody::channel(1);
    let mut request = http::Request::new(body);
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    let json_type = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json_type);
    if sender.send_raw(json.into()).await.is_ok() && send.ready().await.is_ok() {
        drop(sender);
        // A host that never answers must not keep the connection.
        let _ = tokio::time::timeout(PATIENCE, send.send_request(request)).await;
    }
}

/// Reads a run to its end, and passes on what is asked of it meanwhile.
async fn attend(
    read: impl Future<Output = Result<Outcome, Failure>>,
    mut asks: Asks,
    mut readers: Readers,
    events: &mpsc::Sender<Event>,
    orders: &mut mpsc::UnboundedReceiver<Order>,
) -> Result<Outcome, Failure> {
    tokio::pin!(read);
    let mut cancelled: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            biased;
            outcome = &mut read => return outcome,
            order = orders.recv(), if cancelled.is_none() => {
                let order = order.unwrap_or(Order::Cancel);
                if order == Order::Cancel {
                    cancelled = Some(tokio::time::Instant::now() + PATIENCE);
                }
                asks.ask(order.into());
            }
            stream = readers.gone() => asks.ask(Ask::Close(stream)),
            () = asks.named() => {}
            // Dropping the request ends the box there.
            () = events.closed() => return Ok(Outcome::never(End::Cancelled)),
            // Nobody has said that it has ended.
            () = until(cancelled) => {
                return Ok(Outcome { lingering: true, ..Outcome::cancelled() });
            }
        }
    }
}

pub(super) async fn until(instant: Option<tokio::time::Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// Waits until the caller wants no more of a run that has ended.
pub(super) async fn unwanted(orders: &mut mpsc::UnboundedReceiver<Order>) {
    // Signals have nobody left to go to.
    while let Some(Order::Signal(_)) = orders.recv().await {}
}

fn lost(host: &str, what: impl Into<String>) -> Failure {
    Failure::Unreachable(Box::new(Unreachable::new(host, what, None)))
}

/// A task that ends when this is dropped.
pub(super) struct Ended<T>(pub(super) JoinHandle<T>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends standard input to its end.
async fn feed(mut source: Source, to: FrameSender) {
    while let Some(chunk) = source.next().await {
        if to.send(FrameKind::Stdin, chunk).await.is_err() {
            return;
        }
    }
}

/// Reads the answer to its end. `patience` is how long the other side may be waited for in all: the time
/// that a caller takes to read what has come is not its own.
async fn read(
    mut send: SendRequest<FrameBody>,
    body: FrameBody,
    host: &str,
    patience: Duration,
    sink: &Sink<'_>,
    named: &watch::Sender<Option<String>>,
    counts: &[AtomicU64; 2],
) -> Result<Outcome, Failure> {
    let stream = HeaderValue::from_static(STREAM);
    let mut request = http::Request::new(body);
    *request.method_mut() = Method::POST;
    // The host of the URL means nothing on standard streams.
    *request.uri_mut() = http::Uri::from_static("http://agent/v1/runs");
    request.headers_mut().insert(header::CONTENT_TYPE, stream.clone());
    request.headers_mut().insert(header::ACCEPT, stream);
    let cut =
        |error: &hyper::Error| lost(host, format!("the connection was lost: {}", chain(error)));
    let mut patience = Patience { left: patience, host };
    patience.of(send.ready()).await?.map_err(|error| cut(&error))?;
    let response = patience.of(send.send_request(request)).await?.map_err(|error| cut(&error))?;
    let status = response.status();
    let id = response.headers().get(RUN_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    // It becomes part of a path.
    named.send_replace(id.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric())));
    let mut body = response.into_body();
    if status != StatusCode::OK {
        return Err(problem(host, status, &mut body).await);
    }
    let mut decoder = Decoder::default();
    let [stdout, stderr] = counts;
    loop {
        let chunk = match patience.of(chunk(&mut body)).await? {
            Some(chunk) => chunk.map_err(|error| cut(&error))?,
            None => return Err(lost(host, "the connection was lost before the run's end")),
        };
        decoder.push(chunk);
        while let Some(piece) = decoder.piece().map_err(|error| lost(host, error.to_string()))? {
            match piece {
                Piece::Data(FrameKind::Stdout, bytes) => {
                    stdout.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    // The agent is told that nobody reads any more by who attends.
                    let _ = sink.stdout(bytes).await;
                }
                Piece::Data(FrameKind::Stderr, bytes) => {
                    stderr.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    let _ = sink.stderr(bytes).await;
                }
                Piece::Data(FrameKind::Stdin | FrameKind::Control, _) => {
                    return Err(lost(host, "it sent input, which no agent does"));
                }
                Piece::Control(json) => {
                    let garbled = |why: String| lost(host, format!("it sent no outcome: {why}"));
                    let message: OutcomeMessage = serde_json::from_slice(&json)
                        .map_err(|error| garbled(error.to_string()))?;
                    return message.outcome(host).map_err(|error| garbled(error.to_string()));
                }
            }
        }
    }
}

/// How long the other side may still be waited for.
struct Patience<'h> {
    left: Duration,
    host: &'h str,
}

impl Patience<'_> {
    async fn of<T>(&mut self, answer: impl Future<Output = T>) -> Result<T, Failure> {
        let since = Instant::now();
        let answer = tokio::time::timeout(self.left, answer).await;
        self.left = self.left.saturating_sub(since.elapsed());
        answer.map_err(|_| lost(self.host, "it did not end the run at its time"))
    }
}

/// The next part of a body; `None` at its end.
async fn chunk(body: &mut Incoming) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        let frame =
            std::future::poll_fn(|context| std::pin::Pin::new(&mut *body).poll_frame(context));
        match frame.await? {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Some(Ok(data));
                }
            }
            Err(error) => return Some(Err(error)),
        }
    }
}

/// What an answer that is no run means.
async fn problem(host: &str, status: StatusCode, body: &mut Incoming) -> Failure {
    let mut text = BytesMut::new();
    while let Some(Ok(part)) = chunk(body).await {
        let room = LARGEST_PROBLEM.saturating_sub(text.len());
        text.extend_from_slice(part.get(..room).unwrap_or(&part));
        if text.len() == LARGEST_PROBLEM {
            break;
        }
    }
    match serde_json::from_slice::<ProblemMessage>(&text) {
        Ok(message) => message.error.failure(host),
        Err(_) => {
            let what = format!("its agent answered {status}, and not why");
            FailureMessage::new(FailureKind::Internal, what).failure(host)
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Ends a run that never came to a host.
pub(super) async fn tell_end(mut outcome: Outcome, events: &mpsc::Sender<Event>, since: Instant) {
    if outcome.duration.is_zero() {
        outcome.duration = since.elapsed();
    }
    // A caller that dropped the run does not want to know.
    let _ = events.send(Event::Ended(Box::new(outcome))).await;
}
