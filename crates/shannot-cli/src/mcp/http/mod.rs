//! The transport of HTTP: on loopback, for the user whose server it is and for nobody else.
//!
//! What is checked before a message is looked at, in this order: whose the connection is
//! ([`peer`]), how long the request is and how long it takes, and for which host and from which
//! origin it is, so that a web page which has its own name point to this machine (DNS rebinding) gets
//! nothing. The rest is the crate `rmcp`'s.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

mod loopback;
mod peer;
mod sessions;

pub(crate) use loopback::Loopback;
use peer::Owner;
use sessions::Sessions;

/// Where the server answers.
const PATH: &str = "/mcp";
/// The longest request: a kernel takes no longer command lines.
const MOST_BYTES: usize = 1 << 20;
/// How long a request may take to arrive. Nothing on loopback is slow.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long a connection may do nothing.
const IDLE: Duration = Duration::from_secs(60);
/// Connections at once, each with one request: with [`MOST_BYTES`] all that may be held.
const MOST_CONNECTIONS: usize = 128;
/// How often sessions that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How long connections may take to end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// The system lets nobody listen there.
    #[error("cannot listen on `{address}`")]
    Bind { address: SocketAddr, source: io::Error },
    /// Any user of this machine could connect, and nobody would know.
    #[error("cannot tell here whose a connection is")]
    Peer(#[from] io::Error),
}

/// A port on loopback.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
    owner: Owner,
}

impl Listener {
    /// # Errors
    /// The port is taken; or it cannot be told which user connects.
    pub(crate) async fn bind(loopback: Loopback) -> Result<Self, ListenError> {
        let address = loopback.address();
        let bound = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let bound: io::Result<_> = bound.await;
        let (listener, address) = bound.map_err(|source| ListenError::Bind { address, source })?;
        let owner = Owner::of_listener(address)?;
        Ok(Self { listener, address, owner })
    }

    /// What a client is told.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// Serves until it is told to end, and then ends what still goes on.
    pub(crate) async fn serve<H>(self, handler: H, end: impl Future<Output = ()>)
    where
        H: ServerHandler + Clone + Sync,
    {
        let sessions = Arc::new(Sessions::default());
        let config = self.config();
        let ending = config.cancellation_token.clone();
        let service =
            StreamableHttpService::new(move || Ok(handler.clone()), Arc::clone(&sessions), config);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut sweep = tokio::time::interval(SWEEP);
        let mut end = pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                _ = sweep.tick() => sessions.close_idle().await,
                Some(_) = connections.join_next() => {}
                (stream, peer, place) = self.accept(&places) => {
                    let owner = self.owner;
                    let own = self.address;
                    let service = service.clone();
                    let ending = ending.clone().cancelled_owned();
                    connections.spawn(async move {
                        let _place = place;
                        // The list of all connections may be long.
                        let is_own = tokio::task::spawn_blocking(move || owner.has(peer, own));
                        match is_own.await {
                            Ok(Ok(true)) => attend(stream, service, ending).await,
                            _ => refuse(&stream),
                        }
                    });
                }
            }
        }
        ending.cancel();
        let all = async { while connections.join_next().await.is_some() {} };
        // Whoever does not take an answer does not hold up the end.
        let _ = tokio::time::timeout(LAST_ANSWERS, all).await;
    }

    /// By which names this server may be asked, and by pages of which origins: its own.
    fn config(&self) -> StreamableHttpServerConfig {
        let port = self.address.port();
        let names = ["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}"));
        let origins = names.clone().map(|name| format!("http://{name}"));
        StreamableHttpServerConfig::default()
            .with_allowed_hosts(names)
            .with_allowed_origins(origins)
            .with_max_request_body_bytes(MOST_BYTES)
            // Nothing is kept to be asked for again: whoever goes away has ended the run.
            .with_sse_retry(None)
    }

    /// The next connection, when there is room for it.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>) {
        // Never closed.
        let place = Arc::clone(places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => return (stream, peer, place),
                // Out of descriptors, for example, until others have ended.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

/// Tells a stranger why, and reads nothing.
fn refuse(stream: &TcpStream) {
    const WHY: &str = "this server answers only the user who runs it\n";
    let length = WHY.len();
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{WHY}"
    );
    // Nothing was sent before, so that there is room for it.
    let _ = stream.try_write(answer.as_bytes());
}

/// Answers one connection. One that its client closes drops what it has asked for.
async fn attend<H>(
    stream: TcpStream,
    service: StreamableHttpService<H, Sessions>,
    ending: impl Future<Output = ()>,
) where
    H: ServerHandler + Clone + Sync,
{
    // An answer in parts must not wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(answer(request, &service).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => {}
        () = ending => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

/// Reads a request whole, and has it answered.
async fn answer<H>(
    request: Request<Incoming>,
    service: &StreamableHttpService<H, Sessions>,
) -> Answer
where
    H: ServerHandler + Clone + Sync,
{
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "there is nothing here: the server is at /mcp");
    }
    let (parts, body) = request.into_parts();
    let body = tokio::time::timeout(ARRIVAL, Limited::new(body, MOST_BYTES).collect());
    let body = match body.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, "a request has at most 1 MiB");
        }
        // Its client has gone in the middle.
        Ok(Err(_)) => return plain(StatusCode::BAD_REQUEST, "the request is not whole"),
        Err(_) => return plain(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time"),
    };
    if parts.method == Method::POST
        && serde_json::from_slice::<serde::de::IgnoredAny>(&body).is_err()
    {
        return not_json();
    }
    service.handle(Request::from_parts(parts, Full::new(body))).await
}

/// The protocol's answer to what it cannot read.
fn not_json() -> Answer {
    const ERROR: &str = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the request is not JSON"}}"#;
    let mut answer = plain(StatusCode::BAD_REQUEST, ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
