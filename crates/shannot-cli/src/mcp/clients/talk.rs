//! The client's side of the protocol, as far as a test needs it: messages of one line each.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::entry::Launch;
use crate::error::Error;

/// The newest version with a handshake, which most clients speak.
const VERSION: &str = "2025-11-25";
/// The longest message that is read.
const LONGEST: u64 = 16 << 20;

/// A server that was started, and is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Talk {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last: u64,
}

/// An error of the other side, with what to do about it.
fn wrong(what: impl Into<String>) -> Error {
    Error::Asked {
        what: what.into(),
        hint: "start that command yourself and see what it says".to_owned(),
    }
}

impl Talk {
    /// Starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(launch: &Launch, env: &BTreeMap<String, String>) -> Result<Self, Error> {
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).envs(env).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| Error::Asked {
            what: format!("cannot start `{}`: {error}", launch.program),
            hint: "`shannot mcp install` writes where this program is now".to_owned(),
        })?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Self { child, stdin, stdout: BufReader::new(stdout), last: 0 })
            }
            _ => Err(wrong("its standard streams cannot be had")),
        }
    }

    /// Asks, and waits for the answer; for so long.
    ///
    /// # Errors
    /// It answers with an error, with what is no message, not in time, or not at all.
    pub(super) async fn ask(
        &mut self,
        method: &str,
        params: Value,
        patience: Duration,
    ) -> Result<Value, Error> {
        let late =
            || wrong(format!("no answer to `{method}` within {} seconds", patience.as_secs()));
        timeout(patience, self.exchange(method, params)).await.unwrap_or_else(|_| Err(late()))
    }

    /// Says hello. Returns the server's name and version, and the version of the protocol.
    ///
    /// # Errors
    /// As of [`Talk::ask`].
    pub(super) async fn initialize(&mut self, patience: Duration) -> Result<String, Error> {
        let own = json!({ "name": "shannot mcp test", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": VERSION, "capabilities": {}, "clientInfo": own });
        let answer = self.ask("initialize", params, patience).await?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let server = &answer["serverInfo"];
        let version = text(&answer["protocolVersion"]);
        Ok(format!("{} {}, protocol {version}", text(&server["name"]), text(&server["version"])))
    }

    async fn exchange(&mut self, method: &str, params: Value) -> Result<Value, Error> {
        self.last += 1;
        let id = self.last;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
            .await?;
        loop {
            let mut line = Vec::new();
            let mut input = (&mut self.stdout).take(LONGEST);
            let read = input.read_until(b'\n', &mut line).await;
            let read = read.map_err(|source| Error::internal("read what it answers", source))?;
            if read == 0 {
                return Err(wrong(format!("it ended before it answered `{method}`")));
            }
            let message: Value = serde_json::from_slice(&line).map_err(|_| {
                let start: String =
                    String::from_utf8_lossy(&line).trim().chars().take(80).collect();
                wrong(format!("it wrote what is no message of the protocol: `{start}`"))
            })?;
            // Its notifications, and what it asks of a client that can do nothing, are passed over.
            if message["id"] != id || message.get("method").is_some() {
                continue;
            }
            return match message.get("error") {
                None => Ok(message["result"].clone()),
                Some(error) => {
                    let text = error["message"].as_str().unwrap_or("no message");
                    Err(wrong(format!("`{method}` is refused: {text}")))
                }
            };
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), Error> {
        let line = format!("{message}\n");
        let sent = async {
            self.stdin.write_all(line.as_bytes()).await?;
            self.stdin.flush().await
        };
        sent.await.map_err(|_| wrong("it has ended, or reads nothing"))
    }

    /// Goes away, and waits for its end; for so long.
    ///
    /// # Errors
    /// It does not end.
    pub(super) async fn end(self, patience: Duration) -> Result<ExitStatus, Error> {
        let Self { mut child, stdin, stdout, .. } = self;
        drop((stdin, stdout));
        match timeout(patience, child.wait()).await {
            Ok(ended) => ended.map_err(|source| Error::internal("wait for its end", source)),
            Err(_) => {
                let what =
                    format!("it goes on {} seconds after its client has gone", patience.as_secs());
                Err(wrong(what))
            }
        }
    }
}
