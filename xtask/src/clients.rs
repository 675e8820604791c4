//! `cargo xtask clients`: clients that others wrote, over standard input and output. Each is a script of
//! `crates/shannot-cli/tests/clients/` with a home of its own, and needs no account.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::test::cargo;
use crate::tools::{Tools, path, root, target};
use crate::{say, setup};

const NODE_PACKAGES: [&str; 4] = [
    "@anthropic-ai/claude-code@2.1.332",
    "@google/gemini-cli@0.61.0",
    "@modelcontextprotocol/inspector@2.12.0",
    "@openai/codex@0.171.0",
];
const PYTHON_PACKAGES: [&str; 3] =
    ["fastmcp==4.2.3", "mcp==2.3.0", "pydantic-ai-slim[mcp]==2.68.0"];

/// Each client, what reads its script, and the script.
const CLIENTS: [(&str, &str, &str); 7] = [
    ("Inspector", "sh", "inspector.sh"),
    ("Python SDK", "python", "sdk.py"),
    ("FastMCP", "python", "fastmcp_client.py"),
    ("Pydantic AI", "python", "pydantic_ai_client.py"),
    ("Claude Code", "sh", "claude.sh"),
    ("Codex", "sh", "codex.sh"),
    ("Gemini CLI", "sh", "gemini.sh"),
];

/// How long one may take, in seconds, as timeout(1) reads it.
const LONGEST: &str = "120";

/// Runs them.
///
/// # Errors
/// A client does not get what it should.
pub(crate) fn run() -> Result<(), String> {
    let tools = Tools::new();
    let python = tools.python("python-clients", &PYTHON_PACKAGES)?;
    let [node, packages] = tools.node("node-clients", &NODE_PACKAGES)?;
    setup::run(cargo().args(["build", "--quiet", "--package", "shannot-cli", "--bin", "shannot"]))?;
    let found = path(&[python, packages, node]);
    let mut failed = Vec::new();
    for (name, program, script) in CLIENTS {
        let home = tools.scratch(name)?;
        let begun = Instant::now();
        let ended = client(program, script, &home).env("PATH", &found).output();
        let ended = ended.map_err(|error| format!("timeout: {error}"))?;
        let told = String::from_utf8_lossy(&ended.stdout);
        let verdict = match ended.status.success() {
            true => told.lines().last().unwrap_or_default(),
            false => "failed",
        };
        say(&format!("{name:<13}{:>5.1} s  {verdict}", begun.elapsed().as_secs_f64()));
        if !ended.status.success() {
            say(&format!("{told}{}", String::from_utf8_lossy(&ended.stderr)));
            say(&format!("what it was told is in {}", home.display()));
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
}

/// A script, in a home of its own and with nothing of this environment.
fn client(program: &str, script: &str, home: &Path) -> Command {
    let scripts = root().join("crates/shannot-cli/tests/clients");
    let mut command = Command::new("timeout");
    command.arg(LONGEST).arg(program).arg(scripts.join(script));
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").env("CI", "1").current_dir(home);
    command.env("SHANNOT", target().join("debug/shannot")).stdin(Stdio::null());
    command
}
