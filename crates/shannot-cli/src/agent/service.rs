//! What an agent answers to which request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use hyper::server::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use shannot::wire::{API, ASK_AFTER, FailureMessage, GONE_AFTER, ProblemMessage};
use shannot::{FailureKind, LocalExecutor, OutputStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::doctor;
use super::openapi;
use super::policy::Policy;
use super::run;
use super::runs::Runs;
use super::stdio::Streams;
use crate::error::{Error, chain};

/// What one caller may have on its way, and so what one may make an agent hold.
const MOST_STREAMS: u32 = 128;
/// Requests that are read at once: a caller must not fill the memory with many that never end.
const MOST_READ: usize = 8;
/// Answers that are held whole at once. Of each stream one has a MiB at the most, which JSON may make
/// six times as long.
const MOST_WHOLE: usize = 16;
/// Input that waits for a command, and with [`MOST_STREAMS`] all that waits.
const STREAM_WINDOW: u32 = 256 << 10;
/// The most that RFC 9113 knows: commands that do not read hold up no others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const FRAME: u32 = 256 << 10;
const LARGEST_HEADERS: u32 = 16 << 10;
/// How much longer an agent waits: whoever asked is to be told first.
const GRACE: Duration = Duration::from_secs(5);

/// Who answers.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    policy: Arc<Policy>,
    executor: Arc<LocalExecutor>,
    runs: Runs,
    /// The right to hold a request that is still on its way.
    reading: Arc<Semaphore>,
    /// The right to make the agent hold a whole answer.
    whole_answers: Arc<Semaphore>,
}

impl Agent {
    pub(super) fn new(policy: Policy, executor: Arc<LocalExecutor>) -> Self {
        let reading = Arc::new(Semaphore::new(MOST_READ));
        let whole_answers = Arc::new(Semaphore::new(MOST_WHOLE));
        Self { policy: Arc::new(policy), executor, runs: Runs::default(), reading, whole_answers }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn executor(&self) -> &Arc<LocalExecutor> {
        &self.executor
    }

    /// Waits for the right to read a request, each of which may be [`LARGEST_REQUEST`] long.
    ///
    /// [`LARGEST_REQUEST`]: shannot::wire::LARGEST_REQUEST
    pub(super) async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed.
        self.reading.acquire().await.ok()
    }

    /// Waits for the right to have an answer held until it is taken.
    pub(super) async fn whole_answer(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.whole_answers).acquire_owned().await.ok()
    }

    pub(super) fn runs(&self) -> &Runs {
        &self.runs
    }
}

/// The service, whatever it is reached by.
fn router(agent: Agent) -> Router {
    Router::new()
        .route("/v1/runs", post(run::post))
        .route("/v1/runs/{id}", delete(run::cancel))
        .route("/v1/runs/{id}/signals", post(run::signal))
        .route("/v1/runs/{id}/stdout", delete(close_stdout))
        .route("/v1/runs/{id}/stderr", delete(close_stderr))
        .route("/v1/doctor", post(doctor::post))
        .route("/v1/version", get(version))
        .route("/openapi.json", get(openapi))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .with_state(agent)
}

/// Answers on these streams until the caller has gone.
///
/// # Errors
/// The caller does not speak HTTP/2, or the streams failed.
pub(super) async fn serve(streams: Streams, agent: Agent) -> Result<(), Error> {
    let heard = streams.heard();
    let served = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(LARGEST_HEADERS)
        .max_send_buf_size(1 << 20)
        .keep_alive_interval(ASK_AFTER)
        // On a slow link an answer stands behind megabytes of output: whatever is heard counts, below.
        .keep_alive_timeout(GONE_AFTER * 10)
        .serve_connection(TokioIo::new(streams), TowerToHyperService::new(router(agent)));
    let served = tokio::select! {
        served = served => served,
        // Also where it cannot be written to.
        () = heard.silent_for(GONE_AFTER + GRACE) => return Ok(()),
    };
    served.map_err(|error| Error::internal("answer", std::io::Error::other(chain(&error))))
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Version {
    /// Of the API, which is also in its paths.
    api: u32,
    /// Of the program.
    version: &'static str,
}

async fn close_stdout(State(agent): State<Agent>, Path(id): Path<String>) -> Response {
    run::close(agent, &id, OutputStream::Stdout).await
}

async fn close_stderr(State(agent): State<Agent>, Path(id): Path<String>) -> Response {
    run::close(agent, &id, OutputStream::Stderr).await
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::DOCUMENT).into_response()
}

async fn version(State(_): State<Agent>) -> Response {
    json(StatusCode::OK, &Version { api: API, version: env!("CARGO_PKG_VERSION") })
}

async fn nothing() -> Response {
    let message = "this agent has no such resource: it speaks version 1 of the API";
    problem(StatusCode::NOT_FOUND, FailureMessage::new(FailureKind::Request, message))
}

/// An answer that is no run.
pub(super) fn problem(status: StatusCode, error: FailureMessage) -> Response {
    json(status, &ProblemMessage { error })
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}
