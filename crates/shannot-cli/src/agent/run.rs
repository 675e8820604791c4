//! `POST /v1/runs`.

use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_core::Stream;
use rustix::pipe::{PipeFlags, pipe_with};
use shannot::policy::{Denial, Request as Asked};
use shannot::wire::{
    Decoder, FailureMessage, FrameBody, FrameKind, FrameSender, LARGEST_REQUEST, OutcomeMessage,
    Piece, RUN_ID, RunRequest, STREAM, SignalMessage,
};
use shannot::{Event, FailureKind, Gate, Input, Io, Output, OutputStream, Refusal, Run};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;

use super::service::{Agent, problem};
use crate::exit_code::ExitCode;
use crate::render::json::{About, Held, RunResult};
use crate::targets::TargetName;

/// Chunks of an answer that wait to be sent.
const WAITING: usize = 1;

/// How long a request may take to arrive.
const READ_TIME: Duration = Duration::from_secs(30);
/// The most of each stream that an answer in one piece has. What writes more is ended there, as by
/// `limits.output`; frames have all of it.
const MOST_HELD: u64 = 1 << 20;
/// The most bytes of a request about a signal.
const LARGEST_SIGNAL: usize = 1 << 10;

/// An answer that is no run.
type Problem = Box<Response>;

/// Runs what is asked for.
pub(super) async fn post(State(agent): State<Agent>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = match (
        is(&parts.headers, header::CONTENT_TYPE, STREAM),
        is(&parts.headers, header::ACCEPT, STREAM),
    ) {
        (true, true) => framed(&agent, body).await,
        (false, false) if is(&parts.headers, header::CONTENT_TYPE, "application/json") => {
            whole(&agent, body).await
        }
        _ => {
            let message = format!("send and accept either application/json or {STREAM}");
            Err(wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
        }
    };
    answer.unwrap_or_else(|problem| *problem)
}

fn is(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
}

fn wrong(status: StatusCode, message: impl Into<String>) -> Problem {
    Box::new(problem(status, FailureMessage::new(FailureKind::Request, message)))
}

/// Passes a signal to a run.
pub(super) async fn signal(
    State(agent): State<Agent>,
    Path(id): Path<String>,
    body: Body,
) -> Response {
    let read = tokio::time::timeout(READ_TIME, axum::body::to_bytes(body, LARGEST_SIGNAL));
    let Ok(Ok(json)) = read.await else {
        return *wrong(StatusCode::BAD_REQUEST, "the request was cut, or is too long");
    };
    match (serde_json::from_slice::<SignalMessage>(&json), agent.runs().find(&id)) {
        (Err(error), _) => *wrong(StatusCode::BAD_REQUEST, error.to_string()),
        (_, None) => *no_run(),
        (Ok(SignalMessage { signal }), Some(run)) => {
            run.signal(signal);
            StatusCode::ACCEPTED.into_response()
        }
    }
}

/// Ends a run. Its own answer tells how it has ended.
pub(super) async fn cancel(State(agent): State<Agent>, Path(id): Path<String>) -> Response {
    match agent.runs().find(&id) {
        None => *no_run(),
        Some(run) => {
            run.cancel();
            StatusCode::ACCEPTED.into_response()
        }
    }
}

/// Closes the agent's end of a stream that the caller reads no more.
pub(super) async fn close(agent: Agent, id: &str, stream: OutputStream) -> Response {
    match agent.runs().find(id) {
        None => *no_run(),
        Some(run) => {
            run.close(stream);
            StatusCode::ACCEPTED.into_response()
        }
    }
}

fn no_run() -> Problem {
    wrong(StatusCode::NOT_FOUND, "there is no such run, or it has ended")
}

/// Passes a request to the gate.
fn start(agent: &Agent, sent: &RunRequest, stdin: Input) -> Result<(Asked, Run), Problem> {
    let profile = agent.policy().choose(&sent.profile);
    let profile = profile.map_err(|why| Box::new(problem(StatusCode::FORBIDDEN, why)))?;
    let asked = sent.request(profile.name.clone());
    let asked = asked.map_err(|error| wrong(StatusCode::BAD_REQUEST, error.to_string()))?;
    let gate = Gate::new([profile], Arc::clone(agent.executor()) as Arc<_>);
    let io = Io { stdin, output: Output::Events };
    let run = gate.run(asked.clone(), io).map_err(|refusal| match refusal {
        Refusal::Denied(denial) => denied(&denial),
        other => Box::new(problem(
            StatusCode::FORBIDDEN,
            FailureMessage::new(FailureKind::Profile, other.to_string()),
        )),
    })?;
    Ok((asked, run))
}

fn denied(denial: &Denial) -> Problem {
    Box::new(problem(StatusCode::FORBIDDEN, denial.into()))
}

/// The answer in one piece.
async fn whole(agent: &Agent, body: Body) -> Result<Response, Problem> {
    // Kept until the answer has been taken: it is held whole.
    let place = agent.whole_answer().await;
    let mut sent = {
        let _reading = agent.reading().await;
        let text = in_time(axum::body::to_bytes(body, LARGEST_REQUEST)).await?;
        read(&text.map_err(|error| wrong(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?)?
    };
    let stdin = sent.stdin.take().map_or(Input::Empty, |data| Input::Bytes(data.0.into()));
    let (asked, run) = start(agent, &sent, stdin)?;
    let collected = run.held_to(MOST_HELD).collect().await;
    let words = |argv: &shannot::policy::Argv| {
        let args = argv.args.iter().map(|arg| arg.lossy().into_owned());
        std::iter::once(argv.program.to_string()).chain(args).collect()
    };
    let outcome = collected.outcome;
    let about = About {
        target: TargetName::LOCAL.to_owned(),
        profile: Some(asked.profile.to_string()),
        stages: asked.stages.as_slice().iter().map(words).collect(),
        cwd: outcome.cwd.as_ref().map(ToString::to_string),
        run_id: String::new(),
    };
    let held =
        Held { stdout: collected.stdout, stderr: collected.stderr, truncated: collected.truncated };
    let code = ExitCode::of_outcome(&outcome, None);
    let result = RunResult::of_outcome(about, &outcome, held, code);
    let mut response = super::service::json(StatusCode::OK, &result);
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = Body::new(Kept { body, _place: place });
    Ok(response)
}

/// A body with what is given back when it has been taken, or is not wanted any more.
struct Kept {
    body: Body,
    _place: Option<OwnedSemaphorePermit>,
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// What a caller sends must not take for ever.
pub(super) async fn in_time<T>(read: impl Future<Output = T>) -> Result<T, Problem> {
    let read = tokio::time::timeout(READ_TIME, read).await;
    read.map_err(|_| wrong(StatusCode::REQUEST_TIMEOUT, "the request does not end"))
}

fn read(json: &[u8]) -> Result<RunRequest, Problem> {
    serde_json::from_slice(json).map_err(|error| wrong(StatusCode::BAD_REQUEST, error.to_string()))
}

/// The answer as it comes.
async fn framed(agent: &Agent, body: Body) -> Result<Response, Problem> {
    let mut frames = Frames { body: body.into_data_stream(), decoder: Decoder::default() };
    let request = {
        let _reading = agent.reading().await;
        match in_time(frames.next()).await?? {
            Some(Piece::Control(json)) => read(&json)?,
            _ => return Err(wrong(StatusCode::BAD_REQUEST, "the first frame is no control frame")),
        }
    };
    // Input is passed on as it comes, and nothing else is held.
    frames.decoder.refuse_control();
    let (stdin, feed) = if frames.is_at_end() {
        (Input::Empty, None)
    } else {
        let (from, to) =
            stdin().map_err(|error| failed(&format!("failed to make a pipe: {error}")))?;
        (Input::Fd(from), Some(feed(frames, to)))
    };
    let (_, run) = start(agent, &request, stdin)?;
    let named = agent.runs().insert(run.control()).map_err(|error| failed(&error.chain()))?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(STREAM));
    if let Ok(id) = named.id().parse() {
        headers.insert(RUN_ID, id);
    }
    let (sender, body) = FrameBody::channel(WAITING);
    *response.body_mut() = Body::new(body);
    let feed = feed.map(tokio::spawn);
    tokio::spawn(async move {
        answer(run, sender).await;
        if let Some(feed) = feed {
            feed.abort();
        }
        drop(named);
    });
    Ok(response)
}

fn failed(why: &str) -> Problem {
    let failure = FailureMessage::new(FailureKind::Internal, why);
    Box::new(problem(StatusCode::SERVICE_UNAVAILABLE, failure))
}

/// A pipe to the run's standard input; the end that we write to does not block.
fn stdin() -> std::io::Result<(OwnedFd, AsyncFd<OwnedFd>)> {
    let (from, to) = pipe_with(PipeFlags::CLOEXEC)?;
    for end in [&from, &to] {
        rustix::fs::fcntl_setfl(end, rustix::fs::OFlags::NONBLOCK)?;
    }
    Ok((from, watch(to)?))
}

#[expect(deprecated, reason = "unsound for types that change their descriptor; an OwnedFd cannot")]
fn watch(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::WRITABLE)
}

/// The frames of a request.
struct Frames {
    body: BodyDataStream,
    decoder: Decoder,
}

impl Frames {
    /// Whether it is known that nothing more comes.
    fn is_at_end(&self) -> bool {
        self.decoder.is_between() && HttpBody::is_end_stream(&self.body)
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Piece>, Problem> {
        let bad = |error: String| wrong(StatusCode::BAD_REQUEST, error);
        loop {
            if let Some(piece) = self.decoder.piece().map_err(|error| bad(error.to_string()))? {
                return Ok(Some(piece));
            }
            let next = std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut self.body).poll_next(context)
            });
            match next.await {
                Some(chunk) => self.decoder.push(chunk.map_err(|error| bad(error.to_string()))?),
                None => return Ok(None),
            }
        }
    }
}

