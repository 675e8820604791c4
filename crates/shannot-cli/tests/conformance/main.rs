//! What the conformance suite asks of a server that has its fixtures, on the transport that is shipped.
//!
//! `cargo xtask conformance` runs it: `conformance 127.0.0.1:0` says on stderr where it listens.

#[path = "../../src/mcp/http/mod.rs"]
mod http;
mod inputs;
mod server;
mod tools;

use std::process::ExitCode;

use http::{Listener, Loopback};

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_default();
    match address.parse::<Loopback>() {
        Ok(loopback) => match run(loopback) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => complain(&error.to_string()),
        },
        Err(error) => complain(&error.to_string()),
    }
    ExitCode::FAILURE
}

fn run(loopback: Loopback) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = Listener::bind(loopback).await?;
        complain(&format!("listening on {}", listener.url()));
        listener.serve(server::Fixtures::new(), std::future::pending()).await;
        Ok(())
    })
}

#[expect(clippy::print_stderr, reason = "it says where it listens")]
fn complain(text: &str) {
    eprintln!("conformance: {text}");
}
