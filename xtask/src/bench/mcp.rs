//! What an MCP server costs a model: its start, a call here and over SSH, calls at once, memory and the
//! words of its tools; beside the server of the Python project of the same name, version 0.3.1.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};

use super::ssh::Sshd;
use super::{Row, table};
use crate::{say, setup};

/// The peer, with the only versions of its library that it starts with.
const PEER: [&str; 2] = ["shannot==0.3.1", "mcp<2"];
/// Calls after which memory is looked at.
const CALLS: usize = 1000;

pub(super) fn tables(rounds: usize, shannot: &Path) -> Result<(), String> {
    let dir = Dir::new()?;
    let peer = dir.peer()?;
    let sshd = Sshd::new(shannot)?;
    let far = dir.0.join("config.toml");
    fs::write(&far, sshd.as_target()).map_err(|e| format!("cannot write a file: {e}"))?;
    let [far, state] = [far.display().to_string(), dir.0.join("state").display().to_string()];
    let start = |words: &[&str]| {
        let mut command = Command::new(shannot);
        command.args(["mcp", "serve"]).args(words).env("XDG_STATE_HOME", &state);
        command
    };
    let local = ["--target", "local", "--profile", "diagnostics"];
    let over_ssh = ["--config", &far, "--target", "far", "--profile", "diagnostics"];
    let first = |mut command: Command| move || Server::start(&mut command).map(drop);
    let starts = vec![
        Row::new("Shannot 0.3.1", first(peer_server(&peer))),
        Row::new("shannot mcp serve", first(start(&local))),
    ];
    table("mcp: from the start to the first answer", rounds.div_ceil(5), starts)?;

    let ours = json!({"name": "run_command", "arguments": {"argv": ["df", "-h"]}});
    let theirs = json!({"name": "sandbox_diagnostics", "arguments": {"command": ["df", "-h"]}});
    let calls = vec![
        Row::new("Shannot 0.3.1", calls(peer_server(&peer), theirs)?),
        Row::new("shannot mcp serve", calls(start(&local), ours.clone())?),
        Row::new("shannot mcp serve, over ssh", calls(start(&over_ssh), ours.clone())?),
    ];
    table("mcp: a call of df -h in a warm box", rounds, calls)?;

    let mut server = Server::start(&mut start(&local))?;
    at_once(&mut server)?;
    words(&mut server)?;
    say(&format!("\nmcp: memory of the server\n  {:<44} {:>9} KiB", "idle", server.memory()?));
    for n in 1..=CALLS {
        server.ask("tools/call", &ours)?;
        if n == CALLS / 10 || n == CALLS {
            say(&format!("  {:<44} {:>9} KiB", format!("after {n} calls"), server.memory()?));
        }
    }
    Ok(())
}

/// Four calls that take a second each.
fn at_once(server: &mut Server) -> Result<(), String> {
    let call = json!({"name": "run_command", "arguments": {"argv": ["vmstat", "1", "2"]}});
    let begun = Instant::now();
    for _ in 0..4 {
        server.send("tools/call", &call)?;
    }
    for _ in 0..4 {
        server.receive()?;
    }
    say(&format!(
        "\nmcp: four calls at once that take 1 s each\n  {:.3} s",
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// How much a model reads in each conversation.
fn words(server: &mut Server) -> Result<(), String> {
    let listed = server.ask("tools/list", &json!({}))?;
    let tools = &listed["result"]["tools"];
    let count = tools.as_array().map_or(0, Vec::len);
    say(&format!("\nmcp: the list of {count} tools\n  {} bytes", tools.to_string().len()));
    Ok(())
}

fn peer_server(venv: &Path) -> Command {
    Command::new(venv.join("bin/shannot-mcp"))
}

/// A call that must go well.
fn calls(mut command: Command, call: Value) -> Result<impl FnMut() -> Result<(), String>, String> {
    let mut server = Server::start(&mut command)?;
    Ok(move || {
        let answer = server.ask("tools/call", &call)?;
        match answer["result"]["content"][0]["text"].as_str() {
            Some(text) if text.contains("Filesystem") => Ok(()),
            _ => Err(format!("this is no answer: {answer}")),
        }
    })
}

/// A directory of this run, removed with the value.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("shannot-bench-mcp-{}", std::process::id()));
        fs::create_dir(&dir).map_err(|e| format!("cannot make `{}`: {e}", dir.display()))?;
        Ok(Self(dir))
    }

    fn peer(&self) -> Result<PathBuf, String> {
        let venv = self.0.join("venv");
        setup::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        let mut pip = Command::new(venv.join("bin/pip"));
        setup::run(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PEER))?;
        Ok(venv)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // Nothing is left to do when it has gone already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server, and its client's end.
struct Server {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    next: u64,
}

impl Server {
    /// Starts it and waits for its first answer.
    fn start(command: &mut Command) -> Result<Self, String> {
        let failed = |e| format!("cannot start a server: {e}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            return Err("a server without pipes".into());
        };
        let mut server = Self { child, stdin, stdout: BufReader::new(stdout), next: 0 };
        let client = json!({"name": "bench", "version": "1"});
        let params =
            json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
        server.ask("initialize", &params)?;
        server.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        Ok(server)
    }

    fn write(&mut self, message: &Value) -> Result<(), String> {
        let line = format!("{message}\n");
        self.stdin.write_all(line.as_bytes()).map_err(|e| format!("cannot ask a server: {e}"))
    }

    fn send(&mut self, method: &str, params: &Value) -> Result<(), String> {
        self.next += 1;
        let id = self.next;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))
    }

    /// The next answer that is no notification.
    fn receive(&mut self) -> Result<Value, String> {
        loop {
            let mut line = String::new();
            self.stdout.read_line(&mut line).map_err(|e| format!("no answer: {e}"))?;
            let message: Value =
                serde_json::from_str(&line).map_err(|e| format!("no answer: {e}: {line}"))?;
            if message.get("id").is_some() {
                return Ok(message);
            }
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, String> {
        self.send(method, params)?;
        self.receive()
    }

    /// What of it is in memory, in KiB.
    fn memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&path).map_err(|e| format!("cannot read `{path}`: {e}"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.ok_or_else(|| format!("`{path}` has no memory"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