/// Feeds the run what the request goes on with, to its end.
async fn feed(mut frames: Frames, stdin: AsyncFd<OwnedFd>) {
    while let Ok(Some(Piece::Data(FrameKind::Stdin, bytes))) = frames.next().await {
        if write_all(&stdin, &bytes).await.is_err() {
            // The command does not read any more, which is no error.
            return;
        }
    }
}

async fn write_all(pipe: &AsyncFd<OwnedFd>, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let write = |fd: &OwnedFd| Ok(rustix::io::write(fd, bytes)?);
        let written = pipe.async_io(Interest::WRITABLE, write).await?;
        bytes = bytes.get(written..).unwrap_or_default();
    }
    Ok(())
}

/// Passes on what a run tells. A caller that has gone takes its run with it.
async fn answer(mut run: Run, to: FrameSender) {
    loop {
        let event = tokio::select! {
            event = run.next() => event,
            () = to.closed() => return,
        };
        let sent = match event {
            Some(Event::Stdout(bytes)) => to.send(FrameKind::Stdout, bytes).await,
            Some(Event::Stderr(bytes)) => to.send(FrameKind::Stderr, bytes).await,
            Some(Event::Ended(outcome)) => {
                let message = OutcomeMessage::from(&*outcome);
                let json = serde_json::to_vec(&message).unwrap_or_default();
                let _ = to.send(FrameKind::Control, Bytes::from(json)).await;
                return;
            }
            None => return,
        };
        if sent.is_err() {
            return;
        }
    }
}
