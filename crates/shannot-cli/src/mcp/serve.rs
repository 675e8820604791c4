//! `shannot mcp serve`: until the client has gone, or this program is told to end.

use std::io;
use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::transport::io::stdio_pipes;

use super::http::{ListenError, Listener, Loopback};
use super::server::Server;
use super::settings::Settings;
use super::{reload, stdio};
use crate::args::{Global, McpServe};
use crate::error::{Error, chain};
use crate::render::human;
use crate::system::Signals;

/// How long calls that go on may still be answered when the client sends no more: a script that asks and
/// closes wants its answers, and a client that has gone wants an end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How long a client is waited for that has sent much and takes no answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves on the standard streams, or over HTTP. Nothing but the protocol is written to standard output.
///
/// # Errors
/// The configuration is wrong, the port cannot be had, or the client does not speak the protocol.
pub(super) fn run(args: &McpServe, global: &Global) -> Result<(), Error> {
    // Before there are threads.
    crate::here::one_heap();
    let settings = Settings::new(args, global)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::internal("start the runtime", source))?;
    let done = runtime.block_on(async {
        let seen = settings.stamp();
        let server = Server::new(settings)?;
        let serve = async {
            match args.http {
                None => over_stdio(server.clone()).await,
                Some(loopback) => over_http(server.clone(), loopback).await,
            }
        };
        tokio::select! {
            served = serve => served,
            () = reload::watch(&server, seen) => Ok(()),
        }
    });
    // A read of standard input that nobody can cancel must not hold the end up.
    runtime.shutdown_background();
    done
}

/// Until the client has gone.
async fn over_stdio(server: Server) -> Result<(), Error> {
    let (input, output) = stdio_pipes();
    let (input, output, ended) = stdio::watched(input, output, PATIENCE);
    let failed =
        |error: &dyn std::error::Error| Error::internal("serve", io::Error::other(chain(error)));
    let serve = async {
        let running = server.serve((input, output)).await.map_err(|error| failed(&error))?;
        running.waiting().await.map(drop).map_err(|error| failed(&error))
    };
    let gone = async {
        ended.notified().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = serve => served,
        () = gone => Ok(()),
    }
}

/// Until a signal comes.
async fn over_http(server: Server, loopback: Loopback) -> Result<(), Error> {
    let mut signals = Signals::listen()?;
    let listener = Listener::bind(loopback).await.map_err(|error| {
        let hint = match error {
            ListenError::Bind { .. } => "port 0 takes one that is free",
            ListenError::Peer(_) => {
                "without `--http` it serves the one client that starts it, on any system"
            }
        };
        Error::Asked { what: chain(&error), hint: hint.to_owned() }
    })?;
    human::complain(&format!("listening on {}", listener.url()));
    let end = async {
        signals.next().await;
    };
    listener.serve(server, end).await;
    Ok(())
}
