//! `cargo xtask conformance`: the official suite against our transport with the suite's fixtures, of which
//! everything must pass, and against the program, of which what needs fixtures is listed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::test::cargo;
use crate::tools::{Tools, path, root, target};
use crate::{say, setup};

const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
const REVISIONS: [&str; 2] = ["2025-11-25", "2026-07-28"];

/// Runs it.
///
/// # Errors
/// A scenario fails that should pass, or passes that should fail.
pub(crate) fn run() -> Result<(), String> {
    let tools = Tools::new();
    let node = tools.node("conformance", &[SUITE])?;
    let build = ["build", "--quiet", "--package", "shannot-cli", "--bin", "shannot"];
    setup::run(cargo().args(build).args(["--example", "conformance"]))?;
    let scratch = tools.scratch("conformance")?;
    let built = target().join("debug");
    let mut fixtures = Command::new(built.join("examples/conformance"));
    fixtures.arg("127.0.0.1:0");
    let mut shipped = Command::new(built.join("shannot"));
    shipped.args(["mcp", "serve", "--http", "127.0.0.1:0", "--target", "local"]);
    shipped.args(["--profile", "diagnostics"]).env("HOME", &scratch);
    shipped.env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME");
    let baselines = root().join("crates/shannot-cli/tests/conformance");
    let (mut surprises, mut uncounted) = (0, BTreeMap::new());
    say(&format!("{:<10}{:<12}{:>10}{:>12}", "server", "revision", "scenarios", "checks"));
    for (name, mut command) in [("fixtures", fixtures), ("shannot", shipped)] {
        let server = Server::start(&mut command)?;
        for revision in REVISIONS {
            let out = scratch.join(format!("{name}-{revision}"));
            let mut suite = Command::new(node[1].join("conformance"));
            suite.args(["server", "--url", &server.url, "--requirements", revision]);
            suite.arg("--output-dir").arg(&out).env("PATH", path(&node)).current_dir(&scratch);
            if name == "shannot" {
                suite.arg("--expected-failures");
                suite.arg(baselines.join(format!("baseline-{revision}.yml")));
            }
            let told = suite.output().map_err(|error| format!("the suite: {error}"))?;
            let text = String::from_utf8_lossy(&told.stdout);
            let summary = text.split_once("=== SUMMARY").map_or("", |(_, summary)| summary);
            let uncounted = uncounted.entry(revision).or_insert_with(|| unscored(summary));
            let verdict = if told.status.success() { "" } else { "  surprising" };
            say(&format!("{name:<10}{revision:<12}{}{verdict}", Counts::of(summary, uncounted)));
            if !told.status.success() {
                surprises += 1;
                say(summary);
                say(&String::from_utf8_lossy(&told.stderr));
                say(&format!("each check is below {}", out.display()));
            }
        }
    }
    match surprises {
        0 => Ok(()),
        _ => Err("the suite says something else than it should".to_owned()),
    }
}

/// A server that says where it listens.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self, String> {
        let shown = format!("{command:?}");
        let failed = |error: std::io::Error| format!("{shown}: {error}");
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
        let mut line = String::new();
        if let Some(stderr) = &mut child.stderr {
            BufReader::new(stderr).read_line(&mut line).map_err(failed)?;
        }
        let url = line.split_once("listening on ").map(|(_, url)| url.trim().to_owned());
        let server = Self { child, url: url.unwrap_or_default() };
        if server.url.is_empty() { Err(format!("{shown}: {line}")) } else { Ok(server) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What passed of what counts.
#[derive(Debug, Default)]
struct Counts {
    scenarios: [usize; 2],
    checks: [usize; 2],
}

impl Counts {
    /// Reads the suite's summary: one line for each scenario.
    fn of(summary: &str, unscored: &[String]) -> Self {
        let mut counts = Self::default();
        for line in summary.lines() {
            let Some((name, told)) = line.split_once(": ").filter(|_| line.starts_with(['✓', '✗']))
            else {
                continue;
            };
            let name = name.trim_start_matches(['✓', '✗', ' ']);
            if unscored.iter().any(|other| other == name) {
                continue;
            }
            let mut numbers = told.split_whitespace().filter_map(|word| word.parse::<usize>().ok());
            let (passed, failed) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
            counts.scenarios[0] += usize::from(line.starts_with('✓'));
            counts.scenarios[1] += 1;
            counts.checks[0] += passed;
            counts.checks[1] += passed + failed;
        }
        counts
    }
}

/// The scenarios that a revision does not count: the suite names them where all others pass.
fn unscored(summary: &str) -> Vec<String> {
    let name = |line: &str| {
        let (name, _) = line.strip_prefix("  ")?.split_once(' ')?.1.split_once(" (")?;
        Some(name.to_owned())
    };
    summary.lines().filter_map(name).collect()
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = |[passed, all]: [usize; 2]| format!("{passed}/{all}");
        write!(f, "{:>10}{:>12}", of(self.scenarios), of(self.checks))
    }
}
